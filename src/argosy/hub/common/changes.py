"""Which rows have changed, noted after the commit: what a change costs where it is recorded is a number in a set."""

import threading
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from functools import partial

from django.db import transaction

MOST = 2000
"""Rows of a kind that are kept apart until somebody takes them; of more it is only known that there were many."""


class Kind(StrEnum):
    """What changes while people look."""

    JOB = "job"
    TASK = "task"
    SITE = "site"


class Changes:
    """The rows that changed since they were taken last, each once however often it changed. For all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Kind, set[int]] = {kind: set() for kind in Kind}
        self._uncounted: set[Kind] = set()
        self._tell: Callable[[], None] = lambda: None
        self._others: Changes | None = None

    def share(self, others: "Changes | None") -> None:
        """Have what is noted from now on be kept there as well, for whoever tells other processes of the hub."""
        self._others = others

    def note(self, kind: Kind, rows: Collection[int]) -> None:
        """Keep what this process changed."""
        self.add(kind, rows)
        if self._others is not None:
            self._others.add(kind, rows)

    def note_many(self, kind: Kind) -> None:
        """Keep no more than that this process changed rows of the kind."""
        self.many(kind)
        if self._others is not None:
            self._others.many(kind)

    def add(self, kind: Kind, rows: Iterable[int]) -> None:
        """Keep the rows, and tell whoever hears."""
        with self._lock:
            known = self._rows[kind]
            known.update(rows)
            many = len(known) > MOST
        if many:
            self.many(kind)
        else:
            self._tell()

    def many(self, kind: Kind) -> None:
        """Keep no more than that rows of the kind changed, and tell whoever hears."""
        with self._lock:
            self._rows[kind].clear()
            self._uncounted.add(kind)
        self._tell()

    def take(self, kind: Kind) -> set[int]:
        """Return the rows, and keep them no longer."""
        with self._lock:
            rows, self._rows[kind] = self._rows[kind], set()
            return rows

    def forgot(self, kind: Kind) -> bool:
        """Say, once, whether others changed of which nobody knows which they are."""
        with self._lock:
            forgot = kind in self._uncounted
            self._uncounted.discard(kind)
            return forgot

    def hear(self, tell: Callable[[], None]) -> None:
        """Have this called, by any thread, whenever there is something to take. It must neither block nor raise."""
        self._tell = tell


CHANGES = Changes()
"""Those of this process. Of a hub with several, each is told by the others: see `distributed/news.py`."""


def note(kind: Kind, rows: Iterable[int]) -> None:
    """Once this transaction is committed, the rows have changed."""
    if kept := tuple(rows):
        transaction.on_commit(partial(CHANGES.note, kind, kept))


def note_many(kind: Kind) -> None:
    """Once this transaction is committed, rows of the kind have changed, and it is not said which."""
    transaction.on_commit(partial(CHANGES.note_many, kind))
