"""`dynamo.tasks.remove_from_cloud`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Invalid, NotFound
from argosy.core.faults import OnlyCopy
from argosy.core.foreseen import Cost, Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.core.states import FileState
from argosy.filesystems.base import File
from argosy.hsm.file.copied import drop_pointer, forget
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, look
from argosy.hsm.object.described import marked, stored_at
from argosy.hsm.object.located import located
from argosy.hsm.object.target import target
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import refuse_fixed

_WHOLE = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFromCloud:
    """Have the objects of entries removed from the store. What has the path locally stays and forgets its copy.

    The objects go once the hub has found that nothing else refers to them. A stub keeps its object: it has no other
    bytes. The path need not exist at the site.
    """

    endpoint: Annotated[str | None, "Datastore to remove from where several are linked to the path"] = None

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Tell which object the entry needs no more."""
        tree = site.tree(entry.path)
        there = present(tree, entry.path)
        if there is not None and there.kind is Kind.FILE:
            with tree.locked(entry.path) as inode, tree.open(entry.path, inode=inode) as file:
                pointer = self._recorded(file, entry.path, site)
                if pointer is not None:
                    return _forgotten(entry, file, pointer, site)
        return self._under_its_name(entry, None if there is None else there.kind, site)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say which object the entry would need no more."""
        there = present(site.tree(entry.path), entry.path)
        if there is not None and there.kind is Kind.FILE:
            with site.tree(entry.path).open(entry.path) as file:
                pointer = self._recorded(file, entry.path, site)
                if pointer is not None:
                    refuse_fixed(file, entry.path)
                    return _planned_forgotten(entry, pointer, site)
        outcome = self._under_its_name(entry, None if there is None else there.kind, site)
        if outcome.state is FileState.SKIPPED:
            return Planned.nothing(entry, "nothing in the store stands for it", requests=1)
        says = "would have the object under its name removed, once nothing else refers to it"
        return Planned(entry=outcome.entry, says=says, cost=Cost(requests=2))

    def _recorded(self, file: File, path: bytes, site: Site) -> Pointer | None:
        """Return what the file says of its copy, if that is in the datastore that was asked for.

        Raises:
            Denied: the file has no bytes but those.
        """
        seen = look(file, site)
        pointer = seen.pointer
        if pointer is not None and self.endpoint is not None and pointer.datastore != site.access(self.endpoint).id:
            return None
        if seen.state not in _WHOLE:
            raise OnlyCopy(
                f"{display(path)} is a stub ({seen.state}): its object is its only copy; recall or delete it first"
            )
        return pointer

    def _under_its_name(self, entry: Entry, kind: Kind | None, site: Site) -> Outcome:
        place = target(site, entry.path, endpoint=self.endpoint)
        try:
            found, stands_for = marked(place, entry.path)
        except (NotFound, Invalid) as error:
            return Outcome.skipped(entry, error.message)
        if kind is not None and (kind is Kind.DIRECTORY) != (stands_for is Kind.DIRECTORY):
            return Outcome.skipped(entry, f"object {found.key} stands for a {stands_for}, and here is a {kind}")
        return _needed_no_more(entry, stored_at(place, found))


def _planned_forgotten(entry: Entry, pointer: Pointer, site: Site) -> Planned:
    entry = entry.learned(stored=None)
    try:
        located(pointer, entry.path, site)
    except NotFound:
        says = "would forget its copy, which is gone"
        return Planned(entry=entry, says=says, leaves=Leaves.WITHOUT_COPY)
    says = "would forget its copy, which is removed once nothing else refers to it"
    return Planned(entry=entry, says=says, cost=Cost(requests=1))


def _forgotten(entry: Entry, file: File, pointer: Pointer, site: Site) -> Outcome:
    try:
        stored = located(pointer, entry.path, site)
    except NotFound:  # there is nothing to remove
        drop_pointer(file, pointer.uuid, site)
        return Outcome.processed(entry.learned(stored=None))
    return forget(entry, file, stored, site)


def _needed_no_more(entry: Entry, stored: Stored) -> Outcome:
    return msgspec.structs.replace(Outcome.processed(entry.learned(stored=None)), unneeded=(stored,))
