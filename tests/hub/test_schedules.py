"""Schedules and subscriptions over REST: what they can be, and why not."""

import re

import pytest

from argosy.hub.workflows.models import Workflow
from tests.hub.fake import FakeAgent
from tests.hub.schedules import NEVER, TOP, jobs, made, row, shown, subscribed, workflow
from tests.hub.test_api import check_problem, documented

pytestmark = pytest.mark.usefixtures("two_sites")
TIMES = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
LIST = "/schedules/{parent_lookup_schedule}/workflows/"


@pytest.mark.feature("HUB-SYNC-001", "HUB-SYNC-002")
def test_a_schedule_is_made_listed_read_changed_and_removed(api):
    answer = api.post("/api/schedules/", {"name": "nightly", "site": "london"})
    assert answer.status_code == 201
    one = answer.json()
    assert documented("POST", "/schedules/") <= set(one)
    assert [one[name] for name in TIMES] == ["*"] * 5
    assert (one["enabled"], one["managed_paths"], one["discovery"], one["discovery_options"]) == (True, [], None, {})
    assert one["url"].endswith(f"/api/schedules/{one['id']}/")
    listed = api.get("/api/schedules/").json()
    assert documented("GET", "/schedules/") <= {"count", "next", "previous", *(f"results[].{key}" for key in one)}
    assert [each["name"] for each in listed["results"]] == ["nightly"]
    changed = api.patch(one["url"], {"minute": "*/5", "managed_paths": [TOP], "name": "often"})
    assert changed.status_code == 200
    assert changed.json().items() >= {"minute": "*/5", "hour": "*", "managed_paths": [TOP], "name": "often"}.items()
    assert shown(api, one)["minute"] == "*/5"
    assert api.delete(one["url"]).status_code == 204
    check_problem(api.get(one["url"]), 404)


def test_paths_can_be_bytes_and_null_is_none(api):
    raw = {"path": "/srv/london/projects/\ufffd", "path_b64": "L3Nydi9sb25kb24vcHJvamVjdHMv/w=="}
    assert made(api, managed_paths=[raw, TOP])["managed_paths"] == [raw, TOP]
    assert made(api, name="none", managed_paths=None)["managed_paths"] == []


@pytest.mark.feature("HUB-SYNC-003")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minute", "*/5"), ("minute", "7,23,46"), ("minute", "2/5"), ("minute", "0-30/10"), ("hour", "8-17"),
        ("day_of_week", "mon-fri"), ("day_of_week", "7"), ("day_of_month", "L"), ("month_of_year", "jan,JUL"),
    ],
)  # fmt: skip
def test_times_are_those_of_cron(api, field, value):
    assert made(api, **{field: value})[field] == value


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("minute", "60", "0 to 59"),
        ("minute", "*/0", r"steps as \*/5"),
        ("minute", "1 2", "0 to 59"),
        ("hour", "24", "0 to 23"),
        ("hour", "9-5", "0 to 23"),
        ("day_of_week", "8", "sun to sat"),
        ("day_of_month", "0", "1 to 31"),
        ("month_of_year", "13", "jan to dec"),
        ("month_of_year", "brumaire", "jan to dec"),
        ("minute", "", "blank"),
        ("minute", 5, "string"),
    ],
)
def test_a_time_that_cannot_be_is_refused_by_its_name_with_what_can(api, field, value, allowed):
    problem = check_problem(api.post("/api/schedules/", {"name": "n", "site": "london", field: value}), 400)
    assert list(problem["errors"]) == [field]
    assert re.search(allowed, problem["detail"]), problem["detail"]
    one = made(api)
    assert list(check_problem(api.patch(one["url"], {field: value}), 400)["errors"]) == [field]


def test_a_day_that_never_comes_is_refused(api):
    sent = {"name": "n", "site": "london", "day_of_month": "31", "month_of_year": "feb,apr"}
    assert "never comes" in check_problem(api.post("/api/schedules/", sent), 400)["detail"]
    one = made(api, day_of_month="31")
    assert "never comes" in check_problem(api.patch(one["url"], {"month_of_year": "2"}), 400)["detail"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"site": "atlantis"}, "unknown site 'atlantis': known are dublin, london"),
        ({"name": "12"}, "id or an option"),
        ({"managed_paths": ["/etc"]}, "managed_paths: '/etc' is outside the roots of site london: /srv/london"),
        ({"managed_paths": [TOP, TOP]}, "given twice"),
        ({"managed_paths": "/srv/london"}, "list of paths"),
        ({"managed_paths": [{"at": "x"}]}, "a string, or an object"),
        ({"discovery": "augury"}, "unknown discovery 'augury': known are"),
        ({"discovery_options": {"speed": 1}}, "speed"),
        ({"discovery": None, "discovery_options": {"skip_missing": True}}, "discovery_options: there is no discovery"),
        ({"discovery": "snapdiff", "managed_paths": [TOP, "/srv/london/more"]}, "exactly one path"),
        ({"discovery": "bidirectional_snapdiff", "managed_paths": [TOP, "/srv/london/more"]}, "exactly one path"),
        ({"interval": 5}, "interval: Unknown key"),
        ({"enabled": "yes"}, "boolean"),
    ],
)
def test_what_a_schedule_cannot_be_is_refused_with_the_reason(api, values, why):
    sent = {"name": "nightly", "site": "london", "managed_paths": [TOP], "discovery": "recursive"} | values
    assert why in check_problem(api.post("/api/schedules/", sent), 400)["detail"]


