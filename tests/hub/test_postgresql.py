"""The hub on PostgreSQL: how it gets there, what a server that goes away does to it, and several at one database."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from argosy.core.errors import ArgosyError, Busy, Denied, Invalid, NotFound, Unavailable, Unsupported
from argosy.hub.project import database
from argosy.hub.project.database import Database
from tests.argosy_up import ARGOSY, PASSWORD, Argosy, until
from tests.hub.home import LIKE_PEOPLE
from tests.postgresql import GUARDED, PostgreSQL
from tests.servers import DIES_WITH_US

HERE = Path(__file__).parent
SECRET = "s3cr3t-w0rd"


def settle(data_dir: Path, url: str, password: str = "") -> None:
    with database.settled(data_dir, Database(url, password)):
        pass


@pytest.fixture
def guarded(postgresql: PostgreSQL) -> Iterator[str]:
    """The address of a database whose owner must give a password."""
    postgresql.run(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{SECRET}'")
    url = postgresql.database(f"OWNER {GUARDED}")
    yield url.replace("postgresql://postgres@", f"postgresql://{GUARDED}@")
    postgresql.run(f"DROP DATABASE {url.partition('@/')[2].partition('?')[0]} WITH (FORCE)")
    postgresql.run(f"DROP ROLE {GUARDED}")


def refused(kind: type[ArgosyError], tmp_path: Path, url: str, password: str = "") -> str:
    """Return what is said where the database is refused."""
    with pytest.raises(kind) as raised:
        settle(tmp_path, url, password)
    assert raised.type is kind
    assert SECRET not in raised.value.message
    assert not any(tmp_path.iterdir())
    return raised.value.message


def test_a_server_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    said = refused(Unavailable, tmp_path, f"postgresql://postgres@/argosy?host={tmp_path}")
    assert f"postgresql://postgres@/argosy?host={tmp_path} cannot be reached" in said
    assert "start PostgreSQL, or name the right server in hub.database" in said


def test_a_database_that_does_not_exist_is_named_with_how_to_make_it(postgresql: PostgreSQL, tmp_path: Path) -> None:
    said = refused(NotFound, tmp_path, postgresql.url("nowhere"))
    assert '"nowhere" does not exist' in said
    assert "createdb --owner=" in said


def test_a_user_who_does_not_exist_is_refused_with_the_remedy(postgresql: PostgreSQL, tmp_path: Path) -> None:
    assert "createuser" in refused(Denied, tmp_path, postgresql.url("postgres", user="nobody-we-know"))


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused_with_where_the_right_one_goes(guarded: str, tmp_path: Path, password: str) -> None:
    said = refused(Denied, tmp_path, guarded, password)
    assert "password" in said.partition(":")[2]
    assert "hub.database_password_file" in said


def test_the_right_password_is_kept_for_commands_that_know_the_directory_alone(guarded: str, tmp_path: Path) -> None:
    settle(tmp_path, guarded, SECRET)
    assert database.at(tmp_path) == Database(guarded, SECRET)
    assert SECRET not in repr(database.at(tmp_path))
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_user_who_may_make_no_tables_is_told_so(postgresql: PostgreSQL, guarded: str, tmp_path: Path) -> None:
    other = postgresql.database()
    said = refused(Denied, tmp_path, other.replace("//postgres@", f"//{GUARDED}@"), SECRET)
    assert f"make {GUARDED} the owner of the database" in said


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: PostgreSQL, tmp_path: Path) -> None:
    said = refused(Invalid, tmp_path, postgresql.database("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
    assert "LATIN1" in said
    assert "--encoding=UTF8" in said


def test_an_address_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "hub.database: " in refused(Invalid, tmp_path, "postgresql://postgres@/argosy?colour=blue")


def test_an_old_server_is_refused_with_the_version_that_is_needed(tmp_path: Path) -> None:
    with old_server(b"14.11") as port:
        said = refused(Unsupported, tmp_path, f"postgresql://postgres@127.0.0.1:{port}/argosy?target_session_attrs=any")
    assert "is on PostgreSQL 14: Argosy needs 15 or newer: upgrade the server" in said


@contextmanager
def old_server(version: bytes) -> Iterator[int]:
    """Speak as much of the protocol as a client needs to hear the version: no Debian has the old one and the new."""
    said = [b"server_version\0" + version + b"\0", b"client_encoding\0UTF8\0", b"server_encoding\0UTF8\0"]
    told = [(b"R", b"\0\0\0\0"), *((b"S", parameter) for parameter in said), (b"Z", b"I")]
    hello = b"".join(kind + (len(text) + 4).to_bytes(4, "big") + text for kind, text in told)

    def serve() -> None:
        plug, _ = listener.accept()
        with plug:
            while length := int.from_bytes(plug.recv(4), "big"):
                asked = plug.recv(length - 4)
                if asked[:4] == (196_608).to_bytes(4, "big"):
                    break
                plug.sendall(b"N")  # neither TLS nor GSSAPI
            plug.sendall(hello)
            plug.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_hub_that_has_its_jobs_in_a_file_does_not_begin_anew_unasked(postgresql: PostgreSQL, tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").touch()
    with pytest.raises(Invalid, match=r"would not be in .*: leave hub.database out, or move that file away"):
        settle(tmp_path, postgresql.database())
    assert database.at(tmp_path) == Database()


def test_a_hub_that_has_its_jobs_at_a_server_does_not_begin_anew_unasked(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    settle(tmp_path, postgresql.database())
    with pytest.raises(Invalid, match=r"name that in hub\.database, or move .*database\.json away"):
        settle(tmp_path, "")


def test_two_hubs_do_not_make_tables_at_once(
    postgresql: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_NEW", 0.05)
    url = postgresql.database()
    with database.settled(tmp_path, Database(url)), pytest.raises(Busy, match="wait until it is ready"):
        settle(tmp_path, url)
    settle(tmp_path, url)


def test_a_wrong_password_ends_argosy_up_with_the_remedy_and_is_told_nowhere(guarded: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "-of-yesterday\n")
    config = tmp_path / "argosy.toml"
    config.write_text(f'[hub]\ndatabase = "{guarded}"\ndatabase_password_file = "secret"\n')
    command = [ARGOSY, "up", "--config", str(config), "--port", "0"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1
    assert "argosy: hub: the database" in run.stderr
    assert "hub.database_password_file" in run.stderr
    assert SECRET not in run.stdout + run.stderr


@pytest.fixture(scope="module")
def up(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    """An Argosy whose hub is at the server."""
    argosy = Argosy(
        tmp_path_factory.mktemp("up"),
        hub_options=f'database = "{postgresql.database(LIKE_PEOPLE)}"\n',
        site_options="file_batch_size = 5\n",
    )
    argosy.start()
    yield argosy
    argosy.kill()


def fill(argosy: Argosy, count: int) -> dict[Path, bytes]:
    files = {argosy.tree("london") / f"{number:04}": f"{number}".encode() for number in range(count)}
    for path, content in files.items():
        path.write_bytes(content)
    return files


def test_a_server_that_is_restarted_in_the_middle_costs_time_and_nothing_else(
    postgresql: PostgreSQL, up: Argosy
) -> None:
    files = fill(up, 200)
    job = up.send(up.tree("london"))
    until(lambda: up.call("GET", f"/jobs/{job}/")["numprocessedfiles"], seconds=60)
    postgresql.stop(signal.SIGQUIT)
    assert up.call("GET", f"/jobs/{job}/", ok=False).status_code == 503
    postgresql.start()
    until(lambda: answers(up), seconds=60)
    ended = up.wait(job)
    assert (ended["state"], ended["numfiles"], ended["numfailedfiles"]) == ("SUCCESS", 201, 0)
    assert {path: (up.tree("dublin") / path.name).read_bytes() for path in files} == files


def test_a_hub_that_dies_while_the_server_is_away_waits_for_it(postgresql: PostgreSQL, up: Argosy) -> None:
    postgresql.stop()
    (hub,) = [process for process in up.processes() if b"argosy.embedded\0hub" in command_of(process)]
    os.kill(hub, signal.SIGKILL)
    until(lambda: up.log.read_text().count("cannot be reached") >= 6, seconds=120)  # it gives up after five at first
    postgresql.start()
    until(lambda: answers(up), seconds=60)


def command_of(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def answers(argosy: Argosy) -> bool:
    with suppress(httpx.TransportError):
        return bool(argosy.call("GET", "/jobs/", ok=False).status_code == 200)
    return False


def test_an_administrator_needs_the_directory_alone(up: Argosy) -> None:
    command = [ARGOSY, "admin", "reset-password", "--data-dir", str(up.directory / "data")]
    env = os.environ | {"ARGOSY_ADMIN_PASSWORD": PASSWORD}
    run = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert (run.returncode, run.stdout) == (0, "The password of admin is set\n"), run.stderr


def test_doctor_tells_of_the_server(up: Argosy) -> None:
    run = subprocess.run([ARGOSY, "doctor", "--config", str(up.config)], capture_output=True, text=True, check=False)
    assert "ok    database: PostgreSQL 1" in run.stdout


def test_a_task_is_claimed_once_however_many_hubs_are_asked_for_it(postgresql: PostgreSQL, tmp_path: Path) -> None:
    url, data_dir = postgresql.database(LIKE_PEOPLE), str(tmp_path / "hub")
    with beside("begin", data_dir, url, "300") as made:
        tasks = made.communicate(timeout=100)[0].split()
    assert len(tasks) == 300
    for number, order in enumerate((tasks, tasks[::-1])):
        (tmp_path / f"{number}").write_text("\n".join(order))
    with beside("claim", data_dir, str(tmp_path / "0")) as one, beside("claim", data_dir, str(tmp_path / "1")) as two:
        for hub in (one, two):
            until(lambda hub=hub: "ready" in hub.stdout.readline())
        for hub in (one, two):
            hub.stdin.write("go\n")
            hub.stdin.flush()
        claimed = [set(hub.communicate(timeout=200)[0].split()) for hub in (one, two)]
    assert all(claimed)
    assert not claimed[0] & claimed[1]
    assert claimed[0] | claimed[1] == set(tasks)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT state, numfiles, numprocessedfiles, numopen FROM jobs_job").fetchone()
    assert row == ("SUCCESS", 300, 300, 0)


@contextmanager
def beside(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a hub process of its own to its end, which must be a good one."""
    command = [*DIES_WITH_US, sys.executable, "-m", "tests.hub.claimer", *words]
    with subprocess.Popen(
        command, cwd=HERE.parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (psycopg.OperationalError("the connection is closed"), 503),
        (psycopg.InterfaceError("the connection is closed"), 503),
        (psycopg.errors.AdminShutdown("terminating connection"), 503),
        (psycopg.errors.TooManyConnections("too many clients"), 503),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), 503),
        (psycopg.errors.DeadlockDetected("deadlock detected"), 503),
        (psycopg.errors.DiskFull("could not extend file: No space left on device"), 507),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), 400),
        (psycopg.errors.UndefinedTable('relation "jobs_job" does not exist'), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_server_says_is_answered_by_what_is_to_be_done_about_it(error: psycopg.Error, status: int) -> None:
    from django import db

    from argosy.hub.common.problems import handle

    kind = next(getattr(db, kind.__name__) for kind in type(error).__mro__ if hasattr(db, kind.__name__))
    met = kind(str(error))
    met.__cause__ = error  # as the framework does it
    assert handle(met, {}).status_code == status
