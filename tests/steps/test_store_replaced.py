"""A file keeps its bytes, or the store has them, whenever the directory of a POSIX store is replaced by another.

The filesystem is one in memory: hundreds of files are migrated, and what is proved is the order of calls.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from argosy.core.pointer import StubState
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.hsm.file.state import State, look
from argosy.hsm.out import release
from argosy.hsm.repair import recovery
from tests.contracts.shelves import slip_in
from tests.sites import Side
from tests.stores.replaced import STRANGERS, Calls, away, bring_back, fill, memory, remove, replace, within

__all__ = ["memory"]

CONTENT = os.urandom(50_000)
HOUR = 3600 * 10**9
WHOLE = {State.RESIDENT, State.PREMIGRATED}


@pytest.fixture
def pattern(memory: Path) -> Path:
    """A site that has used its store, and a file to migrate."""
    side = Side(memory / "pattern", "london")
    (side.tree / "before").write_bytes(b"kept")
    file = side.tree / "f"
    file.write_bytes(CONTENT)
    for path in (file, side.tree / "before"):
        os.utime(path, ns=(path.stat().st_mtime_ns - HOUR,) * 2)
    side.do("migrate", side.entry(side.tree / "before"), premigrate=True)
    side.close()
    return memory / "pattern"


class Trial:
    """A migrate during which others do things to the store."""

    def __init__(self, pattern: Path, name: object, acts: Mapping[int, Callable[[Path], object]]) -> None:
        top = pattern.with_name(str(name))
        shutil.copytree(pattern / "store", top / "store")
        shutil.copytree(pattern / "agent-london" / "stores", top / "agent-london" / "stores")
        self.side = Side(top, "london")
        self.file = self.side.tree / "f"
        shutil.copy2(pattern / "london" / "projects" / "f", self.file)
        self.store = self.side.store
        with pytest.MonkeyPatch.context() as patch:
            calls = Calls(patch, {at: lambda act=act: act(self.store) for at, act in acts.items()})  # type: ignore[misc]
            self.report = self.migrate()
        self.made = calls.made

    def migrate(self, **options: object) -> Report:
        return self.side.report("migrate", self.side.entry(self.file), **options)

    def state(self) -> State:
        with self.side.place.tree(bytes(self.file)).open(bytes(self.file)) as file:
            return look(file, self.side.site()).state

    def has_its_bytes(self, store: Path) -> bool:
        """Say whether the file has its bytes, or the store that was there from the beginning has them."""
        if self.state() in WHOLE:
            return self.file.read_bytes() == CONTENT
        return self.state() is State.STUB and (store / "projects" / "f").read_bytes() == CONTENT


def calls_of_a_migrate(pattern: Path) -> list[str]:
    trial = Trial(pattern, "count", {})
    assert trial.state() is State.STUB
    return trial.made


@pytest.mark.parametrize("by", STRANGERS)
def test_a_stub_has_its_object_in_the_store_that_was_there_from_the_beginning(pattern: Path, by: str) -> None:
    (pattern.with_name("stranger")).mkdir()
    fill(pattern.with_name("stranger"), by)
    stranger = {name: held for name, held in within(pattern.with_name("stranger")).items() if not name.endswith("/id")}
    for at in range(1, len(calls_of_a_migrate(pattern)) + 1):
        trial = Trial(pattern, at, {at: lambda store: replace(store, by)})
        assert trial.has_its_bytes(away(trial.store)), at
        there = {name: held for name, held in within(trial.store).items() if not name.endswith("/id")}
        assert there == stranger, at
        if trial.state() in WHOLE:
            assert "mount its disk" in (trial.report.reason or ""), at
        bring_back(trial.store)
        again = trial.migrate()
        assert [outcome.state for outcome in again.outcomes] in ([FileState.PROCESSED], [FileState.SKIPPED]), at
        assert trial.state() is State.STUB, at
        assert trial.has_its_bytes(trial.store), at


@pytest.mark.parametrize("later", [1, 4, 15])
def test_a_store_that_comes_back_at_once_has_what_its_stubs_point_to(pattern: Path, later: int) -> None:
    for at in range(1, len(calls_of_a_migrate(pattern)) + 1):
        trial = Trial(pattern, at, {at: lambda store: replace(store, "theirs"), at + later: bring_back})
        store = away(trial.store) if away(trial.store).exists() else trial.store
        assert trial.has_its_bytes(store), at


def test_a_store_that_is_removed_before_its_last_look_leaves_the_file_whole(pattern: Path) -> None:
    made = calls_of_a_migrate(pattern)
    last = len(made) - made[::-1].index("open_beneath")
    for at in range(1, last + 1):
        trial = Trial(pattern, at, {at: remove})
        assert trial.state() in WHOLE, at
        assert trial.file.read_bytes() == CONTENT, at
        assert within(trial.store) == {}, at


@pytest.mark.parametrize("by", [*STRANGERS, "nothing"])
@pytest.mark.parametrize("point", ["hsm:lease", "hsm:mark"])
def test_blocks_stay_where_the_path_leads_elsewhere(
    pattern: Path, by: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = pattern.with_name("trial") / "store"

    def act(name: str) -> None:
        if name == point:
            replace(store, by)
            if by == "nothing":
                store.rmdir()

    with monkeypatch.context() as patch:
        patch.setattr(release, "failpoint", act)
        trial = Trial(pattern, "trial", {})
    assert (trial.state(), trial.file.read_bytes()) == (State.PREMIGRATED, CONTENT)
    assert "mount its disk" in trial.report.reason or "mount it" in trial.report.reason
    assert trial.report.error
    away(store).rename(store) if by == "nothing" else bring_back(store)
    (again,) = trial.migrate().outcomes
    assert trial.state() is State.STUB
    assert (again.moved, trial.has_its_bytes(store)) == (0, True)


def test_what_is_half_freed_loses_no_more_where_the_path_leads_elsewhere(
    pattern: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(pattern, "trial", {})
    trial.side.do("recall", trial.side.entry(trial.file))
    before = trial.file.stat()
    with trial.side.place.tree(bytes(trial.file)).open(bytes(trial.file)) as file:
        found = file.pointer()
        assert found is not None
        file.point(msgspec.structs.replace(found, state=StubState.RELEASING))
    subprocess.run(["fallocate", "--punch-hole", "--offset", "8192", "--length", "65536", trial.file], check=True)
    os.utime(trial.file, ns=(before.st_mtime_ns,) * 2)
    assert trial.state() is State.RELEASING
    slip_in(monkeypatch, recovery, "free", lambda: replace(trial.store, "theirs"))
    report = trial.migrate()
    assert "mount its disk" in report.reason
    assert trial.file.read_bytes() == CONTENT[:8192].ljust(len(CONTENT), b"\0")
    bring_back(trial.store)
    trial.migrate()
    assert (trial.state(), trial.has_its_bytes(trial.store)) == (State.STUB, True)
