"""What becomes of a batch when one entry breaks where nobody expects it."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from argosy.agent import runner
from argosy.core import turns
from argosy.core.entry import Entry
from argosy.core.errors import Denied
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.site import Site
from argosy.steps.base import STEPS
from tests.sites import Side

LATE = threading.Event()
DONE: list[bytes] = []


@dataclass
class Breaking:
    """Work that fails, and of which what was prepared cannot be cleared away either; the second entry is slow."""

    entry: Entry

    def sync(self) -> None:
        if self.entry.path == b"/slow":
            LATE.wait(10)
            DONE.append(self.entry.path)
        raise Denied("the disk is gone")

    def commit(self) -> "Breaking":
        return self

    def close(self) -> None:
        LATE.set()
        raise Denied("nothing can be removed")


@dataclass(frozen=True)
class Break:
    """A step that does that."""

    def prepare(self, entry: Entry, site: Site) -> Breaking | Outcome:
        return Breaking(entry)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> str:
    usual = STEPS.get
    monkeypatch.setattr(STEPS, "get", lambda name: Break if name.endswith(".break") else usual(name))
    LATE.clear()
    DONE.clear()
    return "break"


def test_what_cannot_be_cleared_away_neither_hides_why_an_entry_failed_nor_ends_the_batch_early(
    tmp_path: Path, step: str
) -> None:
    outcomes = Side(tmp_path, "london").do(step, Entry(path=b"/quick"), Entry(path=b"/slow"))
    assert DONE == [b"/slow"]
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [(FileState.FAILED, "the disk is gone")] * 2


@dataclass(frozen=True)
class Tell:
    """A step that notes for which entries somebody has a turn."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        TURNS[entry.path] = len(turns._turns._held)
        return Outcome.processed(entry)


TURNS: dict[bytes, int] = {}


def test_small_files_take_turns_and_large_ones_work_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = STEPS.get
    monkeypatch.setattr(STEPS, "get", lambda name: Tell if name.endswith(".tell") else usual(name))
    TURNS.clear()
    side = Side(tmp_path, "london")
    for entry in (Entry(path=b"/small", size=runner.SMALL), Entry(path=b"/large", size=runner.SMALL + 1)):
        side.do("tell", entry)
    assert TURNS == {b"/small": 1, b"/large": 0}
