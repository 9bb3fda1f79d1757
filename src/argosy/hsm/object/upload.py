"""How an object comes to be in a store without harm to what others point to."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import blake3

from argosy.core.entry import Attributes, Entry, Facts, Kind, Stored
from argosy.core.errors import Busy, Corrupt, Exists, Invalid, NotFound, Unsupported
from argosy.core.failpoints import failpoint
from argosy.hsm.object.content import Bytes
from argosy.hsm.object.target import Target, is_doomed, uuid_of
from argosy.site import Site
from argosy.stores import keys, metadata
from argosy.stores.base import Absent, Object, Source, Unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is to be stored for one entry."""

    source: Source
    kind: Kind
    digest: bytes
    facts: Facts
    """Attributes, links and symlink target are kept with the object."""

    @property
    def attributes(self) -> Attributes:
        """The attributes among the facts."""
        if self.facts.attributes is None:
            raise Invalid("an entry is sent before anybody looked at its attributes")
        return self.facts.attributes


EMPTY = Bytes(b"")
"""What stands in a store for a directory or a symlink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One object on its way into a store. `overwrite`: take the place of what differs; else stand beside it."""

    site: Site
    target: Target
    overwrite: bool
    refuse_mismatch: bool = False

    def place(self, key_of: Callable[[bytes], str], content: Content) -> tuple[Stored, bool]:
        """Make sure `content` is in the store under the key its uuid is given, and say whether it had to be sent.

        Raises:
            Exists: an object that differs holds the key, and `refuse_mismatch` is set.
            Busy: the object that stands for the directory is about to be removed.
        """
        uuid = os.urandom(16)
        key = key_of(uuid)
        self.site.intend(uuid, key)
        try:
            return self._put(key, uuid, content, Absent()), True
        except Exists:
            pass
        try:
            present = self.target.store.head(key)
        except NotFound:  # it went away, or the store keeps the name for what once lay below it
            return self._put_beside(key, uuid, content), True
        if is_doomed(self.target.store, present.key, uuid_of(present)):
            return self._leave(key, uuid, content), True
        described = self._described(present)
        if described is not None and self._same(present, described, content):
            self.site.forgo(uuid)
            return self._stored(present, described.uuid, content), False
        if self.refuse_mismatch:
            self.site.forgo(uuid)
            raise Exists(f"object {key} of datastore {self.target.access.name} exists and differs")
        return self._beside(key, present, described, uuid, content), True

    def has_marker(self, entry: Entry) -> bool:
        """Say whether the store has what stands for a directory or symlink just as it is; nothing is sent.

        Raises:
            Exists: an object that differs holds the key, and `refuse_mismatch` is set.
        """
        content = Content(source=EMPTY, kind=entry.kind, digest=b"", facts=entry.facts)
        key = self.target.marker(b"") if entry.kind is Kind.DIRECTORY else self.target.key(b"")
        try:
            present = self.target.store.head(key)
        except NotFound:
            return False
        described = self._described(present)
        if described is not None and self._same(present, described, content):
            return True
        if self.refuse_mismatch:
            raise Exists(f"object {key} of datastore {self.target.access.name} exists and differs")
        return False

    def _leave(self, key: str, uuid: bytes, content: Content) -> Stored:
        """Put the content beside an object that is about to be removed, and with it whatever had its key by then."""
        if content.kind is Kind.DIRECTORY:
            self.site.forgo(uuid)
            raise Busy(f"object {key} of datastore {self.target.access.name} is being removed: run it again")
        return self._put_beside(key, uuid, content)

    def _beside(
        self, key: str, present: Object, described: metadata.Described | None, uuid: bytes, content: Content
    ) -> Stored:
        ours = described is not None and self.site.intended(described.uuid)
        if not (self.overwrite or ours or content.kind is Kind.DIRECTORY):
            return self._put_beside(key, uuid, content)
        if content.kind is not Kind.DIRECTORY:
            self._preserve(key, present)
        return self._put(key, uuid, content, Unchanged(present.etag))

    def _put_beside(self, key: str, uuid: bytes, content: Content) -> Stored:
        instance = keys.instance(key, uuid)
        self.site.intend(uuid, instance)
        return self._put(instance, uuid, content, Absent())

    def _preserve(self, key: str, present: Object) -> None:
        """Keep what is about to be replaced where stubs that point to it will look: under its uuid.

        Where an earlier object of that uuid is kept already, it stays, and this one is kept under another.
        """
        if present.version:
            return  # the bucket keeps versions
        uuid = uuid_of(present)
        try:
            self.target.store.copy(key, keys.version_key(uuid), etag=present.etag)
        except Exists:
            self.target.store.copy(key, keys.version_key(os.urandom(16)), etag=present.etag)
        failpoint("hsm:preserve")

    def _put(self, key: str, uuid: bytes, content: Content, condition: Absent | Unchanged) -> Stored:
        described, sidecar = metadata.describe(
            uuid=uuid,
            digest=content.digest,
            path=self.target.name,
            kind=content.kind,
            attributes=content.attributes,
            links=content.facts.links,
            target=content.facts.target,
            seal=self.target.access.seal,
        )
        if sidecar is not None:  # first, so that no object is ever without it
            self.target.store.put(keys.sidecar(uuid), Bytes(sidecar), metadata={})
            failpoint("hsm:sidecar")
        self.site.check_lease()
        stored = self.target.store.put(key, content.source, metadata=described, condition=condition)
        failpoint("hsm:put")
        failpoint("hsm:verify")  # a store's put returns only what it has verified
        return self._stored(stored, uuid, content)

    def _stored(self, found: Object, uuid: bytes, content: Content) -> Stored:
        return Stored(
            datastore=self.target.access.name,
            key=found.key,
            uuid=uuid,
            etag=found.etag,
            version=found.version,
            size=content.source.size,
            digest=content.digest,
        )

    def _described(self, present: Object) -> metadata.Described | None:
        """Return what the present object says of itself; None where it is not ours, or no longer says it readably."""
        try:
            return metadata.described(present.metadata, metadata.fetch_sidecar(self.target.store, present.metadata))
        except (Corrupt, NotFound, Unsupported):
            return None

    def _same(self, present: Object, described: metadata.Described, content: Content) -> bool:
        """Say whether the present object is what we would send; its bytes are read, for metadata proves nothing."""
        if described.kind is not content.kind or present.size != content.source.size:
            return False
        if content.kind is Kind.FILE:
            return described.digest == content.digest and self._digest(present) == content.digest
        return described.target == content.facts.target and described.attributes == content.attributes

    def _digest(self, present: Object) -> bytes:
        hasher = blake3.blake3()
        for chunk in self.target.store.get(present.key, etag=present.etag, version=present.version):
            hasher.update(chunk)
        return hasher.digest()
