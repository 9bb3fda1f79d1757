"""`btrfs`: filesets that are subvolumes of btrfs, held still by read-only snapshots."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from argosy.core.errors import Unsupported
from argosy.core.fileset import Fileset
from argosy.core.paths import display
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import closing
from argosy.filesystems._posix.snapshots import opened_top, shelf, shelf_path
from argosy.filesystems.base import SNAPSHOTS
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.subvolumes import destroy, is_subvolume, snapshot


@SNAPSHOTS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Btrfs:
    """A fileset whose top is a subvolume; its snapshots lie beside its indexes, below the root's `.argosy`.

    Subvolumes in it are boundaries: a snapshot does not hold what is in them.
    """

    fileset: Fileset

    def check(self) -> None:
        """Return where the top is a subvolume.

        Raises:
            Unsupported: it is none.
        """
        with translated(self.fileset.path), opened_top(self.fileset) as top:
            self._refuse_plain(top)

    def create(self, name: str) -> None:
        """Make a read-only snapshot, durably.

        Raises:
            Unsupported: the fileset is no subvolume, or its root lies on another filesystem.
        """
        with translated(self.fileset.path), opened_top(self.fileset) as top:
            self._refuse_plain(top)
            with closing(shelf(self.fileset)) as beside, contextlib.suppress(FileExistsError):
                snapshot(top, beside, name.encode())

    def names(self) -> Sequence[str]:
        """Return the names of the snapshots."""
        with self._translated(), closing(shelf(self.fileset)) as beside:
            return sorted(name for name in os.listdir(beside) if _is_there(beside, os.fsencode(name)))

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Hold the top of the snapshot open."""
        with self._translated(name), closing(shelf(self.fileset)) as beside:
            top = open_beneath(beside, name.encode(), os.O_RDONLY | os.O_DIRECTORY)
        with closing(top):
            yield top

    def delete(self, name: str) -> None:
        """Remove the snapshot."""
        with self._translated(name), closing(shelf(self.fileset)) as beside, contextlib.suppress(FileNotFoundError):
            destroy(beside, name.encode())

    def _refuse_plain(self, top: int) -> None:
        if not is_subvolume(top):
            raise Unsupported(
                f"{display(self.fileset.path)} is no subvolume of btrfs: make it one (`btrfs subvolume create`, and "
                'move what is in it), or have the fileset say snapshots = "index"'
            )

    def _translated(self, name: str = "") -> contextlib.AbstractContextManager[None]:
        return translated(shelf_path(self.fileset, name))


def _is_there(beside: int, name: bytes) -> bool:
    try:
        with closing(open_beneath(beside, name, DIRECTORY)) as found:
            return is_subvolume(found)
    except OSError:
        return False
