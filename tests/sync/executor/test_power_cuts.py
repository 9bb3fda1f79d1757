"""When the power fails nothing is lost, and what was told as done is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.filesystems.base import Shelf
from argosy.sync.executor import executing
from argosy.sync.executor.durability import Unsynced
from argosy.sync.planner.plans import Act
from argosy.sync.planner.trees import SIDES
from tests.sync.executor.dying import cut_after, survives
from tests.sync.executor.histories import Witness
from tests.sync.executor.pair import RealPair, Round
from tests.sync.executor.test_kills import eventful
from tests.verbs.disks import Disk

POINTS = ("park", "unpark", "publish", "exchange", "trash", "after_apply")
TOLD = (1, 8, 20)


@pytest.mark.parametrize("point", POINTS)
def test_when_the_power_fails_at_a_point_nothing_is_lost_and_the_next_run_ends_as_it_should(
    tmp_path: Path, disk: Callable[[str], Disk], point: str
) -> None:
    on = disk("ext4")
    pair, agreed = eventful(on.room("pair"))
    witness = Witness(pair, agreed)
    on.settle()
    assert not survives(pair, pair.plan(), point, 2, power=on.point)
    on.start_again()
    witness.no_file_is_half()
    pair.restart()
    witness.nothing_is_lost()
    made = pair.sync()
    witness.everything_was_done(made)
    witness.both_are_equal()
    witness.what_was_new_is_visible()
    witness.nothing_is_left_over()


def is_done(pair: RealPair, made: Round, number: int) -> bool:
    """Say whether what an operation was to do is done."""
    (operation,) = [each for side in SIDES for each in made.operations[side] if each.number == number]
    side = pair.sides[operation.side]
    if operation.act is Act.TRASH:
        lying = {each.entry.path[len(side.place.path) + 1 :] for each in side.filesystem.kept(Shelf.TRASH)}
        return operation.path in lying
    if operation.act in {Act.PARK, Act.MTIME}:
        return True
    found = side.disk.tree().get(operation.target)
    return found is not None and found[0] is operation.kind and side.disk.at(operation.target).data != b"first edited"


@pytest.mark.parametrize("outcomes", TOLD)
def test_what_was_told_as_done_is_done_when_the_power_fails_in_the_next_moment(
    tmp_path: Path, disk: Callable[[str], Disk], outcomes: int
) -> None:
    on = disk("ext4")
    pair, agreed = eventful(on.room("pair"))
    witness = Witness(pair, agreed)
    on.settle()
    made = pair.plan()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executing, "AT_ONCE", 1)
        told = cut_after(pair, made, tmp_path / "told", outcomes, power=on.point)
    on.start_again()
    assert [number for number in told if not is_done(pair, made, number)] == []
    pair.restart()
    witness.nothing_is_lost()
    pair.sync()
    witness.both_are_equal()


def told_of_a_new_file(scratch: Path, on: Disk) -> None:
    """A file that was told to have come is there after the power failed."""
    pair = RealPair(on.room(scratch.name))
    pair.disks[0].create(b"old", b"old text")
    pair.sync()
    pair.disks[0].create(b"new", b"new text")
    pair.disks[0].remove(b"old")
    on.settle()
    made = pair.plan()
    cut_after(pair, made, scratch / "told", len(made.operations[1]), power=on.point)
    on.start_again()
    assert {path: entry[1] for path, entry in pair.disks[1].tree().items()} == {b"new": b"new text"}


def test_a_new_file_and_a_removed_one_are_on_the_disk_when_they_are_told(
    tmp_path: Path, disk: Callable[[str], Disk]
) -> None:
    told_of_a_new_file(tmp_path, disk("ext4"))


def test_a_run_that_never_waits_for_its_directories_is_found_out(
    tmp_path: Path, disk: Callable[[str], Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Unsynced, "sync", Unsynced.forget)
    with pytest.raises(AssertionError):
        told_of_a_new_file(tmp_path, disk("ext4"))
