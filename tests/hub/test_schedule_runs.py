"""Runs of schedules: what they begin, and that there is one at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from argosy.core.errors import Unavailable
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.phases import DELETED, REST
from argosy.core.report import Report
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import cancel
from argosy.hub.schedules import running
from argosy.hub.schedules.models import Run
from tests.hub.fake import FakeAgent, file, fresh, report, told
from tests.hub.schedules import (
    NEVER,
    TOP,
    begin,
    by_state,
    changed,
    filesets,
    handed,
    jobs,
    made,
    rotated,
    shown,
    subscribed,
    taken,
    workflow,
)
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")


@pytest.mark.feature("HUB-SYNC-010")
def test_each_subscription_has_a_job_of_its_own_in_a_run(api, agent: FakeAgent):
    one = made(api, discovery_options={"skip_missing": True}, **NEVER)
    subscribed(api, one, "premigrate")
    subscribed(api, one, "send", fields={"destinationsite": "dublin"})
    agent.tree = [file(f"{TOP}/a"), file(f"{TOP}/b")]
    begun = begin(api, one)
    assert begun["owner"] == "admin"
    agent.run()
    assert [(job.jobtype, job.state, job.numfiles) for job in jobs(one)] == [
        ("premigrate", "SUCCESS", 2), ("send", "SUCCESS", 2),
    ]  # fmt: skip
    assert [order.options for order in agent.orders if order.step.endswith("recursive_action")] == [
        {"skip_missing": True}, {"skip_missing": True},
    ]  # fmt: skip
    ids = [job.pk for job in jobs(one)]
    assert (begun["id"], begun["jobs"], begun["reason"]) == (ids[0], ids, "")
    last = shown(api, one)["last_run"]
    assert (last["state"], last["jobs"], last["due"], last["reason"]) == ("SUCCESS", ids, None, "")


def test_without_a_discovery_the_paths_are_taken_as_they_are(api, agent: FakeAgent):
    one = made(api, discovery=None, **NEVER)
    subscribed(api, one, "premigrate")
    begin(api, one)
    agent.run()
    assert [order.step for order in agent.orders] == ["dynamo.tasks.stat_paths", "dynamo.tasks.migrate"]


def test_a_run_begins_what_it_can_and_says_what_it_cannot(api, agent: FakeAgent):
    one = made(api, **NEVER)
    subscribed(api, one, "premigrate")
    lame = workflow("lame", fields=[])
    subscribed(api, one, "lame")
    lame.enabled = False
    lame.save()
    assert begin(api, one)["reason"] == "lame: workflow lame is disabled: enable it first"
    assert [job.jobtype for job in jobs(one)] == ["premigrate"]
    assert "lame is disabled" in shown(api, one)["last_run"]["reason"]


@pytest.mark.parametrize(
    ("values", "names", "why"),
    [
        ({"managed_paths": []}, ["premigrate"], "it manages no path"),
        ({}, [], "no workflow is subscribed to it"),
    ],
)
def test_a_schedule_with_nothing_to_do_does_not_run_and_says_why(api, values, names, why):
    one = made(api, **NEVER, **values)
    for name in names:
        subscribed(api, one, name)
    assert why in check_problem(api.post(f"{one['url']}run/"), 409)["detail"]
    assert not Job.objects.exists()
    assert not Run.objects.exists()


def test_while_a_run_goes_on_no_other_is_begun(api, agent: FakeAgent):
    one = made(api, **NEVER)
    subscribed(api, one)
    job = begin(api, one)["id"]
    assert f"runs already (job {job}, PENDING)" in check_problem(api.post(f"{one['url']}run/"), 409)["detail"]
    agent.run()
    assert begin(api, one)["id"] != job


def test_a_disabled_schedule_can_be_run_by_hand(api, agent: FakeAgent):
    one = made(api, enabled=False, **NEVER)
    subscribed(api, one)
    assert begin(api, one)["schedule"] == "nightly"


def test_of_runs_that_are_begun_at_the_same_moment_one_is(api):
    one = made(api, **NEVER)
    subscribed(api, one)
    together = threading.Barrier(4)
    ended: list[str] = []

    def run() -> None:
        together.wait(10)
        try:
            running.run_now(one["id"], owner=None)
        except Conflict:
            ended.append("conflict")
        else:
            ended.append("run")
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended) == ["conflict", "conflict", "conflict", "run"]
    assert len(jobs(one)) == 1


@pytest.mark.feature("HUB-SYNC-013")
def test_a_snapdiff_run_is_a_job_that_finds_and_one_for_each_subscription(api, agent: FakeAgent, compared):
    begun = begin(api, compared)
    finder, creator, deleter = jobs(compared)
    assert [job.jobtype for job in jobs(compared)] == ["snapdiff", "creator", "deleter"]
    assert (begun["id"], begun["jobs"]) == (finder.pk, [finder.pk, creator.pk, deleter.pk])
    order = taken(agent, "snapdiff")
    assert order.options == {"condense_moves": False}
    assert agent.claim() is None, "nothing else looks for changes"
    agent.delivery.batch(told(order, 0, changed("created", "a"), changed("created", "b"), changed("deleted", "c")))
    while (work := agent.claim()) is not None:
        agent.do(work)
    assert [fresh(job).state for job in (creator, deleter)] == ["STARTED", "STARTED"]
    agent.delivery.report(report(order))
    assert [(fresh(job).state, fresh(job).numprocessedfiles) for job in (creator, deleter)] == [
        ("SUCCESS", 2), ("SUCCESS", 1),
    ]  # fmt: skip
    assert fresh(finder).state == "STARTED", "its snapshots are to be rotated"
    assert rotated(agent).options["forward"] is True
    found = fresh(finder)
    assert (found.state, found.numfiles, found.numprocessedfiles, found.dir_walk_complete) == ("SUCCESS", 3, 3, True)
    assert fresh(creator).dir_walk_complete
    assert agent.claim() is None


def test_snapshots_are_rotated_when_the_last_job_of_the_run_has_ended(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a"), changed("deleted", "c")))
    agent.delivery.report(report(order))
    first, second = taken(agent, "stat_paths"), taken(agent, "stat_paths")
    agent.do(first)
    assert agent.claim() is None
    check_problem(api.post(f"{compared['url']}run/"), 409)
    agent.do(second)
    rotated(agent)
    assert {job.state for job in jobs(compared)} == {"SUCCESS"}


def test_a_run_that_finds_nothing_is_skipped_in_all_its_jobs(api, agent: FakeAgent, compared):
    begin(api, compared)
    agent.delivery.report(report(taken(agent, "snapdiff")))
    rotated(agent)
    assert [job.state for job in jobs(compared)] == ["SKIPPED"] * 3
    assert shown(api, compared)["last_run"]["state"] == "SKIPPED"


def test_a_discovery_that_breaks_fails_all_jobs_of_the_run_with_its_reason(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.report(Report(task=order.task, attempt=1, error="snapdifflock", reason="locked by another"))
    assert rotated(agent).options["forward"] is False
    finder, creator, deleter = jobs(compared)
    assert [job.state for job in (finder, creator, deleter)] == ["FAILURE"] * 3
    files = api.get(f"/api/jobs/{creator.pk}/files/").json()["results"]
    assert [(one["path"], one["reason"]) for one in files] == [
        (TOP, f"job {finder.pk} found no more: locked by another")
    ]


@pytest.mark.parametrize("rotates", [True, False])
def test_a_job_with_failures_decides_for_the_run_whether_snapshots_move_on(api, agent: FakeAgent, rotates: bool):
    by_state("creator", "created")
    one = made(api, discovery="snapdiff", **NEVER)
    subscribed(api, one, "creator", fields={"snapdiff_rotate_on_error": rotates})
    begin(api, one)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a")))
    agent.delivery.report(report(order))
    work = taken(agent, "stat_paths")
    agent.delivery.report(report(work, [Outcome.of_error(entry, Unavailable("no")) for entry in work.entries]))
    assert rotated(agent).options["forward"] is rotates
    assert [job.state for job in jobs(one)] == ["SUCCESS", "FAILURE"]


def test_a_job_of_a_run_that_is_cancelled_gets_nothing_more_and_the_others_go_on(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    finder, creator, deleter = jobs(compared)
    cancel(creator.pk, by="somebody")
    assert agent.delivery.batch(told(order, 0, changed("created", "a"), changed("deleted", "c")))
    agent.delivery.report(report(order))
    agent.do(taken(agent, "stat_paths"))
    assert rotated(agent).options["forward"] is False, "what was created was handed to nobody"
    states = [(fresh(job).state, fresh(job).numfiles, fresh(job).numopen) for job in (finder, creator, deleter)]
    assert states == [("SUCCESS", 2, 0), ("CANCELLED", 0, 0), ("SUCCESS", 1, 0)]


def test_a_run_is_cancelled_with_the_job_that_finds(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a")))
    finder, *_ = jobs(compared)
    cancel(finder.pk, by="somebody")
    assert {job.state for job in jobs(compared)} == {"CANCELLED"}
    assert "runs already" in check_problem(api.post(f"{compared['url']}run/"), 409)["detail"], "snapshots are held"
    assert agent.claim() is None
    rotated(agent)
    assert [job.numopen for job in jobs(compared)] == [0, 0, 0]
    begin(api, compared)


def test_a_batch_that_is_told_twice_is_taken_once(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    for _ in range(2):
        assert agent.delivery.batch(told(order, 0, changed("created", "a")))
    assert [job.numfiles for job in jobs(compared)] == [1, 1, 0]


def test_what_waits_for_a_discovery_is_never_offered_to_a_site(api, agent: FakeAgent, compared):
    begin(api, compared)
    agent.rung.clear()
    agent.delivery.adopt_orphans()
    agent.delivery.sweep()
    assert len(agent.rung) == 1
    assert taken(agent, "snapdiff").job == jobs(compared)[0].pk
    assert Task.objects.filter(held=True).count() == 2
    finder, creator, _ = jobs(compared)
    (task,) = api.get(f"/api/tasks/?job_id={creator.pk}").json()["results"]
    assert (task["tasktype"], task["reason"]) == ("dynamo.tasks.fed", f"it gets what job {finder.pk} finds")


def test_what_was_found_for_all_is_not_looked_for_again_for_one(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a")))
    agent.delivery.report(report(order))
    work = taken(agent, "stat_paths")
    agent.delivery.report(report(work, [Outcome.of_error(entry, Unavailable("no")) for entry in work.entries]))
    rotated(agent)
    finder, creator, _ = jobs(compared)
    for job in (finder, creator):
        refused = check_problem(api.post(f"/api/jobs/{job.pk}/resubmit/"), 400)["detail"]
        assert f"job {job.pk} is part of a run of schedule nightly: run that again" in refused
    again = api.post(f"/api/jobs/{creator.pk}/resubmit/", {"only_failed": True}).json()
    assert (again["resubmission_of"], again["paths"], again["schedule"]) == (creator.pk, [f"{TOP}/a"], None)
    agent.run()
    assert fresh(Job.objects.get(pk=again["id"])).numprocessedfiles == 1


@pytest.mark.feature("HUB-SYNC-043", "HUB-SYNC-054")
@pytest.mark.parametrize("discovery", ["bidirectional_snapdiff", "snapdiff"])
def test_a_run_is_not_begun_while_the_one_before_goes_on(api, agent: FakeAgent, discovery: str):
    filesets()
    one = made(api, discovery=discovery)
    name = "bidirectional_sync" if discovery.startswith("bi") else "site_sync"
    subscribed(api, one, name, fields={"destinationsite": "dublin"})
    begun = begin(api, one)
    Run.objects.all().delete()
    run = running.run_due(one["id"], timezone.now() + timedelta(minutes=1))
    assert run is not None
    assert (run.jobs, run.skipped, run.reason) == ([], True, f"job {begun['id']} of the run before goes on")
    assert len(jobs(one)) == 1
    assert shown(api, one)["last_skipped"]["reason"] == run.reason


@pytest.fixture
def deleting(api, agent: FakeAgent, compared) -> Order:
    """A deletion that the second of two jobs is at, after which the discovery waits to hand out what was created."""
    begin(api, compared)
    order = taken(agent, "snapdiff")
    assert agent.delivery.batch(handed(order, 0, DELETED, changed("deleted", "c")))
    work = taken(agent, "stat_paths")
    assert not agent.delivery.batch(handed(order, 1, REST, changed("created", "a")))
    assert agent.claim() is None
    return work


def test_nothing_of_a_later_phase_is_begun_while_a_job_of_the_run_is_at_an_earlier_one(
    agent: FakeAgent, compared, deleting: Order
):
    agent.do(deleting)
    order = taken(agent, "snapdiff")
    assert (order.attempt, order.sequence) == (2, 1)
    assert agent.delivery.batch(handed(order, 1, REST, changed("created", "a")))
    agent.delivery.report(report(order))
    agent.do(taken(agent, "stat_paths"))
    rotated(agent)
    assert [(job.state, job.numfiles) for job in jobs(compared)] == [("SUCCESS", 2), ("SUCCESS", 1), ("SUCCESS", 1)]


def test_where_the_job_that_others_waited_for_is_cancelled_they_go_on(agent: FakeAgent, compared, deleting: Order):
    cancel(jobs(compared)[2].pk)
    order = taken(agent, "snapdiff")
    assert agent.delivery.batch(handed(order, 1, REST, changed("created", "a")))
    agent.delivery.report(report(order))
    agent.do(taken(agent, "stat_paths"))
    rotated(agent)
    assert [job.state for job in jobs(compared)] == ["SUCCESS", "SUCCESS", "CANCELLED"]


def test_while_a_discovery_waits_no_job_of_the_run_that_has_nothing_to_do_has_it_go_on(
    api, agent: FakeAgent, compared, deleting: Order
):
    cancel(jobs(compared)[1].pk)
    assert agent.claim() is None, "a deletion is still under way"
    agent.do(deleting)
    assert taken(agent, "snapdiff").attempt == 2
