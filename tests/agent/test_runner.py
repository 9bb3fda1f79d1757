"""What becomes of a batch when one entry breaks where nobody expects it."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.agent import batch, runner
from argosy.core import paths, turns, wire
from argosy.core.entry import Entry
from argosy.core.errors import Denied, Invalid
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.discoveries.base import DISCOVERIES, task_of
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


@dataclass
class Half:
    """Work that leads to nothing, and of which what is held cannot be let go of."""

    told: Any

    def sync(self) -> None:
        pass

    def commit(self) -> Any:
        return self.told

    def close(self) -> None:
        raise RuntimeError("nobody told me how")


@dataclass
class Settled:
    """What is settled, and says something else."""

    outcome: Any

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass


def leave(entry: Entry) -> Any:
    sys.exit(3)


class Odd(BaseException):
    """What no `except Exception` catches, and has no words."""

    def __str__(self) -> str:
        raise RuntimeError


class Coded(Denied):
    """An error whose code is none."""

    code = 7  # type: ignore[assignment]


def refuse(error: BaseException) -> Any:
    raise error


PASSWD = Outcome.processed(Entry(path=b"/etc/passwd"))
RUBBISH: list[Callable[[Entry], Any]] = [
    lambda _: None,
    lambda _: {"state": "processed"},
    lambda _: (),
    lambda _: PASSWD,
    lambda entry: Outcome(entry=entry, state="done"),  # type: ignore[arg-type]
    lambda entry: Outcome.processed(entry, moved="much"),  # type: ignore[arg-type]
    lambda entry: Outcome.skipped(entry, object()),  # type: ignore[arg-type]
    lambda entry: Outcome.processed(msgspec.structs.replace(entry, path=entry.path.decode())),
    lambda entry: Outcome(entry="it", state=FileState.PROCESSED),  # type: ignore[arg-type]
    lambda _: Half(None),
    lambda _: Half(Settled(None)),
    lambda _: Settled(PASSWD),
    lambda _: Settled({}),
    leave,
    lambda _: refuse(KeyboardInterrupt()),
    lambda _: refuse(GeneratorExit()),
    lambda _: refuse(Odd()),
    lambda _: refuse(Coded("no")),
    lambda entry: Outcome.processed(entry, moved=-1),
    lambda entry: Outcome.processed(entry, moved=2**63 - 1),
    lambda entry: Outcome.processed(msgspec.structs.replace(entry, size=-5)),
    lambda entry: Outcome.processed(msgspec.structs.replace(entry, state="s" * (50 << 20))),
    lambda entry: Outcome.processed(entry.learned(target=b"x" * (2 << 20))),
    lambda entry: Outcome(entry=entry, state=FileState.CANCELLED),
    lambda entry: Outcome(entry=entry, state=FileState.PROCESSED, cost=Cost()),
]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_an_entry_of_which_a_step_says_rubbish_fails_and_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rubbish: Callable[[Entry], Any], batched: bool
) -> None:
    def act(_: object, entry: Entry, site: Site) -> Any:
        return rubbish(entry) if entry.path == b"/bad" else Outcome.processed(entry)

    method = "prepare" if batched else "apply"
    theirs = make_dataclass("Theirs", [], namespace={method: act}, frozen=True)
    monkeypatch.setitem(STEPS._known, "dynamo.custom.theirs", theirs)
    side = Side(tmp_path, "london")
    order = side.order("x", Entry(path=b"/bad"), Entry(path=b"/good"))
    order = msgspec.structs.replace(order, step="dynamo.custom.theirs")
    report = runner.run(order, side.site(order), side.hub, side.pool)
    bad, good = wire.load(wire.dump(report), Report).outcomes
    assert (bad.entry.path, bad.state) == (b"/bad", FileState.FAILED)
    assert (good.entry.path, good.state) == (b"/good", FileState.PROCESSED)


RAW = os.fsdecode(b"/caf\xe9.txt")
SHOWN = "/caf\ufffd.txt"


@pytest.mark.parametrize(
    ("says", "said"),
    [
        (lambda _: refuse(Invalid(f"{RAW}: no such customer")), f"{SHOWN}: no such customer"),
        (lambda _: refuse(Invalid("x" * 1_000_000)), "x" * paths.SAID + " ..."),
        (lambda _: refuse(Invalid(7)), "7"),  # type: ignore[arg-type]
        (lambda _: refuse(ValueError(RAW)), f"internal error: ValueError: {SHOWN}"),
        (lambda entry: Outcome.skipped(entry, RAW), SHOWN),
        (lambda entry: Outcome(entry=entry, state=FileState.ABORTED, reason=RAW), SHOWN),
    ],
)
def test_what_a_step_says_with_raw_bytes_of_names_or_at_length_is_reported_as_it_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Callable[[Entry], Any], said: str
) -> None:
    theirs = make_dataclass("Theirs", [], namespace={"apply": lambda _, entry, site: says(entry)}, frozen=True)
    monkeypatch.setitem(STEPS._known, "dynamo.custom.theirs", theirs)
    side = Side(tmp_path, "london")
    order = msgspec.structs.replace(side.order("x", Entry(path=b"/bad")), step="dynamo.custom.theirs")
    (outcome,) = wire.unpack(wire.pack(runner.run(order, side.site(order), side.hub, side.pool)), Report).outcomes
    assert outcome.reason == said


def explode(*_: object) -> Any:
    raise LookupError("nothing here")


def find(found: Any) -> Callable[..., Any]:
    return lambda *_, **__: found


@pytest.mark.parametrize(
    ("finds", "said"),
    [
        (find(None), "TypeError"),
        (find([None]), "None was returned, which is no Entry"),
        (find([Entry(path="text")]), "which is no Entry"),  # type: ignore[arg-type]
        (lambda *_, **__: map(explode, [1]), "LookupError: nothing here"),
        (lambda *_, **__: leave(Entry(path=b"")), "SystemExit"),
        (lambda *_, **__: refuse(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda *_, **__: refuse(Odd()), "Odd"),
        (find([Entry(path=b"/a", size=-5)]), "internal error: what was returned is not a Entry: Expected `int` >= 0"),
        (find([Entry(path=b"/a", state="s" * (2 << 20))]), "too much to say of one entry"),
        (lambda *_, **__: refuse(Invalid(RAW)), SHOWN),
        (lambda *_, **__: refuse(ValueError(RAW)), SHOWN),
        (lambda *_, on_error, **__: on_error("text", Invalid("no")), "which is no Outcome"),
    ],
)
def test_a_discovery_that_breaks_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finds: Callable[..., Any], said: str
) -> None:
    theirs = make_dataclass("Theirs", [], namespace={"find": finds}, frozen=True)
    monkeypatch.setitem(DISCOVERIES._known, "theirs", theirs)
    side = Side(tmp_path, "london")
    order = msgspec.structs.replace(side.order("x", Entry(path=b"/")), step=task_of("theirs"))
    report = wire.unpack(wire.pack(runner.run(order, side.site(order), side.hub, side.pool)), Report)
    assert report.error
    assert said in report.reason
    assert side.hub.batches == []


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
    for entry in (Entry(path=b"/small", size=batch.SMALL), Entry(path=b"/large", size=batch.SMALL + 1)):
        side.do("tell", entry)
    assert TURNS == {b"/small": 1, b"/large": 0}
