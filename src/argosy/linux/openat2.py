"""Opening beneath a directory: nothing that anybody puts into the tree leads out of it.

Flags are those of `os.open`; every descriptor is close-on-exec. All raise OSError: ELOOP where a symlink stands among
the names or at their end, EXDEV where a mount point does and none may.
"""

import ctypes
import errno
import functools
import os
import stat
import struct
from collections.abc import Iterator
from typing import Final

from argosy.linux.libc import LIBC, checked

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
"""To list, sync or date a directory."""
LOOKUP: Final = os.O_PATH | os.O_DIRECTORY
"""To reach what a directory holds; needs no right to list it."""

_OPENAT2: Final = 437
_AT_FDCWD: Final = -100
_NO_XDEV: Final = 0x01
_NO_SYMLINKS: Final = 0x04
_BENEATH: Final = 0x08
_HOW: Final = struct.Struct("=QQQ")
_LONGEST: Final = 4000
"""Longer paths are walked in pieces: the kernel takes 4,095 bytes at once."""


def open_beneath(directory: int, path: bytes, flags: int, *, same_mount: bool = False) -> int:
    """Return a descriptor of what lies at `path` beneath the directory; no symlink is followed, not even the last.

    `path` is relative, its names separated by single slashes; b"" is the directory itself.
    """
    if len(path) <= _LONGEST:
        return _open(directory, path or b".", flags, same_mount=same_mount)
    *middle, last = _pieces(path)
    at = os.dup(directory)
    try:
        for piece in middle:
            at = _replaced(at, _open(at, piece, LOOKUP, same_mount=same_mount))
        return _open(at, last, flags, same_mount=same_mount)
    finally:
        os.close(at)


def _pieces(path: bytes) -> Iterator[bytes]:
    begin = 0
    while len(path) - begin > _LONGEST:
        cut = path.rfind(b"/", begin, begin + _LONGEST)
        if cut < 0:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        yield path[begin:cut]
        begin = cut + 1
    yield path[begin:]


def _open(directory: int, path: bytes, flags: int, *, same_mount: bool) -> int:
    if not _available():
        return walk(directory, path, flags, same_mount=same_mount)
    return _openat2(directory, path, flags, _BENEATH | _NO_SYMLINKS | (_NO_XDEV if same_mount else 0))


def _openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    return checked(LIBC.syscall(_OPENAT2, directory, ctypes.c_char_p(path), how, ctypes.c_size_t(_HOW.size)))


@functools.cache
def _available() -> bool:
    """Say whether kernel (5.6) and container let us; old seccomp filters answer EPERM instead of ENOSYS."""
    try:
        os.close(_openat2(_AT_FDCWD, b".", LOOKUP, _BENEATH))
    except OSError:
        return False
    return True


def walk(directory: int, path: bytes, flags: int, *, same_mount: bool = False) -> int:
    """Do as `open_beneath` does, name by name, for kernels without openat2. Bind mounts go unnoticed."""
    *middle, last = path.split(b"/")
    at = os.dup(directory)
    try:
        for name in middle:
            at = _replaced(at, _step(at, name, LOOKUP, same_mount=same_mount))
        return _step(at, last, flags, same_mount=same_mount)
    finally:
        os.close(at)


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def _step(at: int, name: bytes, flags: int, *, same_mount: bool) -> int:
    if name == b"..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    found = os.stat(name, dir_fd=at, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if same_mount and found.st_dev != os.fstat(at).st_dev:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
