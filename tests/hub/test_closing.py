"""What a job with a discovery of changes does at its end, and what is settled for snapshots."""

import pytest

from argosy.core.errors import Unavailable
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.resubmission import resubmit
from argosy.hub.jobs.services import cancel
from argosy.hub.sites.models import Site
from tests.hub.fake import FakeAgent, file, report, start, told

ROTATE = "dynamo.tasks.rotate_snapshot"


@pytest.fixture(autouse=True)
def _sites(two_sites) -> None:
    """There are sites."""


def begun(agent: FakeAgent, **more) -> tuple[Job, Order]:
    job = start("migrate", "/srv/london/projects", discovery="snapdiff", **more)
    order = agent.claim()
    assert order is not None
    assert order.step == "dynamo.tasks.snapdiff"
    return job, order


def rotation(agent: FakeAgent) -> Order:
    order = agent.claim()
    assert order is not None
    assert order.step == ROTATE
    return order


def finish(agent: FakeAgent, order: Order) -> None:
    agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))


def test_the_last_task_of_a_job_rotates_and_is_no_file_of_it(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    agent.delivery.report(report(finder))
    order = rotation(agent)
    assert order.options == {"discovery": finder.task, "forward": True}
    assert [entry.path for entry in order.entries] == [b"/srv/london/projects"]
    job.refresh_from_db()
    assert job.state == "STARTED"
    finish(agent, order)
    job.refresh_from_db()
    assert (job.state, job.numfiles, job.numprocessedfiles) == ("SKIPPED", 0, 0)
    assert agent.claim() is None


@pytest.mark.parametrize("rotates", [True, False])
def test_after_failed_files_it_is_the_field_that_decides(agent: FakeAgent, rotates: bool) -> None:
    _, finder = begun(agent, fields={"snapdiff_rotate_on_error": rotates})
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    agent.delivery.report(report(finder))
    order = agent.claim()
    assert order is not None
    agent.delivery.report(report(order, [Outcome.of_error(entry, Unavailable("no")) for entry in order.entries]))
    assert rotation(agent).options["forward"] is rotates


def test_a_discovery_that_broke_does_not_move_on(agent: FakeAgent) -> None:
    _, finder = begun(agent)
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    order = agent.claim()
    agent.delivery.report(Report(task=finder.task, attempt=1, error="corrupt", reason="broken"))
    assert order is not None
    finish(agent, order)
    assert rotation(agent).options["forward"] is False


@pytest.mark.parametrize("found", [True, False])
def test_a_cancelled_job_moves_on_only_if_all_was_found(agent: FakeAgent, found: bool) -> None:
    job, finder = begun(agent)
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    if found:
        agent.delivery.report(report(finder))
    cancel(job.pk)
    (order,) = [order for _ in range(len(agent.rung)) if (order := agent.claim()) is not None]
    assert order.step == ROTATE
    assert order.options["forward"] is found
    finish(agent, order)
    job.refresh_from_db()
    assert (job.state, job.numopen, job.numcancelledfiles) == ("CANCELLED", 0, 1)


def test_a_discovery_that_never_began_leaves_nothing_to_do(agent: FakeAgent) -> None:
    job = start("migrate", "/srv/london/projects", discovery="snapdiff")
    cancel(job.pk)
    assert agent.claim() is None


def test_a_rotation_that_fails_fails_the_job(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    agent.delivery.report(report(finder))
    order = rotation(agent)
    agent.delivery.report(Report(task=order.task, attempt=1, error="denied", reason="not ours"))
    job.refresh_from_db()
    assert job.state == "FAILURE"
    assert agent.claim() is None


@pytest.mark.feature("HUB-CONF-016")
def test_what_is_settled_goes_to_the_tasks_that_need_it(agent: FakeAgent, api) -> None:
    assert api.get("/api/configurations/").json()["snapshot_create_delete_retry_timeout"] == 1000
    _, finder = begun(agent)
    assert (finder.policy.lock_threshold, finder.policy.snapshot_retry) == (86400, 1000)
    api.patch("/api/configurations/", {"snapshot_create_delete_retry_timeout": 0}, format="json")
    Site.objects.update(lock_threshold=5)
    agent.delivery.report(report(finder))
    order = rotation(agent)
    assert (order.policy.lock_threshold, order.policy.snapshot_retry) == (5, 0)
    api.patch("/api/configurations/", {"snapshot_create_delete_retry_timeout": 1000}, format="json")


def test_what_failed_can_be_done_again_without_looking_for_changes(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    agent.delivery.report(report(finder))
    order = agent.claim()
    assert order is not None
    agent.delivery.report(report(order, [Outcome.of_error(entry, Unavailable("no")) for entry in order.entries]))
    finish(agent, rotation(agent))
    again = resubmit(job.pk, owner=None, only_failed=True)
    assert again.discovery is None
    agent.run()
    again.refresh_from_db()
    assert (again.state, again.numfiles) == ("SUCCESS", 1)
