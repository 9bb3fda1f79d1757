"""Which of the directories that never hold still somebody moved something into, or out of, that was there before.

A directory in which files are made, removed and replaced all the time is as good as one that holds still, as long as
nothing that was there when the scan began gets another name in it: all of that was listed, whatever else was. So such
directories are watched, and what gets a name in them is looked at.

* What was made since the scan began is of no interest, unless it is a directory: something may have been moved into it.
* What was there is: its directory is to be read again, and the one that it came from as well.
* What has gone again when it is looked at was removed, or got yet another name, and that is told as well; but the
  directory that it came from may still have a row for it.
"""

import os
from enum import Enum
from typing import Final, NamedTuple, Self

from argosy.linux.handles import are_lasting
from argosy.linux.openat2 import LOOKUP, open_beneath
from argosy.linux.statx import statx
from argosy.linux.tree import Identity
from argosy.linux.watching import CREATE, IS_DIRECTORY, MOVED_FROM, MOVED_TO, OVERFLOW, Event, Watch

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class _Place(NamedTuple):
    identity: Identity
    path: bytes


class Moves:
    """The directories that are watched; none on a filesystem that others than this kernel can change."""

    def __init__(self, top: int, since_ns: int) -> None:
        """Watch nothing yet; `since_ns`: what was made later is new."""
        self._top, self._since_ns = top, since_ns
        self._watch = Watch() if are_lasting(top) else None
        self.watches_all = self._watch is not None
        """Whether every directory that was to be watched is."""
        self._places: dict[int, _Place] = {}
        self._restless: set[Identity] = set()
        self._ahead: list[Event] = []

    def __enter__(self) -> Self:
        """Have it."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()

    def watch(self, directory: int, identity: Identity, path: bytes) -> None:
        """Watch the open directory, if that is possible; it is about to be read."""
        if self._watch is None:
            return
        self._restless.discard(identity)
        try:
            self._places[self._watch.add(directory)] = _Place(identity, path)
        except OSError:
            self.watches_all = False  # there are as many as a user may have: it is as restless as it looks

    def forget(self, identity: Identity) -> None:
        """Take it that the directory is not watched: another one was."""
        self._places = {number: place for number, place in self._places.items() if place.identity != identity}

    @property
    def watched(self) -> set[Identity]:
        """The directories that are watched."""
        return {place.identity for place in self._places.values()}

    def restless(self) -> set[Identity]:
        """Return those in which something old, or a directory, got or lost a name since they were to be read."""
        if self._watch is None:
            return set()
        events, self._ahead = self._ahead + self._watch.events(), []
        if any(event.what & OVERFLOW for event in events):
            self._restless |= self.watched
        events = [event for event in events if event.watch in self._places]
        came = {event: self._became(event) for event in events if event.what & (MOVED_TO | CREATE)}
        self._ahead = self._watch.events()
        fine = _fine_moves([*events, *self._ahead], came)
        old = [event for event, became in came.items() if became is _Became.OLD]
        lost = [event for event in events if event.what & MOVED_FROM and event.cookie not in fine]
        self._restless |= {self._places[event.watch].identity for event in (*old, *lost)}
        return self._restless

    def _became(self, event: Event) -> "_Became":
        """Look at what has that name now; a directory, and what cannot be told, count as old."""
        if event.what & IS_DIRECTORY:
            return _Became.OLD
        place = self._places[event.watch]
        try:
            directory = open_beneath(self._top, place.path, LOOKUP)
        except OSError:
            return _Became.OLD
        try:
            return self._looked_at(directory, event.name) if _identity(directory) == place.identity else _Became.OLD
        finally:
            os.close(directory)

    def _looked_at(self, directory: int, name: bytes) -> "_Became":
        try:
            found = os.open(name, _LOOK, dir_fd=directory)
        except FileNotFoundError:
            return _Became.GONE
        try:
            return _Became.NEW if statx(found).born_ns > self._since_ns else _Became.OLD
        finally:
            os.close(found)


class _Became(Enum):
    OLD = 1
    NEW = 2
    GONE = 3


def _fine_moves(events: list[Event], came: dict[Event, _Became]) -> set[int]:
    """Return the cookies of moves of what is new: that is where it was moved to, and nothing went from there since."""
    fine, went = set[int](), set[tuple[int, bytes]]()
    for event in reversed(events):
        if event.what & MOVED_FROM:
            went.add((event.watch, event.name))
        elif came.get(event) is _Became.NEW and (event.watch, event.name) not in went:
            fine.add(event.cookie)
    return fine


def _identity(directory: int) -> Identity:
    known = statx(directory)
    return known.inode, known.born_ns
