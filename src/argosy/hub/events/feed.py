"""The thread that makes events of changes, a few times a second, once for all who listen."""

import secrets
import threading
import time
from collections.abc import Collection, Hashable

import structlog
from django.db import connection

from argosy.core.errors import Unavailable
from argosy.hub.common.changes import CHANGES, Changes, Kind
from argosy.hub.events.listener import Asked, Listener
from argosy.hub.events.pictures import Picture, pictures
from argosy.hub.events.recent import Event, Recent

log = structlog.get_logger()

PERIOD = 0.25
"""Seconds between events of one row, at least."""
REST = 10
"""How many times as long as it worked the thread rests: events never take more of the hub than a tenth of a core."""
LONGEST = 5.0
"""Seconds it rests at most."""
LISTENERS = 500
"""Who may listen at once."""
RECHECK = 2.0
"""Seconds between looks whether those who listen still may: with a rest of the thread, none listens seven more."""
PIECE = 32 << 10
"""Bytes that are sent at once, more or less."""


class Feed:
    """Events of one hub since it started. Nothing is made while nobody listens: changes wait, each row once."""

    def __init__(self, *, changes: Changes = CHANGES, most: int = LISTENERS, recheck: float = RECHECK) -> None:
        self._changes = changes
        self._most, self._recheck_every = most, recheck
        self._era = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._number = 0
        self._recent = {kind: Recent() for kind in Kind}
        self._listeners: set[Listener] = set()
        self._checked = time.monotonic()
        self._due, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to make events of what changes from now on."""
        for kind in Kind:
            self._changes.take(kind)
            self._changes.forgot(kind)
        self._changes.hear(self._due.set)
        self._thread.start()

    def end(self) -> None:
        """Have everybody leave, and let nobody in any more. Does not wait."""
        self._stopping.set()
        self._due.set()
        for listener in self._present():
            listener.end()

    def stop(self) -> None:
        """End, and return when the thread has ended."""
        self.end()
        self._thread.join()
        self._changes.hear(lambda: None)

    def join(self, asked: Asked) -> Listener:
        """Let somebody listen from where he was; where what he missed is not known any more he is told so first.

        Raises:
            Unavailable: too many listen, or the hub is stopping.
        """
        listener = Listener(asked)
        with self._lock:
            if self._stopping.is_set():
                raise Unavailable("the hub is stopping")
            if len(self._listeners) >= self._most:
                raise Unavailable(f"{self._most} listen to events already: ask again later, or ask for the state")
            for kind in asked.kinds:
                self._catch_up(kind)
            self._listeners.add(listener)
            if (known := self._found(asked.after)) is None or asked.narrowed:  # who sees which was looked at for others
                self._begin_anew(listener, "gone" if asked.after else "new")
            else:
                listener.position = known
        self._due.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Let somebody go."""
        with self._lock:
            self._listeners.discard(listener)

    def news(self, listener: Listener) -> bytes:
        """Return the next piece of his stream, "" where he has it all."""
        with self._lock:
            if any(listener.position < self._recent[kind].floor for kind in listener.asked.kinds):
                self._begin_anew(listener, "gone")
            if listener.reset:
                told, listener.reset = f'{{"reason":"{listener.reset}"}}', ""
                return self._text(listener.position, "reset", told.encode())
            return self._behind(listener)

    def beat(self, listener: Listener) -> bytes:
        """Return a sign of life, which also says how far he is: so he has missed less when he comes again."""
        return f": beat\nid: {self._era}-{listener.position}\n\n".encode()

    def _begin_anew(self, listener: Listener, reason: str) -> None:
        """Have him load anew what he shows; jobs that he named are told to him as they are."""
        listener.position, listener.reset = self._number, reason
        if listener.asked.jobs:
            self._changes.add(Kind.JOB, listener.asked.jobs)

    def _behind(self, listener: Listener) -> bytes:
        """Return what he wants of what is behind him, a piece of it if that is much."""
        found = [event for kind in listener.asked.kinds for event in self._recent[kind].after(listener.position)]
        wanted = [event for event in found if listener.asked.wants(event.picture) and listener.asked.may_have(event)]
        piece = bytearray()
        for event in sorted(wanted, key=lambda event: event.number):
            if len(piece) > PIECE:
                break
            piece += self._text(event.number, event.picture.name, event.picture.data)
            listener.position = event.number
        else:
            listener.position = self._number
        return bytes(piece)

    def _text(self, number: int, name: str, data: bytes) -> bytes:
        return f"id: {self._era}-{number}\nevent: {name}\ndata: ".encode() + data + b"\n\n"

    def _found(self, after: str) -> int | None:
        """Return the number of an id of ours, None where it is none."""
        era, _, number = after.partition("-")
        known = era == self._era and number.isascii() and number.isdigit() and len(number) < 20
        return int(number) if known and int(number) <= self._number else None

    def _present(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._due.wait(max(0.0, self._checked + self._recheck_every - time.monotonic()))
            self._due.clear()
            began = time.monotonic()
            for do in (self._publish, self._recheck):
                try:
                    do()
                except Exception:  # most likely a database that is busy, or went away and came back
                    log.exception("events put off")
                    connection.close()
            self._stopping.wait(min(max(PERIOD, REST * (time.monotonic() - began)), LONGEST))
        connection.close()

    def _publish(self) -> None:
        """Make events of what changed and somebody wants to hear of, and wake him."""
        for kind in {kind for listener in self._present() for kind in listener.asked.kinds}:
            new = self._taken_in(kind)
            for listener in self._present():
                if any(map(listener.asked.wants, new)):
                    listener.wake()

    def _taken_in(self, kind: Kind) -> Collection[Picture]:
        """Number what changed and return it."""
        with self._lock:
            self._catch_up(kind)
            rows = self._changes.take(kind)
        try:
            made = list(pictures(kind, rows))
            seen = self._seen(kind, rows)
        except Exception:
            self._changes.add(kind, rows)
            raise
        with self._lock:
            for listener in self._narrowed(kind):
                if listener.asked.user not in seen:  # he came meanwhile
                    self._begin_anew(listener, "new")
            for picture in made:
                self._number += 1
                by = frozenset(user for user, rows in seen.items() if picture.is_gone or picture.row in rows)
                self._recent[kind].put(Event(self._number, picture, by))
        return made

    def _seen(self, kind: Kind, rows: Collection[int]) -> dict[int, frozenset[int]]:
        """Return which of the rows they see who listen and do not see all."""
        with self._lock:
            asked = {listener.asked.user: listener.asked for listener in self._narrowed(kind)}
        return {user: one.sees(kind, rows) for user, one in asked.items()}

    def _narrowed(self, kind: Kind) -> list[Listener]:
        return [one for one in self._listeners if one.asked.narrowed and kind in one.asked.kinds]

    def _catch_up(self, kind: Kind) -> None:
        """Have those who listen know that they missed changes of which nobody knows what they were.

        Whoever comes later begins behind these, and has missed nothing.
        """
        if self._changes.forgot(kind):
            self._number += 1
            self._recent[kind].forget(self._number)
            for listener in self._listeners:
                listener.wake()

    def _recheck(self) -> None:
        """Have those leave, now and then, who are not allowed to listen any more, be they such as read nothing."""
        now = time.monotonic()
        if now - self._checked < self._recheck_every:
            return
        allowed: dict[Hashable, bool] = {}
        for listener in self._present():
            asked = listener.asked
            if asked.login not in allowed:
                allowed[asked.login] = asked.allowed()
            if asked.until <= time.time() or not allowed[asked.login]:
                listener.end()
        self._checked = now
