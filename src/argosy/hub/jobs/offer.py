"""Which tasks a site is told of, and when: a window of those that wait, later links of chains first.

A window, because a job of a hundred million files makes millions of tasks, and an agent's memory is not the place
to keep them. Later links first, so that a file arrives while the walk still goes on.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet

from argosy.core.states import TaskState
from argosy.hub.jobs import bells
from argosy.hub.jobs.models import Task

WINDOW = 256
"""Tasks of one queue that a site may have been told of and not have claimed."""

Lane = tuple[int, str]
"""A site's id and a queue."""


def offer(lanes: Iterable[Lane], now: datetime) -> None:
    """Tell sites of tasks that wait, once this transaction is committed; nothing where enough are told of already."""
    for site, queue in lanes:
        waiting = Task.objects.filter(site=site, queue=queue, state=TaskState.PENDING)
        told = waiting.filter(rung_at__isnull=False).count()
        if told <= WINDOW // 2:
            _ring(list(_untold(waiting, now)[: WINDOW - told]), now)


def _untold(waiting: QuerySet[Task], now: datetime) -> QuerySet[Task]:
    due = Q(due__isnull=True) | Q(due__lte=now)
    return waiting.filter(due, rung_at__isnull=True).order_by("-seq", "id").select_related("site")


def _ring(tasks: list[Task], now: datetime) -> None:
    if tasks:
        Task.objects.filter(pk__in=[task.pk for task in tasks]).update(rung_at=now)
    for task in tasks:
        transaction.on_commit(partial(bells.ring, task.site.name, str(task.taskid), task.attempt, task.queue))
