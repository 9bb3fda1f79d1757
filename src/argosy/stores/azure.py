"""Azure Blob Storage, by Microsoft's own library.

Every put carries an MD5, one for each block of what is larger than 64 MiB. Whether the server looks at it is found out
once, by sending one that is wrong; from a server that takes it, what was put is read back and compared.

The library is imported when a store is first used, so that agents without Azure do not need it.
"""

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

from argosy.core.errors import ArgosyError, Changed, Corrupt, Invalid, Restoring
from argosy.core.faults import StoreDown
from argosy.stores._azure import blocks
from argosy.stores._azure.client import connect
from argosy.stores._http import probing
from argosy.stores._http.answers import Beyond
from argosy.stores._http.patience import Passing, Patience
from argosy.stores._http.ranges import Piece, pieces
from argosy.stores._http.sources import Bytes
from argosy.stores._http.store import HttpStore
from argosy.stores._http.times import nanoseconds
from argosy.stores.base import STORES, Abilities, Absent, Condition, Object, Source, Unchanged

SINGLE = 64 << 20
"""Largest object that is sent in one request."""

_WRONG = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()

_DOT = re.compile(r"\.(?=/|\Z)")
_HIDDEN = re.compile(r"%2e(?=/|\Z)")
"""Azure drops a dot at the end of a component, so it is written like this. Keys have such digits in upper case only."""


class _OtherSource(ArgosyError):
    """What was to be copied is no longer there, or is something else."""


