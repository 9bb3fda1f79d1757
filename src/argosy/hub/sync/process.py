"""The process in which plans are made: one at a time, with a deadline, and nothing of it can harm the hub."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec
import structlog

from argosy.linux.capabilities import DAC_READ_SEARCH, hand_down
from argosy.sync.rounds.work import Answer, Work

DEADLINE: Final = 6 * 3600.0
"""Seconds a piece of work may take: one of ten million entries takes minutes."""
TRIES: Final = 3
"""How often work is begun that is killed each time, as the kernel does where memory is short."""
_BROKEN: Final = "broken"
_TOLD: Final = 4000
"""Characters of what a process said last that are logged."""

log = structlog.get_logger()


class Process:
    """Does work in processes of its own, one after the other: each does one piece, and ends."""

    def __init__(self, *, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(1, "planner", hand_down, (DAC_READ_SEARCH,))
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._spare: subprocess.Popen[bytes] | None = None
        """Waits for the next piece of work. Where it died, it is kept as it is: another would die as well."""
        self._readying: Future[None] | None = None
        self._folder = ""
        self._stopped = False

    def ready(self) -> None:
        """Have a process wait for work, so that the next piece need not wait for one to start. Does not wait."""
        if self._readying is None or self._readying.done():
            with contextlib.suppress(RuntimeError):  # told to stop meanwhile
                self._readying = self._pool.submit(self._spare_one)

    def rest(self) -> None:
        """End what waits for work."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            _end(spare)

    def begin(self, asked: Work) -> "Future[Answer]":
        """Have it done, and return where the answer will be."""
        return self._pool.submit(self._do, asked)

    def abandon(self, folder: str) -> None:
        """End what is being done for a round that nobody waits for any more, if it is."""
        with self._lock:
            if self._running is not None and self._folder == folder:
                self._folder = ""
                self._running.kill()

    def stop(self) -> None:
        """End what is being done: it is begun again when there is a hub again."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                self._running.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.rest()

    def _spare_one(self) -> None:
        """Start one in the thread that starts all: the kernel ends them with it, and it hands down its rights."""
        with self._lock, contextlib.suppress(OSError):  # said of the work itself
            if self._spare is None and not self._stopped:
                self._spare = _start()

    def _do(self, asked: Work) -> Answer:
        try:
            said, wrong, status = self._tried(asked)
        except subprocess.TimeoutExpired:
            return Answer(error=_BROKEN, message=f"planning took longer than {self._deadline:.0f} s and was stopped")
        except OSError as error:
            return Answer(error=_BROKEN, message=f"the process that plans cannot be started: {error}")
        try:
            return msgspec.json.decode(said, type=Answer)
        except msgspec.MsgspecError:
            if self._is_wanted(asked.folder):
                log.exception("planning broke", status=status, said=wrong)
            return Answer(error=_BROKEN, message=_explained(status, wrong))

    def _tried(self, asked: Work) -> tuple[bytes, str, int]:
        """Run it, and again if something that is not of the hub killed it: what it writes, it writes anew."""
        for attempt in range(1, TRIES + 1):
            said, wrong, status = self._run(msgspec.json.encode(asked), asked.folder)
            if status != -signal.SIGKILL or not self._is_wanted(asked.folder):
                break
            log.warning("planning was killed", attempt=attempt, folder=asked.folder)
        return said, wrong, status

    def _is_wanted(self, folder: str) -> bool:
        """Say whether somebody waits for what is done for the round."""
        return self._folder == folder and not self._stopped

    def _run(self, asked: bytes, folder: str) -> tuple[bytes, str, int]:
        with self._lock:
            if self._stopped:
                raise OSError("the hub is stopping")
            self._folder = folder
            self._running = self._taken()
        with self._running as running:
            try:
                said, wrong = running.communicate(asked, self._deadline)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
            finally:
                with self._lock:
                    self._running = None
        return said, wrong.decode(errors="replace")[-_TOLD:].strip(), running.returncode

    def _taken(self) -> "subprocess.Popen[bytes]":
        """Return what waits for work, if it lives, else what is started now."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.poll() is None:
            return spare
        if spare is not None:
            _end(spare)
        return _start()


def _start() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "argosy.sync.rounds", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with process:
        process.kill()


def _explained(status: int, wrong: str) -> str:
    if "ModuleNotFoundError" in wrong:
        return "the hub lacks what syncs need: install argosy[sync] where it runs"
    ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    why = "; if that was for want of memory, give the hub more" if status == -9 else ""
    return f"the process that plans {ended}{why}: {wrong.splitlines()[-1][:200] if wrong else 'see the log of the hub'}"
