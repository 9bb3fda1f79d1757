"""Which tasks a site is told of, and when: a window of those that wait, later links of chains first.

A window, because a job of a hundred million files makes millions of tasks, and an agent's memory is not the place
to keep them. Later links first, so that a file arrives while the walk still goes on.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from argosy.hub.common import turns
from argosy.hub.jobs import bells, suspects
from argosy.hub.jobs.models import Task
from argosy.hub.jobs.rows import Table
from argosy.hub.sites.models import Site

WINDOW = 256
"""Tasks of one queue that a site may have been told of and not have claimed."""

Lane = tuple[int, str]
"""A site's id and a queue."""

_SITES = Table(Site)
_WAITING = "FROM task WHERE site_id = %s AND queue = %s AND state = 'PENDING' AND"
_TOLD = f"SELECT count(*) {_WAITING} rung_at IS NOT NULL"
_READY = "rung_at IS NULL AND NOT held AND (due IS NULL OR due <= %s)"
_UNTOLD = f"SELECT id {_WAITING} {_READY} ORDER BY seq DESC, id LIMIT %s"
_TELL_TOGETHER = f"""
WITH untold AS MATERIALIZED ({_UNTOLD} FOR UPDATE SKIP LOCKED)
UPDATE task SET rung_at = %s WHERE id IN (SELECT id FROM untold) RETURNING seq, id, taskid, attempt
"""  # noqa: S608 - the same
"""Where others tell of tasks at the same time: of those that they are at, nothing is said here."""
_TELL = f"UPDATE task SET rung_at = %s WHERE id IN ({_UNTOLD}) RETURNING seq, id, taskid, attempt"  # noqa: S608 - nobody's words are in it


def offer(lanes: Iterable[Lane], now: datetime) -> None:
    """Tell sites of tasks that wait, once this transaction is committed; nothing where enough are told of already.

    While a task is tried alone they are told of no other.
    """
    lanes = list(lanes)
    known = suspects.suspects() if lanes else []
    if suspects.hold(known, now):
        _try_next(known, now)
    else:
        _tell(lanes, now)


def _try_next(known: Sequence[Task], now: datetime) -> None:
    if task := suspects.to_try(known, now):
        _tell_of(task, now)


def offer_again(patience: timedelta, now: datetime) -> None:
    """Tell sites again of suspects that nobody claimed for so long: the others, who waited once, do not wait again."""
    for task in suspects.suspects():
        if suspects.unanswered(task, now, patience):
            _tell_of(task, now - suspects.ANSWER)


def _tell_of(task: Task, told: datetime) -> None:
    if Task.objects.filter(pk=task.pk, attempt=task.attempt, state=task.state).update(rung_at=told):
        _ring((task.site_id, task.queue), [(task.seq, task.pk, task.taskid, task.attempt)])


def _tell(lanes: Iterable[Lane], now: datetime) -> None:
    adapted = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        for lane in lanes:
            cursor.execute(_TOLD, lane)
            (told,) = cursor.fetchone()
            if told <= WINDOW // 2:
                if turns.locks_rows():
                    cursor.execute(_TELL_TOGETHER, [*lane, adapted, WINDOW - told, adapted])
                else:
                    cursor.execute(_TELL, [adapted, *lane, adapted, WINDOW - told])
                _ring(lane, cursor.fetchall())


def _ring(lane: Lane, told: Sequence[tuple[int, int, str | UUID, int]]) -> None:
    """Ring, once this transaction is committed, for tasks that were told of in whatever order."""
    if not told:
        return
    site, queue = lane
    (row,) = _SITES.having("id", [site])
    for _, _, taskid, attempt in sorted(told, key=lambda task: (-task[0], task[1])):
        transaction.on_commit(partial(bells.ring, row.name, str(UUID(str(taskid))), attempt, queue))
