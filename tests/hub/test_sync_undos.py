"""Undoing a sync, and releasing what one left locked, as the hub decides on it; agents are made up."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from argosy.core.fileset import Seen
from argosy.core.order import Order
from argosy.core.report import Present
from argosy.core.syncing import APPLY, SCAN
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import cancel
from argosy.hub.sites import presence
from argosy.hub.sites.models import Fileset
from argosy.hub.sync.conductor import Conductor
from argosy.hub.sync.delivery import Delivery
from argosy.hub.sync.models import Pair, Run
from tests.hub.fake import FakeAgent, fresh
from tests.hub.schedules import filesets
from tests.hub.test_api import check_problem

LONDON, DUBLIN = "/srv/london/projects/fileset", "/srv/dublin/work/fileset"
pytestmark = pytest.mark.usefixtures("two_sites")


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    one = FakeAgent()
    one.delivery = Delivery(one, clock=one.clock.hub())
    with one:
        yield one


@pytest.fixture(autouse=True)
def _filesets(two_sites) -> None:
    filesets(LONDON, DUBLIN)


def synced(api) -> Job:
    fields = {"destinationsite": "dublin"}
    sent = {"site": "london", "workflow": "site_sync", "paths": [LONDON], "fields": fields}
    answer = api.post("/api/file/workflow/", sent)
    assert answer.status_code == 201, answer.json()
    return Job.objects.get(pk=answer.json()["job"])


def claimed(agent: FakeAgent) -> list[Order]:
    orders = []
    while agent.rung:
        if (order := agent.claim()) is not None:
            orders.append(order)
    return sorted(orders, key=lambda order: order.site, reverse=True)


def over(job: Job, state: str, *, applied: bool = True, **values: Any) -> Run:
    """Have the sync be over, and have applied something."""
    lead = Task.objects.filter(job=job).order_by("pk").first()
    assert lead is not None
    if applied:
        task = {"job": job, "submission": lead.submission, "site": lead.site, "tasktype": APPLY, "queue": lead.queue}
        now = timezone.now()
        Task.objects.create(**task, created=now, started=now, completed=now, state="SUCCESS")
    cancel(job.pk)
    Conductor().look()
    Job.objects.filter(pk=job.pk).update(numopen=0)
    Run.objects.filter(job=job.pk).update(state=state, **values)
    return Run.objects.get(job=job.pk)


def undo(api, job: int, status: int) -> Any:
    answer = api.post(f"/api/jobs/{job}/undo/")
    return answer.json() if status == 201 else check_problem(answer, status)["detail"]


def test_an_undo_is_a_plan_of_the_site_that_was_changed_for_every_round_of_the_sync(api, agent: FakeAgent) -> None:
    job = synced(api)
    run = over(job, "DONE", round=2)
    claimed(agent)
    said = undo(api, job.pk, 201)
    assert (said["job"], said["note"]) == (job.pk, "")
    plan = Job.objects.get(pk=said["plan"])
    assert (plan.dry_run, plan.jobtype, plan.site.name) == (True, "sync_undo", "dublin")
    (order,) = claimed(agent)
    assert (order.step, order.dry_run) == ("dynamo.tasks.undo", True)
    assert [entry.path for entry in order.entries] == [DUBLIN.encode()]
    assert order.options == {"rounds": f"{run.nonce}-1,{run.nonce}-2"}


def test_an_undo_of_a_sync_of_both_directions_is_one_plan_of_both_sites(api, agent: FakeAgent) -> None:
    job = synced(api)
    over(job, "DONE", one_way=False)
    claimed(agent)
    said = undo(api, job.pk, 201)
    orders = claimed(agent)
    assert [order.site for order in orders] == ["london", "dublin"]
    assert {order.job for order in orders} == {said["plan"]}


def test_what_the_next_sync_would_do_again_is_said_beforehand(api, agent: FakeAgent) -> None:
    job = synced(api)
    run = over(job, "CANCELLED")
    assert "the next sync does the same again" in undo(api, job.pk, 201)["note"]
    Pair.objects.filter(pk=run.pair_id).update(generation=1)
    assert undo(api, job.pk, 201)["note"] == ""


def test_what_cannot_be_undone_is_refused_with_the_reason(api, agent: FakeAgent) -> None:
    assert "job 4711 is no sync" in undo(api, 4711, 404)
    job = synced(api)
    assert f"job {job.pk} goes on" in undo(api, job.pk, 409)
    over(job, "REFUSED", applied=False)
    assert "before it changed anything (REFUSED)" in undo(api, job.pk, 409)
    over(again := synced(api), "DONE")
    Fileset.objects.filter(site__name="dublin").update(ident="f" * 32)
    assert "is no registered fileset any more" in undo(api, again.pk, 400)
    assert not Job.objects.filter(jobtype="sync_undo").exists()


def locked(holder: str) -> int:
    """Have london's agent tell that the lock is held; return the number of the fileset."""
    seen = Seen(
        name="fileset", path=LONDON.encode(), state="ok", id="0" * 32, number=0, locked_ns=10**18, locked_by=holder
    )
    presence.note(Present(site="london", node="node", filesets=(seen,)), timezone.now())
    return int(Fileset.objects.get(site__name="london").pk)


def unlock(api, fileset: int, status: int) -> Any:
    answer = api.post(f"/api/filesets/{fileset}/unlock/")
    return answer.json() if status == 201 else check_problem(answer, status)["detail"]


def test_a_lock_of_nobody_is_released_if_it_is_still_that_one(api, agent: FakeAgent) -> None:
    fileset = locked("0f9619ff-8b86-d011-b42d-00c04fc964ff")
    told = api.get(f"/api/filesets/{fileset}/").json()
    assert told["locked_by"] == "0f9619ff-8b86-d011-b42d-00c04fc964ff"
    assert datetime.fromisoformat(told["locked"]) == datetime.fromtimestamp(10**9, UTC)
    job = Job.objects.get(pk=unlock(api, fileset, 201)["id"])
    assert job.jobtype == "sync_unlock"
    rule = job.submissions.get().rules[0]
    assert rule["chain"][0]["options"] == {"discovery": told["locked_by"], "forward": False}


def test_the_lock_of_a_sync_that_goes_on_stays(api, agent: FakeAgent) -> None:
    job = synced(api)
    scan, _ = claimed(agent)
    assert scan.step == SCAN
    fileset = locked(scan.task)
    assert f"is locked by job {job.pk} (site_sync), which goes on" in unlock(api, fileset, 409)
    cancel(job.pk)
    assert fresh(job).numopen
    assert f"is locked by job {job.pk} (site_sync), which has ended, and releases" in unlock(api, fileset, 409)
    Job.objects.filter(pk=job.pk).update(numopen=0)
    assert "the agent may be at it still" in unlock(api, fileset, 409)
    Task.objects.update(lease_until=None)
    unlock(api, fileset, 201)


def test_what_is_not_locked_is_not_unlocked(api) -> None:
    fileset = Fileset.objects.get(site__name="london").pk
    assert "is not locked" in unlock(api, fileset, 409)
    assert "there is no fileset 4711" in unlock(api, 4711, 404)
