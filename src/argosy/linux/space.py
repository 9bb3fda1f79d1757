"""Blocks of an open file: reserved ahead of what is to be written, and given back. All raise OSError."""

import ctypes
from typing import Final

from argosy.linux.libc import LIBC, checked

_KEEP_SIZE: Final = 0x01
_PUNCH_HOLE: Final = 0x02


def reserve(descriptor: int, offset: int, length: int) -> None:
    """Make sure that blocks are there for these bytes; the size stays, and what was a hole reads as one.

    It is the system call and nothing else: where a filesystem lacks it, `os.posix_fallocate` would write zeros.
    """
    _fallocate(descriptor, _KEEP_SIZE, offset, length)


def punch(descriptor: int, offset: int, length: int) -> None:
    """Make a hole of these bytes; the size stays. Blocks that are not wholly among them are zeroed, not freed."""
    _fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, offset, length)


def _fallocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    checked(LIBC.fallocate(descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))
