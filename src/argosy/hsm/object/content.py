"""Bytes on their way into a store: what is sent is what was hashed, whatever becomes of the file they come from."""

from collections.abc import Iterator

import blake3

from argosy.core.errors import Changed
from argosy.stores.base import Source

CHUNK = 8 << 20


class Bytes:
    """A source that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.digest = blake3.blake3(data).digest()

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes asked for."""
        return self._data[offset : offset + length]


class Hashed:
    """A file, or an object, that was hashed by chunks and as a whole; every chunk that is read again is compared."""

    def __init__(self, file: Source) -> None:
        self._file = file
        self.size = file.size
        self._digests: list[bytes] = []
        whole = blake3.blake3()
        for chunk in chunks_of(file):
            self._digests.append(blake3.blake3(chunk).digest())
            whole.update(chunk)
        self.digest = whole.digest()

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes asked for, as they were when they were hashed.

        Raises:
            Changed: they are others now.
        """
        first, last = offset // CHUNK, -(-(offset + length) // CHUNK)
        data = b"".join(self._chunk(number) for number in range(first, last))
        return data[offset - first * CHUNK :][:length]

    def _chunk(self, number: int) -> bytes:
        start = number * CHUNK
        chunk = self._file.read(start, min(CHUNK, self.size - start))
        if blake3.blake3(chunk).digest() != self._digests[number]:
            raise Changed("the bytes changed while they were sent: the next run sends them again")
        return chunk


def hashed(file: Source) -> Bytes | Hashed:
    """Return the bytes as a source, with their digest; those of a small file are read once and kept."""
    return Bytes(file.read(0, file.size)) if file.size <= CHUNK else Hashed(file)


def digest_of(file: Source) -> bytes:
    """Return the BLAKE3 of all the file's bytes."""
    hasher = blake3.blake3()
    for chunk in chunks_of(file):
        hasher.update(chunk)
    return hasher.digest()


def chunks_of(file: Source) -> Iterator[bytes]:
    """Yield the file's bytes."""
    for offset in range(0, file.size, CHUNK):
        yield file.read(offset, min(CHUNK, file.size - offset))
