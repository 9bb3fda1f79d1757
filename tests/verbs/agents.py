"""Agents in processes of their own, without a hub: started within milliseconds, and killed at named points.

A server that has imported everything forks one process for each task. It says how the process ended; what the process
did stands in files of the task's directory.
"""

import os
import select
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from tests.verbs.task import Call, Task

ROOT = Path(__file__).parent.parent.parent
KILLED = -9


class Server:
    """The server that forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.verbs.forks"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lock = threading.Lock()

    def ask(self, *words: str | int) -> int:
        """Return the number that the server answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(*words, file=self._process.stdin, flush=True)
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it; what it forked ends with it."""
        self._process.communicate(timeout=60)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an agent ended: its status, negative for the signal that killed it, and what it reported before."""

    status: int
    reports: Sequence[Report]
    errors: str

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of its last call."""
        assert self.status == 0, self.errors
        assert not self.reports[-1].error, self.reports[-1].reason
        return list(self.reports[-1].outcomes)


class Agent:
    """One agent at work."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self.process = server.ask("run", str(directory))
        self._ended = os.pidfd_open(self.process)

    def hits(self, point: str) -> int:
        """Return how often it came to the point."""
        try:
            return (self._directory / f"{point}.hits").stat().st_size
        except FileNotFoundError:
            return 0

    def points(self) -> set[str]:
        """Return the points it came to."""
        return {path.name.removesuffix(".hits") for path in self._directory.glob("*.hits")}

    def go(self, point: str) -> None:
        """Let it go on where it waits at the point."""
        (self._directory / f"{point}.go").touch()

    def is_running(self) -> bool:
        """Say whether it has not ended."""
        return not _readable(self._ended, 0)

    def until(self, true: Callable[[], Any], *, seconds: float = 30.0) -> None:
        """Return once it is true; the agent must be running until then."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.is_running(), self.wait()
            assert time.monotonic() < deadline, "still not so"
            time.sleep(0.002)

    def wait(self, seconds: float = 60.0) -> Ended:
        """Return how it ended."""
        assert _readable(self._ended, seconds), f"{self._directory}: did not end"
        os.close(self._ended)
        status = self._server.ask("wait", self.process)
        reports = self._directory / "reports"
        lines = reports.read_bytes().splitlines() if reports.exists() else []
        return Ended(
            status=status,
            reports=[msgspec.json.decode(line, type=Report) for line in lines],
            errors=(self._directory / "errors").read_text(),
        )


@dataclass(frozen=True)
class Location:
    """A site of which every process is a new agent. `scratch` outlives power cuts, `top` holds site and agent."""

    server: Server
    scratch: Path
    top: Path
    name: str = "london"
    more: tuple[tuple[str, Any], ...] = ()
    """Further fields of its tasks."""

    @property
    def root(self) -> Path:
        """The only root of the site."""
        return self.top / self.name

    @cached_property
    def tree(self) -> Path:
        """What is linked to the datastore."""
        tree = self.root / "projects"
        tree.mkdir(parents=True, exist_ok=True)
        return tree

    @cached_property
    def store(self) -> Path:
        """The directory that is the datastore."""
        store = self.scratch / "store"
        store.mkdir(exist_ok=True)
        return store

    def begin(self, *calls: Call, failpoints: str = "", **fields: Any) -> Agent:
        """Start an agent and have it make the calls."""
        numbers = self.scratch / "tasks"
        numbers.mkdir(exist_ok=True)
        directory = numbers / f"{self.name}-{len(list(numbers.iterdir()))}"
        directory.mkdir()
        task = Task(
            top=str(self.top), site=self.name, store=str(self.store), calls=calls, failpoints=failpoints,
            directory=str(directory), **(dict(self.more) | fields),
        )  # fmt: skip
        (directory / "task").write_bytes(msgspec.json.encode(task))
        return Agent(self.server, directory)

    def run(self, *calls: Call, **fields: Any) -> Ended:
        """Return how an agent that made the calls ended."""
        return self.begin(*calls, **fields).wait()

    def learn(self) -> None:
        """Have the site's index know what those came to know that worked beside it, as threads of one agent would."""
        with closing(sqlite3.connect(self.top / f"agent-{self.name}" / "index.db", isolation_level=None)) as index:
            for known in (self.scratch / "tasks").glob(f"{self.name}-*/agent/index.db"):
                _teach(index, known, known.parent.parent / "before/index.db")
                known.unlink()

    def do(self, *calls: Call, **fields: Any) -> list[Outcome]:
        """Return the outcomes of the last call; none of them may have broken."""
        return self.run(*calls, **fields).outcomes


def _teach(index: sqlite3.Connection, known: Path, before: Path) -> None:
    index.execute("ATTACH ? AS known", (str(known),))
    index.execute("ATTACH ? AS before", (str(before),))
    for table in ("object", "inode"):
        index.execute(
            f"INSERT OR REPLACE INTO main.{table} SELECT * FROM known.{table} EXCEPT SELECT * FROM before.{table}"
        )
    for name in ("known", "before"):
        index.execute(f"DETACH {name}")


def call(step: str, *paths: Path | Entry, **options: Any) -> Call:
    """Return a call of a step; of a path, the entry is what the agent finds there."""
    entries = tuple(path if isinstance(path, Entry) else Entry(path=bytes(path)) for path in paths)
    fresh = not any(isinstance(path, Entry) for path in paths)
    return Call(step=step, entries=entries, options=options, fresh=fresh)


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def _readable(descriptor: int, seconds: float) -> bool:
    """Say whether there is something to read within that time; `select` knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


@pytest.fixture(scope="session")
def agents() -> Iterator[Server]:
    """The server, for the whole run."""
    with serving() as server:
        yield server


__all__ = ["KILLED", "Agent", "Call", "Ended", "Location", "Server", "agents", "call"]
