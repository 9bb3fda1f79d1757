"""Giving back what a sync took: by a plan, as any other, in which each site says what it would give back."""

from typing import Final, NamedTuple

import structlog
from django.contrib.auth.models import User
from django.db import transaction

from argosy.core.entry import Entry
from argosy.core.errors import NotFound
from argosy.core.faults import NoFileset
from argosy.core.states import JobState
from argosy.core.syncing import APPLY
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import services
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job, Task
from argosy.hub.sites.models import Fileset
from argosy.hub.sync.models import OPEN, Run
from argosy.sync.planner.trees import SIDES, Side

WORKFLOW: Final = "sync_undo"
_WILL_DO_AGAIN: Final = (
    "job {job} did not come to its end, and the next sync does the same again, also to what is given back: sync first, "
    "then undo both, unless there is to be no further sync"
)

log = structlog.get_logger()


class Undoing(NamedTuple):
    """A plan that is being made."""

    job: Job
    note: str
    """What whoever applies it should know; "" where there is nothing."""


@transaction.atomic
def undo(pk: int, *, owner: User | None) -> Undoing:
    """Begin a plan that gives back what a sync replaced or deleted, at each site that it changed.

    Raises:
        NotFound: no such sync was ever begun.
        Conflict: it goes on, or changed nothing.
        NoFileset: one of its filesets is no longer registered.
    """
    run = Run.objects.select_related("pair", "site_one", "site_two").filter(job=pk).first()
    if run is None:
        raise NotFound(f"job {pk} is no sync: see `argosy sync status`")
    _expect_over(run)
    plan: Job | None = None
    for side in (Side.TWO,) if run.one_way else SIDES:
        plan = services.submit(_asked(run, side, plan), owner=owner)
    assert plan is not None
    log.info("undo planned", job=pk, plan=plan.pk)
    return Undoing(plan, _WILL_DO_AGAIN.format(job=pk) if _is_not_agreed(run) else "")


def _expect_over(run: Run) -> None:
    job = Job.objects.filter(pk=run.job).first()
    if run.state in OPEN or (job is not None and (job.state in OPEN_JOB or job.numopen)):
        raise Conflict(f"job {run.job} goes on: wait for its end, or cancel it")
    began = Task.objects.filter(job=run.job, tasktype=APPLY).exclude(started=None)
    if job is not None and not began.exists():
        said = "did nothing" if job.state == JobState.SKIPPED else f"ended before it changed anything ({run.state})"
        raise Conflict(f"job {run.job} {said}: there is nothing to undo")


def _is_not_agreed(run: Run) -> bool:
    """Say whether what the run did is not in the base, so that the next takes it for what is to be done."""
    return run.state != Run.State.DONE and run.pair.generation == run.generation


def _asked(run: Run, side: Side, plan: Job | None) -> services.Asked:
    rounds = ",".join(f"{run.nonce}-{number}" for number in range(1, run.round + 1))
    return services.Asked(
        site=run.site(side).name,
        workflow=WORKFLOW,
        paths=(Entry(path=_top(run, side)),),
        fields={"rounds": rounds},
        job=None if plan is None else plan.pk,
        ignore_site_includes=True,
        ignore_site_excludes=True,
        dry_run=True,
    )


def _top(run: Run, side: Side) -> bytes:
    """Return where the fileset of a side is now."""
    found = Fileset.objects.filter(site=run.site(side), ident=run.ident(side)).first()
    if found is None:
        raise NoFileset(
            f"{run.called(side)} is no registered fileset any more, or another lies there: register it again with "
            "`argosy fileset add`, or restore single files with `argosy trash` and `argosy versions`"
        )
    return bytes(found.path)
