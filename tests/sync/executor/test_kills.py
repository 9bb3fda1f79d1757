"""Killed at any point, a side is brought back to where a new plan goes on from, and nothing is lost meanwhile."""

import os
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from argosy.filesystems.base import Shelf
from argosy.sync.executor import homecoming
from argosy.sync.executor.journal import Begun, Journal, Parking
from argosy.sync.executor.outcomes import Became
from tests.sync.executor.dying import POINTS, forked, survives
from tests.sync.executor.histories import Agreed, Witness
from tests.sync.executor.pair import RealPair

KILLS = 40
"""More than any point is hit in the story below."""


def eventful(scratch: Path) -> tuple[RealPair, Agreed]:
    """Return a pair with everything to do: moves, swaps, edits, conflicts, removals, links."""
    pair = RealPair(scratch)
    one, two = pair.disks
    for name in (b"a", b"b", b"edited", b"gone", b"both", b"moved", b"d", b"old"):
        if name in (b"d", b"old"):
            one.mkdir(name)
        else:
            one.create(name, b"first " + name)
    one.create(b"d/inner", b"first inner")
    one.create(b"old/last", b"first last")
    one.symlink(b"link", b"nowhere")
    for group in (b"goes", b"changes"):
        one.create(group, b"first " + group)
        one.link(group, b"d/" + group)
    pair.sync()
    agreed = Agreed(pair)
    one.swap(b"a", b"b")
    one.move(b"d", b"e")
    one.remove(b"gone")
    one.remove(b"old")
    one.edit(b"edited", b"second edited")
    one.remove(b"goes")
    one.remove(b"changes")
    one.create(b"changes", b"second, apart")
    one.create(b"new", b"new on one")
    one.link(b"new", b"e/another")
    one.remove(b"link")
    one.symlink(b"link", b"elsewhere")
    one.mkdir(b"empty")
    one.edit(b"both", b"both, by one")
    two.edit(b"both", b"both, by two")
    two.move(b"moved", b"d/moved")
    two.create(b"d/more", b"new on two")
    two.chmod(b"edited", 0o600)
    two.attach(b"d", b"value")
    return pair, agreed


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_hit_of_a_point_nothing_is_lost_and_the_next_run_ends_as_it_should(
    tmp_path: Path, point: str
) -> None:
    pair, agreed = eventful(tmp_path / "pair")
    witness = Witness(pair, agreed)
    for hit in range(1, KILLS):
        made = pair.plan()
        survived = survives(pair, made, point, hit)
        witness.no_file_is_half()
        witness.nothing_is_lost(on_its_way=True)
        if survived:
            break
        pair.restart()
        witness.nothing_is_lost()
        witness.nothing_is_left_over()
    else:
        pytest.fail("the story never ends")
    assert hit > 1, f"sync:{point} was never hit"
    made = pair.sync()
    witness.everything_was_done(made)
    witness.both_are_equal()
    witness.what_was_new_is_visible()
    witness.nothing_is_left_over()
    witness.the_next_run_does_nothing()


def parked_things(scratch: Path) -> RealPair:
    """Return a pair of which a run was killed that had a directory parked, and before that something out of it."""
    pair = RealPair(scratch)
    one, two = pair.disks
    one.mkdir(b"d")
    one.create(b"d/f", b"text")
    one.create(b"d/g", b"more")
    pair.sync()
    two.move(b"d/f", b"o")
    two.move(b"d", b"r")
    assert not survives(pair, pair.plan(), "park", 2)
    assert not one.has(b"d")
    return pair


def test_what_was_parked_comes_home_to_where_it_was(tmp_path: Path) -> None:
    pair = parked_things(tmp_path / "pair")
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"d", b"d/f", b"d/g"}
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.disks[0].tree().keys() == {b"o", b"r", b"r/g"}


def test_what_was_parked_gets_a_name_beside_where_its_own_was_given_again(tmp_path: Path) -> None:
    pair = parked_things(tmp_path / "pair")
    pair.disks[0].create(b"d", b"somebody's")
    pair.restart()
    tree = pair.disks[0].tree()
    assert tree.keys() == {b"d", b"d.recovered", b"d.recovered/f", b"d.recovered/g"}
    assert tree[b"d"][1] == b"somebody's"


