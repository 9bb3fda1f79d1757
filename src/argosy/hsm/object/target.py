"""Where in a store the object of a path is, and which object lies there."""

from dataclasses import dataclass

import blake3

from argosy.core.entry import Kind, Stored
from argosy.core.errors import NotFound
from argosy.core.order import Link, StoreAccess
from argosy.core.paths import join, relative
from argosy.site import Site
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Store


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

    @property
    def marks(self) -> bool:
        """Whether directories and symlinks have objects that stand for them; the top of a sitelink has no name here."""
        return self.access.layout == "native" and bool(self.name)

    def objectless(self, kind: Kind) -> str:
        """Say why a directory or symlink has no object here."""
        return f"the {kind} has no object of its own in datastore {self.access.name}"

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


def uuid_of(found: Object) -> bytes:
    """Return the uuid of an object; of a foreign one, which has none, one by which it is recognised again."""
    foreign = "\0".join((found.key, found.etag, found.version)).encode()
    return metadata.uuid_of(found.metadata) or blake3.blake3(foreign).digest()[:16]


def is_doomed(store: Store, key: str, uuid: bytes) -> bool:
    """Say whether the object is about to be removed: nobody is to come to refer to it any more."""
    try:  # nearly always there is no mark: to read one that is not there takes one request, to look at it may take two
        next(store.get(keys.doomed(key, uuid), length=1), None)
    except NotFound:
        return False
    return True
