"""What one transaction adds up before it writes it: tasks, results, and the changes to tasks and to counts of jobs."""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, QuerySet

from argosy.core import wire
from argosy.core.outcome import Outcome
from argosy.core.paths import above
from argosy.core.states import (
    JOB_NEXT,
    JOB_OPEN,
    TASK_ENDED,
    TASK_NEXT,
    TASK_OPEN,
    FileState,
    JobState,
    TaskState,
    before,
)
from argosy.hub.catalogue.models import Unneeded
from argosy.hub.catalogue.services import record as record_unneeded
from argosy.hub.catalogue.services import unneeded
from argosy.hub.common.changes import Kind, note
from argosy.hub.jobs import feeders, leads, phases
from argosy.hub.jobs.blobs import Carried, Noted, pack_carried, pack_noted
from argosy.hub.jobs.closing import closing
from argosy.hub.jobs.failures import UNWELL, Failures
from argosy.hub.jobs.known import Known
from argosy.hub.jobs.models import COLUMN, Job, Result, Task, TaskEntries
from argosy.hub.jobs.offer import Lane, offer
from argosy.hub.jobs.places import Places
from argosy.hub.jobs.rows import Table, kept
from argosy.hub.sites.models import Site

log = structlog.get_logger()

OPEN_JOB, OPEN_TASK = sorted(JOB_OPEN), sorted(TASK_OPEN)
LONGEST = 64 << 20
"""Bytes that the entries of a task take when they are told of: a report says more of them, in one message, too."""
SURELY = 1000
"""Entries that never take more."""

_CHANGING = (
    "state", "attempt", "failures", "deaths", "lost", "started", "completed", "due", "rung_at", "lease_until", "node",
    "error", "reason", "got_on", "sequence", "after", "phase", "held", "moved_data", *COLUMN.values(),
)  # fmt: skip
_UPDATE = (
    f"UPDATE task SET {', '.join(f'{name} = %s' for name in _CHANGING)} WHERE id = %s AND state = %s AND attempt = %s"  # noqa: S608 - names of columns, not of anybody's making
)

LARGEST = 2**63 - 1
"""What a database counts up to. Sparse files say of themselves that they are as large, and two of them are larger."""
_PLUS = f"CASE WHEN {{0}} > {LARGEST} - %s THEN {LARGEST} ELSE {{0}} + %s END"
_BYTES = {"numbytes", "moved_data"}
_COUNT = "UPDATE jobs_job SET {} WHERE id = %s RETURNING numopen, numheld"
_UNBEGUN = ", ".join(f"'{state}'" for state in before(JobState.STARTED, JOB_NEXT))
_BEGIN = f"UPDATE jobs_job SET state = 'STARTED', started = %s WHERE id = %s AND state IN ({_UNBEGUN})"  # noqa: S608 - states

_TASKS = Table(Task)
_ENTRIES = Table(TaskEntries)
_RESULTS = Table(Result)


class Ending(msgspec.Struct, frozen=True):
    """An entry after a link: its outcome, and what the job counts it as if its way ended here."""

    outcome: Outcome
    source: bytes = b""
    final: FileState | None = None


