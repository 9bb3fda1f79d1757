"""What nearly every verb begins with, in one call each: reaching beneath a root, locking an inode, opening a file.

`reach.c` does it where Argosy was installed with a C compiler at hand. Whatever cannot be had so, for want of the
library or for anything that is in its way, is None here: whoever asked then does it call by call, and so learns why.
"""

import ctypes
import functools
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

_VERSION: Final = 1
"""As in reach.c."""
_LONGEST: Final = 4000
"""Longer paths are walked in pieces."""


class Top(ctypes.Structure):
    """`struct root` of reach.c: a directory by its path, and which one has to lie there."""

    _fields_: ClassVar = [
        ("path", ctypes.c_char_p),
        ("certain", ctypes.c_int64),
        ("device", ctypes.c_uint64),
        ("inode", ctypes.c_uint64),
    ]


class _Taken(ctypes.Structure):
    """`struct taken` of reach.c."""

    _fields_: ClassVar = [("locks", ctypes.c_int64), ("inode", ctypes.c_uint64)]


class Taken(NamedTuple):
    """A lock that is held by a descriptor of the file with the locks."""

    locks: int
    inode: int


@functools.lru_cache(maxsize=256)
def top(path: bytes, only: tuple[int, int] | None) -> Top:
    """Return what names a root to the others; `only`: device and inode of the directory that has to lie there."""
    device, inode = only or (0, 0)
    return Top(path, only is not None, device, inode)


def beneath(root: Top, path: bytes, flags: int) -> int | None:
    """Return a descriptor of what lies at `path` beneath the root; no symlink is followed."""
    if LIBRARY is None or not _fits(path):
        return None
    return _descriptor(LIBRARY.argosy_beneath(root, path, flags))


def lock(root: Top, where: bytes, parent: bytes, name: bytes) -> Taken | None:
    """Return the lock on the inode that has the name in the directory beneath the root; `where` the locks are kept.

    None also where somebody else has it, or could have made the file with the locks.
    """
    if LIBRARY is None or not (_fits(parent) and _fits(name)):
        return None
    taken = _Taken()
    if LIBRARY.argosy_lock(root, where, parent, name, ctypes.byref(taken)) < 0:
        return None
    return Taken(taken.locks, taken.inode)


def regular(root: Top, parent: bytes, name: bytes, flags: int, inode: int | None) -> int | None:
    """Return a descriptor of a regular file, whose atime stays where we may have that; `inode`: it is to be that."""
    if LIBRARY is None or inode == 0 or not (_fits(parent) and _fits(name)):
        return None
    return _descriptor(LIBRARY.argosy_open(root, parent, name, flags, inode or 0))


def _descriptor(opened: int) -> int | None:
    return opened if opened >= 0 else None


def _fits(path: bytes) -> bool:
    return len(path) <= _LONGEST and b"\0" not in path


def _library() -> ctypes.CDLL | None:
    """Load the library, which is not there where Argosy was installed without a compiler, or may be an old one."""
    try:
        library = ctypes.CDLL(str(Path(__file__).with_name("libreach.so")))
        if library.argosy_reach_version() != _VERSION:
            return None
    except (OSError, AttributeError):
        return None
    number, text, root = ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(Top)
    library.argosy_beneath.argtypes = [root, text, number]
    library.argosy_lock.argtypes = [root, text, text, text, ctypes.c_void_p]
    library.argosy_open.argtypes = [root, text, text, number, ctypes.c_uint64]
    return library


LIBRARY: ctypes.CDLL | None = _library()
