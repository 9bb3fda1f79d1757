"""What a place that is dead, such as a store that does not answer, means for tasks that wait: those that need it.

Few of them are tried while it lasts, so that other work has the site's slots. They end with one that was tried for the
last time, where others like it were tried meanwhile and met the same.
"""

from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet

from argosy.core.errors import ArgosyError, Invalid, Restoring, Unsupported
from argosy.core.faults import Occupied
from argosy.core.report import Report
from argosy.core.states import TaskState
from argosy.hub.common import changes
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Task

STANDSTILL = timedelta(seconds=10)
"""How long nothing must have got through to a place before what needs it is held back with a task that failed."""


def is_of_a_place(told: Report) -> bool:
    """Say whether the attempt ended for something that others meet as well, such as a store that does not answer."""
    own_faults = {ArgosyError.code, Invalid.code, Unsupported.code, Occupied.code}
    return bool(told.error) and told.retry and told.error not in own_faults


def is_dead(ledger: Ledger, task: Task, told: Report, *, within: timedelta, outage: timedelta) -> bool:
    """Say whether it is the place, and not something in the task: nothing of the tasks like it gets through.

    No entry has ended well lately, and none of them has been at it for longer than it would have taken to fail as this
    one did.
    """
    alike, since = _alike(ledger, task), ledger.now - within
    ended = Q(completed__gte=since, state__in=(TaskState.SUCCESS, TaskState.ERROR))
    patience = min(max(2 * timedelta(seconds=told.seconds), STANDSTILL), outage)
    at_it = Q(state=TaskState.STARTED, rung_at__lt=ledger.now - patience, lease_until__gte=ledger.now)
    return not alike.filter(ended | Q(got_on__gte=since) | at_it).exists()


def hold_back(ledger: Ledger, task: Task, told: Report, *, due: datetime, outage: timedelta) -> None:
    """Have what waits for the place wait as long; but for one task every now and then, which finds out.

    That one is tried again when the others are, and no sooner.
    """
    latest = _waiting(ledger, task).aggregate(latest=Max("due"))["latest"]
    ledger.change(task, due=max(due, latest or due))
    waiting = _waiting(ledger, task).filter(failures=0)
    if _is_one_to_be_tried(ledger, task, outage) and (one := waiting.order_by("pk").first()):
        waiting.filter(pk=one.pk, due__gt=ledger.now).update(due=ledger.now)
        waiting = waiting.exclude(pk=one.pk)
    sooner = waiting.filter(Q(due=None) | Q(due__lt=due))
    if sooner.update(due=due, rung_at=None, error=told.error, reason=told.reason):
        changes.note_many(changes.Kind.TASK)
    ledger.known.forget()


def to_end_with(ledger: Ledger, task: Task) -> list[Task]:
    """Return what waits for the place, where another was tried since this task was, and met the same.

    Where none was it may be this one's own fault: what waits is tried then.
    """
    since = (task.started or ledger.now) + STANDSTILL
    tried = _failing(ledger, task).filter(started__gte=since)
    return ledger.known.hold(_waiting(ledger, task)) if tried.exists() else []


def _is_one_to_be_tried(ledger: Ledger, task: Task, outage: timedelta) -> bool:
    """Say whether none was lately of those that wait, or is about to be; or no other than this was at all."""
    begun = (task.started or ledger.now) - outage
    if not _failing(ledger, task).filter(Q(completed=None) | Q(completed__gte=begun)).exists():
        return True
    about_to_be = Q(state=TaskState.PENDING, started=None) & (Q(due=None) | Q(due__lte=ledger.now))
    return not _alike(ledger, task).filter(about_to_be | Q(started__gte=ledger.now - STANDSTILL)).exists()


def _failing(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the other tasks like it that failed, too."""
    states = (TaskState.PENDING, TaskState.STARTED, TaskState.FAILURE)
    return _alike(ledger, task).exclude(pk=task.pk).filter(failures__gt=0, state__in=states)


def _waiting(ledger: Ledger, task: Task) -> QuerySet[Task]:
    return _alike(ledger, task).filter(state=TaskState.PENDING).exclude(pk=task.pk).exclude(error=Restoring.code)


def _alike(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the tasks of the job that do the same at the same place."""
    return ledger.tasks().filter(job=task.job_id, site=task.site_id, tasktype=task.tasktype, place=task.place)