class Ledger:
    """Collects, and writes everything at once: one statement for many rows, one update for each job.

    Acts on the same task meet here before the database knows of any. So there is one object for each task, a change of
    state is counted where it is made, and who asks the database about tasks gets them by `tasks`.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.known = Known()
        self._jobs: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._tasks: list[tuple[Task, Sequence[Carried]]] = []
        self._entries: list[TaskEntries] = []
        self._changed: dict[int, tuple[Task, str, int]] = {}
        self._results: list[Result] = []
        self._failures = Failures()
        self._touched: set[int] = set()
        self._lanes: set[Lane] = set()
        self._begun: set[int] = set()
        self._walked: set[int] = set()
        self._unneeded: list[Unneeded] = []

    def count(self, job: int, **changes: int) -> None:
        """Add to the counts of a job."""
        self._jobs[job].update(changes)

    def change(self, task: Task, counts: Counter[str] | None = None, **values: Any) -> None:
        """Set values of a task and add to its counts; acts behind this one see them."""
        then = values.get("state", task.state)
        assert then == task.state or then in TASK_NEXT[TaskState(task.state)], f"{task}: {task.state} to {then}"
        known, _, _ = self._changed.setdefault(task.pk, (task, task.state, task.attempt))
        assert known is task, f"{task} is changed as two objects: each loses what the other was told"
        if then != task.state and then in TASK_ENDED:
            self.count(task.job_id, numopen=-1, numbroken=int(then == TaskState.FAILURE))
        was_held = task.held
        for column, value in values.items():
            setattr(task, column, value)
        task.held = task.held and then not in TASK_ENDED
        if task.held != was_held:
            self.count(task.job_id, numheld=task.held - was_held)
        for column, n in (counts or {}).items():
            setattr(task, column, min(getattr(task, column) + n, LARGEST))

    def spawn(self, task: Task, carried: Sequence[Carried]) -> None:
        """Add a task over these entries."""
        task.numfiles = len(carried)
        task.created = self.now
        task.place = self.known.place(task, carried)
        self._tasks.append((task, carried))
        self.count(task.job_id, numopen=1, numheld=int(task.held))
        self.wait(task)

    def keep(self, task: Task, carried: Sequence[Carried]) -> None:
        """Add which entries the task has left from its next attempt on."""
        row = TaskEntries(task_id=task.pk, attempt=task.attempt + 1, count=len(carried), blob=pack_carried(carried))
        self.known.left(task, row)
        self._entries.append(row)

    def wait(self, task: Task) -> None:
        """See to it that the task's site hears of what waits for it."""
        self._lanes.add((task.site_id, task.queue))

    def began(self, task: Task) -> None:
        """Note that a task has begun, and with it perhaps its job; and that its site can be told of another."""
        self._begun.add(task.job_id)
        self.wait(task)

    def walked(self, task: Task) -> None:
        """Note that a task that finds entries has ended, and with it perhaps all the finding."""
        self._walked.add(task.job_id)

    def note(self, task: Task, endings: Iterable[Ending]) -> Counter[str]:
        """Add results, count them at the job where they are final, and return their counts for the task."""
        counts: Counter[str] = Counter()
        alike: defaultdict[tuple[FileState, FileState | None], list[Noted]] = defaultdict(list)
        for ending in endings:
            counts[COLUMN[ending.outcome.state]] += 1
            counts["moved_data"] += ending.outcome.moved
            alike[ending.outcome.state, ending.final].append(Noted(outcome=ending.outcome, source=ending.source))
        for (state, final), noted in alike.items():
            self._add(task, task.attempt, state, noted, final=final.value if final else "")
            if final:
                self.count(task.job_id, **{COLUMN[final]: len(noted)})
        self.count(task.job_id, moved_data=counts["moved_data"])
        return counts

    def need_no_more(self, task: Task, outcomes: Iterable[Outcome]) -> None:
        """Add the objects that the outcomes name as needed no more, whichever attempt says so."""
        for outcome in outcomes:
            for stored in outcome.unneeded:
                self._unneeded.append(unneeded(stored, step=task.tasktype, job=task.job_id, now=self.now))

    def note_all(self, task: Task, state: FileState, count: int, *, error: str = "", reason: str) -> Counter[str]:
        """Add that all entries which the task has left ended alike, count them at the job, and return the counts."""
        row = Result(job_id=task.job_id, task_id=task.pk, attempt=task.attempt, state=state.value, final=state.value)
        row.count, row.error, row.reason = count, error, reason
        self._results.append(row)
        if state in UNWELL:
            self._failures.note_all(row, self.known.entries(task))
        self.count(task.job_id, **{COLUMN[state]: count})
        return Counter({COLUMN[state]: count})

    def note_late(self, task: Task, attempt: int, outcomes: Iterable[Outcome]) -> None:
        """Add, once, what an attempt says that no longer had the task; nothing is counted."""
        if self.results().filter(task=task, attempt=attempt).exclude(blob=None).exists():
            return
        alike: defaultdict[FileState, list[Noted]] = defaultdict(list)
        for outcome in outcomes:
            alike[outcome.state].append(Noted(outcome=outcome))
        for state, noted in alike.items():
            self._add(task, attempt, state, noted, late=True)

    def _add(self, task: Task, attempt: int, state: FileState, noted: Sequence[Noted], **more: Any) -> None:
        row = Result(job_id=task.job_id, task_id=task.pk, attempt=attempt, state=state.value, count=len(noted), **more)
        row.blob = pack_noted(noted)
        self._results.append(row)
        self._failures.note(row, noted)

    def write(self) -> None:
        """Write all of it. Afterwards jobs that have nothing left to do have ended, and sites will be told of tasks."""
        self._write_tasks()
        record_unneeded(self._unneeded)
        self._begin()
        self._finish(self._write_counts())
        offer(self._lanes, self.now)
        self._note_changes()

    def tasks(self) -> QuerySet[Task]:
        """Return all tasks as the acts so far left them: what those changed is in the database afterwards.

        Who changes tasks by a statement has them read anew then.
        """
        self._write_tasks()
        return Task.objects.all()

    def results(self) -> QuerySet[Result]:
        """Return all results, with those of the acts so far."""
        self._write_tasks()
        return Result.objects.all()

    def _write_tasks(self) -> None:
        """Write what changed of tasks, what is new, and all that hangs on them."""
        self._write_changes()
        _TASKS.add([task for task, _ in self._tasks])
        for task, carried in self._tasks:
            self._entries.append(TaskEntries(task_id=task.pk, count=len(carried), blob=pack_carried(carried)))
        _ENTRIES.add(self._entries)
        _RESULTS.add(self._results)
        self._failures.write()
        self._touched |= {task.pk for task, _ in self._tasks}
        for written in (self._tasks, self._entries, self._results):
            written.clear()

    def _note_changes(self) -> None:
        """See to it that those who listen to events hear of all this."""
        note(Kind.JOB, self._jobs.keys() | self._begun | self._walked)
        note(Kind.TASK, self._touched)

    def _write_changes(self) -> None:
        """Update the tasks, each only if it still is what was read."""
        if not self._changed:
            return
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, [_row(*changed) for changed in self._changed.values()])
            if cursor.rowcount != len(self._changed):
                raise DatabaseError("a task was changed by somebody else meanwhile")
        self._touched |= self._changed.keys()
        self._changed.clear()

    def _write_counts(self) -> list[int]:
        """Add to the counts of jobs, and return those that have no open task, or none that is not held."""
        idle = []
        with connection.cursor() as cursor:
            for job, changes in sorted(self._jobs.items()):
                added = {column: min(n, LARGEST) for column, n in changes.items() if n}
                if added:
                    cursor.execute(_COUNT.format(", ".join(map(_plus, added))), [*_values(added), job])
                    idle += [job for numopen, numheld in cursor.fetchall() if numopen == numheld]
        return idle

    def _begin(self) -> None:
        if self._begun:
            with connection.cursor() as cursor:
                cursor.executemany(_BEGIN, [[_adapted(self.now), job] for job in sorted(self._begun)])

    def _finish(self, idle: Sequence[int]) -> None:
        if self._walked:
            walking = Task.objects.filter(job=OuterRef("pk"), chain__isnull=True, state__in=OPEN_TASK)
            Job.objects.filter(~Exists(walking), pk__in=self._walked).update(dir_walk_complete=True)
        for job in Job.objects.filter(pk__in=idle, state__in=OPEN_JOB) if idle else ():
            if job.numheld:
                self.go_on(job)
                continue
            if close(job, self.now):
                continue
            state = verdict(job)
            open_ = Job.objects.filter(pk=job.pk, state__in=before(state, JOB_NEXT))
            if open_.update(state=state, completed=self.now):
                log.info("job ended", job=job.pk, state=state.value, files=job.numfiles, failed=job.numfailedfiles)
                let_go(job, self.now)

    def go_on(self, job: Job) -> None:
        """Begin the next phase where all that the job has left is held, once that is so with those it belongs to."""
        if (turn := feeders.to_go_on(job)) is not None:
            self._lanes |= phases.go_on(turn)


