"""Whose doing the times of directories are: those that nobody but this run changed get theirs back."""

import os
from typing import Final

from argosy.core.moments import modified_ns

_OTHERS: Final = -1
"""Instead of the time that it had before: somebody else changed it, too."""


class Stirred:
    """Compares the time of each directory before an act with the one that the act before left."""

    def __init__(self) -> None:
        self._times: dict[int, tuple[int, int]] = {}
        """By inode: before the first act, and after the last."""
        self._now: int | None = None

    def begin(self) -> None:
        """Begin an act: it has changed nothing yet."""
        self._now = None

    def before(self, directory: int) -> None:
        """Look at an open directory in which something is to be done."""
        found = os.fstat(directory)
        first, last = self._times.get(found.st_ino, (modified_ns(found), modified_ns(found)))
        self._times[found.st_ino] = (first if last == modified_ns(found) else _OTHERS, last)
        self._now = directory

    def after(self) -> None:
        """Take what the directory has now for the doing of the act; it is open still."""
        if self._now is not None:
            found = os.fstat(self._now)
            self._times[found.st_ino] = (self._times[found.st_ino][0], modified_ns(found))

    def made(self, inode: int, mtime_ns: int) -> None:
        """Know a directory that the run made."""
        self._times[inode] = (mtime_ns, mtime_ns)

    def alone(self, found: os.stat_result, scanned_ns: int | None) -> bool:
        """Say whether the run alone changed a directory since it was scanned (None: since the run made it).

        It is asked once: nothing more is done in it.
        """
        now = modified_ns(found)
        first, last = self._times.pop(found.st_ino, (now, now))
        return last == now and first in ({first} - {_OTHERS} if scanned_ns is None else {scanned_ns})
