"""The object of a pointer, or of a path: whether it is there, its bytes, and what it says of the entry it holds."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from argosy.core.entry import Entry, Facts, Kind, Stored
from argosy.core.errors import Busy, Changed, Invalid, NotFound
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.hsm.located import KeyUnknown, located, pinned, stored_as
from argosy.hsm.objects import Target, is_doomed, target, uuid_of
from argosy.hsm.trust import Owners, believed, foreign, is_believed
from argosy.site import Site
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Store


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


def chunks_of(stored: Stored, path: bytes, site: Site) -> Iterator[bytes]:
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
    with suppress(NotFound, Changed):
        found = store.head(stored.key)
        if uuid_of(found) == stored.uuid and _as_it_was(found, stored):
            return found
        if stored.version:  # the bucket keeps it behind a later one
            next(store.get(stored.key, length=1, etag=stored.etag, version=stored.version), b"")
            return found
    return _preserved(store, stored)


@contextmanager
def lost(path: bytes) -> Iterator[None]:
    """Say of an object that is gone what that means for the file at `path`."""
    try:
        yield
    except KeyUnknown:
        raise
    except NotFound as error:
        raise NotFound(
            f"lost: the only bytes of {display(path)} are an object that is gone or was replaced; it stays as it is "
            f"({error.message}). If the object has another name now, `argosy rebuild` finds it; else look for it in "
            "the versions and backups of its store, and at other sites that have the file"
        ) from error


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


def described_at(entry: Entry, site: Site, *, endpoint: str | None, owners: Owners) -> tuple[Entry, bool]:
    """Return the entry as the object under its path describes it, with all that is needed to make it here.

    And whether that may grant rights to what is here already: the datastore's seal is on it.

    Raises:
        NotFound: nothing lies under that path.
        Invalid: the datastore does not keep objects under their paths.
        Busy: the object is about to be removed.
    """
    place = target(site, entry.path, endpoint=endpoint)
    found, kind = marked(place, entry.path)
    if is_doomed(place.store, found):
        raise Busy(f"object {found.key} of datastore {place.access.name} is being removed: nothing refers to it")
    said = said_by(place.store, found)
    stored = stored_from(found, place, said)
    sealed = said is not None and is_believed(place, found, said)
    if said is None:
        attributes = foreign(found, kind, owners)
        facts = Facts(attributes=attributes, stored=stored)
    else:
        kind, attributes = said.kind, believed(place, found, said, owners)
        links = said.links if sealed else 1  # else it might become a name of any file here
        facts = Facts(attributes=attributes, stored=stored, target=said.target, links=links)
    size = found.size if kind is Kind.FILE else 0
    return msgspec.structs.replace(entry, kind=kind, size=size, mtime_ns=attributes.mtime_ns, facts=facts), sealed


def marked(place: Target, path: bytes) -> tuple[Object, Kind]:
    """Return what stands for the path: a file or symlink under its own name, or a directory's marker.

    Raises:
        NotFound: nothing does.
        Invalid: the datastore does not keep objects under their paths.
    """
    if place.access.layout != "native":
        raise Invalid(
            f"datastore {place.access.name} keeps objects under their uuids: nothing says which is that of "
            f"{display(path)}; send it from a site that has it"
        )
    if place.name:
        with suppress(NotFound):
            return place.store.head(place.key(b"")), Kind.FILE
    try:
        return place.store.head(place.marker(b"")), Kind.DIRECTORY
    except NotFound as error:
        raise NotFound(f"datastore {place.access.name} has nothing under the name of {display(path)}") from error


def said_by(store: Store, found: Object) -> metadata.Described | None:
    """Return what the object says of the entry it holds; None where it is not ours.

    Raises:
        Corrupt: it is ours and can no longer be read.
    """
    return metadata.described(found.metadata, metadata.fetch_sidecar(store, found.metadata))


def stored_at(place: Target, found: Object) -> Stored:
    """Return where the object is, and its hash where it says it."""
    return stored_from(found, place, said_by(place.store, found))


def stored_from(found: Object, place: Target, said: metadata.Described | None) -> Stored:
    """Return where the object is, and its hash if what it says of itself tells it."""
    return Stored(
        datastore=place.access.name,
        key=found.key,
        uuid=uuid_of(found),
        etag=found.etag,
        version=found.version,
        size=found.size,
        digest=b"" if said is None else said.digest,
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


def _as_it_was(found: Object, stored: Stored) -> bool:
    return (found.size, found.etag, found.version) == (stored.size, stored.etag, stored.version)


def _preserved(store: Store, stored: Stored) -> Object:
    """Return the copy that was made before others took the key; it has a tag of its own."""
    with suppress(NotFound):
        found = store.head(keys.version_key(stored.uuid))
        if found.size == stored.size:
            return found
    raise NotFound(f"object {stored.key} of datastore {stored.datastore} is gone, or others replaced it")
