"""Tasks at which the agents died again and again: each is tried alone, so that the one that kills them is found.

When the agents die, all that they ran is begun again. One task that kills them would have all others begin again for
ever, and those that ran beside it each time look like it. So nothing else begins for a while beside one of them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from argosy.core.states import TaskState
from argosy.hub.jobs.models import SUSPECT, Task

MOST = 10
"""Deaths after which a task is not begun again, whatever ran beside it."""
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
    return max(first, key=lambda task: (task.due is not None, task.due, task.pk), default=None)


def awaited(known: Sequence[Task], now: datetime) -> list[Task]:
    """Return the suspects that are to begin before all else: none of a queue that did not answer for one."""
    waiting = [task for task in known if task.state == TaskState.PENDING and (task.due is None or task.due <= now)]
    mute = {(task.site_id, task.queue) for task in waiting if unanswered(task, now, ANSWER)}
    return [task for task in waiting if (task.site_id, task.queue) not in mute]


def unanswered(task: Task, now: datetime, patience: timedelta) -> bool:
    """Say whether its site was told of it so long ago, and nobody claimed it."""
    return task.state == TaskState.PENDING and task.rung_at is not None and now - task.rung_at >= patience


def is_condemned(task: Task) -> bool:
    """Say whether it is not to begin again."""
    return task.deaths >= MOST


def died_once_more(task: Task, *, alone: bool) -> dict[str, object]:
    """Return the values of a task that the agents ran when they died, `alone` or beside others."""
    deaths = task.deaths + 1
    times = "once" if deaths == 1 else f"{deaths} times"
    reason = f"the agents died {times} while they ran this task"
    if alone and deaths > SUSPECT:
        reason += ", the last time while they ran nothing else"
        deaths = MOST
    again = "not begun again" if deaths >= MOST else "begun again"
    return {"deaths": deaths, "due": task.rung_at, "error": DIED, "reason": f"{reason}: it is {again}"}
