"""What nearly every verb begins with, in one call each; where that is not to be had, nothing is held."""

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.linux import reach
from argosy.linux.openat2 import DIRECTORY, LOOKUP

WHERE = b"locks"


@pytest.fixture
def root(tmp_path: Path) -> reach.Top:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").write_text("f")
    (tmp_path / "a/b/g").write_text("g")
    (tmp_path / "outside").symlink_to("/etc")
    (tmp_path / "a/b/link").symlink_to("f")
    os.mkfifo(tmp_path / "a/b/pipe")
    (tmp_path / "locks").touch(0o600)
    assert reach.LIBRARY is not None, "it is compiled when Argosy is installed"
    return reach.top(bytes(tmp_path), None)


@pytest.fixture
def closed() -> Callable[[int], None]:
    """A function that closes a descriptor which programs that are run do not get."""

    def close(descriptor: int) -> None:
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)

    return close


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def another(root: Path) -> reach.Top:
    found = root.stat()
    return reach.top(bytes(root), (found.st_dev, found.st_ino + 1))


def test_a_directory_is_reached(root: reach.Top, tmp_path: Path, closed: Callable[[int], None]) -> None:
    for path, there in ((b"a/b", tmp_path / "a/b"), (b"", tmp_path)):
        opened = reach.beneath(root, path, DIRECTORY)
        assert opened is not None
        assert os.path.samestat(os.fstat(opened), there.stat())
        closed(opened)


def test_a_root_that_has_to_be_a_certain_directory_is_reached_where_it_is(tmp_path: Path, root: reach.Top) -> None:
    found = tmp_path.stat()
    opened = reach.beneath(reach.top(bytes(tmp_path), (found.st_dev, found.st_ino)), b"a", LOOKUP)
    assert opened is not None
    os.close(opened)


@pytest.mark.parametrize("path", [b"outside", b"a/../..", b"no", b"a/b/f/", b"a\0", b"a/" * 3000])
def test_what_cannot_be_reached_is_none(root: reach.Top, path: bytes) -> None:
    before = descriptors()
    assert reach.beneath(root, path, LOOKUP) is None
    assert descriptors() == before


def test_nothing_is_had_below_another_root(root: reach.Top, tmp_path: Path) -> None:
    before, other = descriptors(), another(tmp_path)
    assert reach.beneath(other, b"a", LOOKUP) is None
    assert reach.lock(other, WHERE, b"a/b", b"f") is None
    assert reach.regular(other, b"a/b", b"f", os.O_RDONLY, None) is None
    assert descriptors() == before


def test_a_lock_is_on_the_inode_and_against_whoever_asks_for_it_too(
    root: reach.Top, tmp_path: Path, closed: Callable[[int], None]
) -> None:
    taken = reach.lock(root, WHERE, b"a/b", b"f")
    assert taken is not None
    before = descriptors()
    assert taken.inode == (tmp_path / "a/b/f").stat().st_ino
    assert reach.lock(root, WHERE, b"a/b", b"f") is None
    assert descriptors() == before
    with (tmp_path / "locks").open("r+b") as other, pytest.raises(BlockingIOError):
        fcntl.fcntl(other, fcntl.F_OFD_SETLK, struct.pack("@hhqqi0q", fcntl.F_WRLCK, 0, taken.inode, 1, 0))
    beside = reach.lock(root, WHERE, b"a/b", b"g")
    assert beside is not None
    closed(beside.locks)
    closed(taken.locks)
    again = reach.lock(root, WHERE, b"a/b", b"f")
    assert again is not None
    closed(again.locks)


@pytest.mark.parametrize("spoiled", ["others may write there", "somebody else's", "a symlink", "missing"])
def test_locks_that_others_could_hold_up_are_none(root: reach.Top, tmp_path: Path, spoiled: str) -> None:
    locks = tmp_path / "locks"
    if spoiled == "others may write there":
        locks.chmod(0o620)
    elif spoiled == "somebody else's":
        os.chown(locks, 1234, -1)
    else:
        locks.unlink()
    if spoiled == "a symlink":
        locks.symlink_to("a/b/f")
    before = descriptors()
    assert reach.lock(root, WHERE, b"a/b", b"f") is None
    assert descriptors() == before


@pytest.mark.parametrize("name", [b"no", b"f\0"])
def test_what_is_not_there_has_no_lock(root: reach.Top, name: bytes) -> None:
    assert reach.lock(root, WHERE, b"a/b", name) is None


def test_a_regular_file_is_opened_without_touching_its_atime(
    root: reach.Top, tmp_path: Path, closed: Callable[[int], None]
) -> None:
    file = tmp_path / "a/b/f"
    for inode in (None, file.stat().st_ino):
        opened = reach.regular(root, b"a/b", b"f", os.O_RDONLY, inode)
        assert opened is not None
        assert os.read(opened, 2) == b"f"
        assert fcntl.fcntl(opened, fcntl.F_GETFL) & os.O_NOATIME
        closed(opened)


@pytest.mark.parametrize("name", [b"pipe", b"link", b"no", b"."])
def test_what_is_no_regular_file_is_not_opened(root: reach.Top, name: bytes) -> None:
    before = descriptors()
    assert reach.regular(root, b"a/b", name, os.O_RDONLY, None) is None
    assert descriptors() == before


def test_another_inode_than_was_asked_for_is_not_opened(root: reach.Top, tmp_path: Path) -> None:
    other = (tmp_path / "a/b/g").stat().st_ino
    before = descriptors()
    assert reach.regular(root, b"a/b", b"f", os.O_RDONLY, other) is None
    assert descriptors() == before
