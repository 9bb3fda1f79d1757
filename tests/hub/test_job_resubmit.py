"""Jobs done again."""

import pytest
from django.db.models import F

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.models import Job, Submission
from argosy.hub.jobs.resubmission import QUICK
from argosy.hub.jobs.services import Asked, cancel, submit
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import directory, file, fresh, processed, report, send, start, told
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"


def bad(*names: str, state: FileState = FileState.FAILED, at: str = "migrate"):
    """Return what makes files of these names end badly in a step."""

    def act(order, entry):
        if order.step.endswith(at) and entry.path.decode().rpartition("/")[2] in names:
            return Outcome(entry=entry, state=state, reason="is broken", error="corrupt")
        return processed(order, entry)

    return act


def again(api, job: Job, **body) -> Job:
    answer = api.post(f"/api/jobs/{job.pk}/resubmit/", body)
    assert answer.status_code == 201, answer.content
    return Job.objects.get(pk=answer.json()["id"])


@pytest.mark.feature("HUB-JOB-015", "HUB-JOB-016")
def test_a_finished_job_is_done_again_with_the_same_discovery_fields_paths_and_patterns(api, agent):
    given = [Entry(path=f"{TREE}/{name}".encode()) for name in "ab"]
    fields = {"destinationsite": "dublin", "hydrate": True}
    asked = Asked(site="london", workflow="send", paths=given, fields=fields, discovery="recursive", exclude=("*.tmp",))
    agent.tree = [file(f"{TREE}/a/1"), file(f"{TREE}/a/1.tmp")]
    job = submit(asked, owner=None)
    agent.run()
    other = again(api, job)
    assert other.pk != job.pk
    assert (other.fields, other.discovery, other.resubmission_of) == (fresh(job).fields, "recursive", job.pk)
    agent.run()
    old, new = (Submission.objects.get(job=each) for each in (job, other))
    assert (new.rules, new.options, bytes(new.paths)) == (old.rules, old.options, bytes(old.paths))
    assert fresh(other).numprocessedfiles == fresh(job).numprocessedfiles == 1
    assert other.owner.username == "admin"


@pytest.mark.feature("HUB-JOB-015")
def test_a_job_that_has_not_ended_is_not_done_again(api):
    job = start("premigrate")
    assert again(api, job) == job
    assert Job.objects.count() == 1


@pytest.mark.feature("HUB-JOB-018")
def test_quick_repeated_resubmissions_make_one_job(api, agent):
    job = start("premigrate")
    agent.run()
    first = again(api, job)
    assert again(api, job) == first
    agent.run()
    assert again(api, job) == first, "it has ended meanwhile, and is the same all the same"
    earlier(first)
    assert again(api, job) != first
    assert Job.objects.count() == 3


def earlier(job: Job) -> None:
    """Have the job be so old that nobody asks for it twice."""
    Job.objects.filter(pk=job.pk).update(created=F("created") - 2 * QUICK)


def test_a_resubmission_that_was_cancelled_is_not_the_answer_to_the_next(api, agent):
    job = start("premigrate")
    agent.run()
    first = again(api, job)
    cancel(first.pk)
    assert again(api, job) != first


def test_all_of_a_job_is_not_what_failed_of_it(api, agent):
    agent.tree = [file(f"{TREE}/{name}") for name in ("good", "bad")]
    agent.act = bad("bad")
    job = start("premigrate")
    agent.run()
    part, whole = again(api, job, only_failed=True), again(api, job)
    assert (part.only_failed, whole.only_failed) == (True, False)
    assert again(api, job, only_failed=True) == part
    agent.run()
    assert (fresh(part).numfiles, fresh(whole).numfiles) == (1, 2)


@pytest.mark.feature("HUB-JOB-017")
def test_a_cancelled_job_can_be_done_again(api, agent):
    job = start("premigrate")
    cancel(job.pk)
    agent.tree = [file(f"{TREE}/a")]
    other = again(api, job)
    agent.run()
    assert (fresh(other).state, fresh(other).numprocessedfiles) == ("SUCCESS", 1)


def test_all_that_was_submitted_to_a_job_is_done_again_as_one_job(api, agent):
    job = start("premigrate", f"{TREE}/a", discovery=None)
    start("migrate", f"{TREE}/b", discovery=None, job=job.pk)
    agent.run()
    agent.orders.clear()
    other = again(api, job)
    agent.run()
    steps = {(order.step.rpartition(".")[2], order.options.get("premigrate")) for order in agent.orders}
    assert ("migrate", True) in steps
    assert len(steps) == 3
    assert fresh(other).numprocessedfiles == 2


def test_only_what_failed_or_was_aborted_is_done_again_from_where_it_was_found(api, agent):
    agent.tree = [file(f"{TREE}/{name}") for name in ("good", "bad", "worse")]
    agent.act = bad("bad", at="reverse_stub")  # at the other site, where it has another path
    job = send()
    agent.run()
    assert fresh(job).numfailedfiles == 1
    agent.orders.clear()
    agent.act = processed
    other = again(api, job, only_failed=True)
    assert other.discovery is None
    agent.run()
    assert fresh(other).numfiles == fresh(other).numprocessedfiles == 1
    assert [order.entries[0].path.decode() for order in agent.orders if order.site == "london"] == [f"{TREE}/bad"] * 3
    agent.act = bad("good", state=FileState.ABORTED)
    agent.tree = [file(f"{TREE}/good")]
    third = start("premigrate")
    agent.run()
    agent.act = processed
    fourth = again(api, third, only_failed=True)
    agent.run()
    assert fresh(fourth).numprocessedfiles == 1


