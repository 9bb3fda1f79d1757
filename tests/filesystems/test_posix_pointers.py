"""Every pointer is told, whatever people rename meanwhile."""

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from argosy.core.errors import Changed
from argosy.core.numbers import Numbers
from argosy.filesystems._posix import pointers, walk
from argosy.filesystems.base import Pointed
from argosy.filesystems.posix import Posix
from argosy.linux.libc import LIBC, checked
from tests.contracts.filesystem import publish
from tests.contracts.shelves import point
from tests.filesystems.conftest import DirectoryOn
from tests.loop import another_subvolume

EXCHANGE = 2


@pytest.fixture
def tree(tmp_path) -> Posix:
    (tmp_path / "tree").mkdir()
    return Posix(root=bytes(tmp_path / "tree"))


def pointing(tree: Posix, *names: str) -> set[bytes]:
    """Make files that point somewhere; return the uuids."""
    for name in names:
        publish(tree, tree.root + b"/" + name.encode())
    return {point(tree, tree.root + b"/" + name.encode()) for name in names}


def exchange(tree: Posix, one: str, other: str) -> None:
    first, second = (ctypes.c_char_p(tree.root + b"/" + name.encode()) for name in (one, other))
    checked(LIBC.renameat2(-100, first, -100, second, EXCHANGE))


def told(found: Iterator[Pointed]) -> set[bytes]:
    return {each.pointer.uuid for each in found}


def test_directories_that_change_places_lose_nothing(tree: Posix) -> None:
    expected = pointing(tree, "live/d/1", "live/d/2", "standby/d/1", "standby/d/2")
    found = tree.every_pointer()
    first = next(found).pointer
    exchange(tree, "live", "standby")
    assert {first.uuid} | told(found) == expected


def test_a_file_that_goes_where_the_walk_has_been_is_told(tree: Posix) -> None:
    expected = pointing(tree, "a/1", "b/1")
    found = tree.every_pointer()
    path, first, *_ = next(found)
    here, there = (b"a", b"b") if b"/a/" in path else (b"b", b"a")
    os.rename(tree.root + b"/" + there + b"/1", tree.root + b"/" + here + b"/2")
    assert {first.uuid} | told(found) == expected


def test_times_that_are_set_back_hide_nothing(tree: Posix) -> None:
    expected = pointing(tree, "live/1", "standby/1")
    found = tree.every_pointer()
    first = next(found).pointer
    exchange(tree, "live", "standby")
    for name in (b"", b"/live", b"/standby"):
        os.utime(tree.root + name, (1e9, 1e9))
    assert {first.uuid} | told(found) == expected


def test_a_tree_that_never_rests_is_not_told_of_as_if_it_did(tree: Posix, monkeypatch) -> None:
    pointing(tree, "live/1", "standby/1")
    monkeypatch.setattr(pointers, "PASSES", 3)
    found = (exchange(tree, "live", "standby") for _ in tree.every_pointer())
    with pytest.raises(Changed, match="changes too fast"):
        list(found)


def test_a_tree_that_rests_is_told_of_once(tree: Posix) -> None:
    expected = pointing(tree, "a/1", "b/2")
    deadline = time.monotonic() + 10
    while len(found := [each.pointer.uuid for each in tree.every_pointer()]) > len(expected):
        assert time.monotonic() < deadline
    assert set(found) == expected


def test_a_subvolume_that_has_the_device_number_of_one_that_was_walked_is_another(directory_on: DirectoryOn) -> None:
    first = directory_on("btrfs") / "sub"
    subprocess.run(["btrfs", "-q", "subvolume", "create", first], check=True)
    pointing(Posix(root=bytes(first)), "f")
    with Posix(root=bytes(first.parent)).pointer_walk() as passes:
        passes.begin()
        assert len(list(passes.pointers(Numbers(), Numbers()))) == 1
        new = Posix(root=bytes(another_subvolume(first)))
        pointing(new, "f")
        passes.begin()
        (found,) = passes.pointers(Numbers(), Numbers())
        with new.open(new.root + b"/f") as file:
            assert found.binding == file.binding()


