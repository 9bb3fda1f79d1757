"""How an agent hears of tasks: messages of Celery in queues of its site, one for each kind of slot, at a Redis server.

A message is a hint and is gone once it was taken. None is taken before there is a slot for its task, so that no node
holds what another could do, and what is long in one queue keeps nothing in another waiting.
"""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.message import Message
from kombu.messaging import Consumer

from argosy.core.broker import TASK, Broker, key_prefix, queue_name
from argosy.core.errors import Invalid

_LISTEN: Final = 1.0
"""Seconds after which it is seen whether there still is a slot, and whether to stop."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
"""Seconds between attempts to reach Redis."""

Ring = Callable[[str, str, int, str], None]
"""Called with site, task, attempt and queue."""
Ready = Callable[[str, str, float], bool]
"""Says, within a time, whether there is a slot of a site for a kind."""

_log = structlog.get_logger(__name__)


class Hint(msgspec.Struct, frozen=True):
    """What a message says."""

    task: str
    attempt: int


class Bells:
    """The queues of one site, each heard by a thread of its own, through every absence of Redis."""

    def __init__(self, broker: Broker, site: str, kinds: Sequence[str], *, ready: Ready, ring: Ring) -> None:
        self._broker = broker
        self._site = site
        self._ready = ready
        self._ring = ring
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=(kind,), name=f"bells-{site}-{kind}", daemon=True)
            for kind in kinds
        ]

    def start(self) -> None:
        """Begin to hear."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * _LISTEN + 1)

    def _listen(self, kind: str) -> None:
        pause, away = _FIRST_PAUSE, False
        while not self._stopping.is_set():
            try:
                with self._connected() as connection, self._consumer(connection, kind):
                    while not self._stopping.is_set():
                        self._hear(connection, kind)
                        if away:
                            _log.info("bells are heard again", site=self._site, queue=kind)
                        pause, away = _FIRST_PAUSE, False
            except Exception as error:  # noqa: BLE001 - whatever it was, the thread goes on
                if not away:
                    _log.warning("no bells", site=self._site, queue=kind, reason=str(error) or type(error).__name__)
                away = True
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _hear(self, connection: Connection, kind: str) -> None:
        """Take one message, once there is a slot, if one comes soon."""
        if self._ready(self._site, kind, _LISTEN):
            with suppress(socket.timeout):
                connection.drain_events(timeout=_LISTEN)

    def _connected(self) -> Connection:
        return Connection(
            self._broker.located,
            ssl=self._broker.tls or False,
            transport_options=self._broker.options(key_prefix(self._site)),
        )

    def _consumer(self, connection: Connection, kind: str) -> Consumer:
        """Return one for which a message is gone when it is taken: to hand it back would only repeat a hint."""
        name = queue_name(self._site, kind)
        queue = Queue(name, Exchange(name), routing_key=name)
        passed = partial(self._pass, kind)
        return Consumer(connection, [queue], accept=["json"], no_ack=True, on_message=passed)

    def _pass(self, kind: str, told: Message) -> None:
        """Ring for what the message says; one that is none of ours is told and dropped."""
        try:
            hint = _read(told)
        except Exception as error:  # noqa: BLE001 - anybody may have put it there
            _log.warning("message refused", site=self._site, queue=kind, reason=str(error) or type(error).__name__)
            return
        self._ring(self._site, hint.task, hint.attempt, kind)


def _read(told: Message) -> Hint:
    """Return what the message says.

    Raises:
        Invalid: it is not one of the hub's.
    """
    if told.content_type != "application/json" or str(told.content_encoding).lower() not in {"utf-8", "us-ascii"}:
        raise Invalid(f"its body is {told.content_type!r}, not JSON")
    task = (told.headers or {}).get("task")
    if task != TASK:
        raise Invalid(f"its task is {task!r}, not {TASK!r}")
    body: Any = json.loads(told.body)
    try:
        return msgspec.convert(body[1], Hint)
    except (msgspec.ValidationError, LookupError, TypeError) as error:
        raise Invalid(f"its body is not what the hub writes: {error}") from error
