"""A batch waits for the disk once where that takes less, and file by file elsewhere: what becomes of it is the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.pointer import StubState
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.filesystems.posix import Posix
from argosy.linux import syncing
from argosy.linux.libc import LIBC
from tests.sites import Side
from tests.verbs.disks import Disk, disk, power_fails
from tests.worn import Worn, worn

__all__ = ["disk", "worn"]

MANY = 12


class Syncs:
    """How often a filesystem, and how often a file or directory, was synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.all = self.single = 0
        self._real = LIBC.syncfs, os.fsync
        monkeypatch.setattr(LIBC, "syncfs", self._sync_all)
        monkeypatch.setattr(os, "fsync", self._sync_one)

    def _sync_all(self, descriptor: int) -> int:
        self.all += 1
        return int(self._real[0](descriptor))

    def _sync_one(self, descriptor: int) -> None:
        self.single += 1
        self._real[1](descriptor)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    return Syncs(monkeypatch)


@pytest.fixture(params=["calm", "busy"])
def calm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether little waits to be written on the machine."""
    monkeypatch.setattr(syncing, "LITTLE", float("inf") if request.param == "calm" else -1)
    return bool(request.param == "calm")


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return filled(Side(tmp_path, "london"))


def filled(side: Side) -> Side:
    for number in range(MANY):
        file = side.tree / f"{number}"
        file.write_bytes(b"content" * 1000)
        os.utime(file, (10**9, 10**9))
    return side


def entries(side: Side, size: int = 7000) -> list[Entry]:
    return [Entry(path=bytes(side.tree / f"{number}"), size=size) for number in range(MANY)]


def done(report: Report) -> int:
    """Return how many entries were dealt with."""
    return sum(outcome.state is FileState.PROCESSED for outcome in report.outcomes)


def test_what_was_copied_is_noted_durably_at_once(side: Side, calm: bool, syncs: Syncs) -> None:
    assert done(side.report("migrate", *entries(side), premigrate=True)) == MANY
    assert syncs.all == calm


def test_files_that_are_made_and_their_names_are_durable_at_once(
    side: Side, tmp_path: Path, calm: bool, syncs: Syncs
) -> None:
    side.report("migrate", *entries(side), premigrate=True)
    dublin = Side(tmp_path, "dublin")
    before = syncs.all, syncs.single
    assert done(dublin.report("reverse_stub", *entries(dublin, size=0), hydrate=True)) == MANY
    assert syncs.all - before[0] == 2 * calm
    assert calm or syncs.single - before[1] >= 2 * MANY
    assert (dublin.tree / "3").read_bytes() == b"content" * 1000


def test_one_that_is_gone_by_then_does_not_keep_the_others(side: Side, calm: bool, syncs: Syncs) -> None:
    gone = Entry(path=bytes(side.tree / "gone"))
    *done, failed = side.report("migrate", *entries(side), gone, premigrate=True).outcomes
    assert {outcome.state for outcome in done} == {FileState.PROCESSED}
    assert failed.state is FileState.FAILED
    assert syncs.all == calm


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_what_is_said_to_be_copied_is_noted_after_a_power_cut(
    tmp_path: Path, disk: Callable[[str], Disk], kind: str, calm: bool
) -> None:
    on = disk(kind)
    side = filled(Side(on.room("one"), "london", store=tmp_path / "store", agent=tmp_path))
    on.settle()
    assert done(side.report("migrate", *entries(side), premigrate=True)) == MANY
    cut(side, on)
    assert states(side) == {StubState.PREMIGRATED}


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("hydrate", [True, False], ids=["hydrated", "stubs"])
def test_what_is_said_to_be_made_is_there_after_a_power_cut(
    side: Side, tmp_path: Path, disk: Callable[[str], Disk], kind: str, calm: bool, hydrate: bool
) -> None:
    on = disk(kind)
    side.report("migrate", *entries(side), premigrate=True)
    dublin = Side(on.room("one"), "dublin", store=side.store, agent=tmp_path)
    assert done(dublin.report("reverse_stub", *entries(dublin, size=0), hydrate=hydrate)) == MANY
    cut(dublin, on)
    assert states(dublin) == {StubState.PREMIGRATED if hydrate else StubState.STUB}
    if not hydrate:
        dublin.start()
        assert done(dublin.report("recall", *entries(dublin))) == MANY
        cut(dublin, on)
    assert {file.read_bytes() for file in dublin.tree.iterdir()} == {b"content" * 1000}


def cut(side: Side, on: Disk) -> None:
    """Have the power fail, and the machine start again without the agent."""
    power_fails(on)
    side.close()
    on.start_again()


def states(side: Side) -> set[StubState | None]:
    """Return what the files say of themselves."""
    tree, said = Posix(root=bytes(side.root)), set()
    for entry in entries(side):
        with tree.open(entry.path) as file:
            pointer = file.pointer()
            said.add(None if pointer is None else pointer.state)
    return said


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("first", [b"", b"content"], ids=["the first has no bytes", "the first has some"])
def test_what_the_disk_did_not_take_is_not_said_to_be_there(tmp_path: Path, worn: Worn, first: bytes) -> None:
    contents = [first * 40_000, *(os.urandom(300_000) for _ in range(MANY))]
    london, dublin = Side(tmp_path, "london"), Side(worn.point, "dublin", store=tmp_path / "store", agent=tmp_path)
    for number, content in enumerate(contents):
        (london.tree / f"{number}").write_bytes(content)
    numbers = range(1 + MANY)
    london.report("migrate", *(Entry(path=bytes(london.tree / f"{number}")) for number in numbers), premigrate=True)
    paths = [dublin.tree / f"{number}" for number in numbers]
    dublin.report("reverse_stub", Entry(path=bytes(paths[0])))  # so that it has made its own directories
    paths[0].unlink()
    worn.wear_out()
    report = dublin.report("reverse_stub", *(Entry(path=bytes(path)) for path in paths), hydrate=True)
    dublin.close()
    worn.start_again()
    there = [path.exists() and path.read_bytes() == content for path, content in zip(paths, contents, strict=True)]
    said = {outcome.entry.path for outcome in report.outcomes if outcome.state is FileState.PROCESSED}
    assert said <= {bytes(path) for path, is_there in zip(paths, there, strict=True) if is_there}
    assert len(said) < MANY