class Told:
    """What a walk says of directories it may have missed."""

    def __init__(self) -> None:
        self.elsewhere_at: list[bytes] = []
        self.renamed_in: list[bytes] = []

    def elsewhere(self, path: bytes, what: walk.Inode) -> None:
        self.elsewhere_at.append(path)

    def renamed(self, path: bytes) -> None:
        self.renamed_in.append(path)


def walked(top: Path, at: bytes, do: Callable[[], object]) -> Told:
    """Walk the directories, and do something when the walk has come to one of them."""
    told = Told()
    descriptor = os.open(top, os.O_RDONLY)
    try:
        for directory in walk.directories(descriptor, b"", told, shown=bytes(top)):
            if directory.path == at:
                do()
    finally:
        os.close(descriptor)
    return told


@pytest.fixture
def teams(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / "teams" / name).mkdir(parents=True)
    return tmp_path / "teams"


def next_of(top: Path) -> tuple[str, str]:
    """Return the names of its two directories in the order in which they are walked."""
    first, second = reversed([item.name for item in os.scandir(top) if not item.name.startswith(".")])
    return first, second


def test_a_walk_tells_of_nothing_where_nothing_changes(teams: Path) -> None:
    told = walked(teams, b"", lambda: None)
    assert told.elsewhere_at == told.renamed_in == []


def test_a_walk_tells_of_a_directory_that_went_before_it_was_opened(teams: Path) -> None:
    first, second = next_of(teams)
    told = walked(teams, first.encode(), lambda: (teams / second).rename(teams / "crew"))
    assert told.elsewhere_at == [second.encode()]


def test_a_walk_tells_of_a_directory_that_was_exchanged_for_another(teams: Path) -> None:
    first, second = next_of(teams)
    told = walked(teams, first.encode(), lambda: exchange(Posix(root=bytes(teams)), first, second))
    assert told.elsewhere_at == [second.encode()]


def test_a_walk_tells_of_a_directory_that_changed_while_it_was_read(teams: Path) -> None:
    assert walked(teams, b"", (teams / "c").touch).renamed_in == [b""]


def test_a_directory_that_is_renamed_before_a_pass_comes_to_it_keeps_that_from_being_the_last(tree: Posix) -> None:
    """What was moved beneath it a pass before would be met neither under its old name nor under its new one."""
    top = Path(os.fsdecode(tree.root))
    for name in ("one", "other"):
        (top / name).mkdir()
    calm, team = next_of(top)
    expected = pointing(tree, f"{calm}/1", f"{team}/a/1", f"{team}/b/1")
    first, second = next_of(top / team)
    with tree.pointer_walk() as passes:
        passes.begin()
        found = set()
        for one in passes.pointers(Numbers(), Numbers()):
            found.add(one.pointer.uuid)
            if one.path == bytes(top / team / first / "1"):
                (top / team / second / "1").rename(top / team / first / "2")
        assert found < expected
        (top / calm / "new").touch()
        while not passes.is_still:
            time.sleep(passes.pause)
            passes.begin()
            for one in passes.pointers(Numbers(), Numbers()):
                found.add(one.pointer.uuid)
                if (top / team).exists():
                    (top / team).rename(top / "crew")
    assert found == expected


def test_a_file_that_goes_from_tree_to_tree_is_met_by_the_next_pass(tmp_path: Path) -> None:
    trees = [Posix(root=bytes(tmp_path / name)) for name in ("one", "other")]
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    expected = pointing(trees[1], "a")
    with ExitStack() as stack:
        one, other = (stack.enter_context(tree.pointer_walk()) for tree in trees)
        for passes in (one, other):
            passes.begin()
        assert not list(one.pointers(Numbers(), Numbers()))
        (tmp_path / "other" / "a").rename(tmp_path / "one" / "a")
        assert not list(other.pointers(Numbers(), Numbers()))
        for passes in (one, other):
            passes.begin()
        assert {found.pointer.uuid for found in one.pointers(Numbers(), Numbers())} == expected
        assert not one.is_still


def test_a_file_that_has_the_number_of_one_that_is_known_is_looked_at(tree: Posix) -> None:
    with tree.pointer_walk() as passes:
        passes.begin()
        expected = pointing(tree, "a")
        known = Numbers()
        (place,) = passes.met
        known.add(place, os.stat(tree.root + b"/a").st_ino)
        assert {found.pointer.uuid for found in passes.pointers(known, Numbers())} == expected
