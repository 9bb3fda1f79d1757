"""A list of entries on the disk, read from its end: of a tree of any size what a directory holds comes before it."""

import struct
import tempfile
from collections.abc import Iterator
from typing import Final, Self

import msgspec

from argosy.core.entry import Entry
from argosy.core.ready import ready

_IN_MEMORY: Final = 8 << 20
_LENGTH: Final = struct.Struct("=I")


class Listing:
    """Entries in the order they were added; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(ready(Entry))

    def add(self, entry: Entry) -> None:
        """Add one at the end."""
        data = self._encoder.encode(entry)
        self._file.write(data + _LENGTH.pack(len(data)))

    def backward(self) -> Iterator[Entry]:
        """Yield all, the last first."""
        end = self._file.tell()
        while end:
            self._file.seek(end - _LENGTH.size)
            (length,) = _LENGTH.unpack(self._file.read(_LENGTH.size))
            end -= _LENGTH.size + length
            self._file.seek(end)
            yield self._decoder.decode(self._file.read(length))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
