"""Which times are believed when something may be removed for its age."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.agent.clock import STEADY, Clock
from argosy.filesystems import ids
from argosy.filesystems.base import Shelf
from argosy.filesystems.posix import Posix
from tests.contracts.filesystem import publish

DAY = 86_400 * 10**9
NOW = 1_800_000_000 * 10**9


@pytest.fixture(autouse=True)
def no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_floor", [0])


class Machine:
    """A machine whose clock somebody sets."""

    def __init__(self, wall: int = NOW) -> None:
        self.wall = wall
        self.since_boot = 0

    def pass_(self, ns: int) -> None:
        self.wall += ns
        self.since_boot += ns

    def clock(self, file: Path) -> Clock:
        return Clock(file, wall=lambda: self.wall, since_boot=lambda: self.since_boot)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine, tmp_path: Path) -> Clock:
    """A clock that is believed."""
    one = machine.clock(tmp_path / "clock")
    assert one.believed() is None
    machine.pass_(STEADY)
    assert one.believed() == machine.wall
    return one


@pytest.mark.parametrize("days", [40, -40, -20_000])
def test_a_clock_that_was_set_is_believed_an_hour_later(machine: Machine, clock: Clock, days: int) -> None:
    machine.wall += days * DAY
    for _ in range(3):
        assert clock.believed() is None
        machine.pass_(STEADY // 3)
    machine.pass_(STEADY // 3)
    assert clock.believed() == machine.wall


def test_a_clock_that_was_wrong_at_one_look_is_believed_an_hour_after_it_is_right_again(
    machine: Machine, clock: Clock
) -> None:
    for days in (40, -40):
        machine.wall += days * DAY
        machine.pass_(STEADY // 2)
        assert clock.believed() is None
    machine.pass_(STEADY)
    assert clock.believed() == machine.wall


def test_a_clock_that_is_corrected_by_hours_is_believed_all_along(machine: Machine, clock: Clock) -> None:
    machine.wall += DAY // 12
    assert clock.believed() == machine.wall


@pytest.fixture
def shelved(tmp_path: Path) -> Callable[[], int]:
    """Remove a file and return the time that its shelf notes."""
    (tmp_path / "root").mkdir()
    tree = Posix(root=os.fsencode(tmp_path / "root"))

    def shelved() -> int:
        path = tree.root + b"/f"
        publish(tree, path)
        name = tree.remove(path, tree.stat(path))
        (kept,) = (kept for kept in tree.kept(Shelf.TRASH) if kept.id == name)
        return kept.since_ns

    return shelved


def test_what_is_removed_after_a_start_with_a_clock_of_long_ago_is_not_noted_as_that_old(
    machine: Machine, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelved: Callable[[], int]
) -> None:
    """The clock of this machine is behind NOW, as that of one that lost its battery."""
    monkeypatch.setattr(ids, "_floor", [0])  # another process
    assert shelved() < NOW
    Machine(0).clock(tmp_path / "clock")
    assert shelved() == machine.wall
