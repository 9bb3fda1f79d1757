"""`dynamo.tasks.remove_location_xattrs_for_moved`."""

from dataclasses import dataclass

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Denied, Invalid, NotFound
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.file.copied import drop_pointer
from argosy.hsm.file.state import State, look
from argosy.hsm.object.target import target
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import refuse_fixed
from argosy.stores import keys, metadata
from argosy.stores.base import Store


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLocationXattrsForMoved:
    """Let a file that was moved since it was premigrated forget its copy, so that it is copied under its new name.

    A stub keeps its location whatever its name: the object may be its only copy.
    """

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Clear the location of one file if it names another path."""
        if entry.kind is not Kind.FILE:
            return Outcome.skipped(entry, "has no location")
        tree = site.tree(entry.path)
        with tree.locked(entry.path) as inode, tree.open(entry.path, inode=inode) as file:
            judged = _judged(file, entry.path, site)
            if isinstance(judged, str):
                return Outcome.skipped(entry, judged)
            drop_pointer(file, judged.uuid, site)
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one file would forget its copy."""
        if entry.kind is not Kind.FILE:
            return Planned.nothing(entry, "has no location")
        with site.tree(entry.path).open(entry.path) as file:
            judged = _judged(file, entry.path, site)
            if isinstance(judged, str):
                return Planned.nothing(entry, judged)
            refuse_fixed(file, entry.path)
        says = "would forget its copy: it was moved since that was made"
        return Planned(entry=entry, says=says, leaves=Leaves.WITHOUT_COPY)


def _judged(file: File, path: bytes, site: Site) -> Pointer | str:
    """Return the location that is to be cleared, or why there is none such."""
    state, pointer = look(file, site)
    if pointer is None:
        return "has no location"
    if state not in {State.PREMIGRATED, State.DIRTY}:
        return "is a stub: its location stays"
    return pointer if _moved(file, pointer, path, site) else "was not moved"


def _moved(file: File, pointer: Pointer, path: bytes, site: Site) -> bool:
    """Say whether the object is not called as the file is, under this or a further name.

    The path that the index has for it does not tell: whatever looked at the file since gave it the present one.
    """
    if _is_called_so(path, pointer, site):
        return False
    recorded = site.path_of(pointer.uuid)
    if recorded in {None, path}:
        return file.entry.facts.links == 1
    try:
        with site.tree(recorded).open(recorded) as there:
            return there.binding() != file.binding()
    except (NotFound, Invalid, Denied):
        return True


def _is_called_so(path: bytes, pointer: Pointer, site: Site) -> bool:
    """Say whether the object is called as the file is; where the index does not know, the store is asked."""
    try:
        place = target(site, path, endpoint=site.numbered(pointer.datastore).name)
    except Invalid:  # it was moved to where no sitelink leads
        return False
    own, known = place.key(pointer.uuid), site.key_of(pointer.uuid)
    if known is None:
        return _is_stored(place.store, own, pointer.uuid)
    return known in {own, keys.instance(own, pointer.uuid)}


def _is_stored(store: Store, key: str, uuid: bytes) -> bool:
    try:
        return metadata.uuid_of(store.head(key).metadata) == uuid
    except NotFound:
        return False
