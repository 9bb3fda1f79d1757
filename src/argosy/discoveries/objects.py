"""`objects` discovery (`dynamo.tasks.objects`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Corrupt, NotFound, Unsupported
from argosy.core.paths import below
from argosy.discoveries.base import DISCOVERIES, in_parallel
from argosy.filesystems.base import OnError
from argosy.site import Site
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Store


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """Find the files that Argosy keeps in a datastore, below given paths of it. What others put there is left out.

    And the marks there that objects are about to be removed: entries of which nothing is known but the path.
    """

    ANOTHERS: ClassVar[str] = "another hub's"
    """State of entries whose objects bear the seal of another hub, or of a key that was lost."""

    datastore: Annotated[str, "Datastore to look into"]
    take_over: Annotated[bool, "Take what bears another hub's seal for this one's"] = False

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:  # noqa: ARG002 - stores list in an order of their own
        """Yield an entry for each object that holds a file, with what is known of it."""
        store, seal = site.store(self.datastore), site.access(self.datastore).seal
        for mark in store.list(keys.DOOMED):
            yield Entry(path=b"/" + mark.key.encode())
        prefixes = _outermost([entry.path.strip(b"/") for entry in given])
        listed = (found.key for prefix in _listed(prefixes) for found in store.list(prefix))
        names = filter(keys.may_hold_entry, listed)
        for found in in_parallel(lambda key: _looked_at(store, key), names):
            said = _said(found, store) if found is not None else None
            if found is not None and said is not None and _is_below(found, said, prefixes):
                anothers = not self.take_over and metadata.is_anothers(found.metadata, said, seal)
                entry = Entry(path=b"/" + found.key.encode(), state=self.ANOTHERS if anothers else "")
                yield entry.learned(stored=self._stored(found))

    def _stored(self, found: Object) -> Stored:
        uuid = metadata.uuid_of(found.metadata)
        assert uuid is not None
        return Stored(
            datastore=self.datastore, key=found.key, uuid=uuid, etag=found.etag, version=found.version, size=found.size
        )


def _outermost(paths: Sequence[bytes]) -> list[bytes]:
    """Return the paths without those that lie below another."""
    return [
        path
        for path in sorted(set(paths))
        if not any(below(b"/" + path, b"/" + other) for other in paths if other != path)
    ]


def _listed(prefixes: Sequence[bytes]) -> Iterator[str]:
    """Yield the prefixes of the keys of what belongs to the paths."""
    if b"" in prefixes:
        yield ""
        return
    yield from (f"{keys.encode(prefix)}/" for prefix in prefixes)
    yield from keys.ELSEWHERE


def _looked_at(store: Store, key: str) -> Object | None:
    try:
        return store.head(key)
    except NotFound:
        return None


def _said(found: Object, store: Store) -> metadata.Described | None:
    """Return what it says of a file, if it is ours. What cannot be read is not ours to judge: it stays."""
    if found.metadata.get("argosykind") != Kind.FILE or metadata.uuid_of(found.metadata) is None:
        return None
    try:
        return metadata.described(found.metadata, metadata.fetch_sidecar(store, found.metadata))
    except (Corrupt, NotFound, Unsupported):
        return None


def _is_below(found: Object, said: metadata.Described, prefixes: Sequence[bytes]) -> bool:
    """Say whether it lies where we put it, and its path within the datastore is below one of these."""
    uuid = metadata.uuid_of(found.metadata)
    if uuid is None or not keys.is_put(found.key, said.path, uuid):
        return False
    return any(below(b"/" + said.path, b"/" + prefix) for prefix in prefixes)
