"""The very bytes that were stored: whether they are still there, and reading them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from argosy.core.entry import Stored
from argosy.core.errors import Changed, Corrupt, NotFound
from argosy.core.faults import ObjectGone, OnlyCopyDamaged
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.hsm.object.target import uuid_of
from argosy.site import Site
from argosy.stores import keys
from argosy.stores.base import Object, Store


class KeyUnknown(NotFound):
    """Nobody has looked for the object everywhere yet: it may well be there."""

    code = "key_unknown"


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
        chunks = store.get(keys.version_key(stored.uuid), offset=offset, length=length)
        yield from _or_gone(chunks, stored)
        return
    yield first
    yield from chunks


def pinned_for(stored: Stored, path: bytes, site: Site) -> Iterator[bytes]:
    """Yield exactly the bytes that were stored, for the file at `path`.

    Raises:
        NotFound: they are lost.
        Restoring: they are in an archive tier; their restore has been requested.
    """
    with lost(path):
        yield from pinned(site.store(stored.datastore), stored)


def expect(stored: Stored, site: Site) -> Object:
    """Return the object's description if it still is what was stored.

    Raises:
        NotFound: it is gone, or others replaced it.
    """
    store = site.store(stored.datastore)
    return _under_its_key(store, stored, "") or _behind_a_later_one(store, stored) or _preserved(store, stored)


def same_object(pointer: Pointer, stored: Stored) -> bool:
    """Say whether a pointer and an entry's facts tell of the same bytes; where that is not known they do not.

    A uuid proves nothing: whoever writes into an object in place may leave it its metadata.
    """
    if pointer.size != stored.size:
        return False
    return is_place_of(pointer, stored) or (stored.digest != b"" and pointer.digest == stored.digest)


def is_place_of(pointer: Pointer, stored: Stored) -> bool:
    """Say whether a pointer and an entry's facts tell of the very same object, not written again since."""
    return (pointer.uuid, pointer.etag, pointer.version) == (stored.uuid, stored.etag, stored.version)


@contextmanager
def lost(path: bytes) -> Iterator[None]:
    """Say of an object that is gone what that means for the file at `path`."""
    try:
        yield
    except KeyUnknown:
        raise
    except NotFound as error:
        raise ObjectGone(
            f"lost: the only bytes of {display(path)} are an object that is gone or was replaced; it stays as it is "
            f"({error.message}). If the object has another name now, `argosy rebuild` finds it; else look for it in "
            "the versions and backups of its store, and at other sites that have the file"
        ) from error


@contextmanager
def damaged(path: bytes) -> Iterator[None]:
    """Say of an object that is not what was stored what that means for the stub at `path`."""
    try:
        yield
    except Corrupt as error:
        if type(error) is not Corrupt:
            raise  # it says more than that: the disk is broken, say
        raise OnlyCopyDamaged(
            f"lost: the only bytes of {display(path)} are damaged; it stays as it is ({error.message}). Look for "
            "them in the versions and backups of the store, and at other sites"
        ) from error


def _or_gone(chunks: Iterator[bytes], stored: Stored) -> Iterator[bytes]:
    """Yield what was preserved; where that is missing name the object, for of the other key nobody knows."""
    try:
        yield from chunks
    except NotFound as error:
        raise _gone(stored) from error


def _gone(stored: Stored) -> ObjectGone:
    return ObjectGone(f"object {stored.key} of datastore {stored.datastore} is gone, or others replaced it")


def _under_its_key(store: Store, stored: Stored, version: str) -> Object | None:
    try:
        found = store.head(stored.key, version=version)
    except NotFound:
        return None
    return found if uuid_of(found) == stored.uuid and _as_it_was(found, stored) else None


def _behind_a_later_one(store: Store, stored: Stored) -> Object | None:
    """Return what a bucket with versions keeps behind what was put there, or deleted, later."""
    return _under_its_key(store, stored, stored.version) if stored.version else None


def _as_it_was(found: Object, stored: Stored) -> bool:
    return (found.size, found.etag, found.version) == (stored.size, stored.etag, stored.version)


def _preserved(store: Store, stored: Stored) -> Object:
    """Return the copy that was made before others took the key; it has a tag of its own."""
    with suppress(NotFound):
        found = store.head(keys.version_key(stored.uuid))
        if found.size == stored.size:
            return found
    raise _gone(stored)
