"""A store as one attempt reaches it: once it did not answer for two entries in a row, nothing more is asked of it.

At a single object a store may fail for ever that is well otherwise.
"""

import threading
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


class _Dealt:
    """An entry that is dealt with."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.answered: set[str] = set()
        """Datastores that answered it, or are in `met`: that there is no such object is an answer, too."""
        self.met: dict[str, Unavailable] = {}
        """Those that did not answer: they are asked nothing more for it."""


class _Now(threading.local):
    def __init__(self) -> None:
        self.entry = _Dealt(b"")
        """What this thread deals with."""


class Silent:
    """The datastores that did not answer an attempt, each with the error that told so."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._now = _Now()
        self._told: dict[str, Unavailable] = {}
        self._met: list[Unavailable] = []
        self._last: dict[str, bytes] = {}
        """By datastore that may be silent, the entry that met it: none got through since."""
        self._asked: set[bytes] = set()

    @property
    def asked(self) -> frozenset[bytes]:
        """Paths of entries for which a datastore was asked and did not answer."""
        return frozenset(self._asked)

    @contextmanager
    def dealing(self, path: bytes) -> Iterator[None]:
        """Deal with an entry: for it is asked what this thread asks meanwhile."""
        entry = self._now.entry = _Dealt(path)
        try:
            yield
        finally:
            for datastore in entry.answered - entry.met.keys():
                self._last.pop(datastore, None)

    @contextmanager
    def asking(self, datastore: str) -> Iterator[None]:
        """Ask something of a datastore.

        Raises:
            Unavailable: it did not answer before, for this entry or for two others in a row, or does not now.
        """
        if (told := self._told.get(datastore) or self._now.entry.met.get(datastore)) is not None:
            raise told
        with self.meeting(datastore):
            yield

    @contextmanager
    def meeting(self, datastore: str) -> Iterator[None]:
        """Look at a datastore that may be known to be silent.

        Raises:
            Unavailable: it does not answer now.
        """
        try:
            yield
        except RootUnserved:  # of what was to be put there
            raise
        except Unavailable as error:
            self._meet(datastore, error)
            raise

    def answered(self, datastore: str) -> None:
        """Note that a datastore answered what was asked of it, unless it was met to be silent."""
        self._now.entry.answered.add(datastore)

    def _meet(self, datastore: str, error: Unavailable) -> None:
        entry = self._now.entry
        with self._door:
            self._met.append(error)  # first: whoever finds it told finds it here
            self._asked.add(entry.path)
            entry.met[datastore] = error
            if self._last.setdefault(datastore, entry.path) != entry.path:
                self._told.setdefault(datastore, error)

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
            try:
                return verb(*args, **more)
            finally:
                self._silent.answered(self._datastore)

    def _yielded(self, verb: Callable[..., Iterator[T]], *args: Any, **more: Any) -> Iterator[T]:
        with self._silent.asking(self._datastore):
            try:
                yield from verb(*args, **more)
            finally:
                self._silent.answered(self._datastore)


def reached(store: Store, datastore: str, silent: Silent) -> Store:
    """Return the datastore, which is asked nothing more once it is silent."""
    return cast("Store", _Reached(store, datastore, silent))
