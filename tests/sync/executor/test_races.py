"""What others do in the very moment in which something is done: it is looked at afterwards, and put back."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from argosy.core import failpoints
from argosy.filesystems.base import Shelf
from argosy.sync.executor import executing
from argosy.sync.executor.expecting import Expecting
from argosy.sync.executor.outcomes import Became
from tests.argosy_up import until
from tests.sync.executor.pair import RealPair, Round
from tests.sync.executor.test_situations import (
    NEW,
    OLD,
    OTHER,
    agreeing,
    directory,
    file,
    kept,
    meanwhile,
    settled,
)
from tests.sync.executor.trees import SECOND, RealDisk

LATE = b"what was written last"


def while_paused(pair: RealPair, room: Path, point: str, act: Callable[[], None]) -> Round:
    """Sync, and have something happen while it pauses at the first hit of a point."""
    room.mkdir(exist_ok=True)
    made: list[Round] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_points", {f"sync:{point}": ("pause", 1)})
        patch.setattr(failpoints, "_hits", {})
        patch.setattr(failpoints, "_directory", room)
        running = threading.Thread(target=lambda: made.append(pair.sync()))
        running.start()
        try:
            until((room / f"sync:{point}.hit").exists, what=f"sync:{point} is hit")
            act()
        finally:
            (room / f"sync:{point}.go").touch()
            running.join()
    return made[0]


@contextmanager
def after_the_last_look(act: Callable[[], None]) -> Iterator[None]:
    """Have something happen between the comparison with the scan and what is done upon it."""
    usual = Expecting.expect

    def looked(self: Expecting, *told: object, **more: object) -> object:
        found = usual(self, *told, **more)  # type: ignore[arg-type]
        act()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Expecting, "expect", looked)
        yield


class Reader:
    """Somebody who has a file open, and writes to it whatever its name is by then."""

    def __init__(self, path: bytes) -> None:
        self.file = os.open(path, os.O_RDONLY)
        self.writing: int | None = None

    def begins_to_write(self) -> None:
        self.writing = os.open(f"/proc/self/fd/{self.file}", os.O_WRONLY)

    def writes(self, data: bytes) -> None:
        assert self.writing is not None
        os.pwrite(self.writing, data, 0)

    def close(self) -> None:
        for each in (self.file, self.writing):
            if each is not None:
                os.close(each)


def goes(tmp_path: Path, *, removed: bool) -> RealPair:
    """Return a pair of which one side is to lose a file, or to have it replaced."""
    tmp_path.mkdir()
    pair = agreeing(tmp_path, file(b"f"))
    one = pair.disks[0]
    one.remove(b"f") if removed else one.edit(b"f", NEW)
    return pair


POINTS = {"exchange": False, "trash": True}
"""Where a file has just gone from its name, and whether it is removed there."""


def test_a_file_that_is_open_for_writing_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    for point, removed in POINTS.items():
        pair = goes(tmp_path / point, removed=removed)
        one, two = pair.disks
        with open(two.path(b"f"), "r+b") as writing:
            made = pair.sync()
            assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "busy")]
            writing.write(LATE)
        assert two.at(b"f").data == LATE
        settled(pair)
        assert LATE in {entry[1] for entry in one.tree().values()}


def test_who_opens_a_file_for_writing_as_it_goes_gets_it_back(tmp_path: Path) -> None:
    for point, removed in POINTS.items():
        pair = goes(tmp_path / point, removed=removed)
        two = pair.disks[1]
        user, was = Reader(two.path(b"f")), two.at(b"f").inode
        made = while_paused(pair, tmp_path / point, point, user.begins_to_write)
        assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "busy")]
        user.writes(LATE)
        user.close()
        assert (two.at(b"f").inode, two.at(b"f").data) == (was, LATE)
        assert kept(pair.sides[1], Shelf.VERSIONS) == kept(pair.sides[1], Shelf.TRASH) == {}
        settled(pair)


def test_what_is_put_back_and_what_took_its_name_are_both_in_sight(tmp_path: Path) -> None:
    for point, removed in POINTS.items():
        pair = goes(tmp_path / point, removed=removed)
        two = pair.disks[1]
        user = Reader(two.path(b"f"))

        def writes_and_saves(two: RealDisk = two, user: Reader = user) -> None:
            user.begins_to_write()
            user.writes(LATE)
            two.save(b"f", OTHER)

        made = while_paused(pair, tmp_path / point, point, writes_and_saves)
        user.close()
        assert made.undone[0].became is Became.ABORTED
        assert {entry[1] for entry in two.tree().values()} == {LATE, OTHER}
        assert two.tree().keys() == {b"f", b"f.moved-conflict"}
        settled(pair)


def test_what_took_the_place_of_what_came_does_not_pass_for_it(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"))
    one, two = pair.disks
    one.create(b"f", NEW)
    like = os.stat(one.path(b"f"))

    def saves_another_like_it() -> None:
        two.save(b"f", OTHER)
        os.utime(two.path(b"f"), ns=(like.st_mtime_ns, like.st_mtime_ns))

    assert len(OTHER) == len(NEW)
    made = while_paused(pair, tmp_path / "points", "publish", saves_another_like_it)
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "changed")]
    settled(pair)
    assert {NEW, OTHER} <= {entry[1] for entry in one.tree().values()}


def test_another_name_is_not_given_to_what_somebody_wrote_meanwhile(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.link(b"f", b"g")
    found = os.stat(two.path(b"f"))

    def writes_in_hiding() -> None:
        with open(two.path(b"f"), "r+b") as opened:
            opened.write(OTHER)
        os.utime(two.path(b"f"), ns=(found.st_mtime_ns, found.st_mtime_ns))

    assert len(OTHER) == len(OLD)
    made = meanwhile(pair, writes_in_hiding)
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "changed")]
    assert not two.has(b"g")


def test_a_directory_that_takes_the_place_of_another_gets_none_of_its_metadata(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), directory(b"x"))
    one, two = pair.disks
    one.chmod(b"d", 0o777)
    with after_the_last_look(lambda: two.swap(b"d", b"x")):
        made = pair.sync()
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "changed")]
    assert {os.stat(two.path(name)).st_mode & 0o777 for name in (b"d", b"x")} == {0o755}


def test_what_takes_the_place_of_a_symlink_gets_none_of_its_owner(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"), lambda disk: disk.symlink(b"l", b"nowhere"))
    one, two = pair.disks
    one.chown(b"l", 1234)
    with after_the_last_look(lambda: two.swap(b"l", b"x")):
        made = pair.sync()
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "changed")]
    assert {os.lstat(two.path(name)).st_uid for name in (b"l", b"x")} == {0}


def test_a_symlink_gets_its_owner_and_what_it_leads_to_does_not(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"), lambda disk: disk.symlink(b"l", b"x"))
    one, two = pair.disks
    one.chown(b"l", 1234)
    assert pair.sync().undone == []
    assert (os.lstat(two.path(b"l")).st_uid, os.lstat(two.path(b"x")).st_uid) == (1234, 0)


def changed_between_two_acts(tmp_path: Path, *, made_by_us: bool) -> RealPair:
    """Return a pair that was synced while somebody did something in the directory in which two things came to be."""
    tmp_path.mkdir()
    pair = agreeing(tmp_path, file(b"x")) if made_by_us else agreeing(tmp_path, directory(b"d"))
    one, two = pair.disks
    if made_by_us:
        one.mkdir(b"d")
    one.create(b"d/a", NEW)
    one.create(b"d/b", NEW)
    os.utime(one.path(b"d"), ns=(SECOND, SECOND))

    def creates() -> None:
        if two.has(b"d/a") and not two.has(b"d/users"):
            two.create(b"d/users", OTHER)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executing, "AT_ONCE", 1)
        pair.watch = creates
        assert pair.sync().undone == []
    assert two.has(b"d/users")
    pair.watch = None
    return pair


def is_of_today(disk: RealDisk, path: bytes) -> bool:
    return os.stat(disk.path(path)).st_mtime_ns > time.time_ns() - 3600 * SECOND


def test_a_directory_in_which_somebody_did_something_meanwhile_keeps_that_time(tmp_path: Path) -> None:
    for made_by_us in (False, True):
        pair = changed_between_two_acts(tmp_path / str(made_by_us), made_by_us=made_by_us)
        assert is_of_today(pair.disks[1], b"d")
        settled(pair)


def test_a_directory_that_somebody_changed_before_anything_was_done_in_it_keeps_that_time(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"))
    one, two = pair.disks
    one.create(b"d/a", NEW)
    os.utime(one.path(b"d"), ns=(SECOND, SECOND))
    assert meanwhile(pair, lambda: two.create(b"d/users", OTHER)).undone == []
    assert is_of_today(two, b"d")