def let_go(job: Job, now: datetime) -> None:
    """Note at the job that feeds this one, if any does, that this one has ended."""
    if job.fed_by is None:
        return
    ledger = Ledger(now)
    ledger.count(job.fed_by, numopen=-1)
    ledger.go_on(job)
    ledger.write()


def close(job: Job, now: datetime) -> bool:
    """Begin what is left to do where a job has no open task; say whether there is anything."""
    left = closing(job)
    ledger = Ledger(now)
    for task, carried in left:
        ledger.spawn(task, carried)
    ledger.write()
    return bool(left)


def _plus(column: str) -> str:
    return f"{column} = {_PLUS.format(column) if column in _BYTES else f'{column} + %s'}"


def _values(added: dict[str, int]) -> Iterable[int]:
    """Return what stands for the marks of `_plus`."""
    return (value for column, n in added.items() for value in [n] * (2 if column in _BYTES else 1))


def _row(task: Task, state: str, attempt: int) -> list[Any]:
    return [*(_adapted(getattr(task, name)) for name in _CHANGING), task.pk, state, attempt]


def _adapted(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return kept(value) if isinstance(value, str) else value


def verdict(job: Job) -> JobState:
    """Return how a job with no open task ended; aborted entries do not make it fail."""
    if job.numfailedfiles or job.numbroken:
        return JobState.FAILURE
    return JobState.SKIPPED if _did_nothing(job) else JobState.SUCCESS


def _did_nothing(job: Job) -> bool:
    """Say whether a job had nothing to do: no files, or, of one that is led, only such as are left alone as asked for.

    Who leads tells of those in every run: they are no work that was found.
    """
    return not job.numfiles or (job.numskippedfiles == job.numfiles and leads.of(job.jobtype) is not None)


def chunks(carried: Sequence[Carried], site: Site, places: Places | None = None) -> Iterable[list[Carried]]:
    """Yield the entries in batches of the site's size: as many files, and as much data, whichever is less.

    All entries of a batch need the same roots and datastores. Those that get each other's names stay together: in a
    batch alone they can swap. Where the site wants very many files in a batch, it holds only as many as can be told of
    in one message.
    """
    alike: defaultdict[Hashable, list[Sequence[Carried]]] = defaultdict(list)
    for some in _together(carried):
        alike[places.of(some) if places else None].append(some)
    for groups in alike.values():
        yield from _cut(groups, site)


def _cut(groups: Iterable[Sequence[Carried]], site: Site) -> Iterable[list[Carried]]:
    batch: list[Carried] = []
    held = told = 0
    for some in groups:
        size = sum(item.entry.size for item in some)
        length = sum(map(_length, some)) if site.file_batch_size > SURELY else 0
        full = len(batch) + len(some) > site.file_batch_size or held + size > site.file_batch_gb << 30
        if batch and (full or told + length > LONGEST):
            yield batch
            batch, held, told = [], 0, 0
        batch += some
        held += size
        told += length
    if batch:
        yield batch


def _length(item: Carried) -> int:
    return len(wire.dump(item.entry))


def _together(carried: Sequence[Carried]) -> Iterable[Sequence[Carried]]:
    """Yield each entry, with those that have to do with the names that it has or is to get, or with what lies there."""
    moved = [item for item in carried if item.entry.source is not None and item.entry.source != item.entry.path]
    if not moved:
        return ((item,) for item in carried)
    names = {name for item in moved for name in _own_names(item)}
    groups: dict[bytes, list[Carried]] = {}
    for item in carried:
        own = list(_names(item, names))
        found = {id(group): group for name in own if (group := groups.get(name)) is not None}
        *others, group = sorted(found.values(), key=len) or [[]]
        joined = [item, *(each for other in others for each in other)]
        group += joined
        groups |= {name: group for each in joined for name in _names(each, names)}
    return {id(group): group for group in groups.values()}.values()


def _own_names(item: Carried) -> Iterable[bytes]:
    return (item.entry.path,) if item.entry.source is None else (item.entry.path, item.entry.source)


def _names(item: Carried, moved: Collection[bytes]) -> Iterator[bytes]:
    """Yield the names of the entry; of one that is moved, also those above that others have or are to get."""
    for name in _own_names(item):
        yield name
        yield from (each for each in above(name) if each in moved) if item.entry.source is not None else ()
