"""Which object a pointer means: its key is not in the inode, so the index is asked, and, failing that, the store."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Invalid, NotFound
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.hsm.object.described import said_by, stored_from
from argosy.hsm.object.stored import KeyUnknown, expect, is_pinned, lost
from argosy.hsm.object.target import Target, target
from argosy.site import Site
from argosy.stores import keys
from argosy.stores.base import Store

_UNKNOWN = bytes(32)


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


def pointed(pointer: Pointer, path: bytes, site: Site, *, endpoint: str | None = None) -> Stored:
    """Return where the bytes are that the pointer of the file at `path` means; `endpoint`: in that datastore.

    Raises:
        Invalid: the site is not linked to the datastore.
        NotFound: the object is lost; or `endpoint` has none with these bytes.
    """
    if endpoint is not None and site.access(endpoint).id != pointer.datastore:
        return _elsewhere(pointer, target(site, path, endpoint=endpoint), path)
    with lost(path):
        return located(pointer, path, site)


def confirmed(pointer: Pointer, path: bytes, site: Site) -> Stored:
    """Return where the store has the exact bytes now: where the index says, under the name of the file, or by uuid.

    Raises:
        Invalid: the site is not linked to the datastore.
        NotFound: they are at none of these.
    """
    stored = located(pointer, path, site)
    try:
        return _found(stored, site)
    except NotFound:
        key = searched(pointer, path, stored.datastore, site)
        if key is None or key == stored.key:
            raise
        return _found(stored_as(pointer, stored.datastore, key), site)


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


def _elsewhere(pointer: Pointer, place: Target, path: bytes) -> Stored:
    """Return the same bytes of another datastore: what lies there under the path, if it says it is those."""
    with suppress(NotFound):
        found = place.store.head(place.key(pointer.uuid))
        said = said_by(place.store, found)
        known = stored_as(pointer, place.access.name, found.key).digest
        if said is not None and said.digest == known != b"":
            return stored_from(found, place, said)
    raise NotFound(f"datastore {place.access.name} has no object with the bytes of {display(path)}: leave out endpoint")


def _found(stored: Stored, site: Site) -> Stored:
    return msgspec.structs.replace(stored, key=expect(stored, site).key)


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
    with suppress(NotFound):
        found = store.head(key)
        if is_pinned(found, pointer):
            return True
        if key == keys.version_key(pointer.uuid):
            return found.size == pointer.size  # a copy in the version store has another tag
    with suppress(NotFound):  # a bucket with versions may have ours behind a later one
        return pointer.version != "" and is_pinned(store.head(key, version=pointer.version), pointer)
    return False
