"""The hub's bells: messages of Celery to the queues of each site, by one connection for a site and process.

Nobody waits for them. What a server does not take now is kept, the latest for each task, until it does.
"""

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Final

import structlog
from celery import Celery
from kombu.connection import Connection
from kombu.messaging import Producer

from argosy.core.broker import PATIENCE, TASK, Broker, key_prefix, queue_name

MOST: Final = 2048
"""Messages in a queue beyond which no more are put there: the sites have enough to do, and the sweep rings again."""
KEPT: Final = 10_000
"""Bells kept for a site whose server does not take them: the oldest go first, and the sweep rings again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_END: Final = 2.0
"""Seconds to wait for what is being sent when we are told to stop."""

_log = structlog.get_logger(__name__)


class Bells:
    """The bell of this process. For all threads."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sites: dict[str, _Publisher] = {}
        self._door = threading.Lock()

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Have the site told, soon. Never blocks, never raises."""
        with self._door:
            if site not in self._sites:
                self._sites[site] = _Publisher(self._broker, site)
                self._sites[site].start()
        self._sites[site].ring(task, attempt, queue)

    def stop(self) -> None:
        """Send nothing more."""
        with self._door:
            for publisher in self._sites.values():
                publisher.stop()


class _Publisher:
    """Tells one site."""

    def __init__(self, broker: Broker, site: str) -> None:
        self._site = site
        self._app = _app(broker, site)
        self._waiting: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._changed = threading.Condition()
        self._stopping = False
        self._away = False
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._thread = threading.Thread(target=self._run, name=f"bells-{site}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(_END)

    def ring(self, task: str, attempt: int, queue: str) -> None:
        with self._changed:
            self._waiting[task] = (attempt, queue)
            while len(self._waiting) > KEPT:
                self._waiting.popitem(last=False)
            self._changed.notify_all()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while (bell := self._first()) is not None:
            try:
                self._send(*bell)
            except Exception as error:  # noqa: BLE001 - whatever it was, the thread goes on
                if not self._away:
                    _log.warning("bells cannot be rung", site=self._site, reason=str(error) or type(error).__name__)
                self._away = True
                self._disconnect()
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if self._away:
                _log.info("bells are rung again", site=self._site)
            self._away, pause = False, _FIRST_PAUSE
            self._sent(*bell)
        self._disconnect()

    def _first(self) -> tuple[str, int, str] | None:
        """Wait for a bell and return the oldest; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            task, (attempt, queue) = next(iter(self._waiting.items()))
            return task, attempt, queue

    def _sent(self, task: str, attempt: int, queue: str) -> None:
        """Keep it no more, unless it was rung anew meanwhile."""
        with self._changed:
            if self._waiting.get(task) == (attempt, queue):
                del self._waiting[task]

    def _send(self, task: str, attempt: int, queue: str) -> None:
        """Put a message into the queue, unless there are so many that to read them would be work."""
        connection = self._connected()
        name = queue_name(self._site, queue)
        if _length(connection, name) < MOST:
            self._app.send_task(
                TASK,
                kwargs={"task": task, "attempt": attempt},
                queue=name,
                producer=self._producer,
                retry=False,
                ignore_result=True,
            )

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write()
            self._connection.ensure_connection(max_retries=1, timeout=PATIENCE)
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(Exception):  # it may have gone, and says so
                connection.release()


def _app(broker: Broker, site: str) -> Celery:
    """Return what writes the messages of a site: JSON only, and nobody is asked for results."""
    app = Celery("argosy", broker=broker.located, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry=False,
        broker_transport_options=broker.options(key_prefix(site)),
        broker_use_ssl=broker.tls or False,
        task_ignore_result=True,
        task_serializer="json",
    )
    return app


def _length(connection: Connection, queue: str) -> int:
    """Return how many messages a queue has."""
    channel: Any = connection.default_channel
    return int(channel.client.llen(queue))
