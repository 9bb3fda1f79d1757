"""A store as one attempt reaches it: once it did not answer, nothing more is asked of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar, cast

from argosy.core.errors import Unavailable
from argosy.core.faults import RootUnserved
from argosy.stores.base import Store

T = TypeVar("T")

_YIELDING: Final = frozenset({"get", "list"})
"""Verbs that ask while what they return is read."""


class Silent:
    """The datastores that did not answer an attempt, each with the error that told so."""

    def __init__(self) -> None:
        self._told: dict[str, Unavailable] = {}
        self._met: list[Unavailable] = []

    @contextmanager
    def asking(self, datastore: str) -> Iterator[None]:
        """Ask something of a datastore.

        Raises:
            Unavailable: it did not answer before, or does not now.
        """
        if (told := self._told.get(datastore)) is not None:
            raise told
        try:
            yield
        except RootUnserved:  # of what was to be put there
            raise
        except Unavailable as error:
            self._met.append(error)  # first: whoever finds it told finds it here
            self._told.setdefault(datastore, error)
            raise

    def is_of_one(self, error: Unavailable) -> bool:
        """Say whether it is one datastore that does not answer, or one root: whatever needs another can be done."""
        return isinstance(error, RootUnserved) or any(error is met for met in tuple(self._met))


class _Reached:
    """A datastore for one attempt: `argosy.stores.base.Store`."""

    def __init__(self, store: Store, datastore: str, silent: Silent) -> None:
        self._store = store
        self._datastore = datastore
        self._silent = silent

    def __getattr__(self, name: str) -> Any:
        """Return a verb of the store."""
        verb = getattr(self._store, name)
        return partial(self._yielded if name in _YIELDING else self._asked, verb)

    def _asked(self, verb: Callable[..., T], *args: Any, **more: Any) -> T:
        with self._silent.asking(self._datastore):
            return verb(*args, **more)

    def _yielded(self, verb: Callable[..., Iterator[T]], *args: Any, **more: Any) -> Iterator[T]:
        with self._silent.asking(self._datastore):
            yield from verb(*args, **more)


def reached(store: Store, datastore: str, silent: Silent) -> Store:
    """Return the datastore, which is asked nothing more once it did not answer."""
    return cast("Store", _Reached(store, datastore, silent))
