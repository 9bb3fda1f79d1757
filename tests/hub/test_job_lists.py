"""Lists of jobs and tasks: what they can be asked for, and how they are counted."""

import datetime as dt

import pytest

from argosy.core.entry import Entry
from argosy.hub.jobs import given as given_module
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.services import Asked, cancel, submit
from tests.hub.fake import file, fresh, report, send, start
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"


def ids(api, **query) -> list[int]:
    answer = api.get("/api/jobs/", query)
    assert answer.status_code == 200, answer.content
    return [job["id"] for job in answer.json()["results"]]


@pytest.mark.feature("HUB-JOB-006")
def test_jobs_are_found_by_how_one_of_their_paths_begins(api):
    one = start("premigrate", f"{TREE}/films/a")
    two = start("premigrate", f"{TREE}/books/b", f"{TREE}/films-old", f"{TREE}/zebra")
    three = start("premigrate", f"{TREE}/books")
    start("premigrate", f"{TREE}/Films")
    odd = submit(
        Asked(site="london", workflow="premigrate", paths=[Entry(path=f"{TREE}/".encode() + b"\xff")]), owner=None
    )

    def found(prefix: str) -> set[int]:
        assert ids(api, input_paths_prefix=prefix) == ids(api, input_path_prefix=prefix)
        return set(ids(api, input_paths_prefix=prefix))

    assert found(f"{TREE}/films") == {one.pk, two.pk}
    assert found(f"{TREE}/films/") == {one.pk}
    assert found(f"{TREE}/books") == {two.pk, three.pk}
    assert found(f"{TREE}/zebra") == {two.pk}
    assert found(f"{TREE}/m") == found("/mnt") == set()
    assert odd.pk in found(TREE)
    assert len(found("/")) == 5
    check_problem(api.get("/api/jobs/", {"input_paths_prefix": "/" + "x" * 1024}), 400)


def test_paths_longer_than_what_is_kept_of_them_are_found_all_the_same(api):
    long = f"{TREE}/" + "/".join(["d" * 200] * 8)
    one, two = start("premigrate", f"{long}/a"), start("premigrate", f"{TREE}/a", f"{long}/b")
    prefix = long[: given_module.LONGEST]
    assert set(ids(api, input_paths_prefix=prefix)) == {one.pk, two.pk}


@pytest.mark.feature("HUB-JOB-009")
def test_jobs_are_counted_by_type_state_day_and_site_over_the_last_week(api, agent):
    old, done = start("migrate"), start("premigrate")
    agent.run()
    cancel(send().pk)
    Job.objects.filter(pk=old.pk).update(created=agent.clock() - dt.timedelta(days=8))
    stats = api.get("/api/jobs/stats/").json()
    assert stats["type"] == {"migrate": 0, "premigrate": 1, "recall": 0, "send": 1}
    assert stats["state"] == {
        "PENDING": 0, "STARTED": 0, "SUCCESS": 0, "FAILURE": 0, "SKIPPED": 1, "CANCELLED": 1, "ERROR": 0,
    }  # fmt: skip
    assert stats["created"] == {fresh(done).created.date().isoformat(): 2}
    assert stats["site"] == {"london": 2}
    assert api.get("/api/jobs/").json()["stats"] == stats
    assert api.get("/api/jobs/stats/?created=month").json()["type"]["migrate"] == 1
    assert api.get("/api/jobs/stats/?jobtype=send").json()["type"]["premigrate"] == 0
    check_problem(api.get("/api/jobs/stats/?created=fortnight"), 400)


def test_lists_are_sorted_as_asked(api, agent):
    agent.tree = [file(f"{TREE}/a")]
    one, two = start("send", fields={"destinationsite": "dublin"}), start("migrate")
    agent.run()
    three = start("premigrate")
    assert ids(api) == [three.pk, two.pk, one.pk]
    assert ids(api, ordering="id") == [one.pk, two.pk, three.pk]
    assert ids(api, ordering="jobtype") == [two.pk, three.pk, one.pk]
    assert ids(api, ordering="-state") == [two.pk, one.pk, three.pk]
    tasks = api.get("/api/tasks/?ordering=-started").json()["results"]
    assert [task["started"] for task in tasks if task["started"]] == sorted(
        (task["started"] for task in tasks if task["started"]), reverse=True
    )
    for wrong in ("/api/jobs/?ordering=colour", "/api/tasks/?ordering=-job"):
        check_problem(api.get(wrong), 400)


