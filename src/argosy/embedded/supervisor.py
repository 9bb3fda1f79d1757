"""The supervisor: starts processes, starts them again when they die, and ends them. It does nothing else."""

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from argosy.core.errors import Busy, Denied, Exists, Invalid, Unavailable
from argosy.embedded.child import AWAY
from argosy.embedded.place import Place, unusable

ROOM = "argosy.embedded"
_TRIES = 5
_PAUSE = 0.1
_LONGEST = 5
"""How often the pause before another start is doubled at most."""
_SETTLED = 60.0
"""Seconds after which a child that runs counts as one that lasts: the pause begins anew."""
_INHERITANCE = 20.0
"""Seconds to wait for the children of a supervisor that was killed."""
_POLL = 0.02
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def listen(address: str, port: int, key: str = "--port") -> socket.socket:
    """Return a socket that listens there; `key`: what says which port.

    Raises:
        Exists: somebody else does.
        Denied: the system does not let us.
        Invalid: this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    shown = f"{address}:{port}"
    try:
        return socket.create_server((address, port), family=family, backlog=1024)
    except (PermissionError, OverflowError) as error:
        raise Denied(f"{shown} may not be listened on ({error}): choose another with {key}") from error
    except OSError as error:
        if error.errno == 98:
            raise Exists(f"{shown} is in use: stop what listens there, or choose another with {key}") from error
        raise Invalid(f"{shown} cannot be listened on ({error.strerror}): choose an address of this machine") from error


@contextmanager
def held(place: Place) -> Iterator[int]:
    """Hold the data directory for ourselves; yield the descriptor of the lock that the children inherit.

    Raises:
        Exists: another Argosy runs on it.
        Busy: the processes of one that was killed do not end.
    """
    place.make()
    try:
        ours = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        children = os.open(place.children, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(place.top, error) from error
    try:
        if not _locked(ours):
            owner = os.pread(ours, 20, 0).decode("ascii", "replace").strip()
            raise Exists(f"data directory {place.top} is in use by Argosy process {owner}: stop it first")
        os.ftruncate(ours, 0)
        os.pwrite(ours, f"{os.getpid()}\n".encode(), 0)
        _await_lock(children, place.top)
        yield children
    finally:
        os.close(children)
        os.close(ours)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _await_lock(descriptor: int, top: Path) -> None:
    """Wait until the last child of a killed supervisor has ended; the kernel is ending it."""
    until = time.monotonic() + _INHERITANCE
    while not _locked(descriptor):
        if time.monotonic() > until:
            raise Busy(f"processes of an earlier Argosy still use {top}: end them, or wait")
        time.sleep(_POLL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process that is kept running: `python -m ROOM NAME`."""

    name: str
    grace: float
    """Seconds it has to stop."""
    room: str = ROOM
    after: str = ""
    """The one that must have been ready once before this is started first."""


