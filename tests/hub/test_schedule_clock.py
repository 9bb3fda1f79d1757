"""When schedules run: each minute once, none twice, whatever becomes of the hub and its clock."""

import datetime as dt
import threading

import pytest
from django.db import connection

from argosy.hub.schedules import cron
from argosy.hub.schedules.clock import Ticker
from argosy.hub.schedules.models import Run, Schedule
from tests.hub.fake import Clock, FakeAgent, file
from tests.hub.schedules import jobs, made, row, shown, subscribed

pytestmark = pytest.mark.usefixtures("two_sites")
START = dt.datetime(2031, 3, 3, 12, 0, 30, tzinfo=dt.UTC)


@pytest.fixture
def told() -> Clock:
    """A clock that says what it is told."""
    told = Clock()
    told.now = START
    return told


@pytest.fixture
def every(api, told: Clock):
    """Make a schedule at that time, with other times if some are given."""

    def make(**times):
        one = made(api, **times)
        subscribed(api, one)
        Schedule.objects.filter(pk=one["id"]).update(since=told.now)
        return one

    return make


def at(hour: int, minute: int, second: int = 0, day: int = 3) -> dt.datetime:
    return dt.datetime(2031, 3, day, hour, minute, second, tzinfo=dt.UTC)


def dues(one) -> list[dt.datetime | None]:
    return list(Run.objects.filter(schedule=one["id"]).order_by("pk").values_list("due", flat=True))


def test_it_runs_at_its_minutes_and_at_each_once(every, agent: FakeAgent, told: Clock):
    one, ticker = every(minute="*/5"), Ticker(told)
    assert ticker.look() == []
    for now in (at(12, 4, 59), at(12, 5), at(12, 5, 1), at(12, 5, 59), at(12, 6), at(12, 10, 30)):
        told.now = now
        ticker.look()
        agent.run()
    assert dues(one) == [at(12, 5), at(12, 10)]
    assert len(jobs(one)) == 2


def test_the_run_tells_the_minute_it_was_due(api, every, agent: FakeAgent, told: Clock):
    one = every(minute="5", hour="13")
    agent.tree = [file("/srv/london/projects/a")]
    told.now = at(13, 5, 3)
    (run,) = Ticker(told).look()
    agent.run()
    last = shown(api, one)["last_run"]
    assert (last["due"], last["state"], last["jobs"]) == ("2031-03-03T13:05:00Z", "SUCCESS", run.jobs)
    assert jobs(one)[0].owner is None


@pytest.mark.feature("HUB-SYNC-004")
def test_a_disabled_schedule_does_not_run_and_makes_up_for_nothing_when_it_is_enabled(api, every, told: Clock):
    one = every()
    api.patch(one["url"], {"enabled": False})
    told.now = at(12, 30)
    ticker = Ticker(told)
    assert ticker.look() == []
    api.patch(one["url"], {"enabled": True})
    assert row(one).since > START - dt.timedelta(days=3650), "its minutes count anew"
    Schedule.objects.update(since=at(12, 30, 20))
    told.now = at(12, 30, 40)
    assert Ticker(told).look() == []
    told.now = at(12, 31)
    assert [run.due for run in ticker.look()] == [at(12, 31)]


@pytest.mark.parametrize("change", [{"minute": "1"}, {"hour": "9"}, {"enabled": False}])
def test_other_times_count_from_the_moment_they_are_given(api, every, change):
    one = every()
    Schedule.objects.update(since=START)
    api.patch(one["url"], {"name": "another", "managed_paths": ["/srv/london/projects"]})
    assert row(one).since == START
    api.patch(one["url"], change)
    assert row(one).since < START


def test_of_the_runs_missed_while_no_hub_ran_the_last_is_made_up_for_once(every, agent: FakeAgent, told: Clock):
    one = every(minute="0")
    told.now = at(18, 20, 7)
    assert [run.due for run in Ticker(told).look()] == [at(18, 0)]
    agent.run()
    assert Ticker(told).look() == []
    assert dues(one) == [at(18, 0)]


def test_a_hub_that_is_killed_in_a_minute_does_not_run_it_again(every, agent: FakeAgent, told: Clock):
    one = every()
    told.now = at(12, 1)
    Ticker(told).look()
    agent.run()
    told.now = at(12, 1, 30)
    Ticker(told).look()
    assert (dues(one), len(jobs(one))) == ([at(12, 1)], 1)


def test_of_several_hubs_one_runs_a_minute(every, told: Clock):
    one = every()
    told.now = at(12, 1)
    together = threading.Barrier(4)
    decided: list[Run] = []

    def tick() -> None:
        ticker = Ticker(told)
        together.wait(10)
        decided.extend(ticker.look())
        connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(decided), len(jobs(one)), dues(one)) == (1, 1, [at(12, 1)])