@pytest.mark.feature("HUB-JOB-068")
def test_the_tasks_of_a_job_come_page_by_page(api, agent):
    agent.tree, agent.batch_size = [file(f"{TREE}/{number:02}") for number in range(44)], 1
    job = start("premigrate")
    agent.run()
    first, second, third = (api.get(f"/api/tasks/?job_id={job.pk}&page={page}").json() for page in (1, 2, 3))
    assert (first["count"], len(third["results"])) == (45, 5)
    assert first["next"]
    assert not {task["taskid"] for task in first["results"]} & {task["taskid"] for task in second["results"]}


def test_a_job_is_registered_and_given_work_later(api, agent):
    sent = {"jobtype": "premigrate", "site": "london", "paths": [f"{TREE}/a"], "discovery": "recursive"}
    answer = api.post("/api/jobs/", sent)
    assert answer.status_code == 201
    assert {key: answer.json()[key] for key in sent} == sent
    assert answer.json()["state"] == "PENDING"
    job = answer.json()["id"]
    assert ids(api, input_paths_prefix=f"{TREE}/a") == [job]
    agent.tree = [file(f"{TREE}/a")]
    added = {"workflow": "premigrate", "site": "london", "paths": [f"{TREE}/a"], "job": job}
    assert api.post("/api/file/workflow/", added).json()["job"] == job
    agent.run()
    assert api.get(f"/api/jobs/{job}/").json()["state"] == "SUCCESS"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"site": "paris"}, None),
        ({"jobtype": "nothing"}, None),
        ({"paths": ["/etc"]}, None),
        ({"discovery": "dowsing"}, None),
        ({"state": "SUCCESS"}, "state"),
    ],
)
def test_a_job_that_cannot_be_registered_says_why(api, change, field):
    document = check_problem(api.post("/api/jobs/", {"jobtype": "send", "site": "london"} | change), 400)
    assert field is None or field in document["errors"]
    assert not Job.objects.exists()


def test_a_change_of_a_jobs_state_cancels_it_and_no_other_change_is_taken(api):
    job = start("premigrate")
    for wrong in (
        {"state": "SUCCESS"},
        {"jobtype": "send", "state": "CANCELLED"},
        {"paths": []},
        {"colour": "red"},
        [],
    ):
        check_problem(api.patch(f"/api/jobs/{job.pk}/", wrong), 400)
    same = {"jobtype": "premigrate", "site": "london", "paths": [TREE], "discovery": "recursive"}
    assert api.patch(f"/api/jobs/{job.pk}/", same).status_code == 200
    assert fresh(job).state == "PENDING"
    answer = api.patch(f"/api/jobs/{job.pk}/", {**same, "state": "CANCELLED"})
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELLED")
    check_problem(api.patch("/api/jobs/99999/", {"state": "CANCELLED"}), 404)


@pytest.mark.feature("HUB-JOB-027")
def test_tasks_are_asked_for_in_each_documented_state_and_in_no_other(api):
    for state in ("PENDING", "STARTED", "SUCCESS", "FAILURE", "ERROR", "SKIPPED", "CANCELLED"):
        assert api.get(f"/api/tasks/?state={state}").status_code == 200
    document = check_problem(api.get("/api/tasks/?state=REVOKED"), 400)
    assert document["errors"]["state"] == {
        "0": [
            '"REVOKED" is not a valid choice: known are PENDING, STARTED, SUCCESS, ERROR, FAILURE, SKIPPED, CANCELLED.'
        ]
    }


def test_jobs_are_asked_for_in_every_state_that_is_counted(api, agent):
    start("premigrate", f"{TREE}/a", discovery=None)
    for state, number in api.get("/api/jobs/stats/").json()["state"].items():
        assert api.get(f"/api/jobs/?state={state}").json()["count"] == number
    check_problem(api.get("/api/jobs/?state=REVOKED"), 400)


@pytest.mark.feature("HUB-JOB-042")
def test_a_task_that_broke_tells_the_kind_of_error_and_a_message(api, agent):
    start("premigrate", f"{TREE}/a", discovery=None)
    order = agent.claim()
    agent.delivery.report(report(order, error="exhausted", reason="the disk is full"))
    task = api.get("/api/tasks/").json()["results"][0]
    assert (task["state"], task["reason"]) == ("FAILURE", "the disk is full")
    assert api.get(task["url"]).json()["error"] == "exhausted"
