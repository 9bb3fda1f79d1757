"""Objects sent or copied in parts: bounded memory, a checksum for each part, nothing left after a failure."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol, TypeVar

import crc32c

from argosy.core.errors import ArgosyError, Corrupt
from argosy.stores._http import parts
from argosy.stores.base import Source

T = TypeVar("T")
Part = dict[str, Any]

_MOST_PARTS = 10_000


class Call(Protocol):
    """Makes one request, again while that may help; errors are ours."""

    def __call__(self, request: Callable[[], T], /) -> T:
        """Return what the request returns."""


class Upload(NamedTuple):
    """A multipart upload that has begun."""

    client: Any
    bucket: str
    name: str
    id: str
    call: Call

    @property
    def _names(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.name, "UploadId": self.id}

    def send(self, number: int, data: bytes, checksum: str) -> Part:
        """Send one part.

        Raises:
            Corrupt: the store's checksum differs.
        """
        reply = self.call(
            lambda: self.client.upload_part(**self._names, PartNumber=number, Body=data, ChecksumCRC32C=checksum)
        )
        if reply.get("ChecksumCRC32C", checksum) != checksum:
            raise Corrupt(f"part {number} of object {self.name} arrived as something else")
        return {"PartNumber": number, "ETag": reply["ETag"], "ChecksumCRC32C": checksum}

    def copy(self, number: int, origin: Mapping[str, str], span: tuple[int, int]) -> Part:
        """Let the store copy the bytes from `span[0]` up to `span[1]` of another object as one part."""
        window = f"bytes={span[0]}-{span[1] - 1}"
        reply = self.call(
            lambda: self.client.upload_part_copy(**self._names, PartNumber=number, **origin, CopySourceRange=window)
        )
        return {"PartNumber": number, "ETag": reply["CopyPartResult"]["ETag"]}

    def complete(self, parts: list[Part], **conditions: str) -> dict[str, Any]:
        """Make the object of its parts, in one request that is made once; errors are the library's."""
        reply: dict[str, Any] = self.client.complete_multipart_upload(
            **self._names, MultipartUpload={"Parts": parts}, **conditions
        )
        return reply

    def abort(self) -> None:
        """Let the store forget the parts; one that cannot be reached keeps them until its lifecycle rules end them."""
        with suppress(ArgosyError):
            self.call(lambda: self.client.abort_multipart_upload(**self._names))


@contextmanager
def begun(
    client: Any, *, bucket: str, name: str, call: Call, metadata: Mapping[str, str], **options: str
) -> Iterator[Upload]:
    """Yield an upload that is aborted where the block does not end well."""
    reply = call(lambda: client.create_multipart_upload(Bucket=bucket, Key=name, Metadata=dict(metadata), **options))
    upload = Upload(client, bucket, name, reply["UploadId"], call)
    try:
        yield upload
    except BaseException:
        upload.abort()
        raise


def part_size(size: int, smallest: int = parts.SMALLEST) -> int:
    """Return how large the parts of an object are, so that S3's 10,000 suffice."""
    return parts.part_size(size, most=_MOST_PARTS, smallest=smallest)


def send_all(upload: Upload, source: Source) -> list[Part]:
    """Send all of the source."""
    return parts.send_all(
        source, part_size(source.size), lambda number, data: upload.send(number, data, checksum(data))
    )


def checksum(data: bytes) -> str:
    """Return the CRC32C as S3 writes it."""
    return base64.b64encode(crc32c.crc32c(data).to_bytes(4, "big")).decode()
