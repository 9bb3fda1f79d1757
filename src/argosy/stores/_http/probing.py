"""Finding out what a store can do by having it done."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import uuid4

from argosy.core.errors import ArgosyError, Exists, Unavailable
from argosy.core.faults import StoreDown
from argosy.stores._http.sources import Bytes
from argosy.stores.base import Abilities, Absent, Store, Unchanged


class Probed(Store, Protocol):
    """A store that has a name."""

    @property
    def where(self) -> str:
        """The store, as messages name it."""


def probe_key() -> str:
    """Return a key that nobody else uses, for an object that is soon removed."""
    return f".argosy/probe/{uuid4()}"


def abilities(store: Probed, *, checksums: bool, in_parts: Callable[[str], object]) -> Abilities:
    """Return what the store can do; `in_parts` puts an object under the key it is given as a large one would be.

    Raises:
        Unavailable: it does not answer, does not let us write, or ignores conditions.
    """
    key, other = probe_key(), probe_key()
    first = store.put(key, Bytes(b"one"), metadata={}, condition=Absent())
    try:
        _check_conditions(store, key)
        second = store.put(key, Bytes(b"two"), metadata={}, condition=Unchanged(first.etag))
        return Abilities(
            conditions=True,
            checksums=checksums,
            versions=bool(first.version) and b"".join(store.get(key, version=first.version)) == b"one",
            copies=_does(lambda: store.copy(key, other, etag=second.etag)),
            multipart=_does(lambda: in_parts(key)),
        )
    finally:
        for made in (key, other):
            with suppress(ArgosyError):
                store.delete(made)


def _check_conditions(store: Probed, key: str) -> None:
    with suppress(Exists):
        store.put(key, Bytes(b"two"), metadata={}, condition=Absent())
        raise StoreDown(f"{store.where} ignores conditional writes: writers would destroy each other's")


def _does(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Unavailable:
        raise
    except ArgosyError:
        return False
    return True
