"""From one snapshot to the next: tried again where something hinders it, and whole again after a kill."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from argosy.core.errors import Corrupt, NotFound, Unavailable
from argosy.core.faults import FilesetRefused
from argosy.core.fileset import Fileset
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems.index import Index
from argosy.snapshots.differences import differences
from argosy.snapshots.holdings import Holdings
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning, turning

KILLS = 12
"""Each at another moment of a run."""


@pytest.fixture
def fileset(tmp_path: Path) -> Fileset:
    return placed(tmp_path / "root" / "projects", "ab")


def placed(top: Path, number: str) -> Fileset:
    """Return a new fileset; its id is made of two digits."""
    top.mkdir(parents=True)
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    binding = binding_of(descriptor)
    os.close(descriptor)
    return Fileset(name=top.name, path=bytes(top), root=bytes(top.parent), id=number * 16, number=1, binding=binding)


class Hindered(Index):
    """Filesets that are held still only after some tries."""

    def __init__(self, fileset: Fileset, failures: int) -> None:
        super().__init__(fileset=fileset)
        object.__setattr__(self, "failures", {"create": failures, "delete": failures})

    def create(self, name: str) -> None:
        self._hinder("create")

    def delete(self, name: str) -> None:
        self._hinder("delete")

    def _hinder(self, what: str) -> None:
        failures: dict[str, int] = object.__getattribute__(self, "failures")
        failures[what] -= 1
        if failures[what] >= 0:
            raise Unavailable(f"{what}: busy")


@pytest.fixture
def hindered(fileset: Fileset) -> Iterator[Callable[[int, float], Turning]]:
    """A function from failures and patience to a turning that meets them."""
    with Rotate(fileset) as rotate, Holdings(fileset) as holdings:

        def made(failures: int, seconds: float) -> Turning:
            one = Turning(fileset, rotate, holdings, seconds=seconds, check=lambda: None)
            one._snapshots = Hindered(fileset, failures)
            return one

        yield made


@pytest.mark.feature("HUB-SYNC-025")
def test_snapshots_are_made_and_deleted_once_nothing_hinders_it_any_more(
    hindered: Callable[[int, float], Turning],
) -> None:
    one = hindered(4, 0.5)
    one.take("first")
    assert one.is_there("first")
    one.delete("first")
    assert not one.is_there("first")


@pytest.mark.feature("HUB-SYNC-025")
def test_when_the_time_is_over_what_hinders_it_is_said(hindered: Callable[[int, float], Turning]) -> None:
    with pytest.raises(Unavailable, match="create: busy"):
        hindered(1000, 0.1).take("first")
    one = hindered(0, 0)
    one.take("second")
    with pytest.raises(Unavailable, match="delete: busy"):
        hindered(1000, 0.1).delete("second")
    assert one.is_there("second"), "what is still held is not forgotten"


def run(fileset: Fileset, task: str) -> list[bytes]:
    """Do what a job does, from its lock to its rotation; return what changed."""
    with Rotate(fileset) as rotate:
        rotate.lock(task, 86400)
    with turning(fileset, seconds=0, check=lambda: None) as one:
        old, new, _ = one.indexes(task)
        found = [each.path for each in differences(old, new)]
        assert one.turn(task, forward=True)
    return found


def last_index(fileset: Fileset) -> Path:
    with Rotate(fileset) as rotate:
        (found,) = Path(os.fsdecode(fileset.path)).parent.rglob(f"{rotate.last()}.parquet")
    return found


def test_the_index_of_another_is_not_taken_for_that_of_the_last_snapshot(fileset: Fileset, tmp_path: Path) -> None:
    top = Path(os.fsdecode(fileset.path))
    other = placed(tmp_path / "root" / "others", "cd")
    for each in (fileset, other):
        run(each, "first")
    (top / "f").write_text("x")
    older = last_index(fileset).read_bytes()
    run(fileset, "second")
    (top / "f").unlink()
    last = last_index(fileset)
    for wrong, name in ((older, "projects"), (last_index(other).read_bytes(), "others")):
        last.write_bytes(wrong)
        with pytest.raises(Corrupt, match=f"is the index of .* of fileset {name}: remove it, and the last-snap file"):
            run(fileset, "third")
        with turning(fileset, seconds=0, check=lambda: None) as one:
            one.turn("third", forward=False)


def test_a_directory_that_took_the_place_of_the_top_is_not_taken_for_the_fileset(fileset: Fileset) -> None:
    top = Path(os.fsdecode(fileset.path))
    (top / "f").write_text("x")
    run(fileset, "first")
    top.rename(top.with_name("old"))
    top.mkdir()
    with pytest.raises(FilesetRefused, match="another directory"):
        run(fileset, "second")


def test_a_name_that_was_mistyped_in_the_last_snap_file_costs_no_snapshot(fileset: Fileset) -> None:
    top = Path(os.fsdecode(fileset.path))
    (top / "f").write_text("x")
    run(fileset, "first")
    (file,) = (top.parent / ".rotate").iterdir()
    good = file.read_text()
    file.write_text("typo\n")
    with turning(fileset, seconds=0, check=lambda: None) as one:
        with pytest.raises(NotFound, match="typo"):
            one.indexes("second")
        one.turn("second", forward=False)
    file.write_text(good)
    (top / "f").unlink()
    assert run(fileset, "third") == [b"f"]


@pytest.mark.parametrize("cleared", [False, True])
def test_a_fileset_that_gets_another_name_goes_on_where_it_was(fileset: Fileset, *, cleared: bool) -> None:
    top = Path(os.fsdecode(fileset.path))
    (top / "f").write_text("x")
    run(fileset, "first")
    (top / "f").unlink()
    renamed = msgspec.structs.replace(fileset, name="pictures")
    if cleared:  # as a job that is cancelled does
        with turning(renamed, seconds=0, check=lambda: None) as one:
            one.turn("nobody", forward=False)
    assert run(renamed, "second") == [b"f"]
    (file,) = (top.parent / ".rotate").iterdir()
    assert file.name == "ngenea-worker.lastsnap.name.pictures.id.1"


def killed(fileset: Fileset, task: str, after: float) -> bool:
    """Do the same in a process that is killed after some seconds; say whether it was."""
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        run(fileset, task)
        os._exit(0)
    time.sleep(after)  # any moment will do
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_run_that_was_killed_at_any_moment_is_done_again_and_loses_nothing(fileset: Fileset) -> None:
    top, chance, kills = Path(os.fsdecode(fileset.path)), random.Random(7), 0
    run(fileset, "first")
    for number in range(KILLS):
        (top / f"{number}").write_text("x")
        kills += killed(fileset, f"task-{number}", chance.uniform(0.005, 0.25))
        with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
            before = rotate.last()
            noted = holdings.found(f"task-{number}")
            is_done = (
                noted is None and rotate.last() in holdings.indexed() and number and _knows(holdings, before, number)
            )
        if is_done:
            continue
        if noted is not None and noted.until == before:
            with turning(fileset, seconds=0, check=lambda: None) as one:
                one.turn(f"task-{number}", forward=True)
        else:
            assert run(fileset, f"task-{number}") == [f"{number}".encode()]
    assert kills
    assert run(fileset, "last") == []
    shelf = next(top.parent.glob(".argosy/snapshots/*"))
    assert len(list(shelf.iterdir())) == 2, "an index, and the note that it rotates"
    assert [file.name for file in (top.parent / ".rotate").iterdir()] == ["ngenea-worker.lastsnap.name.projects.id.1"]


def _knows(holdings: Holdings, snapshot: str | None, number: int) -> bool:
    """Say whether the index of the snapshot has the file."""
    assert snapshot is not None
    found = differences(None, Path(os.fsdecode(holdings.index(snapshot))))
    return any(each.path == f"{number}".encode() for each in found)
