"""Which object a pointer means: its key is not in the inode, so the index is asked, and, failing that, the store."""

from collections.abc import Iterator

from argosy.core.entry import Stored
from argosy.core.errors import Changed, Invalid, NotFound
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.hsm.objects import target, uuid_of
from argosy.site import Site
from argosy.stores import keys
from argosy.stores.base import Object, Store

_UNKNOWN = bytes(32)


class KeyUnknown(NotFound):
    """Nobody has looked for the object everywhere yet: it may well be there."""


def located(pointer: Pointer, path: bytes, site: Site) -> Stored:
    """Return what the pointer of the file at `path` points to, with its key.

    Raises:
        Invalid: the site is not linked to the datastore.
        KeyUnknown: the index does not know the key, and the object is under none that the path gives.
    """
    datastore = site.numbered(pointer.datastore).name
    key = site.key_of(pointer.uuid)
    if key is None:
        key = searched(pointer, path, datastore, site)
        if key is None:
            raise KeyUnknown(
                f"{display(path)}: its object is not in datastore {datastore} under the name of the file, and the "
                "index does not know its key: run `argosy rebuild`, which looks for it; the file stays as it is"
            )
        site.remember(stored_as(pointer, datastore, key), path)
    return stored_as(pointer, datastore, key)


def searched(pointer: Pointer, path: bytes, datastore: str, site: Site) -> str | None:
    """Return the key under which the object lies, of those that the path and the uuid give; None: under none."""
    store = site.store(datastore)
    return next((name for name in _names(pointer, path, datastore, site) if _lies_under(store, name, pointer)), None)


def stored_as(pointer: Pointer, datastore: str, key: str) -> Stored:
    """Return what the pointer points to, given the key."""
    return Stored(
        datastore=datastore,
        key=key,
        uuid=pointer.uuid,
        etag=pointer.etag,
        version=pointer.version,
        size=pointer.size,
        digest=b"" if pointer.digest == _UNKNOWN else pointer.digest,
    )


def is_pinned(found: Object, pointer: Pointer) -> bool:
    """Say whether this is the very object, not written again since."""
    told = (uuid_of(found), found.size, found.etag, found.version)
    return told == (pointer.uuid, pointer.size, pointer.etag, pointer.version)


def pinned(store: Store, stored: Stored, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Yield the exact bytes that were stored: under their key, or, where others took it since, under their uuid.

    Raises:
        NotFound: there are no such bytes.
    """
    chunks = store.get(stored.key, offset=offset, length=length, etag=stored.etag, version=stored.version)
    try:
        first = next(chunks, b"")
    except (NotFound, Changed):
        yield from store.get(keys.version_key(stored.uuid), offset=offset, length=length)
        return
    yield first
    yield from chunks


def _names(pointer: Pointer, path: bytes, datastore: str, site: Site) -> Iterator[str]:
    try:
        place = target(site, path, endpoint=datastore)
    except Invalid:  # it was moved to where no sitelink leads to this datastore
        pass
    else:
        key = place.key(pointer.uuid)
        yield key
        yield keys.instance(key, pointer.uuid)
    yield keys.version_key(pointer.uuid)


def _lies_under(store: Store, key: str, pointer: Pointer) -> bool:
    try:
        found = store.head(key)
    except NotFound:
        return False
    if is_pinned(found, pointer):
        return True
    if key == keys.version_key(pointer.uuid):
        return found.size == pointer.size  # a copy in the version store has another tag
    return _was_replaced(store, key, pointer)


def _was_replaced(store: Store, key: str, pointer: Pointer) -> bool:
    """Say whether a bucket with versions still has ours under the key."""
    if not pointer.version:
        return False
    try:
        next(store.get(key, length=1, etag=pointer.etag, version=pointer.version), b"")
    except (NotFound, Changed):
        return False
    return True
