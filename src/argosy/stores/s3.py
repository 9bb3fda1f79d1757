"""S3 and what speaks it: obstore for objects up to 64 MiB and for reading, boto3 for multipart, copies and listings.

Every put carries a checksum: SHA-256, or CRC32C for each part. Whether the store looks at it is found out once, by
sending one that is wrong; from a store that takes it, what was put is read back and compared. So it is where the answer
does not tell that it was our bytes that arrived: its entity tag is not their MD5, or a part's checksum is another.

Whether it honours conditions is found out the same way, before the first conditional put. To a store that does not, an
object goes only under a key that nobody else can be writing: with `layout = "immutable"`, after a look.

The libraries are imported when a store is first used, so that agents without S3 need neither.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

import msgspec

from argosy.core.errors import (
    ArgosyError,
    Changed,
    Corrupt,
    Exists,
    Invalid,
    NotFound,
    Refused,
    Restoring,
    Unsupported,
)
from argosy.core.faults import StoreDown
from argosy.core.turns import left
from argosy.stores import keys
from argosy.stores._http import unreached
from argosy.stores._http.answers import Beyond
from argosy.stores._http.parts import spans
from argosy.stores._http.patience import Passing, Patience
from argosy.stores._http.sources import Bytes
from argosy.stores._http.store import HttpStore
from argosy.stores._http.times import nanoseconds
from argosy.stores._http.unreached import Stranger
from argosy.stores._s3 import answers, archive, clients, multipart
from argosy.stores.base import CHUNK, STORES, Abilities, Absent, Condition, Object, Source, Unchanged

SINGLE = 64 << 20
"""Largest object that is sent in one request."""

_COPY = 5 << 30
"""Largest object that S3 copies in one request."""
_TRIALS = ".argosy/probe/"
"""Where experiments are made."""
_FOUND_OUT = ("conditions", "sums", "parts", "deletes")
_NO_VERSION = "null"
"""What a bucket whose versions are suspended calls the version that the next put destroys."""
_NO_TAG = '"0123456789abcdef0123456789abcdef"'
"""An entity tag that no object has."""


@STORES.register
@dataclass(frozen=True, kw_only=True)
class S3Store(HttpStore):
    """A bucket on AWS, or on any server that speaks S3."""

    layout: Annotated[Literal["native", "immutable"], "What keys are made of; native takes conditional writes"] = (
        "native"
    )
    bucket: Annotated[str, "Name of the bucket; it must exist"]
    endpoint: Annotated[str, "URL of the server; empty for AWS"] = ""
    region: Annotated[str, "Region of the bucket"] = ""
    accesskeyid: Annotated[str, "Access key id; empty to use what the machine provides"] = ""
    secretaccesskey: Annotated[str, "Secret access key"] = field(default="", repr=False)
    prefix: Annotated[str, "Folder of the bucket that holds everything"] = ""
    ca_file: Annotated[str, "Certificates (PEM) of authorities to trust besides the usual"] = ""
    addressing: Annotated[
        Literal["auto", "path", "virtual"],
        "Where the bucket's name goes; auto: into the path where there is an endpoint",
    ] = "auto"
    encryption: Annotated[
        Literal["none", "AES256", "aws:kms"], "How the server is asked to encrypt; none: as the bucket says"
    ] = "none"
    kms_key_id: Annotated[str, "Key for aws:kms; empty: the bucket's"] = ""
    storage_class: Annotated[str, "Class of new objects; empty: the usual"] = ""
    restore_tier: Annotated[
        Literal["Standard", "Bulk", "Expedited"], "How soon objects are brought back from an archive class"
    ] = "Standard"
    restore_days: Annotated[int, "For how many days an object that was brought back can be read"] = 7
    tries: Annotated[int, "How often a request is made, at most, while the store does not answer"] = 5
    timeout: Annotated[int, "Seconds an answer is awaited, and a part of an object may be on its way"] = 60

    single: ClassVar[int] = SINGLE
    whole_copy: ClassVar[int] = _COPY

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`."""
        condition = self._guarded(key, condition)
        large = source.size > self.single
        verified = self._verifies_parts() if large else self._verifies_sums()
        if not verified:
            self._check_readable(key, source)
        if large:
            made, vouched = self._put_parts(key, source, metadata, condition), verified
        else:
            made, md5 = self._put_single(key, source, metadata, condition)
            vouched = verified and self._vouches(made, md5)
        if not vouched and not self.holds(made, source):
            self.delete(key)
            raise Corrupt(f"object {key}: {self.where} does not give back what was sent; it was removed")
        return made

    def head(self, key: str, *, version: str = "") -> Object:
        """Return the object's description."""
        reply = self.waiting.call(partial(self._look, key, version))
        return self._object(key, reply.meta, reply.attributes)

    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes; where a reply breaks off, the rest is asked for, of the same object."""
        end = None if length is None else offset + length
        stalled = 0
        while (end is None or offset < end) and stalled < self.waiting.tries:
            with self._asked_back(key, version):
                reply = self.waiting.call(partial(self._ask, key, offset, end, etag, version))
            if reply is None:
                return
            etag, end, before = reply.meta["e_tag"] or etag, min(end or reply.meta["size"], reply.meta["size"]), offset
            try:
                for chunk in self._chunks(key, reply):
                    offset += len(chunk)
                    yield chunk
            except Passing:
                pass
            stalled = 0 if offset > before else stalled + 1
        if end is not None and offset < end:
            raise StoreDown(f"object {key}: {self.where} breaks off again and again while it is read")

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`."""
        page: dict[str, Any] = {}
        while True:
            ask = partial(self._boto.list_objects_v2, Bucket=self.bucket, Prefix=self.name(prefix), **page)
            reply = self.asked(prefix, ask)
            for found in reply.get("Contents", ()):
                yield Object(
                    key=found["Key"][len(self.folder) :],
                    size=found["Size"],
                    etag=found["ETag"],
                    modified_ns=nanoseconds(found["LastModified"]),
                )
            if not reply.get("IsTruncated"):
                return
            page = {"ContinuationToken": reply["NextContinuationToken"]}

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata inside the store, and verify the copy."""
        found = self.head(source)
        if found.etag != etag:
            raise Changed(f"object {source} in {self.where} is not the one that was asked for")
        self.check_free(target)
        origin = self._origin(found)
        with self._asked_back(source, found.version):
            if found.size <= self.whole_copy:
                kept_as = self._kept_as(target, found.size, copy=True)
                copied = partial(self._boto.copy_object, **self._place(target), **origin, **kept_as)
                self.asked(source, copied)
            else:
                self._copy_parts(found, target, origin)
        return self.verified_copy(found, self.head(target))

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object."""
        if etag and self._deletes_under_conditions():
            self.delete_this(key, partial(self._boto.delete_object, **self._place(key), IfMatch=etag))
            return
        with suppress(NotFound):
            if etag and self.head(key).etag != etag:
                raise Changed(f"object {key} in {self.where} is not the one that was asked for")
            self.asked(key, partial(self._obstore.delete, self.name(key)))

    def probe(self) -> Abilities:
        """Return what the server does, which it is known for from now on."""
        for name in _FOUND_OUT:
            self.__dict__.pop(name, None)
        versions, multipart = self._keeps_versions(), self._takes_parts()
        return Abilities(
            conditions=self._honours_conditions(),
            checksums=self._verifies_sums() and (not multipart or self._verifies_parts()),
            versions=versions,
            copies=self._copies(),
            multipart=multipart,
        )

    # One request, or one object made of several.

    def _put_single(
        self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None
    ) -> tuple[Object, str]:
        """Return the object that one request made, and the MD5 of what was sent."""
        data, kind = source.read(0, source.size), self._class(key, source.size)
        attributes: Any = {**metadata, **({"Storage-Class": kind} if kind else {})}

        @cache
        def md5() -> str:
            return hashlib.md5(data, usedforsecurity=False).hexdigest()

        def request() -> Object:
            md5()  # here others have the turn
            reply = self._obstore.put(
                self.name(key), data, attributes=attributes, mode=_mode(condition), use_multipart=False
            )
            return _made(key, source.size, reply["e_tag"], reply["version"], metadata)

        return self.settled(key, request, source, metadata, condition), md5()

    def _put_parts(self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None) -> Object:
        kept_as = self._kept_as(key, source.size)
        with self._begun(key, metadata, ChecksumAlgorithm="CRC32C", **kept_as) as upload:
            parts = multipart.send_all(upload, source)

            def request() -> Object:
                reply = upload.complete(parts, **_headers(condition))
                return _made(key, source.size, reply["ETag"], reply.get("VersionId"), metadata)

            return self.settled(key, request, source, metadata, condition)

    @contextmanager
    def _begun(self, key: str, metadata: Mapping[str, str], **options: str) -> Iterator[multipart.Upload]:
        name, call = self.name(key), partial(self.asked, key)
        with multipart.begun(
            self._boto, bucket=self.bucket, name=name, call=call, metadata=metadata, **options
        ) as upload:
            yield upload

    def _origin(self, found: Object) -> dict[str, Any]:
        return {"CopySource": self._place(found.key, found.version), "CopySourceIfMatch": found.etag}

    def _place(self, key: str, version: str = "") -> dict[str, str]:
        """Return where the object is, in the words of boto3."""
        return {"Bucket": self.bucket, "Key": self.name(key)} | ({"VersionId": version} if version else {})

    def _copy_parts(self, found: Object, target: str, origin: Mapping[str, Any]) -> None:
        step = multipart.part_size(found.size, min(512 << 20, self.whole_copy))
        with self._begun(target, found.metadata, **self._kept_as(target, found.size, copy=True)) as upload:
            numbered = enumerate(spans(found.size, step), start=1)
            parts = [upload.copy(number, origin, span) for number, span in numbered]
            self.asked(target, partial(upload.complete, parts))

    # Classes of objects, and how they are brought back.

    def _class(self, key: str, size: int, *, copy: bool = False) -> str:
        """Return the class of an object that is to be made.

        What stands for a directory, and what Argosy keeps for itself, is needed to find one's way, and copies are
        compared with what they were made of: none of it may lie in an archive.
        """
        archived = self.storage_class in archive.CLASSES
        usual = not size or not keys.may_hold_entry(key) or (copy and archived)
        return "" if usual else self.storage_class

    def _kept_as(self, key: str, size: int, *, copy: bool = False) -> dict[str, str]:
        """Return how a new object is to be kept, in the words of boto3."""
        kind = self._class(key, size, copy=copy)
        return self._encrypted | ({"StorageClass": kind} if kind else {})

    @property
    def _encrypted(self) -> dict[str, str]:
        wanted = {} if self.encryption == "none" else {"ServerSideEncryption": self.encryption}
        return wanted | ({"SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {})

    def _check_readable(self, key: str, source: Source) -> None:
        """Refuse to send what would have to be read back and could not be."""
        if self._class(key, source.size) in archive.CLASSES:
            raise Unsupported(
                f"object {key}: {self.where} verifies nothing, and what is in class {self.storage_class} cannot be read"
                " back: choose another storage_class"
            )

    def _vouches(self, made: Object, md5: str) -> bool:
        """Say whether the entity tag tells that just these bytes arrived: a checksum sent with others fits those.

        It is their MD5, as a rule; where it is not (under aws:kms, say), what can be read is read back.
        """
        return made.etag.strip('"') == md5 or self._class(made.key, made.size) in archive.CLASSES

    def _landed(self, key: str, source: Source, metadata: Mapping[str, str]) -> Object | None:
        """Return what is there if it is what we sent; what lies in an archive class the store has verified."""
        if self._class(key, source.size) not in archive.CLASSES:
            return super()._landed(key, source, metadata)
        with suppress(NotFound):
            found = self.head(key)
            return found if (found.size, found.metadata) == (source.size, dict(metadata)) else None
        return None

    @contextmanager
    def _asked_back(self, key: str, version: str) -> Iterator[None]:
        """Have the object brought back where it turns out to be in an archive class."""
        try:
            yield
        except answers.Archived:
            tier, days, call = self.restore_tier, self.restore_days, partial(self.asked, key)
            said = archive.ask_back(self._boto, self._place(key, version), tier=tier, days=days, call=call)
            raise Restoring(f"object {key} in {self.where} {said}") from None

    # What the store does, found out by having it done.

    def _guarded(self, key: str, condition: Condition | None) -> Condition | None:
        """Return the condition to send. A store that ignores it is sent none, and only what nobody else writes."""
        if condition is None or self._honours_conditions():
            return condition
        if self.layout == "native" or isinstance(condition, Unchanged):
            raise Unsupported(
                f"object {key}: {self.where} ignores conditional writes, so writers would destroy each other's: "
                'use layout = "immutable"'
            )
        self.check_free(key)
        return None

    def _honours_conditions(self) -> bool:
        return self.verifies("conditions", self._keeps_what_is_there)

    def _verifies_sums(self) -> bool:
        return self.verifies("sums", self._refuses_wrong_sums)

    def _verifies_parts(self) -> bool:
        return self.verifies("parts", self._refuses_wrong_parts)

    @contextmanager
    def _trial(self) -> Iterator[str]:
        """Yield a key for an experiment; whatever is there afterwards is removed, in all its versions."""
        key = f"{_TRIALS}{uuid4()}"
        try:
            yield key
        finally:
            with suppress(ArgosyError):
                self._forget(key)

    def _forget(self, key: str) -> None:
        """Remove the object in all its versions; to delete what is gone would leave a mark of it."""
        with suppress(ArgosyError):
            ask = partial(self._boto.list_object_versions, Bucket=self.bucket, Prefix=self.name(key))
            known = self.asked(key, ask)
            for one in (*known.get("Versions", ()), *known.get("DeleteMarkers", ())):
                self.asked(key, partial(self._boto.delete_object, **self._place(key, one["VersionId"])))
        self.head(key)
        self.delete(key)

    def _tried(self, key: str, data: bytes, condition: Condition | None = None) -> Object:
        return self._put_single(key, Bytes(data), {}, condition)[0]

    def _keeps_what_is_there(self) -> bool:
        """Say whether the store refuses puts under conditions that are not met, those in parts too."""
        with self._trial() as key:
            self._tried(key, b"one")
            return (
                _refused(partial(self._tried, key, b"two", Absent()))
                and _refused(partial(self._tried, key, b"two", Unchanged(_NO_TAG)))
                and _refused(partial(self._put_parts, key, Bytes(b"two"), {}, Absent()))
            )

    def _deletes_under_conditions(self) -> bool:
        return self.verifies("deletes", self._spares_what_was_replaced)

    def _spares_what_was_replaced(self) -> bool:
        """Say whether the store refuses deletes under conditions that are not met, and none that are."""
        with self._trial() as key:
            made = self._tried(key, b"one")
            refuse, accept = (
                partial(self._boto.delete_object, **self._place(key), IfMatch=tag) for tag in (_NO_TAG, made.etag)
            )
            try:
                self.asked(key, refuse)
            except Changed:
                self.asked(key, accept)
                return True
            except (Invalid, NotFound):
                return False
        return False

    def _keeps_versions(self) -> bool:
        """Say whether what was replaced is read by its version."""
        with self._trial() as key:
            first, second = self._tried(key, b"one"), self._tried(key, b"two")
            if first.version in {"", second.version}:
                return False
            return b"".join(self.get(key, etag=first.etag, version=first.version)) == b"one"

    def _copies(self) -> bool:
        """Say whether the store makes a copy that is one."""
        with self._trial() as key, self._trial() as target:
            made = self._tried(key, b"one")
            try:
                self.copy(key, target, etag=made.etag)
            except (Invalid, Corrupt, Changed, NotFound):
                return False
        return True

    def _takes_parts(self) -> bool:
        """Say whether the store makes an object of parts."""
        with self._trial() as key:
            try:
                return self.holds(self._put_parts(key, Bytes(b"one"), {}, None), Bytes(b"one"))
            except (Invalid, Changed, NotFound):
                return False

    def _refuses_wrong_sums(self) -> bool:
        """Say whether the store refuses an object whose SHA-256 does not fit."""
        wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        with self._trial() as key:
            try:
                self.asked(key, partial(self._boto.put_object, **self._place(key), Body=b"bytes", ChecksumSHA256=wrong))
            except (Corrupt, Invalid):
                return True
        return False

    def _refuses_wrong_parts(self) -> bool:
        """Say whether the store refuses a part whose CRC32C does not fit."""
        key = f"{_TRIALS}{uuid4()}"
        try:
            with self._begun(key, {}, ChecksumAlgorithm="CRC32C") as upload:
                upload.send(1, b"bytes", multipart.checksum(b"other"))
                upload.abort()
        except (Corrupt, Invalid):
            return True
        return False

    # One question and its answer.

    def _look(self, key: str, version: str) -> Any:
        """Ask for the description only; a HEAD does not say what is missing, object or bucket, or why not."""
        try:
            with answers.translated(key, self.where, bare=True), left():
                reply = self._obstore.get(
                    self.name(key), options={"head": True} | ({"version": version} if version else {})
                )
            return self._genuine(reply)
        except (NotFound, Invalid, Refused):
            return self._ask(key, 0, None, "", version)

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
            with self.translated(key), left():
                reply = self._obstore.get(self.name(key), options=options)
            return self._genuine(reply)
        except Beyond:
            return None

    def _genuine(self, reply: Any) -> Any:
        """Return the reply if a store made it: no object is without an entity tag, and a page of a proxy may be."""
        if not reply.meta["e_tag"]:
            raise Stranger(unreached.WORDS[Stranger].format(where=self.where))
        return reply

    def _chunks(self, key: str, reply: Any) -> Iterator[bytes]:
        with self.translated(key):
            if reply.range[1] - reply.range[0] <= CHUNK // 2:
                with left():
                    data = reply.bytes()
                yield from filter(None, [data.to_bytes()])  # an empty object has no chunk
                return
            for data in reply.stream(CHUNK // 2):
                for start in range(0, len(data), CHUNK):  # once, as a rule
                    yield data[start : start + CHUNK]

    def _object(self, key: str, meta: Mapping[str, Any], attributes: Mapping[str, str]) -> Object:
        ours = {
            name: value for name, value in attributes.items() if not name[:1].isupper()
        }  # not Content-Type and such
        made = _made(key, meta["size"], meta["e_tag"], meta["version"], ours)
        return msgspec.structs.replace(made, modified_ns=nanoseconds(meta["last_modified"]))

    # Names and connections.

    @property
    def where(self) -> str:
        """The bucket, as messages name it."""
        return f"bucket {self.bucket} at {self.endpoint or 'AWS'}"

    @property
    def waiting(self) -> Patience:
        """How long to wait for the store, and how often to ask."""
        return Patience(answer=self.timeout, tries=self.tries)

    def translated(self, key: str) -> AbstractContextManager[None]:
        """Turn the errors of both libraries into ours."""
        return answers.translated(key, self.where)

    @cached_property
    def _obstore(self) -> Any:
        return clients.obstore_client(self._reach)

    @cached_property
    def _boto(self) -> Any:
        return clients.boto_client(self._reach)

    @property
    def _reach(self) -> clients.Reach:
        return clients.Reach(
            bucket=self.bucket,
            endpoint=self.endpoint,
            region=self.region,
            accesskeyid=self.accesskeyid,
            secretaccesskey=self.secretaccesskey,
            ca=self.ca_file,
            addressing=self.addressing,
            encryption=self._encrypted,
            connect=self.waiting.connect,
            answer=self.waiting.answer,
        )


def _made(key: str, size: int, etag: str | None, version: str | None, metadata: Mapping[str, str]) -> Object:
    kept = version if version not in {None, _NO_VERSION} else ""
    return Object(key=key, size=size, etag=etag or "", version=kept or "", metadata=dict(metadata))


def _mode(condition: Condition | None) -> Any:
    if isinstance(condition, Unchanged):
        return {"e_tag": condition.etag}
    return "create" if condition else "overwrite"


def _headers(condition: Condition | None) -> dict[str, str]:
    if isinstance(condition, Unchanged):
        return {"IfMatch": condition.etag}
    return {"IfNoneMatch": "*"} if condition else {}


def _refused(request: Callable[[], Object]) -> bool:
    """Say whether a put was refused because its condition is not met."""
    try:
        request()
    except (Exists, Changed):
        return True
    except Invalid:
        return False
    return False
