"""A regular file held open."""

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Self

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import ArgosyError, Busy, Changed, Unsupported
from argosy.core.paths import display
from argosy.core.pointer import Binding, Pointer
from argosy.filesystems._posix import blocks, inode, opening
from argosy.filesystems._posix.entry import binding_of, entry_of, with_extents
from argosy.filesystems._posix.errors import ours, translated
from argosy.filesystems._posix.root import Root, closing
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems._posix.together import sent
from argosy.filesystems.base import Extents
from argosy.linux import leases
from argosy.linux.extents import data, extents, has_holes
from argosy.linux.handles import handle_of
from argosy.linux.statx import statx
from argosy.linux.syncing import fsync, syncfs


class OpenFile:
    """`argosy.filesystems.base.File` of any Linux filesystem."""

    def __init__(self, root: Root, path: bytes, descriptor: int, seal: Seal, *, writing: bool) -> None:
        self._root = root
        self._path = path
        self._descriptor = descriptor
        self._seal = seal
        self._writing = writing
        self._seized = False
        self._left = False
        self._binding: Binding | None = None
        self.entry: Entry
        self.look()

    @classmethod
    def open(cls, root: Root, path: bytes, seal: Seal, *, inode: int | None, writing: bool) -> Self:
        """Open a regular file, without touching its atime where we may."""
        with translated(path):
            descriptor = opening.at(root, path, os.O_RDWR if writing else os.O_RDONLY, inode)
            try:
                return cls(root, path, descriptor, seal, writing=writing)
            except BaseException:
                os.close(descriptor)
                raise

    def look(self) -> None:
        """Look again; the extents last, so that a write in between shows as another version."""
        with translated(self._path):
            found = entry_of(self._path, os.fstat(self._descriptor))
            self.entry = with_extents(found, extents(self._descriptor))

    @property
    def size(self) -> int:
        """Bytes it had when last looked at."""
        return self.entry.size

    @property
    def block(self) -> int:
        """Bytes of a block."""
        with translated(self._path):
            return blocks.block_of(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        with translated(self._path):
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    raise Changed(f"{display(self._path)}: has become shorter while it was read")
                data += more
            return data

    def version(self) -> tuple[int, int]:
        """Return (mtime_ns, size) as they are now."""
        with translated(self._path):
            found = os.fstat(self._descriptor)
        return found.st_mtime_ns, found.st_size

    def attributes(self) -> Attributes:
        """Return its attributes as they are now."""
        with translated(self._path):
            return inode.read(self._descriptor)

    def binding(self) -> Binding:
        """Return which inode this is."""
        if self._binding is None:  # an open inode stays the one it is
            with translated(self._path):
                self._binding = binding_of(self._descriptor)
        return self._binding

    def handle(self) -> bytes:
        """Return what opens the inode under any name."""
        return handle_of(self._descriptor)

    def pointer(self) -> Pointer | None:
        """Return what the inode says of its copy."""
        with translated(self._path):
            return self._seal.read(self._descriptor, self.binding())

    def stray(self) -> Pointer | None:
        """Return what the attribute says, of whichever inode."""
        with translated(self._path):
            return self._seal.said(self._descriptor)

    def point(self, pointer: Pointer) -> None:
        """Write the attribute whole."""
        with translated(self._path):
            self._seal.write(self._descriptor, pointer)

    def forget(self) -> None:
        """Remove the attribute, if any."""
        with translated(self._path):
            self._seal.remove(self._descriptor)

    def unwritten(self) -> AbstractContextManager[Callable[[], bool]]:
        """Hold a read lease; what it yields says whether it was granted and is unbroken. A writer hardly waits."""
        return leases.reading(self._descriptor)

    def is_being_written(self) -> bool:
        """Say whether somebody has it open for writing: the kernel refuses a read lease then."""
        try:
            leases.take(self._descriptor, leases.READ)
        except BlockingIOError:
            return True
        except OSError:
            return False
        leases.release(self._descriptor)
        return False

    def sync(self) -> None:
        """Return when data and attributes are on the disk."""
        with translated(self._path):
            if self._left:
                self._sync_left()
            else:
                fsync(self._descriptor)

    def sync_with(self, others: Sequence[Self]) -> bool:
        """Sync the filesystem of this and others that were left, if that takes less; say whether it was done."""
        if not self._left or not all(other._left for other in others):  # noqa: SLF001 - of the same kind
            return False
        try:
            with closing(opening.again(self._descriptor, os.O_RDONLY)) as descriptor:
                return sent(descriptor, [other._descriptor for other in others])  # noqa: SLF001 - as above
        except OSError:  # somebody has seized it, or it cannot be opened
            return False

    def leave(self) -> None:
        """Have it open no more: what is left holds the inode and keeps nobody from a lease."""
        if not self._left:
            with translated(self._path):
                if self._seized:
                    self._seized = False
                    leases.release(self._descriptor)
                self._reopen(os.O_PATH)
            self._left = True

    def has_capabilities(self) -> bool:
        """Say whether a program run from it gets capabilities."""
        with translated(self._path):
            return inode.has_capabilities(self._descriptor)

    def loses_rights(self) -> bool:
        """Say whether to free blocks of it would take rights from it."""
        with translated(self._path):
            return inode.loses_rights(self._descriptor)

    def is_fixed(self) -> bool:
        """Say whether it is marked immutable or append-only."""
        with translated(self._path):
            return statx(self._descriptor).fixed

    def changed_ns(self) -> int:
        """Return its ctime as it is now."""
        with translated(self._path):
            return os.fstat(self._descriptor).st_ctime_ns

    def links(self) -> int:
        """Return how many names it has now."""
        with translated(self._path):
            return os.fstat(self._descriptor).st_nlink

    def has_holes(self) -> bool:
        """Say whether not all of it is data now."""
        with translated(self._path):
            return has_holes(self._descriptor)

    def data(self) -> Extents:
        """Return where it has data as it is now."""
        with translated(self._path):
            return data(self._descriptor)

    def seize(self) -> None:
        """Have the file to ourselves; where that cannot be, it is open for reading as it was before."""
        with translated(self._path):
            if not self._writing:
                self._reopen(os.O_RDWR)
            try:
                leases.take(self._descriptor, leases.WRITE)
            except OSError as error:
                self._read_only()
                raise self._refusal(error) from error
            self._seized = True

    def is_seized(self) -> bool:
        """Say whether the write lease stands and nobody waits for it."""
        with translated(self._path):
            return self._seized and leases.standing(self._descriptor) == leases.WRITE

    def let_go(self) -> None:
        """Let others have it again; what was opened for reading is afterwards open for reading only."""
        if self._seized:
            self._seized = False
            leases.release(self._descriptor)
            self._read_only()

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`, within the quota of the file's owner."""
        with translated(self._path):
            blocks.write(self._descriptor, offset, data)

    def reserve(self, size: int) -> None:
        """Make sure that `size` bytes from the beginning can be written; mtime and atime stay."""
        with translated(self._path):
            blocks.reserve(self._descriptor, size)

    def punch(self, keep: int, *, upto: int | None = None) -> None:
        """Free the blocks from `keep` to `upto` (both inwards to a block), or to the end. The size and atime stay."""
        with translated(self._path):
            blocks.punch(self._descriptor, keep, upto, self._expect_nobody if upto is None else lambda: None)
            if upto is None and self.is_seized():
                blocks.trim(self._descriptor)

    def truncate(self, size: int) -> None:
        """Give it another size."""
        with translated(self._path):
            os.ftruncate(self._descriptor, size)

    def stamp(self, mtime_ns: int | None, *, atime_ns: int | None = None) -> None:
        """Give it these times; None leaves one as it is."""
        with translated(self._path):
            found = os.fstat(self._descriptor)
            atime = found.st_atime_ns if atime_ns is None else atime_ns
            os.utime(self._descriptor, ns=(atime, found.st_mtime_ns if mtime_ns is None else mtime_ns))

    def dress(self, attributes: Attributes) -> None:
        """Give it its attributes."""
        with translated(self._path):
            inode.dress(self._descriptor, attributes)

    def close(self) -> None:
        """Let go; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _expect_nobody(self) -> None:
        """Return where we have not seized it, or nobody waits for it: to free all of it then is the last we may do."""
        if self._seized and not self.is_seized():
            raise Busy(f"{display(self._path)}: somebody wants to open it; it was left as it is")

    def _sync_left(self) -> None:
        """Open it for the moment; where somebody has seized it meanwhile, wait for the whole filesystem instead."""
        try:
            with closing(opening.again(self._descriptor, os.O_RDONLY)) as descriptor:
                fsync(descriptor)
        except BlockingIOError:
            with self._root.top(os.O_RDONLY | os.O_DIRECTORY) as top:
                syncfs(top)

    def _reopen(self, mode: int) -> None:
        """Have another descriptor in the place of ours: a lease on a file counts every one there is."""
        descriptor = opening.again(self._descriptor, mode)
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _read_only(self) -> None:
        """Be open for reading only, so that others may run it; as we are, where somebody has leased it meanwhile."""
        if not self._writing:
            with contextlib.suppress(OSError):
                self._reopen(os.O_RDONLY)

    def _refusal(self, error: OSError) -> ArgosyError:
        where = display(self._path)
        if error.errno == errno.EAGAIN:
            return Busy(f"{where}: somebody has it open or mapped; it is left as it is until he has done")
        if error.errno == errno.EINVAL:
            return Unsupported(f"{where}: the filesystem has no leases, which keep others out while blocks are freed")
        return ours(self._path, error)