class _Child:
    """One child: its process, and how often in a row it ended before it was ready, or soon after."""

    def __init__(self, part: Part, inherited: dict[str, int]) -> None:
        self.part = part
        self.name = part.name
        self.ready = self.was_ready = False
        self.failures = 0
        self.ends = 0
        self.started = 0.0
        self.due = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._inherited = inherited

    def start(self) -> None:
        """Execute it. `-P`: nothing is imported from the directory we happen to be in."""
        command = [sys.executable, "-P", "-m", self.part.room, self.name, json.dumps(self._inherited)]
        self.ready = False
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=tuple(self._inherited.values()), process_group=0
        )

    def reap(self) -> None:
        """Note that it ended, if it did, and when it is to be started again.

        Raises:
            Unavailable: it ended too often before it was ready.
        """
        if self.process is None or (status := self.process.poll()) is None:
            return
        self.process = None
        self.was_ready |= self.ready
        if self.ready:
            self.failures = 0
        elif not (self.was_ready and status == AWAY):  # it did start with this configuration: the server comes back
            self.failures += 1
        if self.failures >= _TRIES:
            raise Unavailable(f"the {self.name} process {_ended(status)} {_TRIES} times before it was ready: giving up")
        self.ends = self.ends + 1 if time.monotonic() - self.started < _SETTLED else 0
        self.due = time.monotonic() + _PAUSE * 2 ** min(self.ends, _LONGEST)
        _say(f"the {self.name} process {_ended(status)}: starting it again")

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def lives(self) -> bool:
        """Say whether it runs."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """The processes of one data directory."""

    def __init__(
        self,
        launch: bytes,
        *,
        parts: Sequence[Part],
        hold: int,
        listeners: Mapping[str, socket.socket],
        ready: str,
        awaited: Collection[str],
    ) -> None:
        """`parts`: stopped in this order. `listeners`: by what `Descriptors` calls them. `ready`: said once.

        `awaited`: which of them must have been ready for that.
        """
        self._status, status = os.pipe()
        life, self._life = os.pipe()
        inherited = {"launch": _in_memory(launch), "life": life, "status": status, "hold": hold}
        inherited |= {name: listener.fileno() for name, listener in listeners.items()}
        self._children = [_Child(part, inherited) for part in parts]
        self._announcement = ready
        self._awaited = set(awaited)
        self._ready: set[str] = set()
        self._asked_to_stop = 0
        self._wake, self._woken = os.pipe()

    def run(self) -> None:
        """Keep the children running until a signal asks to stop, then stop them.

        Raises:
            Unavailable: one of them does not start.
        """
        with self._signals():
            try:
                self._keep()
            finally:
                self._stop()

    def _keep(self) -> None:
        while not self._asked_to_stop:
            for child in self._children:
                child.reap()
                if child.process is None and child.due <= time.monotonic() and self._may_start(child):
                    child.start()
            self._wait(self._pause())

    def _may_start(self, child: _Child) -> bool:
        return not child.part.after or child.part.after in self._ready

    def _pause(self) -> float | None:
        due = [child for child in self._children if child.process is None and self._may_start(child)]
        waiting = [child.due - time.monotonic() for child in due]
        return max(0.0, min(waiting)) if waiting else None

    def _stop(self) -> None:
        """End the children in order, each in its time; a second signal ends them at once."""
        for child in self._children:
            until = time.monotonic() + child.part.grace
            child.signal(signal.SIGTERM)
            while child.lives() and time.monotonic() < until and self._asked_to_stop < 2:
                self._wait(min(0.2, max(0.0, until - time.monotonic())))
            if child.lives():
                _say(f"the {child.name} process does not stop: killing it")
                child.signal(signal.SIGKILL)
            if child.process:
                child.process.wait()

    def _wait(self, timeout: float | None) -> None:
        """Return after a signal, a word of a child, or the time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(self._status, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select(timeout)}
        if self._wake in ready:
            os.read(self._wake, 4096)
        if self._status in ready:
            self._hear(os.read(self._status, 4096).decode().split())

    def _hear(self, names: list[str]) -> None:
        for child in self._children:
            if child.name in names:
                child.ready = True
        self._ready |= set(names)
        if self._awaited <= self._ready and self._announcement:
            sys.stdout.write(self._announcement + "\n")
            sys.stdout.flush()
            self._announcement = ""

    @contextmanager
    def _signals(self) -> Iterator[None]:
        os.set_blocking(self._woken, False)
        before = {number: signal.signal(number, self._on_signal) for number in (*_SIGNALS, signal.SIGCHLD)}
        wakeup = signal.set_wakeup_fd(self._woken)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._asked_to_stop += 1


def _in_memory(content: bytes) -> int:
    descriptor = os.memfd_create("argosy", os.MFD_CLOEXEC)
    os.pwrite(descriptor, content, 0)
    return descriptor


def _ended(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _say(text: str) -> None:
    sys.stderr.write(f"argosy: {text}\n")
    sys.stderr.flush()
