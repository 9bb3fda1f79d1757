"""What a place that is dead, such as a store that does not answer, means for tasks that wait: those that need it.

Few of them are tried while it lasts, so that other work has the site's slots. They end with one that was tried for the
last time, where others like it were tried meanwhile and met the same.
"""

from collections.abc import Sequence
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
BETWEEN = timedelta(seconds=4)
"""How long after one task another is tried, at least, to find out whether what it needs is back, or was never away."""
_CHOSEN = Q(failures=0, error="", held=False)
"""What is tried when it is due although the place is dead; of what is held back it is told why."""


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


def hold_back(ledger: Ledger, task: Task, told: Report, *, due: datetime) -> None:
    """Have what waits for the place wait as long; but for one task every now and then, which finds out.

    That one is tried again when the others are, and no sooner.
    """
    waiting = _waiting(ledger, task)
    latest = waiting.aggregate(latest=Max("due"))["latest"]
    ledger.change(task, due=max(due, latest or due))
    _choose(waiting, _times(ledger, task, due, told))
    behind = waiting.exclude(_CHOSEN, due__gte=ledger.now).filter(failures__lt=task.failures)
    sooner = behind.filter(Q(due=None) | Q(due__lt=due))
    if sooner.update(due=due, rung_at=None, error=told.error, reason=told.reason):
        changes.note_many(changes.Kind.TASK)
    ledger.known.forget()


def _times(ledger: Ledger, task: Task, until: datetime, told: Report) -> list[datetime]:
    """Return when to find out, behind the times that are chosen: they keep half a slot of the site busy at most."""
    apart = max(BETWEEN, 2 * timedelta(seconds=told.seconds))
    others = _alike(ledger, task).exclude(pk=task.pk)
    chosen = Q(_CHOSEN, state=TaskState.PENDING, due__gte=ledger.now)
    last = others.aggregate(begun=Max("started"), chosen=Max("due", filter=chosen))
    first = max([ledger.now, *(time + apart for time in last.values() if time is not None)])
    return [first + place * apart for place in range(1 + (until - first) // apart)]


def _choose(waiting: QuerySet[Task], times: Sequence[datetime]) -> None:
    """Have some be tried at these times: any of them, for what one behind the other needs is often in one directory."""
    chosen = waiting.filter(failures=0).order_by("taskid").values_list("pk", flat=True)[: len(times)]
    for pk, due in zip(list(chosen), times, strict=False):
        waiting.filter(pk=pk).update(due=due, rung_at=None, error="", reason="")


def to_end_with(ledger: Ledger, task: Task) -> list[Task]:
    """Return what waits for the place, and met the same as this task; or all, where another was tried since and did.

    Where none was it may be this one's own fault: what waits and was not tried yet is tried then.
    """
    since = (task.started or ledger.now) + STANDSTILL
    tried = _failing(ledger, task).filter(started__gte=since)
    waiting = _waiting(ledger, task)
    return ledger.known.hold(waiting if tried.exists() else waiting.filter(failures__gt=0))


def _failing(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the other tasks like it that failed, too."""
    states = (TaskState.PENDING, TaskState.STARTED, TaskState.FAILURE)
    return _alike(ledger, task).exclude(pk=task.pk).filter(failures__gt=0, state__in=states)


def _waiting(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the others that may be tried: what is held until others have ended, or waits for its objects, may not."""
    waiting = _alike(ledger, task).filter(state=TaskState.PENDING, held=False)
    return waiting.exclude(pk=task.pk).exclude(error=Restoring.code)


def _alike(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the tasks of the job that do the same at the same place."""
    return ledger.tasks().filter(job=task.job_id, site=task.site_id, tasktype=task.tasktype, place=task.place)
