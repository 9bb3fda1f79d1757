"""A source of bytes that is no file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bytes:
    """A source in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes there are in all."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`."""
        return self.data[offset : offset + length]
