"""Leases: the kernel tells whether somebody else opens a file, and makes him wait until we let go.

What announces a break is a signal whose default would kill the process (SIGIO). So it is another one (SIGURG, harmless
by default), sent to one thread of ours that has it blocked and waits for it; no handler is installed, and no other
thread ever sees it.
"""

import contextlib
import fcntl
import os
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

READ: Final = fcntl.F_RDLCK
"""Broken by whoever opens for writing or truncates."""
WRITE: Final = fcntl.F_WRLCK
"""Broken by whoever opens at all; granted only while nobody else has it open."""
NONE: Final = fcntl.F_UNLCK

_SIGNALS: Final = {signal.SIGURG, signal.SIGIO}
_BREAK_TIME: Final = "/proc/sys/fs/lease-break-time"
_SETOWN_EX: Final = 15
_OWNER_THREAD: Final = 0
_OWNER: Final = struct.Struct("=ii")


def take(descriptor: int, kind: int) -> None:
    """Take a lease; the watcher is told of its break.

    Raises:
        OSError: EAGAIN where somebody has the file open in a way that forbids it, EACCES where it is not ours,
            EINVAL where the filesystem has no leases.
    """
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(descriptor, _SETOWN_EX, _OWNER.pack(_OWNER_THREAD, _watcher.thread()))
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, kind)


def standing(descriptor: int) -> int:
    """Return the lease there is: READ, WRITE, or, as soon as somebody waits for us to let go, what he would leave."""
    return fcntl.fcntl(descriptor, fcntl.F_GETLEASE)


def patience() -> float:
    """Return for how many seconds, at least, the kernel lets others wait for us before it breaks a lease."""
    with open(_BREAK_TIME, "rb") as told:
        return int(told.read()) or float("inf")


def release(descriptor: int) -> None:
    """Let go, and let those go on who wait; harmless where there is no lease (any more)."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, NONE)


@contextmanager
def reading(descriptor: int) -> Iterator[Callable[[], bool]]:
    """Hold a read lease on a descriptor open for reading only; what it yields says whether it has never been broken.

    A writer waits only until the watcher has let go for him. After the block the answer stays as it was at its end.
    """
    lease = _Reading(descriptor)
    _watcher.begin(lease)
    try:
        yield lambda: _watcher.whole(lease)
    finally:
        _watcher.end(lease)


class _Reading:
    """One read lease; the watcher's lock is held whenever it is touched."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.whole = False

    def begin(self) -> None:
        with contextlib.suppress(OSError):
            take(self._descriptor, READ)
            self.whole = True

    def look(self) -> None:
        if self.whole and standing(self._descriptor) != READ:
            self.whole = False
            release(self._descriptor)

    def end(self) -> None:
        self.look()
        if self.whole:
            release(self._descriptor)


class _Watcher:
    """The thread that lets go of read leases as soon as somebody waits for one."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget everything: a fork has what the watcher knew but not its thread."""
        self._lock = threading.RLock()
        self._held: set[_Reading] = set()
        self._thread = 0

    def thread(self) -> int:
        """Return the kernel's number of the thread, which is started at first need."""
        with self._lock:
            if not self._thread:
                ready = threading.Event()
                threading.Thread(target=self._watch, args=(ready,), name="argosy-leases", daemon=True).start()
                ready.wait()
            return self._thread

    def begin(self, lease: _Reading) -> None:
        with self._lock:
            lease.begin()
            self._held.add(lease)

    def whole(self, lease: _Reading) -> bool:
        with self._lock:
            if lease in self._held:
                lease.look()
            return lease.whole

    def end(self, lease: _Reading) -> None:
        with self._lock:
            self._held.discard(lease)
            lease.end()

    def _watch(self, ready: threading.Event) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._thread = threading.get_native_id()
        ready.set()
        while True:
            signal.sigwaitinfo(_SIGNALS)
            with self._lock:
                for lease in self._held:
                    lease.look()


_watcher = _Watcher()
os.register_at_fork(after_in_child=_watcher.start_afresh)