def test_a_name_is_given_once_and_a_site_with_schedules_stays(api):
    made(api)
    again = check_problem(api.post("/api/schedules/", {"name": "nightly", "site": "dublin"}), 400)
    assert "There is such a schedule already: change that one (`argosy schedule change`)" in again["errors"]["name"][0]
    paris = api.post("/api/sites/", {"name": "paris", "roots": ["/srv/paris"]}).json()
    made(api, name="weekly", site="paris", managed_paths=[])
    assert "used by schedules" in check_problem(api.delete(paris["url"]), 409)["detail"]


def test_the_next_runs_are_told_in_utc_and_none_while_it_is_disabled(api):
    one = made(api, **NEVER)
    years = [int(due[:4]) for due in one["next_runs"]]
    assert all(due[4:].startswith("-02-29T00:00:00Z") for due in one["next_runs"])
    assert (len(years), {year % 4 for year in years}) == (3, {0})
    assert api.patch(one["url"], {"enabled": False}).json()["next_runs"] == []
    assert one["last_run"] is None
    assert one["last_skipped"] is None


@pytest.mark.feature("HUB-SYNC-009", "HUB-SYNC-011")
def test_workflows_are_subscribed_with_site_and_fields_and_listed_alphabetically(api):
    one = made(api, **NEVER)
    sent = subscribed(api, one, "send", fields={"destinationsite": "dublin"})
    assert documented("POST", LIST) <= set(sent)
    assert (sent["site"], sent["workflow"], sent["fields"]) == ("london", "send", {"destinationsite": "dublin"})
    subscribed(api, one, "migrate")
    listed = api.get(f"/api/schedules/{one['id']}/workflows/").json()["results"]
    assert [each["workflow"] for each in listed] == ["migrate", "send"]
    assert [each["trouble"] for each in listed] == ["", ""]
    changed = api.patch(sent["url"], {"fields": {"destinationsite": "dublin", "hydrate": True}})
    assert changed.json()["fields"] == {"destinationsite": "dublin", "hydrate": True}
    assert api.patch(sent["url"], {"workflow": "recall", "fields": {}}).json()["workflow"] == "recall"
    assert api.get(sent["url"]).json()["workflow"] == "recall"
    assert api.delete(sent["url"]).status_code == 204
    check_problem(api.get(sent["url"]), 404)
    assert Workflow.objects.filter(name="recall").exists()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"workflow": "fly"}, "unknown workflow 'fly'"),
        ({"workflow": "send"}, "field 'destinationsite' is missing"),
        ({"workflow": "send", "fields": {"destinationsite": "london"}}, "is the site itself"),
        ({"workflow": "migrate", "fields": {"speed": 1}}, "unknown field 'speed'"),
        ({"workflow": "migrate", "site": "dublin"}, "are of site london: give that"),
        ({"workflow": "migrate", "when": "now"}, "when: Unknown key"),
        ({"fields": {}}, "workflow: This field is required"),
    ],
)
def test_what_cannot_be_subscribed_is_refused_with_the_reason(api, sent, why):
    one = made(api)
    answer = api.post(f"/api/schedules/{one['id']}/workflows/", {"site": "london", **sent})
    assert why in check_problem(answer, 400)["detail"]
    check_problem(api.post("/api/schedules/999/workflows/", {"site": "london", "workflow": "migrate"}), 404)


@pytest.mark.feature("HUB-SYNC-012")
def test_a_subscription_whose_workflow_was_deleted_says_so_and_runs_no_more(api, agent: FakeAgent):
    mine = workflow("mine", fields=[])
    one = made(api, **NEVER)
    dead = subscribed(api, one, "mine")
    mine.delete()
    assert "workflow mine was deleted" in api.get(dead["url"]).json()["trouble"]
    refused = check_problem(api.post(f"{one['url']}run/"), 409)["detail"]
    assert "cannot run: mine: workflow mine was deleted: subscribe another" in refused
    subscribed(api, one, "premigrate")
    begun = api.post(f"{one['url']}run/")
    assert begun.status_code == 201
    assert [job.jobtype for job in jobs(one)] == ["premigrate"]
    assert "workflow mine was deleted" in begun.json()["reason"]
    workflow("mine", fields=[])
    assert "deleted" in api.get(dead["url"]).json()["trouble"]


@pytest.mark.feature("HUB-WF-009")
def test_a_workflow_for_schedules_is_run_by_a_schedule_and_by_nobody_else(api):
    workflow("ours", fields=[], schedule_only=True)
    sent = {"site": "london", "workflow": "ours", "paths": [TOP], "discovery": None}
    assert "run by schedules only" in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    one = made(api, **NEVER)
    subscribed(api, one, "ours")
    begun = api.post(f"{one['url']}run/")
    assert begun.status_code == 201, begun.json()
    assert [job.jobtype for job in jobs(one)] == ["ours"]


def test_a_schedule_keeps_its_jobs_under_its_name(api):
    one = made(api, **NEVER)
    subscribed(api, one)
    job = api.post(f"{one['url']}run/").json()
    assert job["schedule"] == "nightly"
    other = made(api, name="other", **NEVER)
    for ids, count in ((f"{one['id']}", 1), (f"{other['id']}", 0), (f"{other['id']},{one['id']}", 1)):
        assert api.get(f"/api/jobs/?schedule_ids={ids}").json()["count"] == count
    api.patch(one["url"], {"name": "renamed"})
    assert api.get(job["url"]).json()["schedule"] == "renamed"
    assert api.delete(one["url"]).status_code == 204
    assert api.get(job["url"]).json()["schedule"] == "renamed"
    assert row(other).name == "other"
