"""Which object a pointer means: its key is not in the inode, so the index is asked, and, failing that, the store."""

from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Corrupt, Invalid, NotFound
from argosy.core.faults import ObjectGone
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.hsm.object.described import said_by, stored_from
from argosy.hsm.object.stored import KeyUnknown, expect, is_pinned, lost
from argosy.hsm.object.target import Target, target
from argosy.site import Site
from argosy.stores import keys
from argosy.stores.base import Store
from argosy.stores.metadata import Described

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
    names = _names(pointer.uuid, path, datastore, site)
    return next((name for name in names if _lies_under(store, name, pointer)), None)


def found_by_uuid(uuid: bytes, path: bytes, datastore: str, site: Site) -> tuple[Stored, Described] | None:
    """Return an object of which only the uuid is known, and what it says of itself; None where it is not found.

    It is looked for in the datastore where the index has it, or in the one that is named. One that does not say what
    its bytes hash to is not found: nothing would tell whether they are the right ones.

    Raises:
        Invalid: the site is not linked to the datastore.
    """
    access, known = site.access(site.datastore_of(uuid) or datastore), site.key_of(uuid)
    store = site.store(access.name)
    for key in (*([] if known is None else [known]), *_names(uuid, path, access.name, site)):
        with suppress(NotFound, Corrupt):
            found = store.head(key)
            said = said_by(store, found)
            if said is not None and said.uuid == uuid and said.digest not in {b"", _UNKNOWN}:
                stored = Stored(
                    datastore=access.name, key=key, uuid=uuid, etag=found.etag, version=found.version,
                    size=found.size, digest=said.digest,
                )  # fmt: skip
                site.remember(stored, path)
                return stored, said
    return None


def named(uuid: bytes, site: Site) -> str:
    """Return what people are told of an object of which only the uuid is known: where it is, if the index knows."""
    key, datastore = site.key_of(uuid), site.datastore_of(uuid)
    if key is None or datastore is None:
        return f"the object of uuid {UUID(bytes=uuid)}"
    return f"object {key} of datastore {datastore}"


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
    raise ObjectGone(
        f"datastore {place.access.name} has no object with the bytes of {display(path)}: leave out endpoint"
    )


def _found(stored: Stored, site: Site) -> Stored:
    return msgspec.structs.replace(stored, key=expect(stored, site).key)


def _names(uuid: bytes, path: bytes, datastore: str, site: Site) -> Iterator[str]:
    try:
        place = target(site, path, endpoint=datastore)
    except Invalid:  # it was moved to where no sitelink leads to this datastore
        pass
    else:
        key = place.key(uuid)
        yield key
        yield keys.instance(key, uuid)
    yield keys.version_key(uuid)


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
