"""What a run takes from names is noted, whatever kills it."""

import os
from pathlib import Path

import pytest

from argosy.core.entry import Kind
from argosy.filesystems._posix import undoing
from argosy.filesystems.base import Shelf
from argosy.filesystems.undoing import Lost, Took, lost
from tests.sync.executor.dying import POINTS, survives
from tests.sync.executor.pair import OneSide, RealPair
from tests.sync.executor.test_kills import eventful

HITS = 40
"""More than any point is hit."""


def noted(side: OneSide) -> list[Lost]:
    """Return what all runs noted at a side."""
    ident = f"{side.name:0>32}"
    logs = sorted((side.root / ".argosy" / "sync" / ident / "undo").glob("*.log"), key=lambda log: log.stat().st_mtime)
    return list(lost([lambda log=log: side.filesystem.undoable(ident, log.stem) for log in logs]))


def shelved(side: OneSide) -> dict[tuple[Shelf, str, bytes], int]:
    """Return what lies on the shelves of a side, with its inode; 0 of directories, of which others are kept."""
    top = side.place.path
    return {
        (kept.shelf, kept.id, kept.entry.path[len(top) + 1 :]): 0
        if kept.entry.kind is Kind.DIRECTORY
        else kept.entry.inode
        for shelf in Shelf
        for kept in side.filesystem.kept(shelf)
    }


@pytest.mark.parametrize("point", POINTS)
def test_all_that_lies_on_a_shelf_after_a_kill_is_noted(tmp_path: Path, point: str) -> None:
    for hit in range(1, HITS):
        pair, _ = eventful(tmp_path / f"pair{hit}")
        survived = survives(pair, pair.plan(), point, hit)
        pair.restart()
        for side in pair.sides:
            found = {
                (each.took.shelf, each.took.id, each.took.path): 0
                if each.took.kind is Kind.DIRECTORY
                else each.took.inode
                for each in noted(side)
            }
            assert found == shelved(side)
            for each in noted(side):
                if each.took.shelf is Shelf.VERSIONS:
                    there = (side.top / os.fsdecode(each.path)).lstat()
                    assert each.left is not None
                    assert (each.left.inode, each.left.ctime_ns) == (there.st_ino, there.st_ctime_ns)
        if survived:
            break
    else:
        pytest.fail("the story never ends")


def test_what_was_removed_below_a_directory_that_moved_is_noted_under_its_new_name(tmp_path: Path) -> None:
    pair = RealPair(tmp_path / "pair")
    one, _ = pair.disks
    one.mkdir(b"a")
    one.mkdir(b"a/b")
    one.create(b"a/b/f", b"text")
    one.create(b"a/b/g", b"text too")
    pair.sync()
    one.remove(b"a/b/f")
    one.move(b"a/b", b"c")
    one.move(b"a", b"d")
    pair.sync()
    assert [(each.path, each.took.path) for each in noted(pair.sides[1])] == [(b"c/f", b"a/b/f")]


def test_what_a_name_lost_in_two_rounds_is_what_it_had_before_the_first_or_what_people_put_there(
    tmp_path: Path,
) -> None:
    pair = RealPair(tmp_path / "pair")
    one, two = pair.disks
    for name in (b"twice", b"between"):
        one.create(name, b"first " + name)
    pair.sync()
    first = inode(pair, "twice")
    for name in (b"twice", b"between"):
        one.edit(name, b"second")
    pair.sync()
    two.remove(b"between")
    two.create(b"between", b"saved by somebody")
    pair.sync()
    theirs = inode(pair, "between")
    for name in (b"twice", b"between"):
        one.edit(name, b"the third")
    pair.sync()
    took = {each.path: each for each in noted(pair.sides[1])}
    assert {path: each.took.inode for path, each in took.items()} == {b"twice": first, b"between": theirs}
    left = {path: each.left.inode for path, each in took.items() if each.left is not None}
    assert left == {b"twice": inode(pair, "twice"), b"between": inode(pair, "between")}


def inode(pair: RealPair, name: str) -> int:
    return (pair.sides[1].top / name).stat().st_ino


def test_a_note_that_was_cut_off_is_taken_away_before_the_next(tmp_path: Path) -> None:
    home = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    first, second = (Took(name, Shelf.TRASH, "id", Kind.FILE, 1, 2, 3) for name in (b"first", b"second"))
    with undoing.Undoing(home, "run") as notes:
        notes.note([first])
    with (tmp_path / "undo" / "run.log").open("ab") as log:
        log.write(b"0123abcd [half of a")
    with undoing.Undoing(home, "run") as notes:
        assert list(notes.noted()) == [first]
        notes.note([second])
        assert list(notes.noted()) == [first, second]
    os.utime(tmp_path / "undo" / "run.log", ns=(0, 0))
    undoing.forget(home, days=30)
    assert os.listdir(tmp_path / "undo") == []
    os.close(home)
