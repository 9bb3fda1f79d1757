"""The REST interface: shapes as documented, one shape for every error, nothing without a token."""

import json
import secrets
from pathlib import Path

import pytest
from django.utils import timezone

from argosy.core.outcome import Outcome
from argosy.core.report import Present
from argosy.core.states import FileState
from argosy.hub.events.feed import Feed
from argosy.hub.jobs.models import Job
from argosy.hub.sites import presence
from argosy.hub.sites.models import Site
from argosy.hub.workflows.shipped import SHIPPED
from tests.hub.busy import another_writes, impatient
from tests.hub.fake import file, processed, send, start
from tests.hub.home import on_sqlite

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "hub_api.json").read_text())
SECRET = {"secretaccesskey", "accesskey", "credentialsfile", "password"}
PUBLIC = {"/api/auth/token/", "/api/auth/token/refresh/", "/api/auth/token/verify/", "/api/auth/token/publickey/"}


def documented(method: str, path: str) -> set[str]:
    """Return the names of the fields of a documented answer, secrets left out."""
    (entry,) = [entry for entry in REFERENCE if (entry["method"], entry["path"]) == (method, path)]
    names = set(entry["responses"][0]["fields"])
    return {name.removesuffix("[]") for name in names} - SECRET


def names(answer: dict) -> set[str]:
    """Return the names of the fields of an answer, those of the first result as `results[].NAME`."""
    if not isinstance(answer.get("results"), list):
        return set(answer)
    found = set(answer) - {"results"}
    for item in answer["results"][:1]:
        found |= {f"results[].{name}" for name in item}
    return found


