"""One side as its index file tells it."""

from pathlib import Path

import msgspec

from argosy.snapshots.index import IndexFile
from argosy.snapshots.schema import About
from argosy.sync.reduction.base import Place


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """The index file of one side."""

    index: Path
    without: Path | None = None
    """A file whose column `one_row` or `two_row` numbers rows that are left out, of which nothing can be said yet."""
    marked: bool = True
    """Whether the fileset's marker was found at the top."""

    @property
    def about(self) -> About:
        """What the index file says of itself; all of it is read for that.

        Raises:
            NotFound, Corrupt, Unsupported: as `IndexFile`.
        """
        return IndexFile(bytes(self.index)).about


def place_of(about: About) -> Place:
    """Return the filesystem that a side lies on."""
    return Place(about.filesystem, about.subvolume)
