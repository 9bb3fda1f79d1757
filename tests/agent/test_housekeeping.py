"""What is on the shelves goes when its time is over, or when the disk runs full."""

import os
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from argosy.agent import housekeeping
from argosy.agent.clock import STEADY, Clock
from argosy.agent.housekeeping import Housekeeper, clean
from argosy.agent.place import Place
from argosy.core.config import SiteConfig
from argosy.core.fileset import Registered
from argosy.core.pointer import StubState
from argosy.filesystems.base import Shelf
from argosy.filesystems.posix import Posix
from tests.argosy_up import until
from tests.contracts.filesystem import content_of, pointer, publish, replace


@pytest.fixture
def tree(tmp_path: Path) -> Posix:
    (tmp_path / "root").mkdir()
    return Posix(root=os.fsencode(tmp_path / "root"))


def shelve(tree: Posix, name: bytes, *, days: float, size: int = 10) -> None:
    """Have a file in the trash for so many days."""
    path = tree.root + b"/" + name
    publish(tree, path, b"x" * size)
    name_of = tree.remove(path, tree.stat(path))
    shelf = Path(os.fsdecode(tree.root)) / ".argosy/trash"
    (kept,) = (kept for kept in tree.kept(Shelf.TRASH) if kept.id == name_of)
    then = kept.since_ns - int(days * 86_400 * 10**9)
    stamp = housekeeping_stamp(then)
    (shelf / name_of).rename(shelf / f"{stamp}-{name_of.partition('-')[2]}")


def housekeeping_stamp(ns: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y%m%dT%H%M%S%fZ}"


def shelved(tree: Posix, name: bytes) -> bytes:
    """Return where what had the name, in the root itself, lies in the trash."""
    (kept,) = (kept for kept in tree.kept(Shelf.TRASH) if kept.entry.path.endswith(b"/" + name))
    return tree.root + b"/.argosy/trash/" + os.fsencode(kept.id) + b"/" + name


def left(tree: Posix) -> set[bytes]:
    return {kept.entry.path.rpartition(b"/")[2] for shelf in Shelf for kept in tree.kept(shelf)}


def test_what_has_lain_long_enough_goes(tree: Posix) -> None:
    shelve(tree, b"old", days=31)
    shelve(tree, b"young", days=29)
    assert clean(tree, trash_days=30, now=time.time_ns()) == 1
    assert left(tree) == {b"young"}


def test_what_nobody_asked_to_remove_stays_for_weeks_whatever_the_site_keeps(tree: Posix, tmp_path: Path) -> None:
    path = tree.root + b"/f"
    publish(tree, path)
    tree.park(path, tree.stat(path))
    for note in (tmp_path / "root/.argosy/moving").glob("*.note"):
        note.unlink()
    tree.sweep()
    assert len(left(tree)) == 1
    assert clean(tree, trash_days=0, now=time.time_ns()) == 0
    (kept,) = tree.kept(Shelf.VERSIONS)
    stamp = housekeeping_stamp(kept.since_ns - 31 * 86_400 * 10**9)
    shelf = tmp_path / "root/.argosy/versions"
    (shelf / kept.id).rename(shelf / f"{stamp}-{kept.id.partition('-')[2]}")
    assert clean(tree, trash_days=0, now=time.time_ns()) == 1


def test_versions_go_alike_and_the_present_file_stays(tree: Posix) -> None:
    path = tree.root + b"/f"
    publish(tree, path, b"old")
    replace(tree, path, b"new", tree.stat(path))
    assert clean(tree, trash_days=30, now=time.time_ns()) == 0
    assert clean(tree, trash_days=0, now=time.time_ns()) == 1
    assert left(tree) == set()
    assert content_of(path) == b"new"


