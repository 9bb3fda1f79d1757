"""What of an open file lies on the disk: data put there within its owner's limits, blocks reserved and freed."""

import contextlib
import errno
import os
from collections.abc import Callable
from typing import Final

from argosy.linux import extents, space
from argosy.linux.capabilities import within_limits_of

_ABSENT: Final = {errno.EOPNOTSUPP, errno.ENOSYS}


def block_of(descriptor: int) -> int:
    """Return how many bytes are in a block."""
    return os.fstatvfs(descriptor).f_bsize


def write(descriptor: int, offset: int, data: bytes) -> None:
    """Put bytes at `offset`, as the file's owner might."""
    rest = memoryview(data)
    with within_limits_of(os.fstat(descriptor).st_uid):
        while rest:
            done = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[done:], offset + done


def punch(descriptor: int, keep: int, upto: int | None, look: Callable[[], None]) -> None:
    """Free the blocks from `keep` to `upto`, or to the end and the rest of its block; `look` right before."""
    unit = block_of(descriptor)
    size = os.fstat(descriptor).st_size
    start = _up(keep, unit)
    end = _up(size, unit) if upto is None or upto >= size else upto // unit * unit
    if start < end:
        look()
        space.punch(descriptor, start, end - start)


def trim(descriptor: int) -> None:
    """Free what is reserved behind the end, if that can be; the mtime changes. Nobody must be able to write."""
    size = os.fstat(descriptor).st_size
    if extents.is_mapped(descriptor, _up(size, block_of(descriptor))):
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)


def reserve(descriptor: int, size: int) -> None:
    """Make sure that `size` bytes can be written, as the file's owner might; the times stay.

    Where blocks cannot be reserved, it is enough that as many are free.
    """
    found = os.fstat(descriptor)
    if not size:
        return
    try:
        with within_limits_of(found.st_uid):
            space.reserve(descriptor, 0, size)
    except OSError as error:
        if error.errno in _ABSENT:
            _expect_free(descriptor, size)
            return
        _free_unwritten(descriptor, max(size, found.st_size))
        raise
    finally:
        os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))


def _expect_free(descriptor: int, size: int) -> None:
    known = os.fstatvfs(descriptor)
    there = sum(length for _, length in extents.data(descriptor))
    if known.f_bavail * known.f_frsize < size - there:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _free_unwritten(descriptor: int, size: int) -> None:
    """Free what lies between the data: the kernel keeps what it could reserve when it could not reserve it all."""
    unit = block_of(descriptor)
    start = 0
    for offset, length in (*extents.data(descriptor), (_up(size, unit), 0)):
        end = offset // unit * unit
        if start < end:
            space.punch(descriptor, start, end - start)
        start = _up(offset + length, unit)


def _up(offset: int, unit: int) -> int:
    return -(-offset // unit) * unit
