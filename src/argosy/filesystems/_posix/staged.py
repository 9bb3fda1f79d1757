"""A file being made in `<root>/.argosy/staging`, and how it gets its name.

While a file takes another's place its name in staging is `random.own.seen` with the inodes of both: whatever third
inode a killed agent leaves there belongs to somebody who was quicker than we, and is kept.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Sequence
from typing import Final, Self

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import Changed, Denied
from argosy.core.failpoints import failpoint
from argosy.core.paths import PRIVATE, display, join
from argosy.core.pointer import Binding, Pointer
from argosy.filesystems._posix import astray, blocks, inode, shelves, times, versions
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import make_parents, remove
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import STAGING, TIMES, Root, Spot, closing, fresh_name
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems._posix.together import sent
from argosy.filesystems.base import Shelf
from argosy.linux.handles import handle_of
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.projects import assign, handed_down
from argosy.linux.rename import exchange, noreplace
from argosy.linux.syncing import expect_written, fsync

_OURS: Final = re.compile(rb"[0-9a-f]{32}(\.[0-9a-f]+\.[0-9a-f]+)?")
"""Names in staging."""
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class StagedFile:
    """`argosy.filesystems.base.Staged` of any Linux filesystem."""

    def __init__(self, root: Root, beside: bytes, seal: Seal) -> None:
        self._root = root
        self._path = beside
        self._seal = seal
        with translated(beside):
            make_parents(root, beside)
            self._spot: Spot | None = Spot(root.private(STAGING), fresh_name())
            try:
                self._descriptor = os.open(self._spot.name, _FLAGS, 0o600, dir_fd=self._spot.directory)
            except BaseException:
                os.close(self._spot.directory)
                raise
            self._inode = os.fstat(self._descriptor).st_ino
            self._join()
            failpoint("hsm:stage")

    def _join(self) -> None:
        """Have it count to the quota project it is to come to, whose limits hold for its bytes."""
        with contextlib.suppress(OSError), self._root.spot(self._path, DIRECTORY) as spot:
            if (number := handed_down(spot.directory)) is not None:
                assign(self._descriptor, number)

    def give(self, attributes: Attributes) -> None:
        """Give it its owner."""
        with translated(self._path):
            inode.give_away(self._descriptor, attributes)

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`, within the limits of its owner."""
        with translated(self._path):
            blocks.write(self._descriptor, offset, data)

    def truncate(self, size: int) -> None:
        """Give it its size."""
        with translated(self._path):
            os.ftruncate(self._descriptor, size)

    def dress(self, attributes: Attributes) -> int:
        """Give it its attributes; return its mtime as the filesystem keeps it."""
        with translated(self._path):
            inode.dress(self._descriptor, attributes)
            return os.fstat(self._descriptor).st_mtime_ns

    def binding(self) -> Binding:
        """Return which inode this is."""
        with translated(self._path):
            return binding_of(self._descriptor)

    def handle(self) -> bytes:
        """Return what opens the inode under any name."""
        return handle_of(self._descriptor)

    def point(self, pointer: Pointer) -> None:
        """Write Argosy's attribute, even where its mode forbids that to an agent that is not root."""
        with translated(self._path):
            try:
                self._seal.write(self._descriptor, pointer)
            except PermissionError:
                mode = os.fstat(self._descriptor).st_mode
                os.fchmod(self._descriptor, 0o600)
                self._seal.write(self._descriptor, pointer)
                os.fchmod(self._descriptor, mode & 0o7777)

    def sync(self) -> None:
        """Return when data and attributes are on the disk."""
        with translated(self._path):
            fsync(self._descriptor)

    def sync_with(self, others: Sequence[Self]) -> bool:
        """Sync the filesystem of this and others, if that takes less; say whether it was done."""
        return sent(self._descriptor, [other._descriptor for other in others])  # noqa: SLF001 - of the same kind

    def expect_written(self) -> None:
        """Return where all its bytes could be written that were sent to the disk."""
        with translated(self._path):
            expect_written(self._descriptor)

    def publish(self, path: bytes) -> None:
        """Give it its name, atomically."""
        staged = self._staged()
        with translated(path), self._root.changing(path) as spot:
            bring(noreplace, staged, spot)
            failpoint("hsm:publish")
        self._let_go()

    def replace(self, path: bytes, seen: Entry) -> None:
        """Take the place of what was seen: keep that, swap, look at what was displaced, and swap back if need be."""
        try:
            self._replace(path, seen)
        finally:
            self._keep_others(path)
        self._let_go()

    def _replace(self, path: bytes, seen: Entry) -> None:
        with (
            translated(path),
            shelves.room(self._root, Shelf.VERSIONS, self._root.below(path)) as place,
            self._root.spot(path, DIRECTORY) as spot,
        ):
            versions.keep(self._root, spot, place, seen)
            try:
                with self._root.keeping_times((spot.directory, self._root.below(path).rpartition(b"/")[0])):
                    self._swap(self._named_for(seen), spot, seen)
            except Changed:
                versions.let_go(place)
                raise
            remove(self._staged())
            failpoint("hsm:trash")

    def _keep_others(self, path: bytes) -> None:
        """Have the version store keep what others put in our place while it was swapped back, or what was displaced."""
        staged = self._staged()
        with contextlib.suppress(FileNotFoundError):
            if staged.stat().st_ino != self._inode:
                astray.rescued(self._root, staged, self._root.below(path))

    def pass_on(self, take: Callable[[int, bytes], None]) -> None:
        """Leave it to somebody who gives it a name elsewhere."""
        staged = self._staged()
        with translated(self._path):
            take(staged.directory, staged.name)
        self._let_go()

    def discard(self) -> None:
        """Remove it if it was not published; anything else that has its name is not ours to remove."""
        if self._spot is not None:
            try:
                with translated(self._path), contextlib.suppress(FileNotFoundError):
                    if self._spot.stat().st_ino == self._inode:
                        remove(self._spot)
            finally:
                self._let_go()  # what a disk that failed keeps the next start sweeps; it can be unmounted until then

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    def _staged(self) -> Spot:
        if self._spot is None:
            raise Denied(f"{display(self._path)}: was published or discarded before")
        return self._spot

    def _named_for(self, seen: Entry) -> Spot:
        staged = self._staged()
        name = b"%s.%x.%x" % (staged.name.partition(b".")[0], self._inode, seen.inode)
        os.rename(staged.name, name, src_dir_fd=staged.directory, dst_dir_fd=staged.directory)
        self._spot = Spot(staged.directory, name)
        return self._spot

    def _swap(self, staged: Spot, spot: Spot, seen: Entry) -> None:
        try:
            bring(exchange, staged, spot)
        except FileNotFoundError as error:
            raise Changed(f"{display(seen.path)}: is gone") from error
        failpoint("hsm:publish")
        if not versions.stands(staged, seen):
            self._swap_back(staged, spot)
            raise Changed(f"{display(seen.path)}: was changed by somebody else; it was left as it is")

    def _swap_back(self, staged: Spot, spot: Spot) -> None:
        """Put back what was displaced; what others put in our place meanwhile is in staging then."""
        try:
            exchange(staged.directory, staged.name, spot.directory, spot.name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                noreplace(staged.directory, staged.name, spot.directory, spot.name)

    def _let_go(self) -> None:
        if self._spot is not None:
            os.close(self._spot.directory)
            os.close(self._descriptor)
            self._spot = None


def sweep(root: Root) -> None:
    """Remove what a killed agent left in staging; what is not its own the version store keeps, or it stays for now.

    Directories get the times back that it still owed them.
    """
    if not root.has_private():
        return
    with root.top() as top, closing(root.private(TIMES)) as notes:
        times.repair(top, notes)
    with closing(root.private(STAGING)) as staging:
        for name in map(os.fsencode, os.listdir(staging)):
            with translated(join(root.path, join(PRIVATE, join(STAGING, name)))):
                _sweep_one(root, Spot(staging, name))


def _sweep_one(root: Root, left: Spot) -> None:
    try:
        if _is_ours(left):
            remove(left)
            return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # a directory of ours is empty
            raise
    astray.rescued(root, left, left.name)


def _is_ours(left: Spot) -> bool:
    """Say whether it may be what we put there under this name, or what a shelf has and others can reach."""
    if _OURS.fullmatch(left.name) is None:
        return False
    _, *inodes = left.name.split(b".")
    found = left.stat()
    number = b"%x" % found.st_ino
    return not inodes or number == inodes[0] or (number == inodes[1] and found.st_nlink > 1)
