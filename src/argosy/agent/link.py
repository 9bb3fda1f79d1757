"""The agents' end of the local connection: JSON messages, framed, over the hub's Unix socket. Never pickle."""

import os
import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import structlog

from argosy.agent.calls import LARGEST, Answer, Caller, checked
from argosy.core import wire
from argosy.core.errors import ArgosyError
from argosy.core.faults import HubAway
from argosy.core.order import WIRE_VERSION

T = TypeVar("T")
Ring = Callable[[str, str, int, str], None]

_PATIENCE = 120.0
"""Seconds a call waits for its answer: the hub may be writing what others reported."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0

_log = structlog.get_logger(__name__)


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first message on a connection: who calls and what for."""

    v: int = WIRE_VERSION
    instance: str
    """Which agents process: made when it starts."""
    purpose: Literal["calls", "bells"]
    fresh: bool = False
    """Whether the process has yet to be welcomed by a hub: it runs no task."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call: a method of `Hub` and what it is called with."""

    method: str
    body: msgspec.Raw


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """The hub rings for a task."""

    site: str
    task: str
    attempt: int
    queue: str


def within(directory: Path, act: Callable[[str], T], name: str) -> T:
    """Return `act(path)` for a socket in the directory, by a path short enough whatever the directory is called."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return act(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)


class LocalHub(Caller):
    """The hub, for agents on the same machine: one connection for each thread that calls, one for its bells."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.instance = uuid.uuid4().hex
        self._own = threading.local()
        self._welcomed = threading.Event()
        self._closing = threading.Event()
        self._bells: Connection | None = None
        self._listener: threading.Thread | None = None

    def listen(self, ring: Ring) -> None:
        """From now on pass the hub's bells to `ring`, through every absence of the hub, until `close`."""
        self._listener = threading.Thread(target=self._listen, args=(ring,), name="bells", daemon=True)
        self._listener.start()

    def wait_welcomed(self, timeout: float) -> bool:
        """Say whether, within the time, a hub has welcomed this process and rings for it."""
        return self._welcomed.wait(timeout)

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        if self._bells:
            with suppress(OSError):
                socket.socket(fileno=os.dup(self._bells.fileno())).shutdown(socket.SHUT_RDWR)
        if self._listener:
            self._listener.join(5)

    def _call(self, method: str, body: object) -> bytes:
        message = wire.dump(Call(method=method, body=msgspec.Raw(wire.dump(body))))
        try:
            connection = self._connected()
            connection.send_bytes(message)
            answer = _answer(connection)
        except (OSError, EOFError) as error:
            self._drop()
            raise HubAway(f"the hub cannot be reached at {self._path}: {str(error) or 'it went away'}") from error
        return bytes(checked(answer).body)

    def _connected(self) -> Connection:
        """Return this thread's connection; one that the hub has closed since is replaced before it is used."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection and connection.poll(0):
            self._drop()
            connection = None
        if connection is None:
            connection = self._open(Hello(instance=self.instance, purpose="calls"))
            self._own.connection = connection
        return connection

    def _drop(self) -> None:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection:
            connection.close()
        self._own.connection = None

    def _open(self, hello: Hello) -> Connection:
        connection = within(self._path.parent, _connect, self._path.name)
        try:
            connection.send_bytes(wire.dump(hello))
            checked(_answer(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _listen(self, ring: Ring) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.wait(pause):
            try:
                self._hear(ring)
                pause = _FIRST_PAUSE
            except (OSError, EOFError, ArgosyError) as error:
                pause = min(2 * pause, _LONGEST_PAUSE)
                _log.debug("no bells", reason=str(error))

    def _hear(self, ring: Ring) -> None:
        """Pass bells on until the connection ends."""
        hello = Hello(instance=self.instance, purpose="bells", fresh=not self._welcomed.is_set())
        with self._open(hello) as self._bells:
            self._welcomed.set()
            with suppress(EOFError, OSError):
                while not self._closing.is_set():
                    rung = wire.load(self._bells.recv_bytes(LARGEST), Rung)
                    ring(rung.site, rung.task, rung.attempt, rung.queue)


def _connect(path: str) -> Connection:
    plug = socket.socket(socket.AF_UNIX)
    try:
        plug.connect(path)
    except OSError:
        plug.close()
        raise
    return Connection(plug.detach())


def _answer(connection: Connection) -> Answer:
    if not connection.poll(_PATIENCE):
        raise TimeoutError(f"no answer within {_PATIENCE:.0f} s")
    return wire.load(connection.recv_bytes(LARGEST), Answer)
