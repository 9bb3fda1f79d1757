"""Where a sparse file has data."""

import errno
import os
from collections.abc import Iterator
from typing import Final

Extents = tuple[tuple[int, int], ...]
_MOST: Final = 10_000
_BLOCK: Final = 512


def extents(descriptor: int) -> Extents | None:
    """Return (offset, length) of the data of an open file, in order; None where all of it is data.

    There are at most 10,000: of a more ragged file neighbours are taken together, holes between them included.
    """
    found = os.fstat(descriptor)
    if found.st_blocks * _BLOCK >= found.st_size:
        return None
    ranges: list[tuple[int, int]] = []
    for one in _ranges(descriptor, found.st_size):
        ranges.append(one)
        if len(ranges) > _MOST:
            ranges = merged(ranges)
    return None if ranges == [(0, found.st_size)] else tuple(ranges)


def data(descriptor: int) -> Extents:
    """Return (offset, length) of all the data of an open file, in order; () where there is none.

    Blocks are not counted as `extents` counts them, to be quicker: those of attributes are blocks of the file, too.
    """
    return tuple(_ranges(descriptor, os.fstat(descriptor).st_size))


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
