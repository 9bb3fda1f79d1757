"""Schedules for tests, made over REST."""

from typing import Any

from django.utils import timezone

from argosy.core.entry import Entry
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Batch
from argosy.hub.jobs.models import Job
from argosy.hub.schedules.models import Schedule
from argosy.hub.sites.models import Fileset, Site
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import FakeAgent, report

TOP = "/srv/london/projects"
NEVER = {"minute": "0", "hour": "0", "day_of_month": "29", "month_of_year": "2"}
"""A time that does not come while a test runs."""
STAT = {"name": "dynamo.tasks.stat_paths"}


def made(api, *, status: int = 201, **values: Any) -> dict[str, Any]:
    """Make a schedule, and return what is answered."""
    sent = {"name": "nightly", "site": "london", "managed_paths": [TOP], "discovery": "recursive"} | values
    answer = api.post("/api/schedules/", sent)
    assert answer.status_code == status, answer.json()
    return answer.json()


def subscribed(api, schedule: dict[str, Any], workflow: str = "premigrate", *, status: int = 201, **more: Any) -> Any:
    """Subscribe a workflow, and return what is answered."""
    sent = {"site": schedule["site"], "workflow": workflow} | more
    answer = api.post(f"/api/schedules/{schedule['id']}/workflows/", sent)
    assert answer.status_code == status, answer.json()
    return answer.json()


def row(schedule: dict[str, Any]) -> Schedule:
    """Return it as it is recorded."""
    return Schedule.objects.get(pk=schedule["id"])


def shown(api, schedule: dict[str, Any]) -> dict[str, Any]:
    """Return it as it stands."""
    answer = api.get(f"/api/schedules/{schedule['id']}/").json()
    assert isinstance(answer, dict)
    return answer


def jobs(schedule: dict[str, Any]) -> list[Job]:
    """Return the jobs it began, the first first."""
    return list(Job.objects.filter(schedule=schedule["id"]).order_by("pk"))


def workflow(name: str, *rules: dict[str, Any], **more: Any) -> Workflow:
    """Make a workflow; without rules it looks at everything."""
    given = list(rules) or [{"state": "all", "type": "all", "action": [STAT]}]
    return Workflow.objects.create(name=name, label=name, filter_rules=given, **more)


def filesets(london: str = TOP, dublin: str = "/srv/dublin/work") -> None:
    """Register these as a fileset of both sites."""
    for number, (site, path) in enumerate((("london", london), ("dublin", dublin))):
        Fileset.objects.create(
            site=Site.objects.get(name=site),
            name="fileset",
            path=path.encode(),
            ident=f"{number:032x}",
            number=number,
            state="ok",
            seen=timezone.now(),
        )


def by_state(name: str, state: str, **more: Any) -> None:
    """Make a workflow that looks at what has the state."""
    workflow(name, {"state": state, "type": "all", "action": [STAT]}, fields=[], **more)


def comparing(api) -> dict[str, Any]:
    """Make a schedule of changes, with one workflow for what was created and one for what was deleted."""
    by_state("creator", "created")
    by_state("deleter", "deleted")
    one = made(api, discovery="snapdiff", discovery_options={"condense_moves": False}, **NEVER)
    for name in ("creator", "deleter"):
        subscribed(api, one, name)
    return one


def begin(api, one: dict[str, Any]) -> dict[str, Any]:
    """Begin a run, and return what is answered."""
    answer = api.post(f"{one['url']}run/")
    assert answer.status_code == 201, answer.json()
    begun = answer.json()
    assert isinstance(begun, dict)
    return begun


def changed(state: str, name: str) -> Entry:
    """Return what a discovery of changes finds."""
    return Entry(path=f"{TOP}/{name}".encode(), size=10, state=state)


def handed(order: Order, number: int, phase: int, *entries: Entry) -> Batch:
    """Return what it hands out of a phase."""
    return Batch(task=order.task, attempt=order.attempt, sequence=number, entries=entries, phase=phase)


def taken(agent: FakeAgent, step: str) -> Order:
    """Claim the next task, which is of the step."""
    order = agent.claim()
    assert order is not None
    assert order.step == f"dynamo.tasks.{step}"
    return order


def rotated(agent: FakeAgent) -> Order:
    """Do the next task, which rotates snapshots."""
    order = taken(agent, "rotate_snapshot")
    agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    return order
