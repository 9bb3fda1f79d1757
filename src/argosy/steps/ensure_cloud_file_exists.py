"""`dynamo.tasks.ensure_cloud_file_exists`."""

import time
from dataclasses import dataclass
from typing import Annotated, ClassVar

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.foreseen import Cost, Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.pointer import Pointer
from argosy.hsm.file.local import present
from argosy.hsm.object.described import marked, stored_at
from argosy.hsm.object.located import pointed
from argosy.hsm.object.stored import expect
from argosy.hsm.object.target import target
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureCloudFileExists:
    """Fail entries whose object is not in the store: it is looked for three times.

    Of a file with a copy that is the very object it points to; of anything else, what lies under its path's key.
    """

    endpoint: Annotated[str | None, "Datastore to look at where several are linked to the path"] = None

    LOOKS: ClassVar[int] = 3
    PAUSE: ClassVar[float] = 2.0
    """Seconds between looks."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Look for the object of one entry."""
        for _ in range(self.LOOKS - 1):
            try:
                return Outcome.processed(entry.learned(stored=self._object(entry, _pointer(entry.path, site), site)))
            except NotFound:
                time.sleep(self.PAUSE)
        return Outcome.processed(entry.learned(stored=self._object(entry, _pointer(entry.path, site), site)))

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Look once for the object of one entry, which is all that is done."""
        there = present(site.tree(entry.path), entry.path)
        pointer = None
        if there is not None and there.kind is Kind.FILE:
            with site.tree(entry.path).open(entry.path) as file:
                pointer = file.pointer()
        found = entry.learned(stored=self._object(entry, pointer, site))
        return Planned(entry=found, says="its object is there", cost=Cost(requests=1), leaves=Leaves.AS_IT_WAS)

    def _object(self, entry: Entry, pointer: Pointer | None, site: Site) -> Stored:
        if pointer is None:
            place = target(site, entry.path, endpoint=self.endpoint)
            found, _ = marked(place, entry.path)
            return stored_at(place, found)
        stored = pointed(pointer, entry.path, site, endpoint=self.endpoint)
        expect(stored, site)
        return stored


def _pointer(path: bytes, site: Site) -> Pointer | None:
    """Return what the file at the path says of its copy; None where it says nothing, or there is no file."""
    tree = site.tree(path)
    there = present(tree, path)
    if there is None or there.kind is not Kind.FILE:
        return None
    try:
        with tree.locked(path) as inode, tree.open(path, inode=inode) as file:
            return file.pointer()
    except NotFound as error:
        raise Changed(error.message) from error
