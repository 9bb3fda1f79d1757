"""`undo` discovery (`dynamo.tasks.undo`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from argosy.core.entry import Entry, Facts
from argosy.core.errors import ArgosyError, Unsupported
from argosy.core.fileset import Fileset
from argosy.core.paths import display, join
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import Filesystem, Kept, OnError
from argosy.filesystems.undoing import Lost, Undoable, lost
from argosy.site import Site


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Find what a sync replaced or removed in filesets, as it was noted there; the paths are their tops.

    Each entry comes under the path that its name has by now, with the place where it lies as its `source`, and knows
    what the sync left under that name.
    """

    rounds: Annotated[str, "Rounds of the sync, as agents know them, with commas between"] = ""

    def find(
        self,
        given: Sequence[Entry],
        site: Site,
        *,
        on_error: OnError,
        after: bytes | None,  # noqa: ARG002 - they come in the order in which they were taken
    ) -> Iterator[Entry]:
        """Yield what is found; all of it once more in a later attempt: to give something back again does no harm."""
        for top in given:
            try:
                yield from self._found(site.fileset(top.path), site.tree(top.path))
            except ArgosyError as error:
                on_error(top.path, error)

    def _found(self, fileset: Fileset, tree: Filesystem) -> Iterator[Entry]:
        if not isinstance(tree, Undoable):
            raise Unsupported(f"{display(fileset.path)}: its filesystem is none in which syncs note what they take")
        rounds = [partial(tree.undoable, fileset.id, each) for each in self.rounds.split(",") if each]
        for each in lost(rounds):
            yield _entry(each, fileset.path, tree.root)


def _entry(found: Lost, top: bytes, root: bytes) -> Entry:
    took = found.took
    lay = Entry(path=join(top, took.path), kind=took.kind, size=took.size, mtime_ns=took.mtime_ns, inode=took.inode)
    place = Kept(shelf=took.shelf, id=took.id, since_ns=0, entry=lay).place(root)
    return Entry(
        path=join(top, found.path),
        kind=took.kind,
        size=took.size,
        mtime_ns=took.mtime_ns,
        inode=took.inode,
        state="created" if found.left is None else "updated",
        source=place,
        facts=Facts(left=found.left),
    )
