"""One side as its index file tells it."""

from pathlib import Path

import msgspec

from argosy.snapshots.index import IndexFile
from argosy.sync.planner.trees import Binding
from argosy.sync.reduction.base import Place


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """The index file of one side."""

    index: Path
    without: Path | None = None
    """A file whose column `one_row` or `two_row` numbers rows that are left out, of which nothing can be said yet."""
    marked: bool = True
    """Whether the fileset's marker was found at the top."""

    @property
    def place(self) -> Place:
        """The filesystem that it lies on.

        Raises:
            NotFound, Corrupt, Unsupported: as `IndexFile`.
        """
        about = IndexFile(bytes(self.index)).about
        return Place(about.filesystem, about.subvolume)


def binding(place: Place, inode: int, born_ns: int) -> Binding:
    """Return which inode that is."""
    return Binding(bytes.fromhex(place.filesystem), place.subvolume, inode, born_ns)
