"""Slots: what never ends holds up only its like, and it is told."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from argosy.agent import slots, worker
from argosy.agent.slots import CUSTOM, SLOTS
from argosy.agent.worker import Worker
from argosy.core.config import Config, SiteConfig
from argosy.core.entry import Entry
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.site import Site
from argosy.steps.base import STEPS
from tests.agent.test_worker import Desk, stat_of
from tests.argosy_up import until

HANG = "dynamo.custom.hang"
GATE = threading.Event()


@dataclass(frozen=True)
class Hang:
    """A step that does not end."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        GATE.wait(60)
        return Outcome.processed(entry)


def hanging(path: Path, number: int) -> Order:
    order = stat_of(path, f"hang{number}")
    return msgspec.structs.replace(order, step=HANG, job=number, entries=(*order.entries * 3,))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "london").mkdir()
    (tmp_path / "london/f").touch()
    path = tmp_path / "london/f"
    return Desk(stat_of(path), *(hanging(path, number) for number in range(SLOTS[CUSTOM])))


@pytest.fixture
def serving(tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A site with two threads, all of whose slots for steps of others are held by such as do not end."""
    monkeypatch.setattr(worker, "REDELIVERY", 0.02)
    monkeypatch.setattr(slots, "LINGERING", 0.05)
    monkeypatch.setitem(STEPS._known, HANG, Hang)
    GATE.clear()
    site = SiteConfig(name="london", roots=(str(tmp_path / "london"),), threads=2)
    one = Worker(Config(sites=(site,)), tmp_path / "data", desk, "node1")
    one.start()
    for number in range(SLOTS[CUSTOM]):
        one.ring("london", f"hang{number}", 1, CUSTOM)
    until(lambda: len(one._leases._all()) == SLOTS[CUSTOM])
    yield one
    GATE.set()
    one.stop(5)


def test_steps_of_others_that_do_not_end_hold_up_nothing_else(desk: Desk, serving: Worker) -> None:
    serving.ring("london", "t", 1, "transfer")
    assert [report.task for report in until(lambda: desk.reports)] == ["t"]


def test_slots_that_are_held_by_what_was_taken_back_are_told_with_the_step_and_the_job(
    desk: Desk, serving: Worker
) -> None:
    first, *others = sorted(serving._leases._all(), key=lambda lease: lease.task)
    first.revoke("the hub took the task back")
    told = until(lambda: desk.nodes[-1].trouble)
    assert told.startswith("1 of 4 slots for steps and discoveries of other distributions are held: what was taken")
    assert f"({HANG} of job 0)" in told
    assert desk.nodes[-1].blocked == {}, "there are others"
    for lease in others:
        lease.revoke("the hub took the task back")
    assert f"({HANG} of job 0, 1, 2, 3)" in until(lambda: desk.nodes[-1].blocked)[CUSTOM]
    GATE.set()
    until(lambda: not desk.nodes[-1].trouble and not desk.nodes[-1].blocked, what="they ended after all")


def test_who_stops_does_not_wait_for_what_was_taken_back_and_does_not_end(desk: Desk, serving: Worker) -> None:
    for lease in serving._leases._all():
        lease.revoke("the hub took the task back")
    until(lambda: desk.nodes[-1].blocked)
    began = time.monotonic()
    assert serving.stop(30) is False
    assert time.monotonic() - began < 10
