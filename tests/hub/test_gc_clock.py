"""Waits for removal are counted by a time that does not leap."""

import datetime as dt
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone

from argosy.core.config import Config, HubConfig
from argosy.hub.gc import collector, phases, services
from argosy.hub.gc.collector import Collector
from argosy.hub.gc.counted import MOST, Kernel, counted
from tests.hub.test_gc import _settled, collected, holding, named  # noqa: F401 - a fixture

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_000_000_000.0


@pytest.fixture
def noticed(tmp_path: Path) -> Path:
    return tmp_path / "noticed.sqlite3"


def passed(noticed: Path, *told: float, up: list[float] | None = None) -> list[float]:
    """Return how much time counts from one look to the next.

    `up`: how long the machine has run at each look; as long as the clock says, if nothing else is said.
    """
    kernels = [Kernel("one", one) for one in up or told]
    times = [counted(noticed, START + one, kernel) for one, kernel in zip(told, kernels, strict=True)]
    return [later - earlier for earlier, later in pairwise(times)]


def test_time_counts_while_the_hub_runs(noticed):
    assert passed(noticed, *(hour * HOUR for hour in range(50))) == [HOUR] * 49


def test_a_hub_that_was_off_counts_half_a_day(noticed):
    assert passed(noticed, 0, 91 * DAY, 91 * DAY + HOUR) == [MOST.total_seconds(), HOUR]


def test_by_what_a_clock_was_set_forward_does_not_count(noticed):
    assert passed(noticed, 0, 91 * DAY, 91 * DAY + HOUR, up=[0, 600, HOUR]) == [600, HOUR - 600]


def test_a_clock_that_was_set_while_the_machine_was_off_counts_for_half_a_day(noticed):
    assert passed(noticed, 0, HOUR, up=[5 * DAY, 5 * DAY + HOUR]) == [HOUR]
    before = counted(noticed, START + HOUR, Kernel("one", 5 * DAY + HOUR))
    assert counted(noticed, START + 91 * DAY, Kernel("two", 60)) - before == MOST.total_seconds()
    assert counted(noticed, START + 92 * DAY, Kernel("two", 120)) - before == MOST.total_seconds() + 60


def test_a_clock_that_was_set_back_again_counts_on(noticed):
    assert passed(noticed, 0, 91 * DAY, HOUR, 2 * HOUR, up=[0, 600, HOUR, 2 * HOUR]) == [600, 0, HOUR]


def test_a_clock_that_was_wrong_from_the_beginning_and_set_right_counts_on(noticed):
    assert passed(noticed, 91 * DAY, 0, HOUR, up=[0, HOUR, 2 * HOUR]) == [0, HOUR]


def test_a_clock_that_is_set_to_and_fro_counts_no_more_than_what_passed(noticed):
    up = [600.0 * look for look in range(200)]
    told = [one + 11 * HOUR * (look % 2) for look, one in enumerate(up)]
    assert 0 < sum(passed(noticed, *told, up=up)) <= up[-1]


def test_what_was_noticed_before_the_kernel_was_asked_counts_on(noticed):
    passed(noticed, 0, HOUR)
    with closing(sqlite3.connect(noticed)) as db:
        db.execute("DROP TABLE kernel")
    assert passed(noticed, 3 * HOUR, 4 * HOUR) == [HOUR]


@pytest.fixture
def clock(monkeypatch):
    """Return what sets the clock forward by so many days; `running`: the machine has run as long."""
    now, by_kernel = timezone.now, phases.now_by_kernel

    def forward(days: float, *, running: bool = False) -> None:
        later = dt.timedelta(days=days)
        monkeypatch.setattr(timezone, "now", lambda: now() + later)
        if running:
            up = by_kernel().up + later.total_seconds()
            monkeypatch.setattr(phases, "now_by_kernel", lambda: Kernel("one", up))

    return forward


def test_a_clock_that_was_set_forward_ends_no_wait(agent, clock):
    services.configure(Config(hub=HubConfig(garbage_days=90)))
    holding(agent, objects="a")
    collected(agent)
    clock(91)
    run = collected(agent)
    assert run.counts["waiting, deleted"]["objects"] == 1
    assert named(agent, "delete_objects") == []


def test_a_wait_ends_after_as_many_days_as_the_hub_ran(agent, clock, monkeypatch):
    monkeypatch.setattr(collector, "COUNTS", 0.0)
    services.configure(Config(hub=HubConfig(garbage_days=10)))
    holding(agent, objects="a")
    collected(agent)
    looking = Collector()
    for half in range(1, 20):
        clock(half / 2, running=True)
        looking.look()
    collected(agent)
    assert named(agent, "delete_objects") == []
    clock(10, running=True)
    collected(agent)
    assert named(agent, "delete_objects") == ["projects/a"]
