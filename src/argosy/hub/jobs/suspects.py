"""Tasks at which the agents died again and again: each is tried alone, so that the one that kills them is found.

When the agents die, all that they ran is begun again. One task that kills them would have all others begin again for
ever, and those that ran beside it each time look like it. So nothing else begins for a while beside one of them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet

from argosy.core.states import TaskState
from argosy.hub.jobs.models import SUSPECT, Task

BESIDE = 10
"""Deaths of a task up to which those count at which another began after it: that one may be to blame as well."""
MOST = BESIDE + 4
"""Deaths after which a task is not begun again: it began last at several of them at least."""
TRIAL = timedelta(seconds=30)
"""How long nothing begins beside a suspect; twice as long for each death more, for some tasks kill late."""
ANSWER = timedelta(seconds=10)
"""How long others wait for a suspect that its site was told of: where the site is not served nobody claims it.

They wait for no other suspect of the same queue of that site either, and not again, until it is claimed.
"""
DIED = "agent_died"
"""Stands in the place of an error where the agents died while they ran the task."""

_SUSPECTS = f"SELECT id FROM task WHERE deaths >= {SUSPECT}"  # noqa: S608 - a number


def suspects() -> list[Task]:
    """Return the open tasks that are suspected; to find none, as nearly always, costs next to nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_SUSPECTS)
        found = [pk for (pk,) in cursor.fetchall()]
    return list(Task.objects.filter(pk__in=found)) if found else []


def hold(known: Sequence[Task], now: datetime) -> bool:
    """Say whether nothing else is to begin, for one of them is on trial or about to be."""
    return any(on_trial(task, now) for task in known) or bool(awaited(known, now))


def may_begin(task: Task, now: datetime) -> bool:
    """Say whether the task may begin beside what is on trial, or about to be."""
    others = [other for other in suspects() if other.pk != task.pk]
    if task.deaths >= SUSPECT:
        return not any(on_trial(other, now) for other in others)
    return not hold(others, now)


def on_trial(task: Task, now: datetime) -> bool:
    """Say whether it runs, and nothing else is to begin yet."""
    if task.state != TaskState.STARTED or task.rung_at is None:
        return False
    return now - task.rung_at < trial(task)


def trial(task: Task) -> timedelta:
    """Return how long nothing begins beside it."""
    return TRIAL * (1 << task.deaths - SUSPECT)


def to_try(known: Sequence[Task], now: datetime) -> Task | None:
    """Return the suspect whose site is to be told of it now: the one that began last when the agents died.

    What kills them within its trial was the last to begin when it did, so it is alone the next time.
    """
    first = awaited(known, now)
    if any(on_trial(task, now) for task in known) or any(task.rung_at is not None for task in first):
        return None
    return max(first, key=lambda task: (is_condemned(task), task.due is not None, task.due, task.pk), default=None)


def awaited(known: Sequence[Task], now: datetime) -> list[Task]:
    """Return the suspects that are to begin before all else: none of a queue that did not answer for one."""
    waiting = [task for task in known if _waits(task, now)]
    mute = {(task.site_id, task.queue) for task in waiting if unanswered(task, now, ANSWER)}
    return [task for task in waiting if (task.site_id, task.queue) not in mute]


def _waits(task: Task, now: datetime) -> bool:
    return task.state == TaskState.PENDING and not task.held and (task.due is None or task.due <= now)


def unanswered(task: Task, now: datetime, patience: timedelta) -> bool:
    """Say whether its site was told of it so long ago, and nobody claimed it."""
    return task.state == TaskState.PENDING and task.rung_at is not None and now - task.rung_at >= patience


def is_condemned(task: Task) -> bool:
    """Say whether it is not to begin again."""
    return task.deaths >= MOST


def died_once_more(task: Task, *, alone: bool, last: bool) -> dict[str, Any]:
    """Return the values of a task that the agents ran when they died: `alone`, or as the one that began `last`."""
    deaths = task.deaths + 1
    known = min(deaths, task.attempt)  # one that is suspected for another has not met as many
    reason = f"the agents died {'once' if known == 1 else f'{known} times'} while they ran this task"
    if not last:
        deaths = max(task.deaths, min(deaths, BESIDE))
    if alone and deaths > SUSPECT and known > 1:
        reason += ", the last time while they ran nothing else"
        deaths = MOST
    again = "not begun again" if deaths >= MOST else "begun again"
    return {"deaths": deaths, "due": task.rung_at, "error": DIED, "reason": f"{reason}: it is {again}"}


def alike(task: Task, tasks: QuerySet[Task], now: datetime) -> Task | None:
    """Return a task to be suspected from its beginning, for one of its job that does the same is condemned.

    One at a time, and the next when that one is condemned as well: a job full of them comes to its end soon, and of
    one that has a single one no other task is tried alone but the next.
    """
    like_it = tasks.filter(job=task.job_id, tasktype=task.tasktype, state=TaskState.PENDING)
    if like_it.filter(deaths__gte=SUSPECT, deaths__lt=MOST).exists():
        return None
    unhurt = like_it.filter(Q(due=None) | Q(due__lte=now), held=False, deaths__lt=SUSPECT, attempt=F("deaths") + 1)
    return unhurt.order_by("pk").first()


def suspected_for(task: Task) -> dict[str, Any]:
    """Return the values of a task that is suspected for another, and tried right after it."""
    return {
        "deaths": SUSPECT,
        "due": task.due,
        "reason": "the agents died each time they ran another that does the same",
    }
