"""S3 and what speaks it: obstore for objects up to 64 MiB and for reading, boto3 for multipart, copies and listings.

Every put carries a checksum: SHA-256, or CRC32C for each part. Whether the store looks at it is found out once, by
sending one that is wrong; from a store that takes it, what was put is read back and compared. Neither library
retries: one loop here does, because a conditional put that is repeated may meet what it wrote itself when only the
reply was lost.

The libraries are imported when a store is first used, so that agents without S3 need neither.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from itertools import count
from random import SystemRandom
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar
from uuid import uuid4

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exists, Invalid, NotFound, Unavailable
from argosy.stores._s3 import answers, multipart
from argosy.stores.base import CHUNK, STORES, Absent, Condition, Object, Source, Unchanged

SINGLE = 64 << 20
"""Largest object that is sent in one request."""

_COPY = 5 << 30
"""Largest object that S3 copies in one request."""

T = TypeVar("T")


class Patience(NamedTuple):
    """How long to wait, in seconds, and how often to try. `answer` must suffice for one part to cross the line."""

    connect: float = 5
    answer: float = 60
    tries: int = 5
    pause: float = 0.5

    def pauses(self) -> Iterator[float]:
        """Yield the waits between tries: doubling, and scattered so that agents do not come back as one."""
        for number in range(self.tries - 1):
            yield self.pause * 2**number * SystemRandom().uniform(0.5, 1)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A source in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@STORES.register
@dataclass(frozen=True, kw_only=True)
class S3Store:
    """A bucket on AWS, or on any server that speaks S3 and honours conditional writes."""

    bucket: Annotated[str, "Name of the bucket; it must exist"]
    endpoint: Annotated[str, "URL of the server; empty for AWS"] = ""
    region: Annotated[str, "Region of the bucket"] = ""
    accesskeyid: Annotated[str, "Access key id; empty to use what the machine provides"] = ""
    secretaccesskey: Annotated[str, "Secret access key"] = field(default="", repr=False)
    prefix: Annotated[str, "Folder of the bucket that holds everything"] = ""

    patience: ClassVar[Patience] = Patience()
    single: ClassVar[int] = SINGLE
    whole_copy: ClassVar[int] = _COPY

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`."""
        if source.size > self.single:
            verified = self._verifies("parts", self._refuses_wrong_parts)
            made = self._put_parts(key, source, metadata, condition)
        else:
            verified = self._verifies("sums", self._refuses_wrong_sums)
            made = self._put_single(key, source, metadata, condition)
        if not verified and not self._holds(made, source):
            self.delete(key)
            raise Corrupt(f"object {key}: {self._where} does not give back what was sent; it was removed")
        return made

    def head(self, key: str) -> Object:
        """Return the object's description."""
        reply = self._retried(partial(self._look, key))
        return self._object(key, reply.meta, reply.attributes)

    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes; where a reply breaks off, the rest is asked for, of the same object."""
        end = None if length is None else offset + length
        stalled = 0
        while (end is None or offset < end) and stalled < self.patience.tries:
            reply = self._retried(partial(self._ask, key, offset, end, etag, version))
            if reply is None:
                return
            etag, end, before = reply.meta["e_tag"] or etag, min(end or reply.meta["size"], reply.meta["size"]), offset
            try:
                for chunk in self._chunks(key, reply):
                    offset += len(chunk)
                    yield chunk
            except answers.Passing:
                pass
            stalled = 0 if offset > before else stalled + 1
        if end is not None and offset < end:
            raise Unavailable(f"object {key}: {self._where} breaks off again and again while it is read")

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`."""
        page: dict[str, Any] = {}
        while True:
            ask = partial(self._boto.list_objects_v2, Bucket=self.bucket, Prefix=self._name(prefix), **page)
            reply = self._asked(prefix, ask)
            for found in reply.get("Contents", ()):
                yield Object(key=found["Key"][len(self._folder) :], size=found["Size"], etag=found["ETag"])
            if not reply.get("IsTruncated"):
                return
            page = {"ContinuationToken": reply["NextContinuationToken"]}

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata inside the store, and verify the copy."""
        found = self.head(source)
        if found.etag != etag:
            raise Changed(f"object {source} in {self._where} is not the one that was asked for")
        self._check_free(target)
        origin = self._origin(found)
        if found.size <= self.whole_copy:
            copied = partial(self._boto.copy_object, Bucket=self.bucket, Key=self._name(target), **origin)
            self._asked(source, copied)
        else:
            self._copy_parts(found, target, origin)
        return self._verified_copy(found, self.head(target))

    def _check_free(self, key: str) -> None:
        with suppress(NotFound):
            self.head(key)
            raise Exists(f"object {key} exists in {self._where}")

    def delete(self, key: str) -> None:
        """Remove the object."""
        with suppress(NotFound):
            self._asked(key, partial(self._obstore.delete, self._name(key)))

    def probe(self) -> None:
        """Return where the bucket lets us write and honours conditions."""
        key = f".argosy/probe/{uuid4()}"
        self.put(key, _Bytes(b"one"), metadata={}, condition=Absent())
        try:
            self.put(key, _Bytes(b"two"), metadata={}, condition=Absent())
        except Exists:
            return
        finally:
            self.delete(key)
        raise Unavailable(
            f"{self._where} ignores conditional writes (If-None-Match): writers would destroy each other's"
        )

    # One request, or one object made of several.

    def _put_single(self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None) -> Object:
        data = source.read(0, source.size)

        def request() -> Object:
            reply = self._obstore.put(
                self._name(key), data, attributes=dict(metadata), mode=_mode(condition), use_multipart=False
            )
            return _made(key, source.size, reply["e_tag"], reply["version"], metadata)

        return self._settled(key, request, source, metadata, condition)

    def _put_parts(self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None) -> Object:
        with self._begun(key, metadata, ChecksumAlgorithm="CRC32C") as upload:
            parts = multipart.send_all(upload, source)

            def request() -> Object:
                reply = upload.complete(parts, **_headers(condition))
                return _made(key, source.size, reply["ETag"], reply.get("VersionId"), metadata)

            return self._settled(key, request, source, metadata, condition)

    def _settled(
        self,
        key: str,
        request: Callable[[], Object],
        source: Source,
        metadata: Mapping[str, str],
        condition: Condition | None,
    ) -> Object:
        """Make the request that makes the object appear; if it is repeated and meets its own work, that is success."""
        tries = count()

        def once() -> Object:
            again = next(tries) > 0
            try:
                with answers.translated(key, self._where):
                    return request()
            except (Changed, NotFound):
                if again and (landed := self._landed(key, source, metadata)):
                    return landed
                raise

        try:
            return self._retried(once)
        except (Changed, NotFound) as error:
            if isinstance(condition, Absent):
                raise Exists(f"object {key} exists in {self._where}") from error
            raise Changed(error.message) from error

    def _landed(self, key: str, source: Source, metadata: Mapping[str, str]) -> Object | None:
        """Return what is there if it is what we sent."""
        try:
            found = self.head(key)
        except NotFound:
            return None
        return found if found.metadata == dict(metadata) and self._holds(found, source) else None

    def _holds(self, made: Object, source: Source) -> bool:
        """Say whether the store gives back the bytes of the source."""
        offset = 0
        for chunk in self.get(made.key, etag=made.etag, version=made.version):
            if offset + len(chunk) > source.size or chunk != source.read(offset, len(chunk)):
                return False
            offset += len(chunk)
        return offset == source.size

    @contextmanager
    def _begun(self, key: str, metadata: Mapping[str, str], **options: str) -> Iterator[multipart.Upload]:
        name, call = self._name(key), partial(self._asked, key)
        with multipart.begun(
            self._boto, bucket=self.bucket, name=name, call=call, metadata=metadata, **options
        ) as upload:
            yield upload

    def _origin(self, found: Object) -> dict[str, Any]:
        place = {"Bucket": self.bucket, "Key": self._name(found.key)}
        if found.version:
            place["VersionId"] = found.version
        return {"CopySource": place, "CopySourceIfMatch": found.etag}

    def _copy_parts(self, found: Object, target: str, origin: Mapping[str, Any]) -> None:
        step = multipart.part_size(found.size, min(512 << 20, self.whole_copy))
        with self._begun(target, found.metadata) as upload:
            numbered = enumerate(multipart.spans(found.size, step), start=1)
            parts = [upload.copy(number, origin, span) for number, span in numbered]
            self._asked(target, partial(upload.complete, parts))

    def _verified_copy(self, found: Object, made: Object) -> Object:
        """Return the copy where it is one; else remove it, so that nobody takes it for one: its key was free."""
        try:
            if self._is_copy(found, made):
                return made
            raise Corrupt(f"{self._where} did not copy object {found.key} as it is to {made.key}; the copy was removed")
        except ArgosyError:
            with suppress(ArgosyError):
                self.delete(made.key)
            raise

    def _is_copy(self, found: Object, made: Object) -> bool:
        """Say whether it is, by its entity tag, or else byte by byte."""
        same = made.size == found.size and made.metadata == found.metadata
        return same and (made.etag == found.etag or self._holds(made, _Remote(self, found)))

    # What the store verifies.

    def _verifies(self, name: str, find_out: Callable[[], bool]) -> bool:
        """Return what was found out; threads that ask at the same time may all ask the store, and wait for no other."""
        if name not in self.__dict__:
            self.__dict__[name] = find_out()
        return bool(self.__dict__[name])

    def _refuses_wrong_sums(self) -> bool:
        """Say whether the store refuses an object whose SHA-256 does not fit."""
        key = f".argosy/probe/{uuid4()}"
        wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        put = partial(self._boto.put_object, Bucket=self.bucket, Key=self._name(key), Body=b"bytes")
        try:
            self._asked(key, partial(put, ChecksumSHA256=wrong))
        except (Corrupt, Invalid):
            return True
        self.delete(key)
        return False

    def _refuses_wrong_parts(self) -> bool:
        """Say whether the store refuses a part whose CRC32C does not fit."""
        key = f".argosy/probe/{uuid4()}"
        try:
            with self._begun(key, {}, ChecksumAlgorithm="CRC32C") as upload:
                upload.send(1, b"bytes", multipart.checksum(b"other"))
                upload.abort()
        except (Corrupt, Invalid):
            return True
        return False

    # One question and its answer.

    def _look(self, key: str) -> Any:
        """Ask for the description only; a HEAD does not say whether it is the object or the bucket that is missing."""
        try:
            with answers.translated(key, self._where):
                return self._obstore.get(self._name(key), options={"head": True})
        except NotFound:
            return self._ask(key, 0, None, "", "")

    def _ask(self, key: str, start: int, end: int | None, etag: str, version: str) -> Any:
        """Return the reply that brings the bytes from `start` up to `end`; None where the object ends before."""
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if version:
            options["version"] = version
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        try:
            with answers.translated(key, self._where):
                return self._obstore.get(self._name(key), options=options)
        except answers.Beyond:
            return None

    def _chunks(self, key: str, reply: Any) -> Iterator[bytes]:
        with answers.translated(key, self._where):
            for data in reply.stream(CHUNK // 2):
                for start in range(0, len(data), CHUNK):  # once, as a rule
                    yield data[start : start + CHUNK]

    def _object(self, key: str, meta: Mapping[str, Any], attributes: Mapping[str, str]) -> Object:
        ours = {
            name: value for name, value in attributes.items() if not name[:1].isupper()
        }  # not Content-Type and such
        return _made(key, meta["size"], meta["e_tag"], meta["version"], ours)

    def _asked(self, key: str, request: Callable[[], T]) -> T:
        """Return what the request returns, tried again while that may help."""

        def once() -> T:
            with answers.translated(key, self._where):
                return request()

        return self._retried(once)

    def _retried(self, request: Callable[[], T]) -> T:
        for pause in self.patience.pauses():
            try:
                return request()
            except answers.Passing:
                time.sleep(pause)
        return request()

    # Names and connections.

    @property
    def _where(self) -> str:
        return f"bucket {self.bucket} at {self.endpoint or 'AWS'}"

    @property
    def _folder(self) -> str:
        return self.prefix.strip("/") + "/" if self.prefix.strip("/") else ""

    def _name(self, key: str) -> str:
        return self._folder + key

    @cached_property
    def _obstore(self) -> Any:
        with _needed():
            from obstore.store import S3Store as Client

            return Client(
                self.bucket,
                config=self._known(
                    {
                        "endpoint": self.endpoint,
                        "region": self._region,
                        "access_key_id": self.accesskeyid,
                        "secret_access_key": self.secretaccesskey,
                        "checksum_algorithm": "SHA256",
                        "disable_bulk_delete": True,
                    }
                ),
                client_options={
                    "allow_http": self.endpoint.startswith("http://"),
                    "connect_timeout": timedelta(seconds=self.patience.connect),
                    "timeout": timedelta(seconds=self.patience.answer),
                },
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=self.patience.answer)},
            )

    @cached_property
    def _boto(self) -> Any:
        with _needed():
            import boto3
            from botocore.config import Config

            return boto3.session.Session().client(
                "s3",
                **self._known(
                    {
                        "endpoint_url": self.endpoint,
                        "region_name": self._region,
                        "aws_access_key_id": self.accesskeyid,
                        "aws_secret_access_key": self.secretaccesskey,
                    }
                ),
                config=Config(
                    connect_timeout=self.patience.connect,
                    read_timeout=self.patience.answer,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=64,
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    # The checksums we send are signed; hashing all bytes once more would only cost time.
                    s3={"addressing_style": "path" if self.endpoint else "auto", "payload_signing_enabled": False},
                ),
            )

    @property
    def _region(self) -> str:
        return self.region or ("us-east-1" if self.endpoint else "")

    @staticmethod
    def _known(settings: dict[str, Any]) -> Any:
        """Return the settings that are given; the libraries look for the others where AWS keeps them."""
        return {name: value for name, value in settings.items() if value != ""}


@dataclass(frozen=True, slots=True)
class _Remote:
    """An object of a store as a source."""

    store: S3Store
    found: Object

    @property
    def size(self) -> int:
        return self.found.size

    def read(self, offset: int, length: int) -> bytes:
        found = self.found
        return b"".join(self.store.get(found.key, offset=offset, length=length, etag=found.etag, version=found.version))


def _made(key: str, size: int, etag: str | None, version: str | None, metadata: Mapping[str, str]) -> Object:
    return Object(key=key, size=size, etag=etag or "", version=version or "", metadata=dict(metadata))


def _mode(condition: Condition | None) -> Any:
    if isinstance(condition, Unchanged):
        return {"e_tag": condition.etag}
    return "create" if condition else "overwrite"


def _headers(condition: Condition | None) -> dict[str, str]:
    if isinstance(condition, Unchanged):
        return {"IfMatch": condition.etag}
    return {"IfNoneMatch": "*"} if condition else {}


@contextmanager
def _needed() -> Iterator[None]:
    """Say what to install where a library is missing."""
    try:
        yield
    except ImportError as error:
        raise Unavailable("S3 datastores need more libraries: pip install 'argosy[s3]'") from error