def test_where_a_discovery_did_not_get_it_goes_on_from_there(api, agent):
    agent.tree = [directory(TREE)]
    job = start("premigrate")
    walk = agent.claim()
    closed = Outcome(entry=directory(f"{TREE}/closed"), state=FileState.FAILED, reason="is closed", error="denied")
    agent.delivery.report(report(walk, [closed]))
    assert fresh(job).state == "FAILURE"
    again(api, job, only_failed=True)
    order = agent.claim()
    assert order.step.endswith("recursive_action")
    assert [entry.path.decode() for entry in order.entries] == [f"{TREE}/closed"]


def closed(name: str) -> Outcome:
    return Outcome(entry=directory(f"{TREE}/{name}"), state=FileState.ABORTED, reason="is closed", error="changed")


def begun(discovery: str) -> Job:
    """A job of a workflow that has this discovery, and does nothing but look."""
    Workflow.objects.filter(name="changes").delete()
    rule = {"state": "all", "type": "all", "action": [{"name": "dynamo.tasks.stat_paths"}]}
    Workflow.objects.create(name="changes", label="Changes", fields=[], discovery=discovery, filter_rules=[rule])
    return start("changes")


@pytest.mark.parametrize(("discovery", "where"), [("snapdiff", "its fileset"), ("rebuild", "the paths that it was")])
def test_a_discovery_that_begins_nowhere_else_does_not_begin_where_it_could_not_look(api, agent, discovery, where):
    job = begun(discovery)
    agent.delivery.report(report(agent.claim(), [closed("a"), closed("b")]))
    agent.run()
    assert fresh(job).numabortedfiles == 2
    says = check_problem(api.post(f"/api/jobs/{job.pk}/resubmit/", {"only_failed": True}), 400)["detail"]
    assert f"discovery {discovery} could not deal with {TREE}/a and 1 more" in says
    assert f"run workflow changes over {where}" in says
    assert Job.objects.count() == 1


def test_what_snapdiff_found_is_done_again_without_what_it_could_not_look_at(api, agent):
    agent.act = bad("x", at="stat_paths")
    job = begun("snapdiff")
    walk = agent.claim()
    agent.delivery.batch(told(walk, 0, file(f"{TREE}/x"), failed=[closed("a")]))
    agent.delivery.report(report(walk))
    agent.run()
    assert (fresh(job).numfailedfiles, fresh(job).numabortedfiles) == (1, 1)
    agent.orders.clear()
    other = again(api, job, only_failed=True)
    agent.run()
    assert [order.entries[0].path.decode() for order in agent.orders if order.entries] == [f"{TREE}/x"]
    assert fresh(other).numfiles == 1


def test_a_snapdiff_that_did_not_begin_is_begun_again_at_its_fileset(api, agent):
    job = begun("snapdiff")
    agent.delivery.report(report(agent.claim(), error="locked", reason="another is at it"))
    agent.run()
    assert fresh(job).state == "FAILURE"
    again(api, job, only_failed=True)
    order = agent.claim()
    assert (order.step, order.entries[0].path.decode()) == ("dynamo.tasks.snapdiff", TREE)


def test_what_moved_and_failed_elsewhere_is_found_again_by_both_of_its_paths(api, agent):
    Workflow.objects.create(
        name="follow",
        label="Follow",
        fields=[],
        discovery=None,
        filter_rules=[
            {
                "state": "all",
                "type": "all",
                "action": [
                    {"name": "dynamo.tasks.move_in_cloud"},
                    {"name": "dynamo.tasks.one_step_move_paths_on_gpfs", "site": "dublin"},
                ],
            }
        ],
    )
    try:
        moved = Entry(path=f"{TREE}/new".encode(), state="moved", source=f"{TREE}/old".encode())
        agent.act = bad("new", at="one_step_move_paths_on_gpfs")
        job = submit(Asked(site="london", workflow="follow", paths=[moved]), owner=None)
        agent.run()
        assert agent.orders[-1].entries[0].source == b"/srv/dublin/work/old"
        agent.orders.clear()
        again(api, job, only_failed=True)
        agent.run()
        entry = agent.orders[0].entries[0]
        assert (entry.path, entry.source, entry.state) == (moved.path, moved.source, "moved")
    finally:
        Workflow.objects.filter(name="follow").delete()


@pytest.mark.parametrize(
    ("body", "says"),
    [({"only_failed": True}, "no file of it failed or was aborted"), ({"only_failed": "x"}, "Must be a valid boolean")],
)
def test_nothing_to_do_again_is_said(api, agent, body, says):
    job = start("premigrate")
    agent.run()
    assert says in str(check_problem(api.post(f"/api/jobs/{job.pk}/resubmit/", body), 400))


def test_where_files_were_cancelled_it_is_said_how_they_are_done_again(api, agent):
    job = start("premigrate")
    cancel(job.pk)
    refused = check_problem(api.post(f"/api/jobs/{job.pk}/resubmit/", {"only_failed": True}), 400)["detail"]
    assert refused.endswith("failed or was aborted: leave out only_failed to have done what was cancelled")


def test_what_cannot_be_done_again_says_why(api, agent):
    rule = {"state": "all", "type": "all", "action": [{"name": "dynamo.tasks.recall"}]}
    Workflow.objects.create(name="gone", label="Gone", filter_rules=[rule])
    job = start("gone")
    agent.run()
    Workflow.objects.filter(name="gone").delete()
    assert "unknown workflow 'gone'" in check_problem(api.post(f"/api/jobs/{job.pk}/resubmit/"), 400)["detail"]
    check_problem(api.post("/api/jobs/99999/resubmit/"), 404)
