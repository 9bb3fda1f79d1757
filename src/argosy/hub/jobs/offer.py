"""Which tasks a site is told of, and when: a window of those that wait, later links of chains first.

A window, because a job of a hundred million files makes millions of tasks, and an agent's memory is not the place
to keep them. Later links first, so that a file arrives while the walk still goes on.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from argosy.hub.jobs import bells
from argosy.hub.jobs.rows import Table
from argosy.hub.sites.models import Site

WINDOW = 256
"""Tasks of one queue that a site may have been told of and not have claimed."""

Lane = tuple[int, str]
"""A site's id and a queue."""

_SITES = Table(Site)
_WAITING = "FROM task WHERE site_id = %s AND queue = %s AND state = 'PENDING' AND"
_TOLD = f"SELECT count(*) {_WAITING} rung_at IS NOT NULL"
_UNTOLD = f"SELECT id {_WAITING} rung_at IS NULL AND (due IS NULL OR due <= %s) ORDER BY seq DESC, id LIMIT %s"
_TELL = f"UPDATE task SET rung_at = %s WHERE id IN ({_UNTOLD}) RETURNING seq, id, taskid, attempt"  # noqa: S608 - nobody's words are in it


def offer(lanes: Iterable[Lane], now: datetime) -> None:
    """Tell sites of tasks that wait, once this transaction is committed; nothing where enough are told of already."""
    adapted = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        for lane in lanes:
            cursor.execute(_TOLD, lane)
            (told,) = cursor.fetchone()
            if told <= WINDOW // 2:
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
