"""What becomes of the tasks of a job that is cancelled: one statement for all of them, however many there are."""

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from argosy.core.states import TASK_NEXT, FileState, TaskState, before
from argosy.hub.common import changes
from argosy.hub.jobs.late import WHILE
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import COLUMN, WALKS, Job, Queue, Task, TaskEntries

_WAITED = "the job was cancelled"
_RAN = f"{WHILE}: it may have been done"
_OPEN = ", ".join(f"'{state}'" for state in sorted(before(TaskState.CANCELLED, TASK_NEXT)))
_NOTE = f"""
INSERT INTO jobs_result (job_id, task_id, attempt, state, final, late, count, error, reason)
SELECT task.job_id, task.id, task.attempt, %s, %s, %s, entries.count, '',
       CASE task.state WHEN 'STARTED' THEN %s ELSE %s END
FROM task JOIN jobs_taskentries entries ON entries.task_id = task.id
WHERE task.job_id = %s AND task.state IN ({_OPEN}) AND (task.chain IS NOT NULL OR task.queue = %s) AND entries.attempt =
      (SELECT max(attempt) FROM jobs_taskentries WHERE task_id = task.id)
"""  # noqa: S608 - states


def cancel_tasks(ledger: Ledger, job: Job) -> None:
    """Mark what had not ended; the entries it had left are cancelled. The counts of the job come with the ledger.

    What acts before this one in the same transaction did to the tasks is seen, and those behind it see them cancelled.

    What a discovery was given is no file of the job: only what it found is.
    """
    tasks = ledger.tasks().filter(job=job, state__in=before(TaskState.CANCELLED, TASK_NEXT))
    working = tasks.exclude(WALKS)
    if connection.features.has_select_for_update:  # elsewhere nobody else writes meanwhile
        len(tasks.select_for_update().order_by("pk").values_list("pk"))
    with connection.cursor() as cursor:
        state = FileState.CANCELLED.value
        cursor.execute(_NOTE, [state, state, False, _RAN, _WAITED, job.pk, Queue.TRANSFER.value])
    working.update(**{_CANCELLED: _left()})
    ledger.count(job.pk, **_counts(tasks, working))
    changes.note(changes.Kind.TASK, tasks.order_by().values_list("pk", flat=True)[: changes.MOST + 1])
    tasks.update(state=TaskState.CANCELLED, completed=ledger.now, deaths=0, held=False)
    ledger.known.forget()


_CANCELLED = COLUMN[FileState.CANCELLED]


def _left() -> Subquery:
    return Subquery(TaskEntries.objects.filter(task=OuterRef("pk")).order_by("-attempt").values("count")[:1])


def _counts(tasks: QuerySet[Task], working: QuerySet[Task]) -> dict[str, int]:
    """Return what to add to the counts of the job; given paths that were not looked at yet are new to it."""
    new = Coalesce(Sum(F(_CANCELLED), filter=Q(chain=None)), 0)
    sums = working.aggregate(cancelled=Coalesce(Sum(F(_CANCELLED)), 0), new=new)
    opened = tasks.aggregate(count=Count("pk"), held=Count("pk", filter=Q(held=True)))
    of_tasks = {"numopen": -opened["count"], "numheld": -opened["held"]}
    return {**of_tasks, "numfiles": sums["new"], _CANCELLED: sums["cancelled"]}
