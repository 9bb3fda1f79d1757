"""Jobs of one run, and what is done to them from outside: work that is added, jobs that are cancelled or removed."""

import pytest

from argosy.core.entry import Entry
from argosy.core.errors import Unavailable
from argosy.core.outcome import Outcome
from argosy.core.phases import DELETED, REST
from argosy.core.report import Report
from argosy.hub.jobs import removal
from argosy.hub.jobs.blobs import Carried, pack_carried
from argosy.hub.jobs.explain.job import explain
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Job, Queue, Submission, Task
from argosy.hub.jobs.services import cancel
from argosy.hub.sites.models import Site
from tests.hub.fake import FakeAgent, fresh, report, told
from tests.hub.schedules import (
    NEVER,
    TOP,
    begin,
    by_state,
    changed,
    handed,
    jobs,
    made,
    rotated,
    subscribed,
    taken,
)
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")


@pytest.mark.parametrize("discovery", [None, "recursive"])
@pytest.mark.parametrize("which", [0, 1])
def test_nothing_is_added_to_jobs_of_a_run(api, agent: FakeAgent, compared, which: int, discovery: str | None):
    begin(api, compared)
    job = jobs(compared)[which]
    sent = {"site": "london", "workflow": "premigrate", "paths": [f"{TOP}/own"], "job": job.pk, "discovery": discovery}
    refused = check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    assert refused.startswith(f"job {job.pk} is part of a run of schedule nightly")
    assert refused.endswith("submit without `job` to begin another")
    assert fresh(job).numopen == (3 if which == 0 else 1)


@pytest.mark.parametrize("step", ["dynamo.tasks.stat_paths", "dynamo.tasks.recursive_action"])
def test_nothing_but_its_discovery_ends_what_the_other_jobs_wait_for(api, agent: FakeAgent, compared, step: str):
    begin(api, compared)
    finder, creator, _ = jobs(compared)
    order = taken(agent, "snapdiff")
    _add(finder, step)
    agent.delivery.report(report(taken(agent, step.rpartition(".")[2])))
    assert agent.delivery.batch(told(order, 0, changed("created", "new")))
    agent.delivery.report(report(order))
    agent.do(taken(agent, "stat_paths"))
    assert (fresh(creator).state, fresh(creator).numprocessedfiles) == ("SUCCESS", 1)


def _add(job: Job, step: str) -> None:
    """Add a task as was possible once."""
    rules = [{"state": "all", "type": "all", "chain": []}]
    submission = Submission.objects.create(job=job, site=job.site, rules=rules, paths=pack_carried([]))
    ledger = Ledger(job.created)
    task = Task(job=job, submission=submission, site=job.site, tasktype=step, queue=Queue.TRANSFER)
    ledger.spawn(task, [Carried(entry=Entry(path=f"{TOP}/own".encode()))])
    ledger.write()


def test_what_is_left_to_do_of_a_cancelled_job_keeps_no_other_waiting(api, agent: FakeAgent, compared):
    begin(api, compared)
    _, creator, _ = jobs(compared)
    order = taken(agent, "snapdiff")
    assert agent.delivery.batch(handed(order, 0, DELETED, changed("deleted", "c")))
    work = taken(agent, "stat_paths")
    assert not agent.delivery.batch(handed(order, 1, REST, changed("created", "a")))
    cancel(creator.pk)
    Job.objects.filter(pk=creator.pk).update(numopen=1)  # it rotates snapshots of its own
    agent.do(work)
    assert taken(agent, "snapdiff").attempt == 2


def test_where_all_that_it_feeds_were_cancelled_a_discovery_is_as_well(api, agent: FakeAgent, compared):
    begin(api, compared)
    finder, creator, deleter = jobs(compared)
    order = taken(agent, "snapdiff")
    cancel(creator.pk, by="maria")
    assert fresh(finder).state == "STARTED"
    cancel(deleter.pk, by="maria")
    assert (fresh(finder).state, fresh(finder).cancelled_by) == ("CANCELLED", "maria")
    assert not agent.delivery.batch(told(order, 0, changed("created", "a")))
    assert rotated(agent).options["forward"] is False
    assert [(fresh(job).numfiles, fresh(job).numopen) for job in (finder, creator, deleter)] == [(0, 0)] * 3
    begin(api, compared)


def test_a_discovery_that_waits_is_cancelled_with_the_last_that_it_feeds(api, agent: FakeAgent, compared):
    begin(api, compared)
    finder, creator, deleter = jobs(compared)
    order = taken(agent, "snapdiff")
    assert agent.delivery.batch(handed(order, 0, DELETED, changed("deleted", "c")))
    assert not agent.delivery.batch(handed(order, 1, REST, changed("created", "a")))
    for job in (creator, deleter):
        cancel(job.pk)
    assert (fresh(finder).state, fresh(finder).numheld, fresh(finder).numopen) == ("CANCELLED", 0, 1)
    (last,) = [order for _ in range(len(agent.rung)) if (order := agent.claim()) is not None]
    assert (last.step, last.options["forward"]) == ("dynamo.tasks.rotate_snapshot", False)


