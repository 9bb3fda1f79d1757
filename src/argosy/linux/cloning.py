"""Bytes of one open file in another, without passing through us. All raise OSError."""

import errno
import fcntl
import os
from typing import Final

from argosy.linux.extents import data

_CLONE: Final = 0x40049409
_AT_ONCE: Final = 128 << 20
_CHUNK: Final = 1 << 20
_CANNOT: Final = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ETXTBSY, errno.EPERM}


def fill(source: int, target: int) -> None:
    """Have an empty file hold what another one holds: the same blocks where the filesystem can, else a copy.

    What is a hole in the one is a hole in the other.
    """
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        os.ftruncate(target, os.fstat(source).st_size)
        for offset, length in data(source):
            _copy(source, target, offset, length)


def _copy(source: int, target: int, offset: int, length: int) -> None:
    end = offset + length
    try:
        while done := os.copy_file_range(source, target, min(end - offset, _AT_ONCE), offset, offset):
            offset += done
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    while offset < end and (chunk := os.pread(source, min(end - offset, _CHUNK), offset)):
        offset += os.pwrite(target, chunk, offset)


def same_bytes(one: int, other: int) -> bool:
    """Say whether two open files hold the same, holes being zeros."""
    if os.fstat(one).st_size != os.fstat(other).st_size:
        return False
    return all(_same(one, other, *each) for each in {*data(one), *data(other)})


def _same(one: int, other: int, offset: int, length: int) -> bool:
    end = offset + length
    while offset < end:
        chunk = os.pread(one, min(end - offset, _CHUNK), offset)
        if not chunk or chunk != os.pread(other, len(chunk), offset):
            return False
        offset += len(chunk)
    return True
