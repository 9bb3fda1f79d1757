"""The hub's end of the local connection: answers what agents ask and rings for them."""

import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Full, Queue
from typing import Protocol

import structlog

from argosy.agent.calls import LARGEST, answered, method_of
from argosy.agent.hub import Hub
from argosy.agent.link import Call, Hello, Rung, within
from argosy.core import wire
from argosy.core.errors import ArgosyError, Busy

_CREDENTIALS = struct.Struct("3i")
_BELLS_KEPT = 100_000
_PAUSE = 0.1
"""Seconds between attempts to accept where the system refuses (too many open files, say)."""
_PATIENCE = 10.0
"""Seconds a new agents process waits until the connections of the one before it have ended."""

_log = structlog.get_logger(__name__)


class Delivery(Hub, Protocol):
    """What the hub offers to agents, and to itself when agents begin anew."""

    def adopt_orphans(self, *, died: bool) -> None:
        """Offer again at once what a lost agents process was running; `died`: it did while the hub went on."""


def bind(path: Path) -> socket.socket:
    """Listen at the path, for ourselves and root only. What an earlier hub left there is removed."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        within(path.parent, listener.bind, path.name)
    finally:
        os.umask(mask)
    listener.listen(128)
    return listener


class Exchange:
    """Serves one agents process at a time. Is the hub's bell: bells wait while no agents are there."""

    def __init__(self, *, served: int) -> None:
        """`served`: the user, besides root, whose processes may connect."""
        self._served = served
        self._waiting: Queue[Rung] = Queue(_BELLS_KEPT)
        self._changed = threading.Condition()
        self._connections: Counter[str] = Counter()
        self._welcomed = ""
        """The agents process that bells are for, or were."""
        self._bells: Connection | None = None
        self._open: set[Connection] = set()
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Tell the agents; a bell too many is dropped, the sweep rings again."""
        with suppress(Full):
            self._waiting.put_nowait(Rung(site=site, task=task, attempt=attempt, queue=queue))

    def serve(self, listener: socket.socket, delivery: Delivery) -> None:
        """Accept agents from now on, in threads of its own."""
        self._listener = listener
        for target, arguments in ((self._accept, (listener, delivery)), (self._ring_all, ())):
            threading.Thread(target=target, args=arguments, name=target.__name__, daemon=True).start()

    def stop(self) -> None:
        """Accept and answer nothing more; agents learn at once that the hub is going."""
        self._stopping.set()
        with self._changed:
            numbers = [os.dup(connection.fileno()) for connection in self._open]
        listeners = [self._listener] if self._listener else []
        for plug in [*listeners, *(socket.socket(fileno=number) for number in numbers)]:
            with plug, suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, delivery: Delivery) -> None:
        while True:
            try:
                plug, _ = listener.accept()
            except OSError as error:
                if self._stopping.wait(_PAUSE):
                    return
                _log.warning("agents cannot connect", reason=str(error))
                continue
            if _user_behind(plug) not in {0, self._served}:
                plug.close()
                continue
            connection = Connection(plug.detach())
            threading.Thread(target=self._attend, args=(connection, delivery), name="agents", daemon=True).start()

    def _attend(self, connection: Connection, delivery: Delivery) -> None:
        """Serve one connection until it ends."""
        with connection, suppress(EOFError, OSError, ArgosyError):
            hello = wire.load(connection.recv_bytes(LARGEST), Hello)
            with self._joined(hello.instance, connection):
                welcome = answered(partial(self._welcome, hello, delivery))
                connection.send_bytes(wire.dump(welcome))
                if not welcome.error:
                    self._attend_purpose(hello, connection, delivery)

    def _attend_purpose(self, hello: Hello, connection: Connection, delivery: Delivery) -> None:
        if hello.purpose == "bells":
            self._attend_bells(connection)
            return
        while True:
            message = connection.recv_bytes(LARGEST)
            connection.send_bytes(wire.dump(answered(partial(_dispatched, message, delivery))))

    def _attend_bells(self, connection: Connection) -> None:
        with self._changed:
            self._bells = connection
            self._changed.notify_all()
        try:
            connection.recv_bytes(LARGEST)
        finally:
            with self._changed:
                if self._bells is connection:
                    self._bells = None

    @contextmanager
    def _joined(self, instance: str, connection: Connection) -> Iterator[None]:
        with self._changed:
            self._connections[instance] += 1
            self._open.add(connection)
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(connection)
                self._connections[instance] -= 1
                self._connections += Counter()
                self._changed.notify_all()

    def _welcome(self, hello: Hello, delivery: Delivery) -> None:
        """Accept the process as the one we serve; what an earlier one was running is offered again first.

        Raises:
            Busy: another process is still connected.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: set(self._connections) <= {hello.instance}, _PATIENCE):
                raise Busy("another agents process is connected: only one may serve this hub")
        if hello.purpose == "bells":
            if hello.fresh:
                delivery.adopt_orphans(died=self._welcomed not in {"", hello.instance})
            self._welcomed = hello.instance

    def _ring_all(self) -> None:
        while True:
            rung = self._waiting.get()
            while not self._passed(rung):
                pass

    def _passed(self, rung: Rung) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._bells is not None)
            bells = self._bells
        try:
            if bells:
                bells.send_bytes(wire.dump(rung))
        except OSError:
            with self._changed:
                if self._bells is bells:
                    self._bells = None
            return False
        return bells is not None


def _user_behind(plug: socket.socket) -> int:
    _, uid, _ = _CREDENTIALS.unpack(plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def _dispatched(message: bytes, delivery: Delivery) -> object:
    call = wire.load(message, Call)
    method = method_of(call.method)
    return method.act(delivery, wire.load(bytes(call.body), method.body))
