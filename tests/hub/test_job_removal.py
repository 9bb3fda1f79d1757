"""Jobs that go, and what is seen to now and then."""

import datetime as dt

import pytest

from argosy.core.config import HubConfig
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import housekeeping, removal
from argosy.hub.jobs.housekeeping import Housekeeping
from argosy.hub.jobs.models import Failure, Job, Result, Submission, Task, TaskEntries
from argosy.hub.jobs.services import cancel, register
from tests.hub.fake import file, fresh, processed, report, start, told
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"


@pytest.fixture(autouse=True)
def _defaults():
    yield
    Configuration.objects.all().delete()
    housekeeping.configure(HubConfig())


def done(agent) -> Job:
    agent.tree = [file(f"{TREE}/{name}") for name in "abc"]
    job = start("premigrate")
    agent.run()
    return job


@pytest.mark.feature("HUB-JOB-019")
def test_a_finished_job_is_removed_with_all_that_was_kept_of_it(api, agent, monkeypatch):
    agent.act = lambda _, entry: Outcome(entry=entry, state=FileState.FAILED, reason="is broken", error="corrupt")
    job, other = done(agent), done(agent)
    assert api.delete(f"/api/jobs/{job.pk}/").status_code == 204
    for path in (f"/api/jobs/{job.pk}/", f"/api/jobs/{job.pk}/files/", f"/api/jobs/{job.pk}/files/download/"):
        check_problem(api.get(path), 404)
    check_problem(api.post(f"/api/jobs/{job.pk}/cancel/"), 404)
    check_problem(api.delete(f"/api/jobs/{job.pk}/"), 404)
    assert [one["id"] for one in api.get("/api/jobs/").json()["results"]] == [other.pk]
    assert api.get(f"/api/tasks/?job_id={job.pk}").json()["count"] == 0
    monkeypatch.setattr(removal, "TASKS_AT_ONCE", 2)  # a part at a time
    Housekeeping(agent.delivery._recorder).run(agent.clock())
    assert Job.objects.get() == other
    for model in (Submission, Task, Result):
        assert set(model.objects.values_list("job", flat=True)) == {other.pk}
    tasks = set(Task.objects.values_list("pk", flat=True))
    for model in (TaskEntries, Failure):
        kept = set(model.objects.values_list("task_id", flat=True))
        assert kept
        assert kept <= tasks


@pytest.mark.feature("HUB-JOB-020")
def test_a_job_that_waits_or_runs_is_not_removed(api, agent):
    job = start("premigrate")
    assert "cancel it first" in check_problem(api.delete(f"/api/jobs/{job.pk}/"), 409)["detail"]
    agent.claim()
    check_problem(api.delete(f"/api/jobs/{job.pk}/"), 409)
    assert fresh(job).state == "STARTED"


def test_a_cancelled_job_is_not_removed_while_an_agent_may_be_at_it(api, agent):
    job = start("premigrate", f"{TREE}/a", discovery=None)
    order = agent.claim()
    cancel(job.pk)
    assert "node1 may still be at a task" in check_problem(api.delete(f"/api/jobs/{job.pk}/"), 409)["detail"]
    agent.delivery.report(report(order, [processed(order, entry) for entry in order.entries]))
    assert api.delete(f"/api/jobs/{job.pk}/").status_code == 204


@pytest.mark.feature("HUB-JOB-045", "HUB-JOB-046", "HUB-CONF-012")
def test_jobs_go_when_they_ended_longer_ago_than_jobs_ttl(api, agent):
    job = done(agent)
    agent.tree = []
    skipped = start("premigrate")
    agent.run()
    assert fresh(skipped).state == "SKIPPED"
    empty = register(site="london", jobtype="send", given=[], discovery=None, owner=None)
    running = start("premigrate")
    keeper = Housekeeping(agent.delivery._recorder)
    keeper.run(agent.clock())
    assert Job.objects.count() == 4
    assert api.patch("/api/configurations/", {"jobs_ttl": 30}).json()["jobs_ttl"] == 30
    agent.clock.forward(29 * 86400)
    keeper.run(agent.clock())
    assert Job.objects.count() == 4
    agent.clock.forward(2 * 86400)
    keeper.run(agent.clock())
    assert [one.pk for one in Job.objects.all()] == [running.pk]
    assert not Job.objects.filter(pk__in=[job.pk, skipped.pk, empty.pk]).exists()


def test_a_job_of_which_an_agent_may_hold_a_task_does_not_go(agent):
    job = start("premigrate", f"{TREE}/a", discovery=None)
    agent.claim()
    cancel(job.pk)
    Job.objects.update(completed=agent.clock() - dt.timedelta(days=91))
    assert removal.expire(agent.clock()) == 0
    agent.clock.forward(61)
    assert removal.expire(agent.clock()) == 1


@pytest.mark.feature("HUB-JOB-047")
def test_a_task_that_no_agent_runs_fails_after_the_invalidation_timeout(agent):
    job = start("premigrate", f"{TREE}/a", discovery=None)
    agent.claim()
    keeper = Housekeeping(agent.delivery._recorder)
    agent.clock.forward(61)
    agent.delivery.sweep()
    for hours, state in ((1, "PENDING"), (4, "PENDING"), (2, "FAILURE")):
        agent.clock.forward(hours * 3600)
        keeper.run(agent.clock())
        assert Task.objects.get().state == state
    assert fresh(job).state == "FAILURE"
    assert "node1 stopped answering" in Task.objects.get().reason


