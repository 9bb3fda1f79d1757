"""Where a sparse file has data, and whether it has blocks that it does not use."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from typing import Final

Extents = tuple[tuple[int, int], ...]
_MOST: Final = 10_000
_FIEMAP: Final = 0xC020660B
_MAP: Final = struct.Struct("=QQIIII")
"""Beginning, length, flags, how many extents there are, how many are to be told, and nothing."""


def extents(descriptor: int) -> Extents | None:
    """Return (offset, length) of the data of an open file, in order; None where all of it is data.

    There are at most 10,000: of a more ragged file neighbours are taken together, holes between them included. That a
    file has as many blocks as bytes proves nothing: those of attributes, and those reserved behind its end, are its
    blocks, too.
    """
    size = os.fstat(descriptor).st_size
    ranges: list[tuple[int, int]] = []
    for one in _ranges(descriptor, size):
        ranges.append(one)
        if len(ranges) > _MOST:
            ranges = merged(ranges)
    return None if not size or ranges == [(0, size)] else tuple(ranges)


def data(descriptor: int) -> Extents:
    """Return (offset, length) of all the data of an open file, in order; () where there is none."""
    return tuple(_ranges(descriptor, os.fstat(descriptor).st_size))


def has_holes(descriptor: int) -> bool:
    """Say whether not all of an open file is data."""
    size = os.fstat(descriptor).st_size
    return size > 0 and _seek(descriptor, 0, os.SEEK_HOLE, size) < size


def is_mapped(descriptor: int, start: int) -> bool:
    """Say whether the file has blocks from `start` on, which may be behind its end; False where nobody can tell."""
    try:
        answer = fcntl.ioctl(descriptor, _FIEMAP, _MAP.pack(start, 2**63 - 1 - start, 0, 0, 0, 0))
    except OSError:
        return False
    return bool(_MAP.unpack(answer)[3])


def _ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        start = _seek(descriptor, end, os.SEEK_DATA, size)
        if start >= size:
            return
        end = min(_seek(descriptor, start, os.SEEK_HOLE, size), size)
        yield start, end - start


def _seek(descriptor: int, offset: int, whence: int, size: int) -> int:
    try:
        return os.lseek(descriptor, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        raise


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return half as many ranges that cover all that these do."""
    pairs = zip(ranges[::2], ranges[1::2], strict=False)
    halved = [(first, last + length - first) for (first, _), (last, length) in pairs]
    return halved + ranges[-1:] if len(ranges) % 2 else halved
