"""What lies in trash and version store is removed when its time is over, or when the disk runs full."""

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog

from argosy.agent.place import Place
from argosy.core.errors import ArgosyError
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Kept, Shelf

log = structlog.get_logger()

INTERVAL: Final = 3600.0
"""Seconds between two looks at the shelves."""
MARK: Final = 0.05
"""Part of a filesystem that is to be free: where less is, the oldest on the shelves go before their time."""
_DAY: Final = 86_400 * 10**9


class Housekeeper:
    """Keeps the shelves of a site's roots, in a thread of its own: there may be much to remove."""

    def __init__(self, place: Place, trash_days: float) -> None:
        self._place = place
        self._trash_days = trash_days
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{place.name}-housekeeper", daemon=True)

    def start(self) -> None:
        """Look at the shelves now and every hour."""
        self._thread.start()

    def stop(self) -> None:
        """Stop between two entries."""
        self._stopped.set()

    def _run(self) -> None:
        while True:
            self._clean_all()
            if self._stopped.wait(INTERVAL):
                return

    def _clean_all(self) -> None:
        for tree in self._place.trees:
            if tree.root in self._place.unserved:
                continue
            try:
                gone = clean(tree, trash_days=self._trash_days, stopped=self._stopped.is_set)
            except ArgosyError as error:
                log.warning("shelves were not cleaned", root=display(tree.root), reason=error.message)
            else:
                if gone:
                    log.info("shelves were cleaned", root=display(tree.root), entries=gone)


def clean(tree: Filesystem, *, trash_days: float, stopped: Callable[[], bool] = lambda: False) -> int:
    """Remove what has been on a shelf for `trash_days`, and for want of space more, the oldest first; return how many.

    A kill at any time leaves the rest for the next time.
    """
    gone = 0
    for kept in _spent(_oldest_first(tree), _missing(tree), before=time.time_ns() - int(trash_days * _DAY)):
        if stopped():
            break
        tree.purge(kept)
        gone += 1
    return gone


def _spent(found: Iterable[Kept], missing: int, *, before: int) -> Iterator[Kept]:
    """Yield what is to go. Space is counted, not looked at: filesystems give it back later."""
    for kept in found:
        if kept.since_ns > before and missing <= 0:
            return
        yield kept
        missing -= kept.entry.size


def _oldest_first(tree: Filesystem) -> Iterator[Kept]:
    return heapq.merge(*(tree.kept(shelf) for shelf in Shelf), key=lambda kept: kept.since_ns)


def _missing(tree: Filesystem) -> int:
    """Return the bytes that are to become free."""
    free, whole = tree.free()
    return int(whole * MARK) - free