def test_a_task_that_is_renewed_runs_as_long_as_it_needs(agent):
    start("premigrate", f"{TREE}/a", discovery=None)
    order = agent.claim()
    keeper = Housekeeping(agent.delivery._recorder)
    for _ in range(8):
        agent.clock.forward(3600)
        assert agent.delivery.renew(order.task, order.attempt)
        keeper.run(agent.clock())
    assert Task.objects.get().state == "STARTED"


@pytest.mark.feature("HUB-JOB-048")
def test_tasks_that_are_open_in_a_cancelled_job_are_cancelled(agent):
    agent.tree = [file(f"{TREE}/{name}") for name in "abc"]
    job = start("premigrate")
    agent.do(agent.claim())
    Job.objects.update(state="CANCELLED", completed=agent.clock())  # and then the power went
    Housekeeping(agent.delivery._recorder).run(agent.clock())
    assert set(Task.objects.values_list("state", flat=True)) == {"SUCCESS", "CANCELLED"}
    assert (fresh(job).numopen, fresh(job).numcancelledfiles) == (0, 3)


@pytest.mark.feature("HUB-CONF-008")
def test_each_chore_has_a_schedule_and_is_done_when_the_hub_starts(agent):
    housekeeping.configure(HubConfig(expire_old_jobs_interval="30 3 * * *"))
    agent.clock.now = dt.datetime(2031, 5, 1, 12, 0, tzinfo=dt.UTC)
    keeper = Housekeeping(agent.delivery._recorder)
    keeper.run(agent.clock())
    assert keeper._due["expire_old_jobs_interval"] == dt.datetime(2031, 5, 2, 3, 30, tzinfo=dt.UTC)
    assert keeper._due["inactive_tasks_interval"] == dt.datetime(2031, 5, 1, 13, 0, tzinfo=dt.UTC)
    job = done(agent)
    Job.objects.update(completed=agent.clock() - dt.timedelta(days=91))
    keeper.run(agent.clock())
    assert Job.objects.filter(pk=job.pk).exists()  # its time has not come
    agent.clock.forward(16 * 3600)
    keeper.run(agent.clock())
    assert not Job.objects.filter(pk=job.pk).exists()


def test_a_schedule_that_is_none_is_refused_by_its_name():
    with pytest.raises(Invalid, match=r"hub\.inactive_tasks_interval: 'hourly' is no schedule"):
        housekeeping.configure(HubConfig(inactive_tasks_interval="hourly"))


@pytest.mark.feature("HUB-CONF-009", "HUB-CONF-010")
def test_global_settings_are_read_and_changed(api, anonymous):
    settled = {"jobs_ttl": 90, "task_invalidation_timeout": 360, "snapshot_create_delete_retry_timeout": 1000}
    assert api.get("/api/configurations/").json() == settled
    changed = api.patch("/api/configurations/", {"task_invalidation_timeout": 10}).json()
    assert changed == settled | {"task_invalidation_timeout": 10}
    for wrong in ({"jobs_ttl": 0}, {"jobs_ttl": "x"}, {"jobs_ttl": None}, {"jobs_til": 5}):
        check_problem(api.patch("/api/configurations/", wrong), 400)
    check_problem(anonymous.get("/api/configurations/"), 401)


def test_chores_are_done_when_their_hour_comes_although_the_clock_was_set_back(agent, monkeypatch):
    agent.clock.set(365 * 86_400)
    keeper = Housekeeping(agent.delivery._recorder)
    keeper.run(agent.clock())
    agent.clock.set(-365 * 86_400)
    done = []
    monkeypatch.setattr(removal, "expire", done.append)
    for _ in range(25):
        agent.clock.forward(3600)
        keeper.run(agent.clock())
    assert len(done) in {1, 2}


def test_a_chore_that_cannot_be_done_does_not_keep_others_from_being_done(agent, monkeypatch):
    job = done(agent)
    removal.remove(job.pk)
    monkeypatch.setattr(removal, "expire", lambda _: 1 // 0)
    Housekeeping(agent.delivery._recorder).run(agent.clock())
    assert not Job.objects.exists()


def test_a_cancelled_job_that_holds_snapshots_is_not_removed_before_it_let_go_of_them(agent, api):
    job = start("premigrate", discovery="snapdiff")
    order = agent.claim()
    agent.delivery.batch(told(order, 0, file("/srv/london/projects/a")))
    agent.delivery.report(report(order))
    assert api.post(f"/api/jobs/{job.pk}/cancel/").status_code == 201
    refused = api.delete(f"/api/jobs/{job.pk}/")
    assert (refused.status_code, "snapshots" in refused.json()["detail"]) == (409, True)
    while agent.rung:
        if (order := agent.claim()) is not None:
            agent.delivery.report(report(order))
    assert api.delete(f"/api/jobs/{job.pk}/").status_code == 204
