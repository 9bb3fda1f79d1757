"""What lies under a path of a store, and what it says of the entry it holds."""

from contextlib import suppress

import msgspec

from argosy.core.entry import Entry, Facts, Kind, Stored
from argosy.core.errors import Busy, Invalid, NotFound
from argosy.core.faults import ObjectGone
from argosy.core.paths import display
from argosy.hsm.object.target import Target, is_doomed, target, uuid_of
from argosy.hsm.object.trust import Owners, believed, foreign, is_believed
from argosy.site import Site
from argosy.stores import metadata
from argosy.stores.base import Object, Store


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
    if is_doomed(place.store, found.key, uuid_of(found)):
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
        raise ObjectGone(f"datastore {place.access.name} has nothing under the name of {display(path)}") from error


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
