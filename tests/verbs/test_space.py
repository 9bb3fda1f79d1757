"""Where a disk, a quota or an inode is full a verb fails and leaves what was there; with room again it succeeds."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from tests.loop import LoopMount, mounted, settle, unmounted
from tests.sites import Side, carried
from tests.verbs.evidence import assert_state
from tests.verbs.scenarios import OLD, write

MiB = 1 << 20
CONTENT = os.urandom(MiB) * 8


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A filesystem of our own."""
    point = mounted(request.param, tmp_path, 320 * MiB)
    yield point
    unmounted(point)


@pytest.fixture
def rationed(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A btrfs and a function that sets how many bytes may be on it."""
    point = mounted("btrfs", tmp_path, 320 * MiB)
    subprocess.run(["btrfs", "-q", "subvolume", "create", point / "some"], check=True)
    subprocess.run(["btrfs", "quota", "enable", point], check=True)

    def allow(size: int) -> None:
        subprocess.run(["btrfs", "qgroup", "limit", str(size), point / "some"], check=True)

    yield point / "some", allow
    unmounted(point)


def sites(point: Path, scratch: Path) -> tuple[Side, Side]:
    """Return a site on the disk, and one elsewhere; the store is elsewhere."""
    store = scratch / "store"
    return Side(point, "london", store=store), Side(scratch, "dublin", store=store)


def fill(point: Path, *, but: int) -> Path:
    """Take the room there is, but for some."""
    filler = point / "filler"
    with filler.open("wb") as file:
        for step in (16 * MiB, MiB, 64 << 10, 4096):
            while (free := os.statvfs(point)).f_bavail * free.f_frsize > but + step:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, 2), step)
                except OSError:
                    break
    return filler


def one(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.error


def free(point: Path) -> int:
    settle(point)
    known = os.statvfs(point)
    return known.f_bavail * known.f_frsize


def test_a_recall_for_which_there_is_no_room_leaves_a_stub(room: Path, tmp_path: Path) -> None:
    london, _ = sites(room, tmp_path)
    file = london.tree / "f"
    write(file, CONTENT)
    assert one(london.do("migrate", london.entry(file))) == (FileState.PROCESSED, "")
    filler = fill(room, but=4 * MiB)
    before = free(room)
    assert one(london.do("recall", london.entry(file))) == (FileState.FAILED, "disk_full")
    assert_state(file, StubState.STUB, CONTENT, mtime_ns=OLD)
    assert free(room) >= before - MiB
    filler.unlink()
    assert one(london.do("recall", london.entry(file))) == (FileState.PROCESSED, "")
    assert_state(file, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


def test_a_file_for_which_there_is_no_room_does_not_appear(room: Path, tmp_path: Path) -> None:
    london, dublin = sites(room, tmp_path)
    write(dublin.tree / "f", CONTENT)
    copied = dublin.do("migrate", dublin.entry(dublin.tree / "f"), premigrate=True)
    entries = carried(copied, dublin, london)
    filler = fill(room, but=4 * MiB)
    assert one(london.do("reverse_stub", *entries, hydrate=True)) == (FileState.FAILED, "disk_full")
    assert list(london.tree.iterdir()) == []
    assert list((london.root / ".argosy" / "staging").iterdir()) == []
    filler.unlink()
    assert one(london.do("reverse_stub", *entries, hydrate=True)) == (FileState.PROCESSED, "")
    assert_state(london.tree / "f", StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


def test_a_recall_keeps_to_a_quota(rationed: tuple[Path, Callable[[int], None]], tmp_path: Path) -> None:
    point, allow = rationed
    london, _ = sites(point, tmp_path)
    file = london.tree / "f"
    write(file, CONTENT)
    assert one(london.do("migrate", london.entry(file))) == (FileState.PROCESSED, "")
    settle(point)
    allow(4 * MiB)
    assert one(london.do("recall", london.entry(file))) == (FileState.FAILED, "quota")
    assert_state(file, StubState.STUB, CONTENT, mtime_ns=OLD)
    allow(32 * MiB)
    assert one(london.do("recall", london.entry(file))) == (FileState.PROCESSED, "")
    assert_state(file, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


@pytest.mark.parametrize("hydrate", [False, True], ids=["stub", "whole"])
def test_what_arrives_keeps_to_a_quota(
    rationed: tuple[Path, Callable[[int], None]], tmp_path: Path, hydrate: bool
) -> None:
    point, allow = rationed
    london, dublin = sites(point, tmp_path)
    write(dublin.tree / "f", CONTENT)
    copied = dublin.do("migrate", dublin.entry(dublin.tree / "f"), premigrate=True)
    allow(4 * MiB)
    expected = (FileState.FAILED, "quota") if hydrate else (FileState.PROCESSED, "")
    assert one(london.do("reverse_stub", *carried(copied, dublin, london), hydrate=hydrate)) == expected
    assert list((london.root / ".argosy" / "staging").iterdir()) == []
    assert (london.tree / "f").exists() is not hydrate


def test_an_inode_without_room_for_what_is_said_of_the_copy_keeps_its_bytes(
    loop_mount: LoopMount, tmp_path: Path
) -> None:
    london, _ = sites(loop_mount("ext4", size=512 * MiB), tmp_path)
    file = london.tree / "f"
    write(file, CONTENT)
    size = 4000
    while size:
        try:
            os.setxattr(file, "user.fills", b"x" * size)
            break
        except OSError:
            size -= 4
    for number in range(60):
        try:
            os.setxattr(file, f"user.{number}", b"")
        except OSError:
            break
    state, error = one(london.do("migrate", london.entry(file)))
    assert (state, error) == (FileState.FAILED, "disk_full")
    assert_state(file, None, CONTENT, mtime_ns=OLD)
    os.removexattr(file, "user.fills")
    assert one(london.do("migrate", london.entry(file))) == (FileState.PROCESSED, "")
    assert_state(file, StubState.STUB, CONTENT, mtime_ns=OLD)


def test_a_full_disk_is_freed_by_migrating(room: Path, tmp_path: Path) -> None:
    london, _ = sites(room, tmp_path)
    files = [london.tree / name for name in "abc"]
    for file in files:
        write(file, CONTENT)
    assert all(done.state.goes_on for done in london.do("migrate", *map(london.entry, files), premigrate=True))
    fill(room, but=0)
    outcomes = london.do("migrate", *map(london.entry, files))
    assert [(done.state, done.error) for done in outcomes] == [(FileState.PROCESSED, "")] * 3
    assert free(room) > 20 * MiB
