"""Leases, and that their breaks neither kill nor delay anybody."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.linux import leases

WRITE = "import sys; open(sys.argv[1], 'r+b').close()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def reader(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


def test_a_lease_stands_until_it_is_released(reader: int) -> None:
    leases.take(reader, leases.READ)
    assert leases.standing(reader) == leases.READ
    leases.release(reader)
    leases.release(reader)
    assert leases.standing(reader) == leases.NONE


def test_a_write_lease_is_refused_while_others_have_the_file_open(path: Path, reader: int) -> None:
    leases.take(reader, leases.WRITE)
    leases.release(reader)
    with path.open("rb"), pytest.raises(OSError, match="unavailable"):
        leases.take(reader, leases.WRITE)


def test_a_pending_break_of_a_write_lease_shows_and_is_not_answered_for_its_holder(path: Path, reader: int) -> None:
    leases.take(reader, leases.WRITE)
    with pytest.raises(BlockingIOError):
        os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert leases.standing(reader) == leases.READ
    with pytest.raises(BlockingIOError):
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    assert leases.standing(reader) == leases.NONE
    leases.release(reader)
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize("change", ["open", "truncate", "process"])
def test_who_changes_the_file_breaks_a_read_lease_without_waiting_for_us(path: Path, reader: int, change: str) -> None:
    changes: dict[str, Callable[[], object]] = {
        "open": lambda: path.open("r+b").close(),
        "truncate": lambda: os.truncate(path, 1),
        "process": lambda: subprocess.run([sys.executable, "-c", WRITE, path], check=True, timeout=10),
    }
    with leases.reading(reader) as clean, ThreadPoolExecutor(1) as pool:
        assert clean()
        pool.submit(changes[change]).result(10)
        assert not clean()
    assert not clean()


def test_after_its_end_a_lease_says_what_it_said_then(path: Path, reader: int) -> None:
    with leases.reading(reader) as clean:
        pass
    path.open("r+b").close()
    assert clean()


def test_many_leases_are_broken_one_by_one(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(50)]
    for path in paths:
        path.touch()
    readers = [os.open(path, os.O_RDONLY) for path in paths]
    held = [leases.reading(reader) for reader in readers]
    clean = [lease.__enter__() for lease in held]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: path.open("r+b").close(), paths[::2]))
    assert [whole() for whole in clean] == [False, True] * 25
    for lease in held:
        lease.__exit__(None, None, None)


def test_what_cannot_be_leased_is_not_clean(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with leases.reading(descriptor) as clean:
        assert not clean()


def test_signals_are_handled_as_before(reader: int) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGIO, signal.SIGURG)]
    with leases.reading(reader):
        assert [signal.getsignal(number) for number in (signal.SIGIO, signal.SIGURG)] == before
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []).isdisjoint({signal.SIGIO, signal.SIGURG})


def test_leases_work_again_in_a_fork(path: Path, reader: int) -> None:
    with leases.reading(reader):
        pass
    pid = os.fork()
    if pid == 0:
        os._exit(_breaks(path))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _breaks(path: Path) -> int:
    with leases.reading(os.open(path, os.O_RDONLY)) as clean:
        before = clean()
        writer = threading.Thread(target=lambda: path.open("r+b").close(), daemon=True)
        writer.start()
        writer.join(10)
        return 0 if before and not writer.is_alive() and not clean() else 1
