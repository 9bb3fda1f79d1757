"""A real PostgreSQL server for tests: on a Unix socket, as a user without rights, gone when the tests are."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.servers import DIES_WITH_US

VARIABLE = "ARGOSY_TESTS_DATABASE"
"""The environment variable that has `tests/hub` run on PostgreSQL: `postgresql`, or the directory of a server."""
USER = "postgres"
GUARDED = "guarded"
"""A user who must give a password."""
_UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Nobody pulls the plug here."""


@dataclass
class PostgreSQL:
    """A server that lets everybody in who reaches its socket."""

    directory: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@/{database}?host={self.directory}"

    def database(self, options: str = "") -> str:
        """Make an empty database and return its address."""
        name = f"test_{uuid.uuid4().hex[:16]}"
        self.run(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def run(self, statement: str) -> None:
        """Have the server do something that belongs to no database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Begin to answer."""
        options = ["-D", str(self.directory / "data"), "-k", str(self.directory), "-c", "listen_addresses="]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, *_as_its_user(), _program("postgres"), *options, *_settings(*_UNSAFE)],
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End, and with it all connections. SIGINT: in order; SIGQUIT: at once."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres")).close()
            return True
        return False


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Run a server with its data in a directory of its own, which its user reaches; yields when it answers."""
    directory = Path(tempfile.mkdtemp(prefix="argosy-postgresql-", dir="/tmp"))
    directory.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(directory, USER, USER)
    server = PostgreSQL(directory)
    try:
        made = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", f"--username={USER}"]
        command = [*_as_its_user(), _program("initdb"), *made, "-D", str(directory / "data")]
        subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL)
        _guard(directory / "data" / "pg_hba.conf")
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(directory, ignore_errors=True)


def _guard(rules: Path) -> None:
    """Have the server ask one user for a password; the first rule that fits counts."""
    rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.fail("there is no PostgreSQL: `tools/setup test` installs it")
    return str(found[-1])


def _as_its_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(USER)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "KILL"]


def _settings(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for the whole run; each test makes itself a database."""
    with running_postgresql() as server:
        yield server
