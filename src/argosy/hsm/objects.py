"""Where the object of a path is, and how an object comes to be there without harm to what others point to."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import blake3

from argosy.core.entry import Attributes, Facts, Kind, Stored
from argosy.core.errors import Busy, Corrupt, Exists, Invalid, NotFound, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.order import Link, StoreAccess
from argosy.core.paths import join, relative
from argosy.hsm.content import Bytes
from argosy.site import Site
from argosy.stores import keys, metadata
from argosy.stores.base import Absent, Object, Source, Store, Unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The place in a store that a path of a site maps to."""

    store: Store
    access: StoreAccess
    prefix: bytes
    """The sitelink's datastore path."""
    name: bytes
    """The path within the datastore, before it is made a key."""

    def key(self, uuid: bytes) -> str:
        """Return the key of an object of this path: its own name, or the uuid where the layout says so."""
        if self.access.layout == "immutable":
            return keys.immutable(keys.encode(self.prefix.rstrip(b"/")), uuid)
        return keys.encode(self.name)

    def stands_beside(self, stored: Stored) -> bool:
        """Say whether the object was put beside another that holds the name."""
        return stored.key == keys.instance(self.key(stored.uuid), stored.uuid)

    def marker(self, _uuid: bytes) -> str:
        """Return the key of the object that stands for the directory."""
        return keys.directory_marker(keys.encode(self.name))


def target(site: Site, path: bytes, *, endpoint: str | None = None) -> Target:
    """Return where the object of `path` belongs; `endpoint` names the datastore where several are linked."""
    link = site.link(path, endpoint)
    access = site.access(link.datastore)
    return Target(store=site.store(link.datastore), access=access, prefix=link.datastore_path, name=_name(link, path))


def _name(link: Link, path: bytes) -> bytes:
    return join(b"/" + link.datastore_path, relative(path, link.site_path)).lstrip(b"/")


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
        if is_doomed(self.target.store, present):
            return self._leave(key, uuid, content), True
        described = self._described(present)
        if described is not None and self._same(present, described, content):
            self.site.forgo(uuid)
            return self._stored(present, described.uuid, content), False
        if self.refuse_mismatch:
            self.site.forgo(uuid)
            raise Exists(f"object {key} of datastore {self.target.access.name} exists and differs")
        return self._beside(key, present, described, uuid, content), True

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


def uuid_of(found: Object) -> bytes:
    """Return the uuid of an object; of a foreign one, which has none, one by which it is recognised again."""
    foreign = "\0".join((found.key, found.etag, found.version)).encode()
    return metadata.uuid_of(found.metadata) or blake3.blake3(foreign).digest()[:16]


def is_doomed(store: Store, found: Object) -> bool:
    """Say whether the object is about to be removed: nobody is to come to refer to it any more."""
    try:
        store.head(keys.doomed(found.key, uuid_of(found)))
    except NotFound:
        return False
    return True
