"""Phases of a job: tasks of a later one are held until nothing of those before is left to do, at whichever site.

A discovery hands out its findings in phases. Where it comes to the next while tasks of the one before are open, it is
held, and begins another attempt there when they have ended: it keeps no slot meanwhile. Entries that are given with
states have tasks from the beginning, of which those of later phases are held.

A job whose open tasks are all held goes on with those of the lowest phase. It counts both, so that this costs nothing
where there are no phases; and the last report of a phase and what begins the next are recorded together.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import structlog
from django.db.models import F, Min, QuerySet

from argosy.core.paths import above
from argosy.core.phases import DELETED, EMPTIED, MOVED, named, phase_of
from argosy.core.renames import Rename, arranged
from argosy.hub.common import changes
from argosy.hub.jobs.blobs import Carried
from argosy.hub.jobs.models import Job, Task

HELD: Final = "in_turn"
"""Stands in the place of an error where a task waits for an earlier phase."""

log = structlog.get_logger()


def waiting(phase: int, *, behind: int) -> dict[str, Any]:
    """Return the values of a task that is held for a phase; `behind`: the one before, which it waits for."""
    return {"held": True, "phase": phase, "error": HELD, "reason": f"waits for {named(behind)} to be done"}


def held(task: Task, phase: int, *, behind: int) -> Task:
    """Return the task, which is new, as one that is held."""
    for name, value in waiting(phase, behind=behind).items():
        setattr(task, name, value)
    return task


def in_phases(given: Iterable[Carried]) -> list[tuple[int, list[Carried]]]:
    """Return the entries by phase, by the states that were given with them, lowest first.

    A directory that something is to move out of is deleted after that.
    """
    phases: defaultdict[int, list[Carried]] = defaultdict(list)
    for item in given:
        phases[phase_of(item.entry.state)].append(item)
    moved = phases.pop(MOVED, [])
    left = {directory for item in moved for directory in above(item.entry.source or b"")}
    for item in phases.pop(DELETED, []):
        phases[EMPTIED if item.entry.path in left else DELETED].append(item)
    for phase, some in enumerate(_in_order(moved), MOVED):
        phases[phase] = some
    return sorted(phases.items())


def _in_order(moved: Sequence[Carried]) -> Iterator[list[Carried]]:
    """Yield what can be moved at once, then what can be moved after that; last what can only be tried."""
    known = [item for item in moved if item.entry.source is not None]
    order = arranged([Rename(item.entry.source or b"", item.entry.path) for item in known])
    for level in order.levels:
        yield [known[number] for number in level]
    rest = [item for item in moved if item.entry.source is None] + [known[number] for number in sorted(order.stuck)]
    if rest:
        yield rest


def go_on(job: Job) -> set[tuple[int, str]]:
    """Have the held tasks of the lowest phase be offered; return the sites and queues that they are for."""
    waiting = Task.objects.filter(job=job, held=True)
    phase = waiting.aggregate(phase=Min("phase"))["phase"]
    tasks = waiting.filter(phase=phase)
    lanes = set(tasks.order_by().values_list("site", "queue").distinct())
    changes.note(changes.Kind.TASK, tasks.order_by().values_list("pk", flat=True)[: changes.MOST + 1])
    count = _let_go(tasks)
    Job.objects.filter(pk=job.pk).update(numheld=F("numheld") - count)
    log.info("phase begun", job=job.pk, phase=phase, tasks=count)
    return lanes


def _let_go(tasks: QuerySet[Task]) -> int:
    return tasks.update(held=False, error="", reason="", rung_at=None, due=None)
