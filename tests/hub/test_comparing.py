"""Actions that compare with another site: what their chains are, and where entries end in them."""

from typing import Any

import pytest

from argosy.core.entry import Elsewhere
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import file, fresh, processed, start
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

CHECK = {"name": "dynamo.tasks.check_sync_state", "sync_preference": "newest"}
SEND: list[dict[str, Any]] = [
    {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
    {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": True, "abort_missing": True},
    {"name": "dynamo.tasks.reverse_stub", "site": "dublin", "overwrite": True},
]


def definition(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    rules = [{"state": "all", "type": "all", "action": list(actions)}]
    return {"name": "byhand", "label": "By hand", "fields": [], "filter_rules": rules, "discovery": "recursive"} | more


def made(*actions: dict[str, Any], **more: Any) -> None:
    Workflow.objects.create(**definition(*actions, **more))


def done(agent) -> list[tuple[str, str]]:
    return [(order.site, order.step.rpartition(".")[2]) for order in agent.orders[1:]]


@pytest.mark.parametrize("check", [CHECK, CHECK | {"site": "dublin"}], ids=["where the chain goes", "as it says"])
def test_the_other_site_is_looked_at_and_the_comparison_is_at_home(agent, check: dict[str, Any]) -> None:
    def look(order, entry):
        if order.step.endswith("stat_paths"):
            return Outcome.skipped(entry.learned(elsewhere=Elsewhere(site=order.site)), "was looked at")
        return processed(order, entry)

    made(check, *SEND)
    agent.tree, agent.act = [file("/srv/london/projects/a")], look
    start("byhand")
    agent.run()
    assert done(agent) == [
        ("dublin", "stat_paths"),
        ("london", "check_sync_state"),
        ("london", "remove_location_xattrs_for_moved"),
        ("london", "migrate"),
        ("dublin", "reverse_stub"),
    ]
    looking, comparing = agent.orders[1:3]
    assert looking.options == {"beside": True}
    assert [entry.path for entry in looking.entries] == [b"/srv/dublin/work/a"]
    assert comparing.options == {"sync_preference": "newest", "site": "dublin"}
    (entry,) = comparing.entries
    assert (entry.path, entry.facts.elsewhere) == (b"/srv/london/projects/a", Elsewhere(site="dublin"))


@pytest.mark.feature("HUB-STEP-028")
def test_what_needs_nothing_ends_as_skipped_whatever_looked_at_it_before(agent) -> None:
    def act(order, entry):
        if order.step.endswith("check_sync_state") and entry.path.endswith(b"same"):
            return Outcome.needless(entry, "is the same at dublin")
        return processed(order, entry)

    made({"name": "dynamo.tasks.stat_paths"}, CHECK, *SEND)
    agent.tree, agent.act = [file("/srv/london/projects/same"), file("/srv/london/projects/other")], act
    job = start("byhand")
    agent.run()
    assert [entry.path for entry in agent.orders[-1].entries] == [b"/srv/dublin/work/other"]
    found = {note.outcome.entry.path: (note.state, note.outcome.reason) for note in JobFiles(job, None)}
    assert found == {
        b"/srv/london/projects/same": (FileState.SKIPPED, "is the same at dublin"),
        b"/srv/dublin/work/other": (FileState.PROCESSED, ""),
    }
    assert (fresh(job).numskippedfiles, fresh(job).numprocessedfiles) == (1, 1)
    assert fresh(job).state == "SUCCESS"


def test_a_site_by_field_is_compared_with(agent) -> None:
    field = {"name": "destinationsite", "label": "To", "type": "enum[site]"}
    made(CHECK | {"site": "*destinationsite"}, fields=[field])
    agent.tree = [file("/srv/london/projects/a")]
    start("byhand", fields={"destinationsite": "dublin"})
    agent.run()
    assert done(agent) == [("dublin", "stat_paths"), ("london", "check_sync_state")]


def test_a_comparison_with_no_other_site_is_refused_with_its_place(api) -> None:
    answer = api.post("/api/workflows/", definition(CHECK, SEND[0]))
    said = check_problem(answer, 400)
    assert "filter_rules[0].action[0]" in str(said)
    assert "compares with another site: give that as `site`" in str(said)
    answer = api.post("/api/workflows/", definition(CHECK | {"site": "paris"}))
    assert "filter_rules[0].action[0].site" in str(check_problem(answer, 400))


def test_a_comparison_of_a_site_with_itself_is_refused_when_it_is_run(api) -> None:
    made(CHECK | {"site": "london"})
    sent = {"site": "london", "workflow": "byhand", "paths": ["/srv/london/projects"]}
    said = check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    assert "compares with another site than london: give that as `site`" in said


def test_a_copy_of_the_sync_that_follows_can_be_run_as_it_is_written(api, agent) -> None:
    (one,) = [each for each in api.get("/api/workflows/?page_size=0").json()["results"] if each["name"] == "site_sync"]
    copied = {key: one[key] for key in ("label", "fields", "filter_rules")} | {"name": "copy", "discovery": "recursive"}
    answer = api.post("/api/workflows/", copied)
    assert answer.status_code == 201, answer.json()
    given = [{"path": "/srv/london/projects/a", "state": "updated"}]
    sent = {"site": "london", "workflow": "copy", "paths": given, "discovery": None}
    answer = api.post("/api/file/workflow/", sent | {"fields": {"destinationsite": "dublin"}})
    assert answer.status_code == 201, answer.json()
    agent.run()
    comparing = agent.orders[2]
    assert comparing.options == {"sync_preference": "newest", "site": "dublin"}
