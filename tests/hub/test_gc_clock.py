"""Waits for removal are counted by a time that does not leap."""

import datetime as dt
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone

from argosy.core.config import Config, HubConfig
from argosy.hub.gc import collector, services
from argosy.hub.gc.collector import Collector
from argosy.hub.gc.counted import MOST, counted
from tests.hub.test_gc import _settled, collected, holding, named  # noqa: F401 - a fixture

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_000_000_000.0


@pytest.fixture
def noticed(tmp_path: Path) -> Path:
    return tmp_path / "noticed.sqlite3"


def passed(noticed: Path, *told: float) -> list[float]:
    """Return how much time counts from one look to the next."""
    times = [counted(noticed, START + one) for one in told]
    return [later - earlier for earlier, later in pairwise(times)]


def test_time_counts_while_the_hub_runs(noticed):
    assert passed(noticed, *(hour * HOUR for hour in range(50))) == [HOUR] * 49


def test_a_clock_that_was_set_forward_counts_for_half_a_day(noticed):
    assert passed(noticed, 0, 91 * DAY, 91 * DAY + HOUR) == [MOST.total_seconds(), HOUR]


def test_a_clock_that_was_set_back_again_counts_on(noticed):
    assert passed(noticed, 0, 91 * DAY, HOUR, 2 * HOUR) == [MOST.total_seconds(), 0, HOUR]


def test_a_clock_that_was_wrong_from_the_beginning_and_set_right_counts_on(noticed):
    assert passed(noticed, 91 * DAY, 0, HOUR) == [0, HOUR]


@pytest.fixture
def clock(monkeypatch):
    """Return what sets the clock forward by so many days."""
    now = timezone.now

    def forward(days: float) -> None:
        later = dt.timedelta(days=days)
        monkeypatch.setattr(timezone, "now", lambda: now() + later)

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
        clock(half / 2)
        looking.look()
    collected(agent)
    assert named(agent, "delete_objects") == []
    clock(10)
    collected(agent)
    assert named(agent, "delete_objects") == ["projects/a"]
