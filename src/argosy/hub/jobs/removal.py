"""Jobs that go: because somebody wants it, or because they ended long ago.

To remove the rows of a large job takes longer than others may be kept from writing. So a job is marked first, and
nobody sees it any more; what is kept of it goes bit by bit, and the job last.
"""

from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from argosy.core.errors import NotFound
from argosy.core.states import JOB_ENDED, JOB_OPEN, JobState, TaskState
from argosy.hub.common import changes
from argosy.hub.common.errors import Conflict
from argosy.hub.common.models import Configuration
from argosy.hub.jobs.ledger import OPEN_TASK, Ledger
from argosy.hub.jobs.models import Job, Submission, Task
from argosy.hub.jobs.rows import marks
from argosy.hub.sites.models import Site
from argosy.hub.sites.presence import is_gone, serving

_TABLES = (
    ("jobs_failure", "task_id"),
    ("jobs_result", "task_id"),
    ("jobs_taskentries", "task_id"),
    ("task", "id"),
)
"""What is kept of tasks, and how it names them."""
TASKS_AT_ONCE = 500
"""Tasks that go, with all that is kept of them, in one transaction."""

log = structlog.get_logger()


@transaction.atomic
def remove(pk: int) -> None:
    """Mark the job as removed: it is listed no more.

    Raises:
        NotFound: there is no such job.
        Conflict: it has not ended, or the run of a schedule has not that it is part of; an agent may still be at a task
            of it; or it holds snapshots, at a site that may yet let go of them.
    """
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk}")
    if job.state not in JOB_ENDED:
        raise Conflict(f"job {pk} has not ended ({job.state}): cancel it first")
    if job.fed_by is not None and _runs().filter(pk=job.fed_by).exists():
        raise Conflict(
            f"job {pk} is part of a run of schedule {job.schedule_name} that goes on, and counts when the snapshots "
            f"are rotated: try again once job {job.fed_by} has ended, or cancel that"
        )
    now = timezone.now()
    if job.numopen:
        _give_up_snapshots(job, now)
    busy = Task.objects.filter(job=job, lease_until__gt=now).order_by("-lease_until").first()
    if busy is not None and busy.lease_until is not None:
        left = (busy.lease_until - now).total_seconds()
        raise Conflict(f"{busy.node} may still be at a task of job {pk}: try again in {left:.0f} seconds")
    Job.objects.filter(pk=pk).update(removed=True)
    changes.note(changes.Kind.JOB, [pk])
    log.info("job removed", job=pk)


def _runs() -> QuerySet[Job]:
    """Return the jobs that go on and feed others: how those went decides on the snapshots."""
    return Job.objects.filter(feeds=True, state__in=sorted(JOB_OPEN))


def _give_up_snapshots(job: Job, now: datetime) -> None:
    """Cancel what is left to do with the snapshots that a job holds, if that is at sites which are no more.

    Raises:
        Conflict: a site is still there.
    """
    ledger = Ledger(now)
    left = ledger.tasks().filter(job=job, state__in=OPEN_TASK).select_related("site")
    for task in left:
        if not is_gone(task.site, now):
            raise Conflict(
                f"job {job.pk} has yet to let go of the snapshots it holds at site {task.site}: try again once its "
                f"last task has ended{_wait_for(task.site, now)}"
            )
    for task in ledger.known.hold(left.select_for_update(of=("self",))):
        ledger.change(task, state=TaskState.CANCELLED.value, completed=now, reason=f"site {task.site} is gone")
        log.warning("snapshots are left at a site that is gone", job=job.pk, site=task.site.name)
    ledger.write()


def _wait_for(site: Site, now: datetime) -> str:
    """Say what is to be done for the site to end its last task."""
    if serving(site, now):
        return ""
    return (
        f"; no node serves site {site}: start its agent, or, if there is no such site any more, remove it from the "
        "configuration and restart the hub"
    )


def expire(now: datetime) -> int:
    """Mark jobs that ended longer ago than `jobs_ttl`, and those so old that nothing was ever given to; count them."""
    since = now - timedelta(days=Configuration.current().jobs_ttl)
    empty = Q(state=JobState.PENDING, numopen=0, created__lt=since)
    old = Job.objects.filter(Q(state__in=JOB_ENDED, completed__lt=since) | empty, removed=False)
    leased = Task.objects.filter(job=OuterRef("pk"), lease_until__gt=now)
    count = old.filter(~Exists(leased), ~Exists(_runs().filter(pk=OuterRef("fed_by")))).update(removed=True)
    if count:
        changes.note_many(changes.Kind.JOB)
        log.info("old jobs removed", jobs=count, ended_before=since.isoformat())
    return count


def purge() -> bool:
    """Delete a part of what is kept of a removed job; say whether there may be more."""
    job = Job.objects.filter(removed=True).order_by("pk").values_list("pk", flat=True).first()
    if job is None:
        return False
    tasks = list(Task.objects.filter(job=job).order_by("pk").values_list("pk", flat=True)[:TASKS_AT_ONCE])
    if tasks:
        _delete(tasks)
    else:
        Submission.objects.filter(job=job).delete()
        Job.objects.filter(pk=job).delete()
    return True


def _delete(tasks: list[int]) -> None:
    """Delete tasks and what hangs on them. By hand: the framework would read every row first."""
    with connection.cursor() as cursor:
        for table, column in _TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE {column} IN {marks(tasks)}", tasks)  # noqa: S608 - fixed names
