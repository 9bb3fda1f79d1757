"""Opening a regular file: without touching its atime where we may, and without waiting for anybody."""

import errno
import os
import stat
from typing import Final

from argosy.core.errors import Changed, Invalid
from argosy.core.paths import display
from argosy.filesystems._posix.root import Root, Spot
from argosy.linux import reach

_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AGAIN: Final = os.O_NONBLOCK | os.O_CLOEXEC


def regular(spot: Spot, path: bytes, mode: int, inode: int | None = None) -> int:
    """Return a descriptor of the file that the name stands for; we look before opening: to open a device may start it.

    Raises:
        Invalid: it is not a regular file.
        Changed: it has become another thing since we looked, or is not the inode `inode`.
    """
    _refuse_others(spot.stat(), path, inode)
    descriptor = _open_quietly(spot, path, mode)
    try:
        _refuse_others(os.fstat(descriptor), path, inode)
    except (Invalid, Changed):
        os.close(descriptor)
        raise
    return descriptor


def at(root: Root, path: bytes, mode: int, inode: int | None = None) -> int:
    """Return a descriptor of the file at the path, as `regular` does."""
    parent, _, name = root.below(path).rpartition(b"/")
    descriptor = reach.regular(root.reached, parent, name or b".", mode, inode)
    if descriptor is not None:
        return descriptor
    with root.spot(path) as spot:
        return regular(spot, path, mode, inode)


def again(descriptor: int, mode: int) -> int:
    """Return another descriptor of the open file, whatever became of its name."""
    link = b"/proc/self/fd/%d" % descriptor
    if mode == os.O_PATH:
        return os.open(link, mode | os.O_CLOEXEC)
    try:
        return os.open(link, mode | _AGAIN | os.O_NOATIME)
    except PermissionError:
        return os.open(link, mode | _AGAIN)


def _open_quietly(spot: Spot, path: bytes, mode: int) -> int:
    try:
        return os.open(spot.name, mode | _FLAGS | os.O_NOATIME, dir_fd=spot.directory)
    except PermissionError:
        return os.open(spot.name, mode | _FLAGS, dir_fd=spot.directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Changed(f"{display(path)}: has become a symlink") from error
        raise


def _refuse_others(found: os.stat_result, path: bytes, inode: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Invalid(f"{display(path)}: is not a regular file")
    if inode not in {None, found.st_ino}:
        raise Changed(f"{display(path)}: has become another file; it was left as it is")
