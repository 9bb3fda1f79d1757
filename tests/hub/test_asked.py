"""Parameters in addresses: what is not known is refused, never passed over; pages that are not there are named."""

import base64
import json

import pytest

from argosy.core.entry import Entry
from argosy.core.errors import Denied
from argosy.core.outcome import Outcome
from argosy.hub.common.problems import LONGEST
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.services import Asked, submit
from tests.hub.fake import file, start
from tests.hub.test_api import check_problem
from tests.hub.test_job_lists import TREE, ids

pytestmark = pytest.mark.usefixtures("two_sites")


def failed(entry: Entry) -> Outcome:
    return Outcome.of_error(entry, Denied("no"))


LISTS = (
    "conflicts", "datastores", "discoveries", "filesets", "gc", "jobs", "jobs/recent", "jobs/stats", "retiredroots",
    "schedules", "sitelinks", "sites", "steps", "syncs", "tasks", "workflows",
)  # fmt: skip


@pytest.fixture
def job(agent) -> Job:
    """A job of two files, one of which failed."""
    agent.tree, outcomes = [file(f"{TREE}/a"), file(f"{TREE}/b")], iter([Outcome.processed, failed])
    agent.act = lambda _, entry: next(outcomes)(entry)
    done = start("premigrate")
    agent.run()
    return done


@pytest.mark.parametrize("listed", LISTS)
def test_no_list_passes_over_a_parameter_that_it_does_not_know(api, listed):
    document = check_problem(api.get(f"/api/{listed}/?page=1&colour=red"), 400)
    assert set(document["errors"]) == {"colour"}
    assert "known are " in document["detail"]
    assert "page, page_size" in document["detail"]


def test_all_lists_that_the_hub_documents_are_tried_here(api):
    schema = api.get("/api/schema/?format=json").json()
    pages = {
        path.removeprefix("/api/").rstrip("/")
        for path, operations in schema["paths"].items()
        if any(one["name"] == "page_size" for one in operations.get("get", {}).get("parameters", []))
    }
    of_one = {"jobs/{id}/files", "schedules/{schedule}/workflows", "tasks/{taskid}/files"}
    assert pages - of_one == set(LISTS) - {"jobs/stats"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("jobs/?site=london", "site_id"),
        ("jobs/?type=send", "jobtype"),
        ("jobs/?state[]=SUCCESS", "state"),
        ("tasks/?job=2", "job_id"),
        ("jobs/{job}/files/?status=failed", "category"),
        ("jobs/{job}/files/download/?format=csv", "file_format"),
        ("jobs/{job}/files/download/?page=2", "file_format"),
        ("events/stream/?type=job", "types"),
        ("file/explain/?path=/a&sites=london", "site"),
    ],
)
def test_who_mistook_a_name_is_told_those_that_there_are(api, job, asked, named):
    assert named in check_problem(api.get(f"/api/{asked.format(job=job.pk)}"), 400)["detail"]


def test_files_of_jobs_and_of_tasks_are_asked_for_by_the_same_name(api, job):
    def found(asked: str) -> list[str]:
        return [one["path"] for one in api.get(f"/api/{asked}").json()["results"]]

    by_state, by_category = (found(f"jobs/{job.pk}/files/?{name}=failed") for name in ("state", "category"))
    assert by_state == by_category
    assert len(by_state) < len(found(f"jobs/{job.pk}/files/"))
    download = json.loads(api.get(f"/api/jobs/{job.pk}/files/download/?state=failed").getvalue())
    assert [one["path"] for one in download] == by_state
    check_problem(api.get(f"/api/jobs/{job.pk}/files/?state=failed&category=processed"), 400)


def test_an_empty_value_asks_for_nothing_in_every_parameter(api, job):
    tasks = api.get("/api/tasks/").json()["count"]
    for name in ("state", "jobtype", "site_id", "owner_ids", "created", "ordering"):
        assert ids(api, **{name: ""}) == [job.pk]
    for name in ("state", "tasktype", "job_id"):
        assert api.get(f"/api/tasks/?{name}=").json()["count"] == tasks


def test_a_parameter_of_one_value_is_not_given_twice(api, job):
    assert "site_id" in check_problem(api.get("/api/jobs/?site_id=1&site_id=2"), 400)["errors"]
    assert api.get("/api/jobs/?state=SUCCESS&state=FAILURE,SKIPPED").status_code == 200


@pytest.mark.parametrize("page", ["0", "-1", "x", "3", "9" * 5000])
def test_a_page_that_is_not_there_is_named_with_the_last_one(api, page):
    for _ in range(21):
        start("premigrate")
    document = check_problem(api.get("/api/jobs/", {"page": page}), 404)
    assert document["detail"] == f"there is no page {page[:20]}: the last one is 2"
    assert len(api.get("/api/jobs/?page=last").json()["results"]) == 1


def test_jobs_are_found_by_how_a_path_begins_that_is_not_utf_8(api):
    odd = TREE.encode() + b"/\xff"
    given = Asked(site="london", workflow="premigrate", paths=[Entry(path=odd + b"/a")])
    job = submit(given, owner=None)
    start("premigrate", f"{TREE}/\ufffd")
    assert ids(api, input_paths_prefix_b64=base64.b64encode(odd).decode()) == [job.pk]
    for wrong in ({"input_paths_prefix_b64": "!"}, {"input_paths_prefix": "/a", "input_path_prefix": "/b"}):
        check_problem(api.get("/api/jobs/", wrong), 400)


def test_what_is_written_is_not_half_said_in_the_address(api):
    body = {"workflow": "premigrate", "site": "london", "paths": [TREE]}
    assert "dry_run" in check_problem(api.post("/api/file/workflow/?dry_run=true", body), 400)["errors"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("path", ["x" * 3_000_000, "/outside" * 400_000, "/srv/london/projects/.." * 200_000])
def test_a_path_that_is_refused_is_shown_as_far_as_anybody_reads(api, path):
    answer = api.post("/api/file/workflow/", {"workflow": "premigrate", "site": "london", "paths": [path]})
    assert path[:500] in check_problem(answer, 400)["detail"]
    assert len(answer.content) < 4 * LONGEST
    answer = api.post("/api/file/workflow/", {"workflow": path, "site": path, path: 1})
    check_problem(answer, 400)
    assert len(answer.content) < 10 * LONGEST