def check_problem(answer, status: int) -> dict:
    """Assert that the answer is a problem document, and return it."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document = json.loads(answer.content)
    assert {"type", "title", "status", "detail"} <= set(document) <= {"type", "title", "status", "detail", "errors"}
    assert document["status"] == status
    assert "Traceback" not in answer.content.decode()
    return document


@pytest.fixture
def job(agent, two_sites):
    agent.tree = [file("/srv/london/projects/a", 3)]
    job = send()
    agent.run()
    return job


@pytest.mark.parametrize(
    "path", ["/sites/", "/datastores/", "/sitelinks/", "/workflows/", "/jobs/", "/jobs/recent/", "/tasks/"]
)
@pytest.mark.feature("HUB-API-001")
def test_lists_have_the_documented_fields(api, job, path):
    answer = api.get(f"/api{path}")
    assert answer.status_code == 200
    known = {name.replace("results[].", "") for name in documented("GET", path) if "[]" in name}
    assert documented("GET", path) - {f"results[].{name}" for name in SECRET} <= names(answer.json()), known


@pytest.mark.feature("HUB-JOB-001", "HUB-JOB-010", "HUB-JOB-039")
def test_single_things_have_the_documented_fields(api, job):
    for path in ("sites", "datastores", "sitelinks", "workflows", "jobs"):
        first = api.get(f"/api/{path}/").json()["results"][0]
        answer = api.get(f"/api/{path}/{first['id']}/")
        assert documented("GET", f"/{path}/{{id}}/") <= names(answer.json()), path
    task = api.get("/api/tasks/").json()["results"][0]
    assert documented("GET", "/tasks/{taskid}/") <= names(api.get(f"/api/tasks/{task['taskid']}/").json())


@pytest.mark.feature("HUB-WF-029", "HUB-WF-030", "HUB-API-007")
def test_a_submission_answers_201_with_what_was_sent_and_the_jobs_id(api, two_sites):
    paths = ["/srv/london/projects/a", {"path": "/srv/london/projects/b", "state": "created"}]
    sent = {"paths": paths, "site": "london", "workflow": "premigrate", "discovery": None}
    answer = api.post("/api/file/workflow/", sent)
    assert answer.status_code == 201
    assert answer.json() == sent | {"job": Job.objects.get().pk}
    assert api.get(f"/api/jobs/{answer.json()['job']}/").json()["paths"] == [
        "/srv/london/projects/a",
        "/srv/london/projects/b",
    ]


def test_the_owner_of_a_job_is_who_submitted_it(api, two_sites):
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate"}
    job = api.post("/api/file/workflow/", sent).json()["job"]
    assert api.get(f"/api/jobs/{job}/").json()["owner"] == "admin"


def test_paths_that_are_not_utf8_go_in_and_out_as_base64(api, agent, two_sites):
    path = b"/srv/london/projects/\xff"
    sent = {"path_b64": "L3Nydi9sb25kb24vcHJvamVjdHMv/w=="}
    answer = api.post(
        "/api/file/workflow/", {"paths": [sent], "site": "london", "workflow": "premigrate", "discovery": None}
    )
    job = answer.json()["job"]
    agent.run()
    assert agent.orders[-1].entries[0].path == path
    shown = {"path": "/srv/london/projects/�", **sent}
    assert api.get(f"/api/jobs/{job}/").json()["paths"] == [shown]
    (listed,) = api.get(f"/api/jobs/{job}/files/").json()["results"]
    assert {key: listed[key] for key in shown} == shown


@pytest.mark.feature("HUB-API-009")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"paths": []}, "paths"),
        ({"paths": "/srv/london"}, "paths"),
        ({"paths": [1]}, "paths"),
        ({"paths": [{"state": "x"}]}, "paths"),
        ({"paths": [{"path": "/a", "colour": 1}]}, "paths"),
        ({"paths": [{"path_b64": "%%"}]}, "paths"),
        ({"paths": [{"path_b64": 1}]}, "paths"),
        ({"paths": [{"path_b64": "é"}]}, "paths"),
        ({"paths": ["/srv/\ud800"]}, "paths"),
        ({"paths": [{"path": "/srv/london/projects", "state": "\ud800"}]}, "paths"),
        ({"site": "\ud800"}, "site"),
        ({"discovery": "\ud800"}, "discovery"),
        ({"include": ["\ud800"]}, "include"),
        ({"fields": {"a": ["\ud800"]}}, "fields"),
        ({"fields": {"\ud800": "a"}}, "fields"),
        ({"comment": "\ud800"}, "comment"),
        ({"\ud800": "a"}, "\\ud800"),
        ({"paths": [["/a"]]}, "paths"),
        ({"paths": None}, "paths"),
        ({"fields": "x"}, "fields"),
        ({"fields": []}, "fields"),
        ({"site": None}, "site"),
        ({"site": {}}, "site"),
        ({"workflow": ["send"]}, "workflow"),
        ({"job": "x"}, "job"),
        ({"discovery": 1.5}, None),
        ({"include": "x"}, "include"),
        ({"ignore_site_includes": "perhaps"}, "ignore_site_includes"),
    ],
)
def test_a_submission_that_is_not_well_formed_is_answered_with_400_and_the_field(api, two_sites, change, field):
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate"} | change
    document = check_problem(api.post("/api/file/workflow/", json.dumps(sent), content_type="application/json"), 400)
    assert field is None or field in document["errors"]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"[" * 100_000,
        b'{"paths": 1e999}',
        b"\xff",
        b'{"site": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_submission_is_answered_with_400(api, body):
    check_problem(api.post("/api/file/workflow/", body, content_type="application/json"), 400)


def test_a_body_of_another_type_is_answered_with_415(api):
    check_problem(api.post("/api/file/workflow/", b"a=1", content_type="application/x-www-form-urlencoded"), 415)


def test_a_body_that_is_too_large_is_refused(api):
    answer = api.post("/api/file/workflow/", b"{}", content_type="application/json", CONTENT_LENGTH=str(1 << 30))
    check_problem(answer, 413)


@pytest.mark.feature("HUB-API-009")
def test_a_submission_of_many_paths_is_taken(api, two_sites):
    paths = [f"/srv/london/projects/a-directory-with-a-rather-long-name/{n:06}" for n in range(60_000)]
    answer = api.post("/api/file/workflow/", {"paths": paths, "site": "london", "workflow": "premigrate"})
    assert answer.status_code == 201, answer.content[:1000]
    assert Job.objects.count() == 1


@on_sqlite
def test_a_full_disk_is_answered_with_507_and_the_remedy(api, two_sites, data_dir, monkeypatch):
    from django.db import connection
    from structlog.testing import capture_logs

    from argosy.hub.common import disk

    monkeypatch.setattr(disk, "_seldom", disk.Seldom())
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate"}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA max_page_count = 1")  # as many as there are
    with capture_logs() as logs:
        for _ in range(3):
            many = [f"/srv/london/projects/{secrets.token_hex(16)}" for _ in range(5000)]
            document = check_problem(api.post("/api/file/workflow/", sent | {"paths": many}), 507)
    connection.close()
    assert document["type"] == "urn:argosy:problem:exhausted"
    assert f"the data directory {data_dir} is full" in document["detail"]
    assert "free space" in document["detail"]
    assert [line["event"] for line in logs] == ["disk full"]
    assert not Job.objects.exists()
    assert api.post("/api/file/workflow/", sent).status_code == 201


def test_what_a_decision_refuses_is_answered_in_the_same_shape(api, two_sites):
    sent = {"paths": ["/etc"], "site": "london", "workflow": "premigrate"}
    document = check_problem(api.post("/api/file/workflow/", sent), 400)
    assert document["detail"] == "path '/etc' is outside the roots of site london: /srv/london"


@pytest.mark.parametrize("path", ["/api/nothing/", "/api/jobs/99/", "/api/jobs/x/", "/api/tasks/x/", "/nothing"])
def test_an_address_without_anything_is_answered_with_404(api, path):
    check_problem(api.get(path), 404)


@pytest.mark.parametrize("path", ["/", "/api/"])
def test_who_opens_the_address_of_the_hub_is_led_to_the_documentation(anonymous, path):
    answer = anonymous.get(path)
    assert (answer.status_code, answer["Location"]) == (302, "/api/docs/")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/jobs/99/", "there is no job 99"),
        ("/api/jobs/99/files/", "there is no job 99"),
        ("/api/sites/x/", "there is no site x"),
        ("/api/sitelinks/99/", "there is no sitelink 99"),
        (f"/api/tasks/{'0' * 32}/", f"there is no task {'0' * 32}"),
    ],
)
def test_what_does_not_exist_is_named(api, path, said):
    assert check_problem(api.get(path), 404)["detail"] == said


def test_a_refusal_of_several_keys_is_one_sentence(anonymous):
    detail = check_problem(anonymous.post("/api/auth/token/", {}), 400)["detail"]
    assert detail == "username: This field is required; password: This field is required"


def test_a_key_that_a_login_does_not_know_is_named(anonymous):
    sent = {"username": "admin", "password": "x", "otp": 1}
    assert check_problem(anonymous.post("/api/auth/token/", sent), 400)["errors"] == {
        "otp": ["Unknown key: known are password, username."]
    }


def test_ids_too_large_for_the_database_are_errors_of_the_request(api):
    check_problem(api.get("/api/jobs/99999999999999999999999/"), 404)
    check_problem(api.get("/api/tasks/?job_id=99999999999999999999999"), 400)
    check_problem(api.get("/api/jobs/?owner_ids=99999999999999999999999"), 400)
    check_problem(api.get("/api/sitelinks/?site_id=99999999999999999999999"), 400)


@pytest.mark.parametrize(
    ("method", "path"), [("put", "/api/sites/"), ("delete", "/api/jobs/"), ("delete", "/api/workflows/")]
)
def test_a_method_that_an_address_does_not_know_is_answered_with_405(api, method, path):
    check_problem(getattr(api, method)(path), 405)


@pytest.mark.feature("HUB-API-006")
def test_a_post_without_the_slash_is_an_error_and_a_get_is_redirected(api, two_sites):
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate"}
    check_problem(api.post("/api/file/workflow", sent), 404)
    assert not Job.objects.exists()
    assert api.get("/api/health")["Location"] == "/api/health/"


def test_an_error_of_ours_is_answered_with_500_and_no_trace(api, monkeypatch):
    from argosy.hub.sites import api as views

    monkeypatch.setattr(views.HealthView, "get", lambda *_: 1 // 0)
    document = check_problem(api.get("/api/health/"), 500)
    assert "ZeroDivision" not in json.dumps(document)


def test_a_database_that_stays_busy_is_answered_with_503(api, two_sites):
    from django.db import connection

    impatient()
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate"}
    with another_writes():
        check_problem(api.post("/api/file/workflow/", sent), 503)
    connection.close()


def test_a_database_that_cannot_be_opened_for_now_is_answered_with_503(tmp_path):
    import sqlite3

    from django.db import OperationalError

    from argosy.hub.common.problems import handle

    with pytest.raises(sqlite3.OperationalError) as raised:  # so it looks when too many files are open
        sqlite3.connect(tmp_path / "none" / "hub.sqlite3")
    error = OperationalError(*raised.value.args)
    error.__cause__ = raised.value  # as the framework does it
    assert handle(error, {}).status_code == 503


def test_nothing_but_tokens_is_given_without_a_token(anonymous, api, job):
    schema = api.get("/api/schema/?format=json").json()
    seen = set()
    for path, operations in schema["paths"].items():
        for method in set(operations) & {"get", "post", "patch", "put", "delete"}:
            url = path.replace("{id}", "1").replace("{schedule}", "1").replace("{taskid}", "0" * 32)
            if path not in PUBLIC:
                check_problem(getattr(anonymous, method)(url, {}), 401)
                seen.add(path)
    assert {"/api/file/workflow/", "/api/health/", "/api/jobs/{id}/files/", "/api/sites/{id}/"} <= seen


@pytest.mark.feature("HUB-API-008")
def test_the_documentation_is_whole_without_a_network(anonymous):
    page = anonymous.get("/api/docs/")
    assert page.status_code == 200
    assert "//cdn" not in page.content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/" in page.content.decode()


def test_the_schema_describes_the_submission_without_warnings(api, capsys):
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator

    GENERATOR_STATS.reset()
    schema = SchemaGenerator().get_schema(public=True)
    assert "/api/file/workflow/" in schema["paths"]
    assert not GENERATOR_STATS, capsys.readouterr().err


def test_the_pages_of_the_documentation_are_served_with_debug_off():
    import asyncio

    from argosy.hub.project import boot

    async def get(path: str) -> int:
        sent = []

        async def send_(message):
            sent.append(message)

        messages = [{"type": "http.request"}]

        async def receive():
            return messages.pop() if messages else await asyncio.Event().wait()

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("h", 80),
            "client": ("c", 1),
        }
        await boot.application(Feed())(scope, receive, send_)
        return sent[0]["status"]

    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css"
    assert asyncio.run(get(path)) == 200


@pytest.fixture
def many_workflows():
    from argosy.hub.workflows.models import Workflow

    Workflow.objects.bulk_create(Workflow(name=f"w{n:03}", label="w") for n in range(128))
    yield Workflow.objects.count()
    Workflow.objects.filter(name__startswith="w").delete()


@pytest.mark.feature("HUB-API-002", "HUB-API-003", "HUB-API-004")
@pytest.mark.parametrize(
    ("query", "length"),
    [("", 20), ("page_size=", 20), ("page_size=5", 20), ("page_size=-3", 20), ("page_size=x", 20), ("page_size=20", 20),
     ("page_size=33", 33), ("page_size=100", 100), ("page_size=500", 100), ("page_size=0", None),
     ("page_size=100&page=2", 28 + len(SHIPPED))],
)  # fmt: skip
def test_pages_have_the_size_that_was_asked_for_within_bounds(api, many_workflows, query, length):
    answer = api.get(f"/api/workflows/?{query}").json()
    assert answer["count"] == many_workflows
    assert len(answer["results"]) == (many_workflows if length is None else length)


def test_a_page_behind_the_last_is_answered_with_404(api):
    check_problem(api.get("/api/workflows/?page=9"), 404)
    check_problem(api.get("/api/workflows/?page=x"), 404)


@pytest.mark.feature("HUB-API-005")
def test_an_empty_list_is_no_error(api):
    empty = {"count": 0, "next": None, "previous": None, "results": []}
    assert api.get("/api/tasks/").json() == empty
    assert api.get("/api/jobs/").json().items() >= empty.items()
    assert api.get("/api/jobs/?page_size=0").json()["results"] == []


@pytest.mark.feature("HUB-API-011")
def test_addresses_are_absolute_and_lead_back(api, job):
    for path in ("sites", "datastores", "sitelinks", "jobs", "tasks"):
        first = api.get(f"/api/{path}/").json()["results"][0]
        assert first["url"].startswith(f"http://testserver/api/{path}/")
        assert api.get(first["url"]).json()["url"] == first["url"]


@pytest.mark.feature("HUB-JOB-021")
def test_files_of_a_job_are_listed_by_category_with_where_they_were_found(api, agent, two_sites):
    def act(order, entry):
        if entry.path.endswith(b"bad"):
            return Outcome(entry=entry, state=FileState.FAILED, reason="is broken", error="corrupt")
        return processed(order, entry)

    agent.tree, agent.act = [file("/srv/london/projects/bad"), file("/srv/london/projects/good", 3)], act
    job = send()
    agent.run()
    answer = api.get(f"/api/jobs/{job.pk}/files/?category=failed").json()
    assert answer["count"] == 1
    failed = answer["results"][0]
    wanted = ("path", "state", "reason", "error", "type", "size", "site", "step")
    assert [failed[key] for key in wanted] == [
        "/srv/london/projects/bad", "failed", "is broken", "corrupt", "file", 10, "london",
        "dynamo.tasks.remove_location_xattrs_for_moved",
    ]  # fmt: skip
    assert api.get(f"/api/jobs/{job.pk}/files/?category=failures").json()["count"] == 1
    (good,) = api.get(f"/api/jobs/{job.pk}/files/?category=processed").json()["results"]
    assert (good["path"], good["source"]) == ("/srv/dublin/work/good", "/srv/london/projects/good")
    assert api.get(f"/api/jobs/{job.pk}/files/").json()["count"] == 2
    check_problem(api.get(f"/api/jobs/{job.pk}/files/?category=lost"), 400)


@pytest.mark.feature("HUB-JOB-040")
def test_files_of_a_task_are_listed_by_state_type_and_site(api, job):
    task = api.get("/api/tasks/?tasktype=dynamo.tasks.migrate").json()["results"][0]["taskid"]

    def count(query):
        return api.get(f"/api/tasks/{task}/files/?{query}").json()["count"]

    assert (count(""), count("state=processed"), count("state=failed")) == (1, 1, 0)
    assert (count("type=file"), count("type=directory"), count("site=london"), count("site=dublin")) == (1, 0, 1, 0)


@pytest.mark.feature("HUB-JOB-038")
def test_tasks_are_listed_by_type_state_and_job(api, job):
    start("premigrate")

    def count(query):
        return api.get(f"/api/tasks/?{query}").json()["count"]

    assert count("") == 5
    assert count(f"job_id={job.pk}") == 4
    assert count("state=PENDING") == 1
    assert count("state=PENDING,SUCCESS") == count("state=PENDING&state=SUCCESS") == 5
    assert count("tasktype=dynamo.tasks.migrate") == 1
    check_problem(api.get("/api/tasks/?state=LOST"), 400)


@pytest.mark.feature("HUB-JOB-002", "HUB-JOB-003", "HUB-JOB-004")
def test_jobs_are_listed_by_what_is_asked(api, job):
    start("premigrate")

    def count(query):
        return api.get(f"/api/jobs/?{query}").json()["count"]

    assert count("") == 2
    assert (count("jobtype=send"), count("state=SUCCESS"), count("state=SUCCESS,PENDING")) == (1, 1, 2)
    assert (count(f"site_id={job.site_id}"), count(f"site_id={job.site_id + 999}")) == (2, 0)
    assert (count("created_time_from=2999-01-01T00:00:00Z"), count("created_time_to=2999-01-01T00:00:00Z")) == (0, 2)
    assert count("completed_time_from=2000-01-01T00:00:00Z") == 1
    assert count("created=day&created_time_from=2999-01-01T00:00:00Z") == 2
    assert (count("owner_ids=-1"), count("owner_ids=1")) == (2, 0)
    assert (count("clientkey_ids=1"), count("schedule_ids=1,2")) == (0, 0)
    for wrong in (
        "created=fortnight",
        "created_time_from=yesterday",
        "state=DONE",
        "site_id=x",
    ):
        check_problem(api.get(f"/api/jobs/?{wrong}"), 400)


@pytest.mark.feature("HUB-JOB-007")
def test_jobs_that_did_nothing_can_be_hidden(api, agent, two_sites):
    agent.tree = [file("/srv/london/projects/a")]
    agent.act = lambda _, entry: Outcome.skipped(entry, "there already")
    start("premigrate")
    agent.run()
    assert api.get("/api/jobs/").json()["count"] == 1
    assert api.get("/api/jobs/?hide_noop=true").json()["count"] == 0


@pytest.mark.feature("HUB-JOB-008")
def test_recent_jobs_are_the_five_newest(api, two_sites):
    jobs = [start("premigrate").pk for _ in range(7)]
    assert [job["id"] for job in api.get("/api/jobs/recent/").json()["results"]] == jobs[:1:-1]


def test_a_job_is_cancelled_and_cancelling_again_is_harmless(api, two_sites):
    job = start("premigrate").pk
    for _ in range(2):
        answer = api.post(f"/api/jobs/{job}/cancel/")
        assert answer.status_code == 201
        assert answer.json()["state"] == "CANCELLED"
    check_problem(api.post("/api/jobs/99999/cancel/"), 404)


@pytest.mark.feature("HUB-JOB-034", "HUB-JOB-035")
def test_run_times_are_not_negative_and_times_are_utc(api, job):
    for task in api.get("/api/tasks/?page_size=0").json()["results"]:
        shown = api.get(task["url"]).json()
        assert shown["runtime"] >= 0
        assert shown["started"].endswith("Z")


def test_health_reports_the_hub_and_its_sites(api, two_sites):
    assert api.get("/api/health/").json() == {
        "overall_health": "ok",
        "hub_status": {"health": "ok"},
        "site_status": [
            {"site": "dublin", "health": "ok", "nodes": [], "reason": ""},
            {"site": "london", "health": "ok", "nodes": [], "reason": ""},
        ],
    }


def test_health_says_why_a_site_is_not_served(api, two_sites):
    now = timezone.now()
    refused = dict.fromkeys(Site.objects.get(name="london").roots, "it is empty: mount its disk")
    presence.note(Present(site="london", node="one", unserved=refused), now)
    presence.note(Present(site="dublin", node="two", trouble="run `argosy rebuild`"), now)
    told = api.get("/api/health/").json()
    dublin, london = told["site_status"]
    assert (told["overall_health"], london["health"], dublin["health"]) == ("critical", "critical", "warning")
    assert "one does not serve root" in london["reason"]
    assert "mount its disk" in london["reason"]
    assert dublin["reason"] == "two: run `argosy rebuild`"
    assert london["nodes"] == [{"name": "one", "health": "warning", "online": True}]
    presence.note(Present(site="london", node="one"), now)
    presence.note(Present(site="dublin", node="two"), now - presence.LATELY * 2)
    dublin, london = api.get("/api/health/").json()["site_status"]
    assert (london["health"], london["reason"]) == ("ok", "")
    assert (dublin["health"], dublin["nodes"][0]["online"]) == ("critical", False)
    assert "start its agent" in dublin["reason"]


def test_a_key_that_a_submission_does_not_know_is_named(api, two_sites):
    sent = {"paths": ["/srv/london/projects"], "site": "london", "workflow": "premigrate", "bogus": 1}
    known = (
        "discovery, dry_run, exclude, fields, ignore_site_excludes, ignore_site_includes, include, job, paths, site, "
        "workflow"
    )
    errors = check_problem(api.post("/api/file/workflow/", sent), 400)["errors"]
    assert errors == {"bogus": [f"Unknown key: known are {known}."]}
    assert not Job.objects.exists()