def test_a_minute_is_left_out_while_the_run_before_goes_on_and_that_is_told(api, every, agent, told: Clock):
    one, ticker = every(), Ticker(told)
    for minute in (1, 2, 3):
        told.now = at(12, minute)
        ticker.look()
    (job,) = jobs(one)
    assert dues(one) == [at(12, 1), at(12, 3)], "of those left out the latest is kept"
    now = shown(api, one)
    assert now["last_skipped"] == {"due": "2031-03-03T12:03:00Z", "reason": f"job {job.pk} of the run before goes on"}
    assert now["last_run"]["due"] == "2031-03-03T12:01:00Z"
    agent.run()
    told.now = at(12, 3, 40)
    assert ticker.look() == [], "it was left out, and is not made up for"
    told.now = at(12, 4)
    assert [run.due for run in ticker.look()] == [at(12, 4)]
    assert shown(api, one)["last_skipped"] is None


def test_a_clock_that_is_set_forward_misses_minutes_and_makes_up_for_one(every, agent, told: Clock):
    one, ticker = every(), Ticker(told)
    told.now = at(12, 1)
    ticker.look()
    agent.run()
    told.now = at(20, 0, 10)
    ticker.look()
    assert dues(one) == [at(12, 1), at(20, 0)]


def test_a_clock_that_is_set_back_does_not_keep_schedules_from_running(every, agent, told: Clock):
    one, ticker = every(), Ticker(told)
    Schedule.objects.update(since=at(9, 0))
    for now in (at(12, 1), at(12, 2), at(10, 0), at(10, 1), at(12, 1), at(12, 2)):
        told.now = now
        ticker.look()
        agent.run()
    assert dues(one) == [None, None, at(10, 0), at(10, 1), at(12, 1), at(12, 2)]


def test_a_clock_that_is_set_back_a_little_repeats_no_minute(every, agent, told: Clock):
    one, ticker = every(), Ticker(told)
    for now in (at(12, 2), at(12, 1, 59), at(12, 2)):
        told.now = now
        ticker.look()
        agent.run()
    assert dues(one) == [at(12, 2)]


def test_a_schedule_made_by_a_clock_that_was_ahead_runs_when_that_is_mended(every, agent, told: Clock):
    one = every()
    Schedule.objects.update(since=at(12, 0, day=20))
    ticker = Ticker(told)
    ticker.look()
    told.now = at(12, 1)
    ticker.look()
    assert dues(one) == [at(12, 1)]


def test_one_schedule_that_cannot_be_decided_on_keeps_no_other_from_running(every, agent, told: Clock):
    broken = every(name="broken")
    good = every(name="good")
    Schedule.objects.filter(pk=broken["id"]).update(minute="no time")
    told.now = at(12, 1)
    ticker = Ticker(told)
    assert [run.schedule_id for run in ticker.look()] == [good["id"]]
    Schedule.objects.filter(pk=broken["id"]).update(minute="*")
    assert [run.schedule_id for run in ticker.look()] == [broken["id"]], "it is tried again"


def test_no_more_runs_are_kept_than_anybody_reads(every, agent, told: Clock, monkeypatch):
    monkeypatch.setattr("argosy.hub.schedules.running.KEPT", 3)
    one, ticker = every(), Ticker(told)
    for minute in range(1, 6):
        told.now = at(12, minute)
        ticker.look()
        agent.run()
    assert dues(one) == [at(12, 3), at(12, 4), at(12, 5)]


def test_the_thread_runs_what_is_due_and_ends_when_it_is_told(every, agent):
    one = every(minute="*")
    Schedule.objects.update(since=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2))
    ticker = Ticker()
    ticker.start()
    deadline = threading.Event()
    for _ in range(200):
        if dues(one) or deadline.wait(0.05):
            break
    ticker.stop()
    assert len(dues(one)) >= 1


@pytest.mark.parametrize(
    ("times", "now", "due"),
    [
        ({"day_of_week": "fri", "hour": "8", "minute": "0"}, at(9, 0, day=8), at(8, 0, day=7)),
        ({"day_of_month": "5", "day_of_week": "fri", "hour": "0", "minute": "0"}, at(9, 0, day=6), at(0, 0, day=5)),
        ({"minute": "2/5"}, at(12, 6, 59), at(12, 2)),
        ({"hour": "*/6", "minute": "30"}, at(17, 0), at(12, 30)),
    ],
)
def test_the_last_minute_is_that_of_cron(times, now, due):
    schedule = Schedule(since=START - dt.timedelta(days=30), **times)
    assert cron.latest(schedule, now) == due
    assert cron.upcoming(schedule, due - cron.MINUTE, 1) == [due]
