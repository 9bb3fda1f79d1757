"""What a job with a discovery of changes does at its end, and what is settled for snapshots."""

import msgspec
import pytest

from argosy.core.errors import ArgosyError, Busy, Changed, Unavailable
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from argosy.hub.jobs.explain.failed import troubles
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.record import ATTEMPTS
from argosy.hub.jobs.resubmission import resubmit
from argosy.hub.jobs.services import cancel
from argosy.hub.sites.models import Site
from argosy.hub.workflows.models import Workflow
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


@pytest.mark.parametrize("field", [True, False])
@pytest.mark.parametrize(
    ("state", "error", "site"),
    [
        ("updated", Changed("is being written to"), "london"),
        ("updated", Busy("is open"), "london"),
        ("updated", Changed("appeared meanwhile"), "dublin"),
        ("moved", Changed("is not what was listed"), "london"),
    ],
)
def test_after_aborted_files_too_it_is_the_field_that_decides(
    agent: FakeAgent, state: str, error: ArgosyError, site: str, field: bool
) -> None:
    fields = {"destinationsite": "dublin", "snapdiff_rotate_on_error": field}
    job = start("send", "/srv/london/projects", discovery="snapdiff", fields=fields)
    finder = agent.claim()
    assert finder is not None
    agent.delivery.batch(told(finder, 0, msgspec.structs.replace(file("/srv/london/projects/a"), state=state)))
    agent.delivery.report(report(finder))
    order = agent.claim()
    while order is not None and order.site != site:
        finish(agent, order)
        order = agent.claim()
    assert order is not None
    agent.delivery.report(report(order, [Outcome.of_error(entry, error) for entry in order.entries]))
    last = rotation(agent)
    assert last.options["forward"] is field
    finish(agent, last)
    job.refresh_from_db()
    assert (job.state, job.numabortedfiles) == ("SUCCESS", 1)


def test_what_the_discovery_could_not_tell_does_not_keep_it_from_moving_on(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    unsure = Outcome.of_error(file("/srv/london/projects/a"), Changed("could not be looked at"))
    agent.delivery.batch(told(finder, 0, failed=[unsure]))
    agent.delivery.report(report(finder))
    assert rotation(agent).options["forward"] is True
    job.refresh_from_db()
    assert job.numabortedfiles == 1


def test_a_discovery_that_broke_does_not_move_on(agent: FakeAgent) -> None:
    _, finder = begun(agent)
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    order = agent.claim()
    agent.delivery.report(Report(task=finder.task, attempt=1, error="corrupt", reason="broken"))
    assert order is not None
    finish(agent, order)
    assert rotation(agent).options["forward"] is False


@pytest.mark.parametrize("found", [True, False])
def test_a_cancelled_job_does_not_move_on_even_if_all_was_found(agent: FakeAgent, found: bool) -> None:
    job, finder = begun(agent)
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    if found:
        agent.delivery.report(report(finder))
    cancel(job.pk)
    (order,) = [order for _ in range(len(agent.rung)) if (order := agent.claim()) is not None]
    assert order.step == ROTATE
    assert order.options["forward"] is False
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
    assert (job.state, job.numfiles, job.numfailedfiles) == ("FAILURE", 0, 0)
    assert agent.claim() is None
    (trouble,) = troubles(job)[0]
    assert (trouble.step, trouble.reason, trouble.path) == (ROTATE, "not ours", b"/srv/london/projects")


def test_a_path_at_which_discovery_and_rotation_fail_is_one_file_of_the_job(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    agent.delivery.report(Report(task=finder.task, attempt=1, error="corrupt", reason="broken"))
    order = rotation(agent)
    agent.delivery.report(report(order, [Outcome.of_error(entry, Unavailable("no")) for entry in order.entries]))
    job.refresh_from_db()
    assert (job.state, job.numfiles, job.numfailedfiles) == ("FAILURE", 1, 1)
    assert [note.outcome.reason for note in JobFiles(job, None)] == ["broken"]


def test_a_rotation_whose_agents_are_lost_is_tried_again_and_then_fails_without_a_file(agent: FakeAgent) -> None:
    job, finder = begun(agent)
    agent.delivery.report(report(finder))
    for _ in range(ATTEMPTS):
        order = rotation(agent)
        entries = [Outcome.of_error(entry, Unavailable("no")) for entry in order.entries]
        agent.delivery.report(report(order, entries, error="unavailable", reason="no", retry=True))
        agent.clock.forward(60)
        agent.delivery.sweep()
    job.refresh_from_db()
    assert (job.state, job.numopen, job.numfiles, job.numfailedfiles) == ("FAILURE", 0, 0, 0)


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


def test_a_rotation_that_a_rule_asks_for_is_not_that_of_the_job(agent: FakeAgent) -> None:
    rules = [{"state": "all", "type": "all", "action": [{"name": ROTATE}]}]
    Workflow.objects.create(name="mine", label="Mine", fields=[], filter_rules=rules, discovery="snapdiff")
    start("mine", "/srv/london/projects")
    finder = agent.claim()
    assert finder is not None
    agent.delivery.batch(told(finder, 0, file("/srv/london/projects/a")))
    agent.delivery.report(report(finder))
    own = rotation(agent)
    assert own.options == {}
    finish(agent, own)
    assert rotation(agent).options == {"discovery": finder.task, "forward": True}
