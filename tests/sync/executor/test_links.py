"""Names of one file: what a run takes from one of them is kept, whatever is written under another."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.filesystems.base import Shelf
from argosy.sync.executor import acting, going
from argosy.sync.executor.journal import Displacing, Record, Trashing
from argosy.sync.executor.outcomes import Became
from tests.sync.executor.dying import survives
from tests.sync.executor.pair import OneSide, RealPair
from tests.sync.executor.test_situations import NEW, OLD, kept, settled
from tests.sync.executor.test_undoing import noted
from tests.sync.executor.trees import RealDisk


def removed(disk: RealDisk) -> None:
    disk.remove(b"f")


def saved_anew(disk: RealDisk) -> None:
    disk.remove(b"f")
    disk.create(b"f", NEW)


TAKES = [(removed, Shelf.TRASH), (saved_anew, Shelf.VERSIONS)]


def linked(scratch: Path) -> RealPair:
    """Return a pair that agrees on a file with two names."""
    pair = RealPair(scratch / "pair", scans=True)
    pair.disks[0].create(b"f", OLD)
    pair.disks[0].link(b"f", b"g")
    pair.sync()
    assert pair.disks[1].groups() == {frozenset({b"f", b"g"})}
    return pair


def lying(side: OneSide, shelf: Shelf) -> list[tuple[bytes, bytes, int]]:
    """Return what lies on a shelf: path, content, how many names it has."""
    files = []
    for path, each in kept(side, shelf).items():
        file = Path(os.fsdecode(each.place(bytes(side.root))))
        files.append((path, file.read_bytes(), file.stat().st_nlink))
    return files


@pytest.mark.parametrize(("take", "shelf"), TAKES)
def test_what_was_taken_from_one_name_comes_back_as_it_was_though_the_other_was_written_to(
    tmp_path: Path, take: Callable[[RealDisk], None], shelf: Shelf
) -> None:
    pair = linked(tmp_path)
    one, two = pair.disks
    take(one)
    assert pair.sync().undone == []
    assert pair.plan().plan.operations == ()
    two.edit(b"g", NEW)
    assert lying(pair.sides[1], shelf) == [(b"f", OLD, 1)]
    pair.sides[1].filesystem.restore(kept(pair.sides[1], shelf)[b"f"], two.path(b"back"))
    assert (two.at(b"back").data, two.at(b"g").data) == (OLD, NEW)
    settled(pair)
    assert one.at(b"g").data == NEW


def test_all_names_of_a_file_can_go_and_each_comes_back(tmp_path: Path) -> None:
    pair = linked(tmp_path)
    one, two = pair.disks
    for name in (b"f", b"g"):
        one.remove(name)
    assert pair.sync().undone == []
    assert sorted(lying(pair.sides[1], Shelf.TRASH)) == [(b"f", OLD, 2), (b"g", OLD, 2)]
    assert {each.took.inode for each in noted(pair.sides[1])} == {
        each.entry.inode for each in kept(pair.sides[1], Shelf.TRASH).values()
    }
    for each in kept(pair.sides[1], Shelf.TRASH).values():
        pair.sides[1].filesystem.restore(each)
    assert [two.at(name).data for name in (b"f", b"g")] == [OLD, OLD]
    assert two.groups() == {frozenset({b"f", b"g"})}


def test_what_is_written_just_after_a_name_was_taken_is_not_told_of_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = linked(tmp_path)
    one, two = pair.disks
    one.remove(b"f")
    usual = going.shelving.shelve

    def written_to(*given: object, **named: object) -> os.stat_result | None:
        usual(*given, **named)  # type: ignore[arg-type]
        two.edit(b"g", NEW)
        return os.stat(two.path(b"g"))

    with monkeypatch.context() as patch:
        patch.setattr(going.shelving, "shelve", written_to)
        assert pair.sync().undone == []
    assert lying(pair.sides[1], Shelf.TRASH) == [(b"f", OLD, 1)]
    (taken,) = noted(pair.sides[1])
    entry = kept(pair.sides[1], Shelf.TRASH)[b"f"].entry
    assert (taken.took.inode, taken.took.size, taken.took.mtime_ns) == (entry.inode, entry.size, entry.mtime_ns)
    settled(pair)
    assert one.at(b"g").data == NEW


def without_version(record: Record | None) -> Record | None:
    """Return what a journal says that the version before wrote."""
    if isinstance(record, Trashing | Displacing):
        return type(record)(**{name: getattr(record, name) for name in record.__struct_fields__ if name != "version"})
    return record


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("take", "shelf"), TAKES)
@pytest.mark.parametrize("point", ["exchange", "trash"])
def test_what_a_killed_run_took_is_kept_apart_from_the_other_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    take: Callable[[RealDisk], None],
    shelf: Shelf,
    old: bool,
) -> None:
    pair = linked(tmp_path)
    take(pair.disks[0])
    if old:
        usual = going.intent
        monkeypatch.setattr(acting, "intent", lambda *given: without_version(usual(*given)))
    survived = survives(pair, pair.plan(), point, 1)
    assert survived == (point == "exchange" and shelf is Shelf.TRASH)
    pair.restart()
    pair.disks[1].edit(b"g", NEW)
    assert (b"f", OLD, 1) in lying(pair.sides[1], shelf)
    assert {links for _, _, links in lying(pair.sides[1], shelf)} == {1}
    assert pair.sides[1].temporaries() == []
    if not old and not survived:
        assert [each.took.inode for each in noted(pair.sides[1])] == [kept(pair.sides[1], shelf)[b"f"].entry.inode]


def test_without_room_for_a_copy_the_name_stays_and_the_next_run_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = linked(tmp_path)
    pair.disks[0].remove(b"f")

    def full(source: int, target: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("argosy.filesystems._posix.copying.fill", full)
        (outcome,) = pair.sync().undone
    assert (outcome.became, outcome.code) == (Became.FAILED, "disk_full")
    assert pair.disks[1].groups() == {frozenset({b"f", b"g"})}
    settled(pair)
    assert lying(pair.sides[1], Shelf.TRASH) == [(b"f", OLD, 1)]
