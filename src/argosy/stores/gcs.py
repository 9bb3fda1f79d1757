"""Google Cloud Storage, by Google's own library and its JSON API.

What names an object here is its generation: a number that no other object of the bucket ever had under that name. Every
put carries a CRC32C, and Google answers with the one of what it keeps. The version of an object is never told: whether
a bucket keeps what is replaced is a switch of the bucket, so that nothing can be known of a single object.

The library is imported when a store is first used, so that agents without Google do not need it.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, NamedTuple

from argosy.core.errors import Changed, Corrupt, Exists, Invalid, NotFound
from argosy.stores._gcs.client import connect
from argosy.stores._gcs.stream import SourceFailedError, Stream
from argosy.stores._http import probing
from argosy.stores._http.answers import Beyond
from argosy.stores._http.patience import Passing, Patience
from argosy.stores._http.ranges import Piece, pieces
from argosy.stores._http.sources import Bytes
from argosy.stores._http.store import HttpStore
from argosy.stores._http.times import nanoseconds
from argosy.stores.base import STORES, Abilities, Absent, Condition, Object, Source, Unchanged

_PART = 16 << 20
"""What an object is sent in that does not go in one request; a multiple of 256 KiB."""

_WRONG = "AAAAAA=="


class _Page(NamedTuple):
    """Some of the objects of a list, and what names the next ones."""

    objects: list[Object]
    token: str | None


@STORES.register
@dataclass(frozen=True, kw_only=True)
class GcsStore(HttpStore):
    """A bucket of Google Cloud Storage. Tested against a server of ours that follows the manual, never yet Google's."""

    bucket: Annotated[str, "Name of the bucket; it must exist"]
    endpoint: Annotated[str, "URL of the server; empty for Google"] = ""
    credentialsfile: Annotated[
        str, "JSON file of a service account, or what is in it; empty to use what the machine provides"
    ] = field(default="", repr=False)
    prefix: Annotated[str, "Folder of the bucket that holds everything"] = ""
    ca_file: Annotated[str, "Certificates of authorities to trust besides the usual: a file, or what is in it"] = ""
    kms_key_id: Annotated[str, "Key to encrypt with; empty for the bucket's"] = ""
    storage_class: Annotated[str, "Class of new objects, such as NEARLINE; empty for the usual"] = ""
    tries: Annotated[int, "How often a request is made, at most"] = 5
    timeout: Annotated[int, "Seconds that an answer is awaited"] = 60

    patience: ClassVar[Patience] = Patience()

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`."""
        verified = self.verifies("sums", self._refuses_wrong_sums)
        request = partial(self._sent, key, source, metadata, self._conditions(key, condition))
        try:
            made = self.settled(key, request, source, metadata, condition)
        except SourceFailedError as failed:
            raise failed.error from failed
        if not verified and not self.holds(made, source):
            self._remove(key, made.etag)
            raise Corrupt(f"object {key}: {self.where} does not give back what was sent; it was removed")
        return made

    def head(self, key: str, *, version: str = "") -> Object:
        """Return the object's description."""
        return _described(key, self._found(key, version))

    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes."""
        yield from pieces(partial(self._piece, key, version), offset, length, etag)

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`."""
        client, token = self._client, None
        while True:
            page = self.asked(prefix, partial(self._page, client, prefix, token))
            yield from page.objects
            token = page.token
            if not token:
                return

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata inside the store, and verify the copy."""
        found = self.head(source)
        if found.etag != etag:
            raise Changed(f"object {source} in {self.where} is not the one that was asked for")
        request = partial(self._copied, found, target)
        try:
            made = self.settled(target, request, self.source(found), found.metadata, Absent())
        except Exists as error:  # or the source is another; Google says only that something is not as it was
            self.check_free(target)
            raise Changed(f"object {source} in {self.where} was replaced before it was copied") from error
        return self.verified_copy(found, made)

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object."""
        pin = {"if_generation_match": self._generation(key, etag)} if etag else {}
        self.delete_this(key, partial(self._blob(key).delete, **pin, **self._once))

    def probe(self) -> Abilities:
        """Return what the bucket lets us do."""
        self.__dict__.pop("sums", None)
        checksums = self.verifies("sums", self._refuses_wrong_sums)
        return probing.abilities(self, checksums=checksums, in_parts=partial(self._resumed, checksum="crc32c"))

    # One request, or one object made of several.

    def _sent(self, key: str, source: Source, metadata: Mapping[str, str], conditions: Mapping[str, int]) -> Object:
        """Send the bytes; beyond 8 MiB the library does so in parts, each of which it repeats where that may help."""
        blob, stream = self._blob(key), Stream(source)
        self._dress(blob, metadata)
        blob.chunk_size = _PART
        blob.delete = lambda: None  # the library would remove whatever has the name by then
        again = self._again if source.size > _PART // 2 else None
        options: dict[str, Any] = {**conditions, "checksum": "crc32c", "retry": again, "timeout": self._timeout}
        try:
            with self.translated(key):
                blob.upload_from_file(stream, size=source.size, **options)
        except Corrupt as error:
            self._remove_rejected(key, error.__cause__)
            raise
        except (NotFound, ValueError) as error:
            # The bucket is there, so it is the upload that is not, or not as far as we had sent: begin again.
            raise Passing(f"object {key}: {self.where} forgot what it had been sent of it") from error
        made = _described(key, blob)
        if blob.crc32c != stream.checksum:
            self._remove(key, made.etag)
            raise Corrupt(f"object {key} arrived at {self.where} as something else; it was removed")
        return made

    def _copied(self, found: Object, target: str) -> Object:
        """Have the copy made, of this very object and where the key is free; Google does large ones bit by bit."""
        blob, token = self._blob(target), None
        self._dress(blob, found.metadata)
        conditions = {"if_generation_match": 0, "if_source_generation_match": int(found.etag)}
        while True:
            token, _, _ = blob.rewrite(self._blob(found.key), token=token, **conditions, **self._once)
            if token is None:
                return _described(target, blob)

    def _dress(self, blob: Any, metadata: Mapping[str, str]) -> None:
        """Say what an object to be made is to have."""
        blob.metadata = dict(metadata)
        if self.storage_class:
            blob.storage_class = self.storage_class

    def is_copy(self, found: Object, made: Object) -> bool:
        """Say whether it is, by the checksums that Google computed of both."""
        same = made.size == found.size and made.metadata == found.metadata
        first, second = (self._found(which.key, which.etag).crc32c for which in (found, made))
        return same and (first == second if first and second else self.holds(made, self.source(found)))

    def _piece(self, key: str, version: str, offset: int, length: int, etag: str) -> Piece:
        blob = self._blob(key, version)
        pin = {"if_generation_match": self._generation(key, etag)} if etag and not version else {}
        span = {"start": offset, "end": offset + length - 1}
        read = partial(blob.download_as_bytes, **span, **pin, raw_download=True, checksum=None, **self._once)
        try:
            data = self.asked(key, read)
        except Beyond:
            return Piece(b"", etag, last=True)
        return Piece(data, str(blob.generation), last=len(data) < length)

    def _page(self, client: Any, prefix: str, token: str | None) -> _Page:
        fields = "items(name,size,generation,updated),nextPageToken"
        found = client.list_blobs(self.bucket, prefix=self.name(prefix), page_token=token, fields=fields, **self._once)
        page = next(found.pages, ())
        return _Page([_described(blob.name[len(self.folder) :], blob) for blob in page], found.next_page_token)

    def _found(self, key: str, etag: str = "") -> Any:
        """Return the object with all that Google says of it."""
        blob = self._blob(key)
        pin = {"if_generation_match": self._generation(key, etag)} if etag else {}
        self.asked(key, partial(blob.reload, **pin, **self._once))
        return blob

    def _remove(self, key: str, etag: str) -> None:
        """Remove this very object, unless somebody has put another in its place."""
        with suppress(Changed):
            self.delete(key, etag=etag)

    def _remove_rejected(self, key: str, error: Any) -> None:
        """Remove what the server made although it is not what was sent; mostly it made nothing."""
        if error.response is not None and error.response.ok:
            self._remove(key, error.response.json()["generation"])

    def _refuses_wrong_sums(self) -> bool:
        """Say whether the server refuses an object whose CRC32C does not fit."""
        key = probing.probe_key()
        try:
            self._resumed(key, crc32c_checksum_value=_WRONG, checksum=None)
        except (Corrupt, Invalid):
            return True
        self.delete(key)
        return False

    def _resumed(self, key: str, **options: Any) -> None:
        """Put a small object as a large one would be: the library does so where it is not told the size."""
        blob = self._blob(key)
        self.asked(key, lambda: blob.upload_from_file(Stream(Bytes(b"bytes")), **options, **self._once))

    # Conditions, names and connections.

    def _conditions(self, key: str, condition: Condition | None) -> dict[str, int]:
        if isinstance(condition, Unchanged):
            return {"if_generation_match": self._generation(key, condition.etag)}
        return {"if_generation_match": 0} if condition else {}

    def _generation(self, key: str, etag: str) -> int:
        if etag.isdigit() and int(etag):
            return int(etag)
        raise Changed(f"object {key} in {self.where} is not the one that was asked for")

    @property
    def where(self) -> str:
        """The bucket, as messages name it."""
        return f"bucket {self.bucket} at {self.endpoint or 'Google'}"

    @property
    def waiting(self) -> Patience:
        """How long to wait for the bucket, and how often to ask."""
        return self.patience._replace(tries=self.tries, answer=self.timeout)

    def translated(self, key: str) -> AbstractContextManager[None]:
        """Turn the library's errors into ours."""
        from argosy.stores._gcs import answers

        return answers.translated(key, self.where)

    def _blob(self, key: str, version: str = "") -> Any:
        generation = self._generation(key, version) if version else None
        return self._bucket.blob(self.name(key), generation=generation, kms_key_name=self.kms_key_id or None)

    @property
    def _timeout(self) -> tuple[float, float]:
        return self.waiting.connect, self.waiting.answer

    @property
    def _once(self) -> dict[str, Any]:
        """For a request that the library does not repeat: we do."""
        return {"retry": None, "timeout": self._timeout}

    @property
    def _again(self) -> Any:
        """For the parts of an upload, which only the library can take up where it broke."""
        from google.api_core.retry import Retry

        from argosy.stores._gcs.answers import is_passing

        waiting = self.waiting
        longest = waiting.answer + waiting.pause * 2**waiting.tries
        return Retry(predicate=is_passing, initial=waiting.pause, multiplier=2, maximum=30, timeout=longest)

    @cached_property
    def _bucket(self) -> Any:
        return self._client.bucket(self.bucket)

    @cached_property
    def _client(self) -> Any:
        return connect(credentialsfile=self.credentialsfile, endpoint=self.endpoint, ca_file=self.ca_file)


def _described(key: str, blob: Any) -> Object:
    return Object(
        key=key,
        size=blob.size,
        etag=str(blob.generation),
        metadata=dict(blob.metadata or {}),
        modified_ns=nanoseconds(blob.updated),
    )
