"""`posix` where the disk or a quota is full: what is written for a user is written within his limits.

What keeps a quota of a user (CAP_SYS_RESOURCE) also keeps what ext4 holds back for root; the tests go by that, since it
needs no quota in the kernel. The quota that is full is one of btrfs.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from argosy.core.errors import Denied, Exhausted
from argosy.filesystems.posix import Posix
from tests.filesystems.nobody import NOBODY, as_nobody
from tests.loop import LoopMount, mounted, unmounted
from tests.trees import MiB

QUOTA = 4 * MiB


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Path]:
    """An ext4, a fifth of it kept for root."""
    point = mounted("ext4", tmp_path, 64 * MiB, make=["-m", "20"])
    yield point
    unmounted(point)


@pytest.fixture
def tree(limited: Path) -> Posix:
    (limited / "root").mkdir()
    return Posix(root=os.fsencode(limited / "root"))


@pytest.fixture
def rationed(loop_mount: LoopMount) -> Posix:
    """A btrfs subvolume with a quota."""
    top = loop_mount("btrfs", size=256 * MiB)
    subprocess.run(["btrfs", "-q", "subvolume", "create", top / "root"], check=True)
    subprocess.run(["btrfs", "quota", "enable", top], check=True)
    subprocess.run(["btrfs", "qgroup", "limit", str(QUOTA), top / "root"], check=True)
    return Posix(root=os.fsencode(top / "root"))


def hole(tree: Posix, size: int, *, owner: int = NOBODY) -> bytes:
    path = tree.root + b"/f"
    with open(path, "wb") as file:
        file.truncate(size)
    os.chown(path, owner, owner)
    os.utime(path, ns=(5, 10**18))
    return path


def allocated(path: bytes) -> int:
    return os.stat(path).st_blocks * 512


def available(tree: Posix) -> int:
    known = os.statvfs(tree.root)
    return known.f_bavail * known.f_frsize


def expect_left_alone(path: bytes, size: int) -> None:
    found = os.stat(path)
    assert allocated(path) <= 4096
    assert (found.st_size, found.st_mtime_ns, found.st_atime_ns) == (size, 10**18, 5)


def test_what_a_quota_does_not_allow_is_not_reserved(rationed: Posix) -> None:
    path = hole(rationed, 4 * QUOTA)
    with rationed.open(path, writing=True) as file:
        with pytest.raises(Exhausted, match="/f: the quota is used up"):
            file.reserve(4 * QUOTA)
        expect_left_alone(path, 4 * QUOTA)
        file.reserve(MiB)
        assert allocated(path) >= MiB


def test_what_a_quota_does_not_allow_is_not_written(rationed: Posix) -> None:
    with rationed.open(hole(rationed, 4 * QUOTA), writing=True) as file:
        file.write(0, os.urandom(MiB))
        with pytest.raises(Exhausted, match="quota"):
            file.write(MiB, os.urandom(2 * QUOTA))


def test_what_is_kept_for_root_is_not_reserved_for_users(tree: Posix) -> None:
    room = available(tree)
    path = hole(tree, room + 4 * MiB)
    with tree.open(path, writing=True) as file:
        with pytest.raises(Exhausted, match="disk is full"):
            file.reserve(room + 4 * MiB)
        expect_left_alone(path, room + 4 * MiB)
        assert available(tree) == room
    path = hole(tree, room + 4 * MiB, owner=0)
    with tree.open(path, writing=True) as file:
        file.reserve(room + 4 * MiB)


def test_what_is_kept_for_root_is_not_written_for_users(tree: Posix) -> None:
    room = available(tree)
    with tree.open(hole(tree, 0), writing=True) as file, pytest.raises(Exhausted, match="disk is full"):
        file.write(0, bytes(room + 4 * MiB))
    with tree.open(hole(tree, 0, owner=0), writing=True) as file:
        file.write(0, bytes(room + 4 * MiB))


def test_what_had_data_before_the_disk_was_full_has_it_still(tree: Posix) -> None:
    size = available(tree) + MiB + 5
    path = hole(tree, size)
    content = os.urandom(70_000)
    with tree.open(path, writing=True) as file:
        file.write(4 * MiB + 7, content)
        file.write(size - 10, b"0123456789")
        data = file.data()
        with pytest.raises(Exhausted):
            file.reserve(size)
        assert file.data() == data
        assert file.read(4 * MiB + 7, 70_000) == content
        assert file.read(size - 10, 10) == b"0123456789"
    assert allocated(path) < MiB


def test_rights_are_afterwards_what_they_were(tree: Posix) -> None:
    before = status()
    path = hole(tree, MiB)
    with tree.open(path, writing=True) as file:
        file.write(0, b"x")
        file.reserve(MiB)
        with pytest.raises(Exhausted):
            file.reserve(1 << 40)
    assert status() == before


def status() -> list[str]:
    names = ("CapEff", "CapPrm", "Uid", "Gid")
    with open("/proc/thread-self/status") as file:
        return [line for line in file if line.startswith(names)]


def unreachable(path: bytes, tree: Posix) -> Callable[[], None]:
    """As a user who may read the file and not write it."""

    def attempt() -> None:
        with tree.open(path) as file:
            with pytest.raises(Denied, match="/f"):
                file.seize()
            assert file.read(0, 1) == b"\0"
        with pytest.raises(Denied, match="/f"):
            tree.open(path, writing=True)

    return attempt


@contextmanager
def reachable(path: Path) -> Iterator[None]:
    """Let everybody through to the path for as long as that lasts."""
    closed = [above for above in path.parents if not above.stat().st_mode & 0o001]
    for above in closed:
        above.chmod(above.stat().st_mode | 0o011)
    try:
        yield
    finally:
        for above in closed:
            above.chmod(0o700)


def test_an_agent_that_may_not_write_is_denied_and_goes_on_reading(tree: Posix, limited: Path) -> None:
    path = hole(tree, MiB, owner=0)
    with reachable(limited):
        as_nobody(unreachable(path, tree))
