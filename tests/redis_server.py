"""A real Redis server for tests, on loopback, keeping nothing, gone when the tests are."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import DIES_WITH_US, free_ports


@dataclass
class Redis:
    """A server at a port of its own."""

    directory: Path
    port: int
    options: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Begin to answer."""
        where = ["--port", str(self.port), *self.options]  # of options that are given twice the last counts
        options = [*where, "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory)]
        with (self.directory / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, "redis-server", *options], stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Redis did not start: {(self.directory / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Take connections, and say nothing from now on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str) -> str:
        """Return what the server answers to a command."""
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as plug:
            plug.settimeout(1)
            plug.sendall(b"" if self.options else b"PING\r\n")
            return bool(self.options) or plug.recv(16).startswith(b"+PONG")
        return False


@contextmanager
def running_redis(directory: Path, *options: str) -> Iterator[Redis]:
    """Run a server, with these options of its own; yields when it answers."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_ports(1)[0]
    server = Redis(directory, port, [option.format(port=port) for option in options])
    try:
        server.start()
        yield server
    finally:
        server.stop()
