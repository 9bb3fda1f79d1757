"""Questions about jobs and tasks: lists, and the files of each, read blob by blob."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from django.db.models import F, Q, QuerySet, Sum, Window
from django.utils import timezone

from argosy.core.outcome import Outcome
from argosy.core.states import FileState, JobState
from argosy.hub.common.paging import Slices
from argosy.hub.jobs.blobs import Carried, Noted, unpack_carried, unpack_noted
from argosy.hub.jobs.models import OWN, Job, Result, Submission, Task, TaskEntries

WINDOWS = {"day": 1, "week": 7, "month": 30, "year": 365}
"""Named creation times, in days."""
_RANGES = {
    "created_time_from": "created__gte",
    "created_time_to": "created__lte",
    "completed_time_from": "completed__gte",
    "completed_time_to": "completed__lte",
    "jobtype": "jobtype",
    "site_id": "site",
    "state": "state__in",
}


class FileNote(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry in one task; `source`: where it was found, if that is elsewhere."""

    outcome: Outcome
    state: str
    source: bytes
    site: str
    task: str
    step: str


def matching(jobs: QuerySet[Job], asked: Mapping[str, Any]) -> QuerySet[Job]:
    """Return the jobs asked for."""
    asked = dict(asked)
    if "jobtype" not in asked:
        jobs = jobs.exclude(jobtype=OWN)
    if "created" in asked:
        asked.pop("created_time_from", None)
        asked.pop("created_time_to", None)
        if (window := asked["created"]) in WINDOWS:
            jobs = jobs.filter(created__gte=timezone.now() - timedelta(days=WINDOWS[window]))
    jobs = jobs.filter(**{_RANGES[key]: value for key, value in asked.items() if key in _RANGES})
    if owners := asked.get("owner_ids"):
        known = Q(owner__in=[owner for owner in owners if owner != -1])
        jobs = jobs.filter(known | Q(owner=None) if -1 in owners else known)
    if asked.get("clientkey_ids") or asked.get("schedule_ids"):
        jobs = jobs.none()  # no job is started by a key or a schedule yet
    if asked.get("hide_noop"):
        jobs = jobs.exclude(state=JobState.SUCCESS, numprocessedfiles=0)
    return jobs


def given_paths(job: Job) -> list[bytes]:
    """Return the paths that were submitted to the job."""
    blobs = Submission.objects.filter(job=job).values_list("paths", flat=True)
    return [item.entry.path for blob in blobs for item in unpack_carried(blob)]


def paths_of(task: Task) -> list[bytes]:
    """Return the paths a task was given."""
    first = TaskEntries.objects.filter(task=task).order_by("attempt").first()
    return [item.entry.path for item in unpack_carried(first.blob)] if first else []


class JobFiles(Slices[FileNote]):
    """The files of a job as it counts them: each once for every chain, where its way ended."""

    def __init__(self, job: Job, state: FileState | None) -> None:
        rows = Result.objects.filter(job=job).order_by("id")
        self._rows = rows.filter(final=state) if state else rows.exclude(final="")
        self._count: int | None = None

    def count(self, _value: Any = None) -> int:
        """Return how many there are."""
        if self._count is None:
            self._count = self._rows.aggregate(files=Sum("count"))["files"] or 0
        return self._count

    def read(self, start: int, stop: int) -> list[FileNote]:
        """Return those from `start` up to `stop`, unpacking only the blobs they are in."""
        upto = Window(Sum("count"), order_by="id")
        rows = self._rows.annotate(upto=upto).filter(upto__gt=start, upto__lt=F("count") + stop)
        notes: list[FileNote] = []
        before: int | None = None
        for row in rows.select_related("task__site"):
            before = row.upto - row.count if before is None else before
            notes += _notes(row)
        return notes[start - before : stop - before] if before is not None else []


def task_files(task: Task, *, state: str | None, kind: str | None, site: str | None) -> list[FileNote]:
    """Return what became of the entries of a task, as its step reported it."""
    rows = Result.objects.filter(task=task).select_related("task__site")
    notes = [note for row in (rows.filter(state=state) if state else rows) for note in _notes(row, own=True)]
    return [note for note in notes if kind in {None, note.outcome.entry.kind.value} and site in {None, note.site}]


def _notes(row: Result, *, own: bool = False) -> Iterator[FileNote]:
    """Yield the files of a row, in the state the job counts them as or, `own`, that the step reported."""
    for noted in _noted(row):
        yield FileNote(
            outcome=noted.outcome,
            state=row.state if own else row.final,
            source=noted.source,
            site=row.task.site.name,
            task=str(row.task.taskid),
            step=row.task.tasktype,
        )


def _noted(row: Result) -> list[Noted]:
    if row.blob is not None:
        return unpack_noted(row.blob)
    entries = TaskEntries.objects.filter(task=row.task_id, attempt__lte=row.attempt).latest("attempt")
    return [_alike(item, row) for item in unpack_carried(entries.blob)]


def _alike(item: Carried, row: Result) -> Noted:
    outcome = Outcome(entry=item.entry, state=FileState(row.state), reason=row.reason, error=row.error)
    return Noted(outcome=outcome, source=item.source)
