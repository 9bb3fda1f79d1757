"""A regular file held open."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import Changed, Invalid
from argosy.core.paths import display
from argosy.core.pointer import Binding, Pointer
from argosy.filesystems._posix import inode
from argosy.filesystems._posix.entry import binding_of, entry_of, with_extents
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, Spot
from argosy.filesystems._posix.seal import Seal
from argosy.linux import leases
from argosy.linux.extents import extents

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OpenFile:
    """`argosy.filesystems.base.File` of any Linux filesystem."""

    def __init__(self, path: bytes, descriptor: int, seal: Seal) -> None:
        self._path = path
        self._descriptor = descriptor
        self._seal = seal
        self._binding: Binding | None = None
        self.entry: Entry
        self.look()

    @classmethod
    def open(cls, root: Root, path: bytes, seal: Seal) -> Self:
        """Open a regular file for reading, without touching its atime where we may."""
        with translated(path), root.spot(path) as spot:
            descriptor = _open(spot, path)
            try:
                return cls(path, descriptor, seal)
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

    def pointer(self) -> Pointer | None:
        """Return what the inode says of its copy."""
        with translated(self._path):
            return self._seal.read(self._descriptor, self.binding())

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
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _open(spot: Spot, path: bytes) -> int:
    """Look before opening: to open a device may start it."""
    _refuse_irregular(spot.stat(), path)
    descriptor = _open_quietly(spot)
    try:
        _refuse_irregular(os.fstat(descriptor), path)
    except Invalid:
        os.close(descriptor)
        raise
    return descriptor


def _open_quietly(spot: Spot) -> int:
    try:
        return os.open(spot.name, _FLAGS | os.O_NOATIME, dir_fd=spot.directory)
    except PermissionError:
        return os.open(spot.name, _FLAGS, dir_fd=spot.directory)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it has become a symlink since we looked
            raise Changed(f"{error.filename!r}") from error
        raise


def _refuse_irregular(found: os.stat_result, path: bytes) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Invalid(f"{display(path)}: is not a regular file")
