"""Jobs that go: because somebody wants it, or because they ended long ago.

To remove the rows of a large job takes longer than others may be kept from writing. So a job is marked first, and
nobody sees it any more; what is kept of it goes bit by bit, and the job last.
"""

from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from argosy.core.errors import NotFound
from argosy.core.states import JOB_ENDED, JobState
from argosy.hub.common import changes
from argosy.hub.common.errors import Conflict
from argosy.hub.common.models import Configuration
from argosy.hub.jobs.models import Job, Submission, Task
from argosy.hub.jobs.rows import marks

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
        Conflict: it has not ended, an agent may still be at a task of it, or it holds snapshots.
    """
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk}")
    if job.state not in JOB_ENDED:
        raise Conflict(f"job {pk} has not ended ({job.state}): cancel it first")
    if job.numopen:
        raise Conflict(f"job {pk} has yet to let go of the snapshots it holds: try again once its last task has ended")
    now = timezone.now()
    busy = Task.objects.filter(job=job, lease_until__gt=now).order_by("-lease_until").first()
    if busy is not None and busy.lease_until is not None:
        left = (busy.lease_until - now).total_seconds()
        raise Conflict(f"{busy.node} may still be at a task of job {pk}: try again in {left:.0f} seconds")
    Job.objects.filter(pk=pk).update(removed=True)
    changes.note(changes.Kind.JOB, [pk])
    log.info("job removed", job=pk)


def expire(now: datetime) -> int:
    """Mark jobs that ended longer ago than `jobs_ttl`, and those so old that nothing was ever given to; count them."""
    since = now - timedelta(days=Configuration.current().jobs_ttl)
    empty = Q(state=JobState.PENDING, numopen=0, created__lt=since)
    old = Job.objects.filter(Q(state__in=JOB_ENDED, completed__lt=since) | empty, removed=False)
    leased = Task.objects.filter(job=OuterRef("pk"), lease_until__gt=now)
    count = old.filter(~Exists(leased)).update(removed=True)
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
