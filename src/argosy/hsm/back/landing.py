"""Bytes of an object on their way into a file: hashed as they come, and not written where they are zeros."""

from collections.abc import Callable, Iterator
from typing import Final

import blake3
import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Corrupt

BLOCK: Final = 4096
"""What is all zeros from one multiple of it to the next is left a hole."""

_ZEROS: Final = bytes(BLOCK)


class Landing:
    """The bytes of one object, taken chunk by chunk."""

    def __init__(
        self, stored: Stored, write: Callable[[int, bytes], None], free: Callable[[int, int], None] | None = None
    ) -> None:
        """`write` gets what is data, `free` the beginning and end of each stretch of zeros."""
        self._stored = stored
        self._write = write
        self._free = free
        self._hasher = blake3.blake3()
        self.size = 0

    def take(self, chunk: bytes) -> None:
        """Write the chunk behind those that came before.

        Raises:
            Corrupt: there are more bytes than were stored; none of the chunk is written.
        """
        if self.size + len(chunk) > self._stored.size:
            raise _corrupt(self._stored, self.size + len(chunk))
        self._hasher.update(chunk)
        offset = self.size
        for start, end, zeros in stretches(chunk, offset):
            if not zeros:
                self._write(start, chunk[start - offset : end - offset])
            elif self._free is not None:
                self._free(start, end)
        self.size += len(chunk)

    def settled(self) -> Stored:
        """Return what was stored, its hash known now where it was not.

        Raises:
            Corrupt: other bytes came, or not all.
        """
        stored, digest = self._stored, self._hasher.digest()
        if self.size != stored.size or (stored.digest and digest != stored.digest):
            raise _corrupt(stored, self.size)
        return msgspec.structs.replace(stored, digest=digest)


def _corrupt(stored: Stored, size: int) -> Corrupt:
    return Corrupt(
        f"object {stored.key} of datastore {stored.datastore} is not what was stored: "
        f"{size} of {stored.size} bytes came, or their hash differs; look at the store"
    )


def stretches(chunk: bytes, offset: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (beginning, end, whether all is zeros) of stretches that make up the chunk, which begins at `offset`."""
    begin, before, end = offset, None, offset + len(chunk)
    position = offset
    while position < end:
        stop = min(position // BLOCK * BLOCK + BLOCK, end)
        zeros = chunk[position - offset] == 0 and _is_zeros(chunk[position - offset : stop - offset])
        if before is not None and zeros is not before:
            yield begin, position, before
            begin = position
        before, position = zeros, stop
    if before is not None:
        yield begin, end, before


def _is_zeros(block: bytes) -> bool:
    return block == _ZEROS or block.count(0) == len(block)
