"""What lies in trash and version store is removed when its time is over, or when the disk runs full."""

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final

import structlog

from argosy.agent.clock import Clock
from argosy.agent.place import Place
from argosy.core.errors import ArgosyError
from argosy.core.paths import below, display
from argosy.filesystems.base import Filesystem, Kept
from argosy.hsm.tree.shelves import is_spared, oldest_first, purged

log = structlog.get_logger()

INTERVAL: Final = 3600.0
"""Seconds between two looks at the shelves."""
MARK: Final = 0.05
"""Part of a filesystem that is to be free: where less is, the oldest on the shelves go before their time."""
_DAY: Final = 86_400 * 10**9


class Housekeeper:
    """Keeps the shelves of a site's roots, in a thread of its own: there may be much to remove."""

    def __init__(self, place: Place, trash_days: float, clock: Clock) -> None:
        self._place = place
        self._clock = clock
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
            try:
                self._clean_all()
            except Exception:  # whatever it was, the next look may go well
                log.exception("shelves were not looked at", site=self._place.name)
            if self._stopped.wait(INTERVAL):
                return

    def _clean_all(self) -> None:
        filesets = self._place.filesets
        now = self._clock.believed() if filesets.are_told else None  # one may keep what is old longer
        for trees in _by_filesystem(self._place.served()):
            roots = [display(tree.root) for tree in trees]
            try:
                gone = clean(
                    *trees,
                    trash_days=self._trash_days,
                    filesets=filesets.trash_days(),
                    now=now,
                    stopped=self._stopped.is_set,
                )
            except ArgosyError as error:
                log.warning("shelves were not cleaned", roots=roots, reason=error.message)
            else:
                if gone:
                    log.info("shelves were cleaned", roots=roots, entries=gone)


def clean(
    *trees: Filesystem,
    trash_days: float,
    filesets: Mapping[bytes, float] | None = None,
    now: int | None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Remove what has been on a shelf for `trash_days`, and for want of space more, the oldest first; return how many.

    The trees are all of one filesystem. `filesets`: tops below which another number of days counts. `now`: the time, ns
    since 1970; where it is not known, nothing goes for its age. For want of space nothing goes that frees none. What
    cannot be removed is logged and stays. A kill at any time leaves the rest for the next time.
    """
    gone, missing, settled = 0, _missing(trees), filesets or {}
    shortest = min([trash_days, *settled.values()])
    for tree, kept in oldest_first(trees):
        if stopped() or (not _is_over(kept, shortest, now) and missing <= 0):
            break
        freed = tree.freed_by(kept) if missing > 0 else 0
        days = next((days for top, days in settled.items() if below(kept.entry.path, top)), trash_days)
        if (freed or _is_over(kept, days, now)) and not is_spared(kept, now) and purged(tree, kept):
            gone += 1
            missing -= freed  # counted, not looked at: filesystems give it back later
    return gone


def _is_over(kept: Kept, days: float, now: int | None) -> bool:
    """Say whether it has been there for so many days; where the time is not known, nothing has."""
    return now is not None and kept.since_ns <= now - int(days * _DAY)


def _missing(trees: Collection[Filesystem]) -> int:
    """Return the bytes that are to become free."""
    free, whole = next(iter(trees)).free()
    return int(whole * MARK) - free


def _by_filesystem(trees: Iterable[Filesystem]) -> Collection[list[Filesystem]]:
    found: dict[int, list[Filesystem]] = defaultdict(list)
    for tree in trees:
        with suppress(FileNotFoundError):
            found[os.stat(tree.root).st_dev].append(tree)
    return found.values()
