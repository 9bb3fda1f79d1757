"""Threads take turns at what takes Python, and wait for disks and stores all at once.

Only one thread runs Python at any moment, and each call to the kernel, however short, lets another one run meanwhile.
Where ten threads have something to do, each such call wakes one of them and then waits for it: more time went into that
than into the work. So a thread takes a turn for the work on a small file, and leaves it for whatever may take long.

There is one turn at a time as long as whoever has it works. Where he mostly waits, for a disk that is slow to open a
file, there are as many as keep a processor busy: by Little's law the time that a turn lasts over the time of it that is
work. A turn protects nothing: whoever is stuck in his for `PATIENCE` has lost it, and others go on.
"""

import threading
import time
from collections import deque
from typing import Final

PATIENCE: Final = 0.05
"""Seconds."""
MOST: Final = 64
EACH: Final = 8
"""One turn of so many is measured: to ask for the time of a thread takes a call to the kernel."""
TOLD: Final = 20
"""After so many that were measured it is known how long they last."""
BUSY: Final = 0.7
"""Part of a processor that is kept busy. At 1 turns that only wait for each other would stay as many as they are."""


class _Turn:
    __slots__ = ("began", "worked")

    def __init__(self, *, measured: bool) -> None:
        self.began = time.monotonic()
        self.worked = time.thread_time() if measured else -1.0


class _Turns:
    """`_many` turns are held or free, and none is free while somebody waits; those that were lost are not counted."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._many = self._wanted = self._free = 1
        self._held: set[_Turn] = set()
        self._waiting: deque[threading.Lock] = deque()
        self._begun_ever, self._ended, self._lasted, self._worked = 0, 0, 0.0, 0.0

    def take(self) -> _Turn:
        with self._door:
            if self._free:
                self._free -= 1
                return self._begun()
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        while not called.acquire(timeout=PATIENCE):
            self._write_off()
        with self._door:
            return self._begun()

    def give(self, turn: _Turn) -> None:
        with self._door:
            if turn not in self._held:  # it was lost
                return
            self._held.remove(turn)
            self._note(turn)
            if self._many > self._wanted:
                self._many -= 1
                return
            self._call()
            while self._many < self._wanted:
                self._many += 1
                self._call()

    def _begun(self) -> _Turn:
        self._begun_ever += 1
        turn = _Turn(measured=self._begun_ever % EACH == 0)
        self._held.add(turn)
        return turn

    def _call(self) -> None:
        """Let the next one have a turn."""
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._free += 1

    def _note(self, turn: _Turn) -> None:
        if turn.worked < 0:
            return
        self._ended += 1
        self._lasted += time.monotonic() - turn.began
        self._worked += time.thread_time() - turn.worked
        if self._ended == TOLD:
            needed = BUSY * self._lasted / max(self._worked, 1e-9)
            self._wanted = min(max(round(needed), 1), MOST)
            self._ended, self._lasted, self._worked = 0, 0.0, 0.0

    def _write_off(self) -> None:
        with self._door:
            before = time.monotonic() - PATIENCE
            for turn in [turn for turn in self._held if turn.began < before]:
                self._held.remove(turn)
                self._call()


class _Mine(threading.local):
    turn: _Turn | None = None


_turns = _Turns()
_mine = _Mine()


class taken:  # noqa: N801 - used as a statement; a class, because a generator costs three times as much
    """Have a turn, and give it back in the end."""

    __slots__ = ()

    def __enter__(self) -> None:
        _mine.turn = _turns.take()

    def __exit__(self, *error: object) -> None:
        turn, _mine.turn = _mine.turn, None
        if turn is not None:
            _turns.give(turn)


class left:  # noqa: N801 - as above
    """Let others have the turn meanwhile, if this thread has one."""

    __slots__ = ("_had",)

    def __enter__(self) -> None:
        self._had, _mine.turn = _mine.turn, None
        if self._had is not None:
            _turns.give(self._had)

    def __exit__(self, *error: object) -> None:
        if self._had is not None:
            _mine.turn = _turns.take()
