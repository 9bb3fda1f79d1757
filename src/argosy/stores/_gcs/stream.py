"""A source as the file that Google's library wants to read."""

import base64
import io

import crc32c

from argosy.core.errors import ArgosyError
from argosy.core.failpoints import failpoint
from argosy.stores.base import Source


class SourceFailedError(Exception):
    """The source could not be read, which says nothing of the store."""

    def __init__(self, error: ArgosyError) -> None:
        super().__init__(error.message)
        self.error = error


class Stream(io.RawIOBase):
    """Reads a source from its beginning, and knows the CRC32C of what was read; nothing is ever sought."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0
        self._sum = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            SourceFailedError: the source raised something of its own.
        """
        if self._at:
            failpoint("hsm:part")  # whoever reads on has sent what was read before
        left = self._source.size - self._at
        try:
            data = self._source.read(self._at, left if size < 0 else min(size, left))
        except ArgosyError as error:
            raise SourceFailedError(error) from error
        self._at += len(data)
        self._sum = crc32c.crc32c(data, self._sum)
        return data

    def tell(self) -> int:
        """Return how much was read."""
        return self._at

    @property
    def checksum(self) -> str:
        """The CRC32C as Google writes it."""
        return base64.b64encode(self._sum.to_bytes(4, "big")).decode()