def a_parked_file(scratch: Path) -> RealPair:
    """Return a pair of which a run was killed that had a file parked."""
    pair = RealPair(scratch)
    one, two = pair.disks
    one.mkdir(b"d")
    one.create(b"d/f", b"text")
    pair.sync()
    two.move(b"d/f", b"o")
    assert not survives(pair, pair.plan(), "park", 1)
    return pair


def test_what_was_parked_comes_home_to_its_directory_whatever_that_is_called_by_now(tmp_path: Path) -> None:
    pair = a_parked_file(tmp_path / "pair")
    pair.disks[0].move(b"d", b"z")
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"z", b"z/f"}
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.disks[0].tree().keys() == {b"z", b"o"}


def test_what_is_parked_is_told_by_its_inode_and_not_by_an_id_that_came_again(tmp_path: Path) -> None:
    pair = a_parked_file(tmp_path / "pair")
    side = pair.sides[0]
    (name,) = (side.root / ".argosy" / "sync").glob("*/parked/*")
    top = (side.binding.inode, side.binding.born_ns)
    other = Parking(
        number=0, object="+1", parked=os.fsencode(name.name), path=b"of_another_run", target=b"t", inode=1, born_ns=1,
        directory=top,
    )  # fmt: skip
    with side.area() as area, Journal(area.journal, Begun(run="another", shelf_id="")) as journal:
        journal.write([other])
    (written,) = (side.root / ".argosy" / "sync").glob("*/journal/another.log")
    os.utime(written, (0, 0))
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"d", b"d/f"}


def test_a_name_beside_has_no_character_half() -> None:
    long = Parking(
        number=0, object="", parked=b"", path="d/{}x".format("\u00e9" * 127).encode(), target=b"", inode=1, born_ns=1,
        directory=(1, 1),
    )  # fmt: skip
    first, second = islice(homecoming._names_beside(long), 2)
    assert first == "\u00e9".encode() * 122 + b".recovered"
    assert second == "\u00e9".encode() * 121 + b".recovered-2"
    assert next(homecoming._names_beside(msgspec.structs.replace(long, path=b"\xff" * 255))) == (
        b"\xff" * 245 + b".recovered"
    )


def test_what_was_parked_stays_in_sight_where_its_directory_is_gone(tmp_path: Path) -> None:
    pair = a_parked_file(tmp_path / "pair")
    pair.disks[0].remove(b"d")
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"f.recovered"}
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert b"text" in {entry[1] for entry in pair.disks[1].tree().values()}


def test_a_recovery_that_is_killed_after_any_move_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = parked_things(tmp_path / "pair")
    usual = homecoming.bring
    for moves in (1, 2):

        def dying(*told: object, left: list[int] = [moves]) -> None:  # noqa: B006
            usual(*told)  # type: ignore[arg-type]
            os.kill(os.getpid(), 9)

        def recover() -> None:
            homecoming.bring = dying  # type: ignore[assignment]
            pair.restart()

        assert not forked(recover)
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"d", b"d/f", b"d/g"}


def test_what_was_replaced_as_the_power_went_is_in_the_version_store(tmp_path: Path) -> None:
    pair = RealPair(tmp_path / "pair")
    one, two = pair.disks
    one.create(b"f", b"old text")
    pair.sync()
    two.edit(b"f", b"new text")
    assert not survives(pair, pair.plan(), "exchange", 1)
    assert one.at(b"f").data == b"new text"
    pair.restart()
    kept = list(pair.sides[0].filesystem.kept(Shelf.VERSIONS))
    assert [each.entry.path for each in kept] == [pair.sides[0].place.path + b"/f"]
    with open(kept[0].place(kept[0].entry.path.rpartition(b"/")[0]), "rb") as file:
        assert file.read() == b"old text"


def test_a_journal_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    pair = parked_things(tmp_path / "pair")
    (journal,) = (pair.sides[0].root / ".argosy" / "sync").glob("*/journal/*.log")
    with journal.open("ab") as file:
        file.write(b'00000000 {"type":"parking"')
    pair.restart()
    assert pair.disks[0].tree().keys() == {b"d", b"d/f", b"d/g"}


def test_what_was_staged_for_a_run_that_is_over_goes(tmp_path: Path) -> None:
    pair = RealPair(tmp_path / "pair")
    pair.disks[0].create(b"f", b"text")
    assert not survives(pair, pair.plan(), "before_apply", 2)
    assert pair.sides[1].temporaries()
    pair.restart()
    assert pair.sides[1].temporaries() == []
    made = pair.sync()
    assert made.of(Became.DONE) != []