def test_the_oldest_go_before_their_time_until_enough_is_free(tree: Posix, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in (3, 1, 4, 2):
        shelve(tree, b"%d" % days, days=days, size=1000)
    _, whole = tree.free()
    monkeypatch.setattr(Posix, "free", lambda _: (int(whole * housekeeping.MARK) - 5000, whole))
    assert clean(tree, trash_days=30, now=time.time_ns()) == 2
    assert left(tree) == {b"1", b"2"}


def test_for_want_of_space_nothing_goes_that_frees_none(tree: Posix, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [tree.root + b"/" + name for name in (b"hollow", b"stub", b"linked", b"big")]
    for path in names:
        publish(tree, path, b"x" * 5000)
    os.truncate(names[0], 0)
    os.truncate(names[0], 1 << 40)
    with tree.open(names[1]) as file:
        file.point(pointer(file.binding(), state=StubState.STUB))
    for path in names:
        tree.remove(path, tree.stat(path))
    os.link(shelved(tree, b"linked"), tree.root + b"/name")
    _, whole = tree.free()
    monkeypatch.setattr(Posix, "free", lambda _: (int(whole * housekeeping.MARK) - 5000, whole))
    assert clean(tree, trash_days=30, now=time.time_ns()) == 1
    assert left(tree) == {b"hollow", b"stub", b"linked"}
    assert clean(tree, trash_days=0, now=time.time_ns()) == 3


def test_what_cannot_be_purged_stays_and_the_rest_goes(tree: Posix) -> None:
    for name in (b"/a", b"/b"):
        publish(tree, tree.root + name)
        tree.remove(tree.root + name, tree.stat(tree.root + name))
    stays = shelved(tree, b"a")
    subprocess.run(["chattr", "+i", stays], check=True)
    try:
        assert clean(tree, trash_days=0, now=time.time_ns()) == 1
    finally:
        subprocess.run(["chattr", "-i", stays], check=True)
    assert left(tree) == {b"a"}


def test_what_a_filesystem_lacks_is_taken_from_its_roots_once(
    tree: Posix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other = Posix(root=os.fsencode(tmp_path / "other"))
    for days in (1, 2):
        shelve(tree, b"%d" % days, days=days, size=4096)
        shelve(other, b"%d" % days, days=days, size=4096)
    _, whole = tree.free()
    monkeypatch.setattr(Posix, "free", lambda _: (int(whole * housekeeping.MARK) - 5000, whole))
    (trees,) = housekeeping._by_filesystem([tree, other])
    assert clean(*trees, trash_days=30, now=time.time_ns()) == 2
    assert (left(tree), left(other)) == ({b"1"}, {b"1"})


@pytest.mark.parametrize(("kept", "stays"), [(90.0, {b"1", b"50"}), (7.0, {b"1"}), (0.0, set())])
def test_of_a_fileset_what_it_settles_itself_goes_in_its_own_time(tree: Posix, kept: float, stays: set[bytes]) -> None:
    (Path(os.fsdecode(tree.root)) / "own").mkdir()
    for days in (100, 50, 1):
        shelve(tree, b"own/%d" % days, days=days)
    shelve(tree, b"other", days=29)
    shelve(tree, b"owner", days=31)
    filesets = {tree.root + b"/own": kept}
    clean(tree, trash_days=30, filesets=filesets, now=time.time_ns())
    assert left(tree) == stays | {b"other"}


def test_nothing_goes_for_its_age_before_the_hub_has_said_how_long_filesets_keep_it(
    tree: Posix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(tree, b"old", days=31)
    config = SiteConfig(name="london", roots=(os.fsdecode(tree.root),))
    place = Place(config, tmp_path / "agent")
    place.start()
    keeper = Housekeeper(place, 30.0, Clock(tmp_path / "agent" / "clock"))
    monkeypatch.setattr(Clock, "believed", lambda _: time.time_ns())
    keeper._clean_all()
    assert left(tree) == {b"old"}
    kept = Registered(name="all", path=tree.root, trash_days=32)
    place.filesets.register([kept])
    keeper._clean_all()
    assert left(tree) == {b"old"}
    place.filesets.register([msgspec.structs.replace(kept, trash_days=None)])
    keeper._clean_all()
    assert left(tree) == set()
    place.close()


def test_it_stops_between_two_entries(tree: Posix) -> None:
    for number in range(3):
        shelve(tree, b"%d" % number, days=40 - number)
    looks = iter([False, True])
    assert clean(tree, trash_days=30, now=time.time_ns(), stopped=lambda: next(looks)) == 1
    assert left(tree) == {b"1", b"2"}


def test_nothing_goes_for_its_age_while_the_time_is_not_known(tree: Posix, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in (400, 1):
        shelve(tree, b"%d" % days, days=days, size=4096)
    assert clean(tree, trash_days=30, now=None) == 0
    _, whole = tree.free()
    monkeypatch.setattr(Posix, "free", lambda _: (int(whole * housekeeping.MARK) - 4096, whole))
    assert clean(tree, trash_days=30, now=None) == 1
    assert left(tree) == {b"1"}


def test_the_housekeeper_looks_at_every_served_root(
    tree: Posix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "INTERVAL", 0.01)
    shelve(tree, b"old", days=2)
    config = SiteConfig(name="london", roots=(str(tmp_path / "missing"), os.fsdecode(tree.root)))
    place = Place(config, tmp_path / "agent")
    place.start()
    place.filesets.register([])
    first = iter([-STEADY])  # by the second look an hour has gone by
    keeper = Housekeeper(place, 1.0, Clock(tmp_path / "agent" / "clock", since_boot=lambda: next(first, 0)))
    keeper.start()
    until(lambda: left(tree) == set(), seconds=10, what="the trash is empty")
    keeper.stop()
    place.close()