def test_after_a_job_was_cancelled_whose_work_was_found_the_next_run_finds_it_again(api, agent: FakeAgent, compared):
    begin(api, compared)
    _, creator, _ = jobs(compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a"), changed("deleted", "c")))
    agent.delivery.report(report(order))
    first, second = taken(agent, "stat_paths"), taken(agent, "stat_paths")
    cancel(creator.pk)
    for work in (first, second):
        agent.do(work)
    assert rotated(agent).options["forward"] is False


@pytest.fixture
def vetoing(api, agent: FakeAgent):
    """A run whose first job failed and wants snapshots to stay where they are then; the second is at work."""
    by_state("creator", "created")
    by_state("deleter", "deleted")
    one = made(api, discovery="snapdiff", **NEVER)
    subscribed(api, one, "creator", fields={"snapdiff_rotate_on_error": False})
    subscribed(api, one, "deleter")
    begin(api, one)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a"), changed("deleted", "c")))
    agent.delivery.report(report(order))
    failing, work = taken(agent, "stat_paths"), taken(agent, "stat_paths")
    agent.delivery.report(report(failing, [Outcome.of_error(entry, Unavailable("no")) for entry in failing.entries]))
    return one, work


def test_a_job_whose_run_goes_on_is_not_removed(api, agent: FakeAgent, vetoing):
    one, work = vetoing
    finder, creator, _ = jobs(one)
    refused = check_problem(api.delete(f"/api/jobs/{creator.pk}/"), 409)["detail"]
    assert f"try again once job {finder.pk} has ended, or cancel that" in refused
    Job.objects.filter(pk=creator.pk).update(completed=agent.clock.now.replace(year=2001))
    assert removal.expire(agent.clock.now) == 0
    agent.do(work)
    assert rotated(agent).options["forward"] is False
    assert api.delete(f"/api/jobs/{creator.pk}/").status_code == 204


def test_of_the_job_that_finds_is_explained_what_the_others_wait_for(api, agent: FakeAgent, compared):
    begin(api, compared)
    finder, *_ = jobs(compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("created", "a")))
    agent.delivery.report(report(order))
    agent.clock.forward(100)
    (cause,) = explain(fresh(finder), agent.clock.now).causes
    assert (cause.cause.name, cause.site, cause.path) == ("no_agent", "london", f"{TOP}/a".encode())


def test_of_a_discovery_that_failed_is_said_that_the_run_is_to_be_done_again(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.report(Report(task=order.task, attempt=1, error="snapdifflock", reason="locked by another"))
    rotated(agent)
    finder, creator, _ = jobs(compared)
    refused = check_problem(api.post(f"/api/jobs/{creator.pk}/resubmit/", {"only_failed": True}), 400)["detail"]
    assert f"job {finder.pk} found no more" in refused
    assert refused.endswith("schedule nightly: run that again")


def test_where_nothing_changed_that_is_said_and_where_no_rule_is_for_what_did_how_much_that_is(
    api, agent: FakeAgent, compared
):
    begin(api, compared)
    agent.delivery.report(report(taken(agent, "snapdiff")))
    rotated(agent)
    for job in jobs(compared):
        (cause,) = explain(fresh(job), agent.clock.now).causes
        assert (fresh(job).state, cause.cause.name) == ("SKIPPED", "nothing_changed")
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.batch(told(order, 0, changed("moved", "a"), changed("moved", "b")))
    agent.delivery.report(report(order))
    rotated(agent)
    *_, deleter = jobs(compared)
    (cause,) = explain(fresh(deleter), agent.clock.now).causes
    assert (cause.cause.name, cause.reason) == (
        "nothing_found",
        "2 entries were found, and no rule is for any of that",
    )


def test_what_comes_of_a_cause_that_is_told_of_is_not_told_again(api, agent: FakeAgent, compared):
    begin(api, compared)
    order = taken(agent, "snapdiff")
    agent.delivery.report(Report(task=order.task, attempt=1, error="snapdifflock", reason="locked by another"))
    rotation = taken(agent, "rotate_snapshot")
    agent.delivery.report(Report(task=rotation.task, attempt=1, error="snapdifflock", reason="locked by another"))
    finder, *_ = jobs(compared)
    (cause,) = explain(fresh(finder), agent.clock.now).causes
    assert (cause.step, cause.files) == ("dynamo.tasks.snapdiff", 1)


@pytest.fixture
def held(api, agent: FakeAgent, compared) -> Job:
    """A cancelled job that is to let go of its snapshots, at a site whose agents are silent."""
    begin(api, compared)
    order = taken(agent, "snapdiff")
    finder, *_ = jobs(compared)
    cancel(finder.pk)
    agent.delivery.report(report(order))
    agent.clock.forward(100)
    return fresh(finder)


def test_why_a_cancelled_job_has_yet_to_let_go_of_its_snapshots_is_told(api, agent: FakeAgent, compared, held: Job):
    told = explain(held, agent.clock.now)
    assert [one.cause.name for one in told.causes] == ["cancelled", "no_agent"]
    assert told.summary.endswith("; it has yet to let go of its snapshots: no agent serves the site now")
    refused = check_problem(api.post(f"{compared['url']}run/"), 409)["detail"]
    assert f"`argosy explain {held.pk}` says what it waits for" in refused


def test_a_job_that_holds_snapshots_is_removed_when_their_site_is_gone(api, agent: FakeAgent, compared, held: Job):
    refused = check_problem(api.delete(f"/api/jobs/{held.pk}/"), 409)["detail"]
    assert "it holds at site london" in refused
    assert "no node serves site london" in refused
    Site.objects.filter(name="london").update(file_keys=[])
    assert api.delete(f"/api/jobs/{held.pk}/").status_code == 204
    assert agent.claim() is None, "nobody is to do it any more"
    begin(api, compared)