@STORES.register
@dataclass(frozen=True, kw_only=True)
class AzureStore(HttpStore):
    """A container of Azure Blob Storage. A dot at the end of a name, which Azure would drop, is kept as `%2e`."""

    container: Annotated[str, "Name of the container; it must exist"]
    storageaccount: Annotated[str, "Storage account"]
    accesskey: Annotated[str, "Access key of the account"] = field(repr=False)
    endpoint: Annotated[str, "URL of the account; empty for Azure itself"] = ""
    prefix: Annotated[str, "Folder of the container that holds everything"] = ""
    ca_file: Annotated[str, "Certificates of authorities to trust besides the usual: a file, or what is in it"] = ""
    tries: Annotated[int, "How often a request is made, at most"] = 5
    timeout: Annotated[int, "Seconds that an answer is awaited"] = 60

    patience: ClassVar[Patience] = Patience()
    single: ClassVar[int] = SINGLE
    page: ClassVar[int] = 5000

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`."""
        if source.size > self.single:
            verified = self._verifies_blocks()
            made = self._put_blocks(key, source, metadata, condition)
        else:
            verified = self._verifies_sums()
            made = self._put_single(key, source, metadata, condition)
        if not verified and not self.holds(made, source):
            self._remove(made)
            raise Corrupt(f"object {key}: {self.where} does not give back what was sent; it was removed")
        return made

    def head(self, key: str, *, version: str = "") -> Object:
        """Return the object's description."""
        return _described(key, self.asked(key, self._blob(key, version).get_blob_properties))

    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes; of an object in an archive tier, ask for its restore."""
        with self._restoring(key, version):
            yield from pieces(partial(self._piece, key, version), offset, length, etag)

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`."""
        begins = self.name(prefix.rstrip("."))
        pages = self._client.list_blobs(name_starts_with=begins, results_per_page=self.page).by_page()
        while (page := self.asked(prefix, partial(_next, pages))) is not None:
            for found in page:
                key = _HIDDEN.sub(".", found.name)[len(self.folder) :]
                if key.startswith(prefix):
                    yield _described(key, found)

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata inside the store, and verify the copy."""
        found = self.head(source)
        if found.etag != etag:
            raise Changed(f"object {source} in {self.where} is not the one that was asked for")
        request = partial(self._copied, found, target)
        with self._restoring(source, ""):
            try:
                made = self.settled(target, request, self.source(found), found.metadata, Absent())
            except _OtherSource as error:
                raise Changed(error.message) from error
        return self.verified_copy(found, made)

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object."""
        self.delete_this(key, partial(self._blob(key).delete_blob, **(_conditions(Unchanged(etag)) if etag else {})))

    def probe(self) -> Abilities:
        """Return what the account lets us do."""
        for name in ("sums", "blocks"):
            self.__dict__.pop(name, None)
        sums, blocks_too = self._verifies_sums(), self._verifies_blocks()
        return probing.abilities(
            self,
            checksums=sums and blocks_too,
            in_parts=lambda key: self._put_blocks(key, Bytes(b"three"), {}, None),
        )

    # One request, or one object made of several.

    def _put_single(self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None) -> Object:
        data = source.read(0, source.size)
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        upload = partial(
            self._blob(key).upload_blob,
            data,
            length=source.size,
            overwrite=True,
            metadata=dict(metadata),
            headers={"Content-MD5": base64.b64encode(digest).decode()},
            **_conditions(condition),
        )

        def request() -> Object:
            reply = upload()
            made = _made(key, source.size, reply, metadata)
            if bytes(reply.get("content_md5") or digest) != digest:
                self._remove(made)
                raise Corrupt(f"object {key} arrived at {self.where} as something else; it was removed")
            return made

        return self.settled(key, request, source, metadata, condition)

    def _remove(self, made: Object) -> None:
        """Remove this very object, unless somebody has put another in its place."""
        with suppress(Changed):
            self.delete(made.key, etag=made.etag)

    def _put_blocks(self, key: str, source: Source, metadata: Mapping[str, str], condition: Condition | None) -> Object:
        blob = self._blob(key)

        def stage(name: str, data: bytes) -> None:
            self.asked(key, partial(blob.stage_block, name, data, length=len(data), validate_content=True))

        from azure.storage.blob import BlobBlock

        names = blocks.send_all(stage, source)
        commit = partial(
            blob.commit_block_list,
            [BlobBlock(name) for name in names],
            metadata=dict(metadata),
            validate_content=True,
            **_conditions(condition),
        )
        return self.settled(key, lambda: _made(key, source.size, commit(), metadata), source, metadata, condition)

    def _copied(self, found: Object, target: str) -> Object:
        """Have the copy made, of this very object and where the key is free."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        from argosy.stores._azure import answers

        blob = self._blob(target)
        pinned = {"source_etag": found.etag, "source_match_condition": MatchConditions.IfNotModified}
        try:
            blob.start_copy_from_url(self._blob(found.key).url, **pinned, match_condition=MatchConditions.IfMissing)
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            if answers.code(error) == "TargetConditionNotMet":
                raise
            raise _OtherSource(f"object {found.key} in {self.where} was replaced before it was copied") from error
        return self._awaited(target)

    def _awaited(self, key: str) -> Object:
        """Return the copy when it is there; Azure may take its time, but shows how far it is."""
        progress, deadline = "", 0.0
        while (found := self._blob(key).get_blob_properties()).copy.status == "pending":
            if found.copy.progress != progress:
                progress, deadline = found.copy.progress, time.monotonic() + self.waiting.answer
            elif time.monotonic() > deadline:
                raise StoreDown(f"object {key}: {self.where} does not get on with the copy")
            time.sleep(self.waiting.pause)
        return _described(key, found)

    def _piece(self, key: str, version: str, offset: int, length: int, etag: str) -> Piece:
        """Return what lies there; a version names its object by itself."""
        blob = self._blob(key, version)
        from azure.core import MatchConditions

        pin = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag and not version else {}

        def request() -> Piece:
            reply = blob.download_blob(offset=offset, length=length, decompress=False, **pin)
            data = reply.readall()
            total = int(reply.properties.content_range.rpartition("/")[2])
            if len(data) != max(0, min(length, total - offset)):
                raise Passing(f"object {key}: {self.where} breaks off while it is read")
            return Piece(data, reply.properties.etag, last=offset + len(data) >= total)

        try:
            return self.asked(key, request)
        except Beyond:
            return Piece(b"", etag, last=True)

    @contextmanager
    def _restoring(self, key: str, version: str) -> Iterator[None]:
        """Where the block meets an object in an archive tier, ask Azure to bring it back."""
        try:
            yield
        except Restoring:
            tier = partial(self._blob(key, version).set_standard_blob_tier, "Hot", rehydrate_priority="Standard")
            said = "its restore was requested, ask again in about 15 hours"
            try:
                self.asked(key, tier)
            except Restoring:
                said = "it is being restored, ask again some hours after that began"
            raise Restoring(f"object {key} in {self.where} is in an archive tier: {said}") from None

    # What the server verifies.

    def _verifies_sums(self) -> bool:
        return self.verifies("sums", self._refuses_wrong_sums)

    def _verifies_blocks(self) -> bool:
        return self.verifies("blocks", self._refuses_wrong_blocks)

    def _refuses_wrong_sums(self) -> bool:
        """Say whether the server refuses an object whose MD5 does not fit."""
        key = probing.probe_key()
        upload = partial(
            self._blob(key).upload_blob, b"bytes", length=5, overwrite=True, headers={"Content-MD5": _WRONG}
        )
        try:
            self.asked(key, upload)
        except (Corrupt, Invalid):
            return True
        self.delete(key)
        return False

    def _refuses_wrong_blocks(self) -> bool:
        """Say whether the server refuses a block whose MD5 does not fit."""
        key = probing.probe_key()
        stage = partial(self._blob(key).stage_block, "AAAA", b"bytes", length=5, headers={"Content-MD5": _WRONG})
        try:
            self.asked(key, stage)
        except (Corrupt, Invalid):
            return True
        return False

    # Names and connections.

    @property
    def where(self) -> str:
        """The container, as messages name it."""
        return f"container {self.container} of {self.storageaccount} at {self.endpoint or 'Azure'}"

    @property
    def waiting(self) -> Patience:
        """How long to wait for the account, and how often to ask."""
        return self.patience._replace(tries=self.tries, answer=self.timeout)

    def translated(self, key: str) -> AbstractContextManager[None]:
        """Turn the library's errors into ours."""
        from argosy.stores._azure import answers

        return answers.translated(key, self.where)

    def name(self, key: str) -> str:
        """Return what the server calls the object."""
        return _DOT.sub("%2e", self.folder + key)

    def _blob(self, key: str, version: str = "") -> Any:
        return self._client.get_blob_client(self.name(key), version_id=version or None)

    @cached_property
    def _client(self) -> Any:
        return connect(
            account=self.storageaccount,
            key=self.accesskey,
            url=self.endpoint or f"https://{self.storageaccount}.blob.core.windows.net",
            container=self.container,
            ca_file=self.ca_file,
            single=self.single,
            waiting=self.waiting,
        )


def _described(key: str, found: Any) -> Object:
    return Object(
        key=key,
        size=found.size,
        etag=_etag(found.etag),
        version=found.version_id or "",
        metadata=dict(found.metadata or {}),
        modified_ns=nanoseconds(found.last_modified),
    )


def _made(key: str, size: int, reply: Mapping[str, Any], metadata: Mapping[str, str]) -> Object:
    return Object(
        key=key,
        size=size,
        etag=_etag(reply["etag"]),
        version=reply.get("version_id") or "",
        metadata=dict(metadata),
        modified_ns=nanoseconds(reply["last_modified"]),
    )


def _etag(etag: str) -> str:
    """Return the entity tag as conditions want it; listings leave its quotes out."""
    return '"' + etag.strip('"') + '"'


def _conditions(condition: Condition | None) -> dict[str, Any]:
    from azure.core import MatchConditions

    if isinstance(condition, Unchanged):
        return {"etag": condition.etag, "match_condition": MatchConditions.IfNotModified}
    return {"match_condition": MatchConditions.IfMissing} if condition else {}


def _next(pages: Iterator[Iterator[Any]]) -> list[Any] | None:
    """Return what is on the next page; None where there is none."""
    page = next(pages, None)
    return None if page is None else [*page]
