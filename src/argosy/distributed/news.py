"""What one process of the hub changes is told to the others through Redis: each sends events of all that changes.

Nobody waits for that. Where something may not have been told or heard, whoever listens to events is told to load anew.
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import redis
import structlog

from argosy.core.broker import PATIENCE, Broker
from argosy.hub.common.changes import CHANGES, Changes, Kind

CHANNEL: Final = "argosy:changes"
PERIOD: Final = 0.1
"""Seconds between messages of a process, at least."""
BEAT: Final = 5.0
"""Seconds between them, at most: who hears none, not even his own, has lost the server."""
SILENCE: Final = 15.0
"""Seconds without a message after which the server is asked anew."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_LISTEN: Final = 1.0

_log = structlog.get_logger(__name__)


class Told(msgspec.Struct, frozen=True):
    """A message."""

    by: str
    rows: dict[Kind, list[int] | None] = {}
    """None: more than are counted."""


class News:
    """Tells the other processes what this one changes, and hears what they do."""

    def __init__(self, broker: Broker, *, hears: bool = True, changes: Changes = CHANGES) -> None:
        """`hears`: a process that nobody listens to need not."""
        self._broker = broker
        self._changes = changes
        self._own = secrets.token_hex(8)
        self._to_tell = Changes()
        self._due, self._stopping = threading.Event(), threading.Event()
        jobs = [("news", self._tell)] + ([("hearsay", self._hear)] if hears else [])
        self._threads = [
            threading.Thread(target=self._go_on, args=(name, do), name=name, daemon=True) for name, do in jobs
        ]

    def start(self) -> None:
        """Begin to tell, and to hear."""
        self._to_tell.hear(self._due.set)
        self._changes.share(self._to_tell)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Tell and hear no more."""
        self._changes.share(None)
        self._stopping.set()
        self._due.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _go_on(self, name: str, do: "Callable[[redis.Redis], None]") -> None:
        """Do it until told to stop, through every absence of the server."""
        pause, away = _FIRST_PAUSE, False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                with _client(self._broker) as client:
                    do(client)
            except Exception as error:  # noqa: BLE001 - whatever it was, the thread goes on
                if time.monotonic() - began > SILENCE:
                    pause, away = _FIRST_PAUSE, False
                if not away:
                    _log.warning("events are not shared", part=name, reason=str(error) or type(error).__name__)
                away = True
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell(self, client: "redis.Redis") -> None:
        while not self._stopping.is_set():
            self._due.wait(BEAT)
            self._due.clear()
            told = Told(by=self._own, rows=self._taken())
            try:
                client.publish(CHANNEL, msgspec.json.encode(told))
            except BaseException:
                for kind in Kind:  # nor is it known what was not told before
                    self._to_tell.many(kind)
                raise
            self._stopping.wait(PERIOD)

    def _taken(self) -> dict[Kind, list[int] | None]:
        found: dict[Kind, list[int] | None] = {}
        for kind in Kind:
            rows = self._to_tell.take(kind)
            if self._to_tell.forgot(kind):
                found[kind] = None
            elif rows:
                found[kind] = sorted(rows)
        return found

    def _hear(self, client: "redis.Redis") -> None:
        with client.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
            heard.subscribe(CHANNEL)
            self._missed_some()
            last = time.monotonic()
            while not self._stopping.is_set():
                message = heard.get_message(timeout=_LISTEN)
                if message is not None:
                    last = time.monotonic()
                    self._take(message)
                elif time.monotonic() - last > SILENCE:
                    raise TimeoutError(f"the server said nothing for {SILENCE:.0f} s")

    def _take(self, message: dict[str, Any]) -> None:
        try:
            told = msgspec.json.decode(message["data"], type=Told)
        except msgspec.MsgspecError:
            _log.warning("a message of nobody's", channel=CHANNEL)
            return
        if told.by == self._own:
            return
        for kind, rows in told.rows.items():
            if rows is None:
                self._changes.many(kind)
            else:
                self._changes.add(kind, rows)

    def _missed_some(self) -> None:
        """Know that others may have changed anything meanwhile."""
        for kind in Kind:
            self._changes.many(kind)


def _client(broker: Broker) -> "redis.Redis":
    return redis.Redis.from_url(
        broker.located, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, socket_keepalive=True, **broker.tls
    )
