"""The files of jobs and tasks and what became of them, read blob by blob."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from django.db.models import F, Max, QuerySet, Sum, Window

from argosy.core.errors import Unavailable
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.common.paging import Slices
from argosy.hub.jobs.blobs import Carried, Noted, unpack_carried, unpack_noted
from argosy.hub.jobs.models import Job, Result, Task, TaskEntries

_NEAR = 2_000
"""Files from either end within which a page is found without adding up all that is before it."""
_PIECE = 100
"""Results that are read at once for somebody who wants all of them."""


class FileNote(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry in one task; `source`: where it was found, if that is elsewhere."""

    outcome: Outcome
    state: str
    source: bytes
    site: str
    task: str
    step: str


class JobFiles(Slices[FileNote]):
    """The files of a job as it counts them, and as they are now: each once for every chain, where its way ended."""

    def __init__(self, job: Job, state: FileState | None) -> None:
        self._job, self._finals = job.pk, [state.value] if state else [state.value for state in FileState]
        self._seen: tuple[int, int] | None = None

    def count(self, _value: Any = None) -> int:
        """Return how many there are."""
        files, _ = self._now()
        return files

    def read(self, start: int, stop: int) -> list[FileNote]:
        """Return those from `start` up to `stop`, unpacking only the blobs they are in."""
        places = [place for place in self._places(start, stop) if place.at < stop and place.at + place.files > start]
        if not places:
            return []
        rows = Result.objects.filter(pk__in=[place.pk for place in places]).select_related("task__site").order_by("id")
        notes = [note for row in rows for note in notes_of(row)]
        return notes[start - places[0].at : stop - places[0].at]

    def pieces(self) -> Iterator[list[FileNote]]:
        """Yield all of them, some thousand at a time, holding nothing between.

        Raises:
            Unavailable: some have been removed meanwhile.
        """
        rows = heapq.merge(*map(self._ended_as, self._finals), key=attrgetter("pk"))
        left = self.count()
        while some := list(islice(rows, _PIECE)):
            left -= sum(row.count for row in some)
            yield [note for row in some for note in notes_of(row)]
        if left:
            raise Unavailable(f"files of job {self._job} have been removed while they were read")

    def _ended_as(self, final: str) -> Iterator[Result]:
        """Yield the rows of one state: the index has them in order, as it has not those of several."""
        rows, seen = self._rows().filter(final=final).select_related("task__site"), 0
        while some := list(rows.filter(pk__gt=seen)[:_PIECE]):
            yield from some
            seen = some[-1].pk

    def _now(self) -> tuple[int, int]:
        """Return how many files there were when somebody first asked, and the last row they are in."""
        if self._seen is None:
            now = self._all().aggregate(files=Sum("count"), last=Max("id"))
            self._seen = now["files"] or 0, now["last"] or 0
        return self._seen

    def _places(self, start: int, stop: int) -> "list[_Place]":
        """Return where rows stand in the list: those of the page, and perhaps others.

        No row is empty, so that a page near either end is found among as many rows as there are files up to that end.
        """
        files, _ = self._now()
        if stop <= _NEAR:
            return _placed(self._rows().values_list("pk", "count")[:stop])
        if files - start <= _NEAR:
            rows = list(self._rows().order_by("-id").values_list("pk", "count")[: files - start])
            return _placed(reversed(rows), files - sum(count for _, count in rows))
        upto = Window(Sum("count"), order_by="id")
        found = self._rows().annotate(upto=upto).filter(upto__gt=start, upto__lt=F("count") + stop)
        return [_Place(pk, upto - count, count) for pk, count, upto in found.values_list("pk", "count", "upto")]

    def _rows(self) -> QuerySet[Result]:
        _, last = self._now()
        return self._all().filter(pk__lte=last).order_by("id")

    def _all(self) -> QuerySet[Result]:
        return Result.objects.filter(job=self._job, final__in=self._finals).order_by()


class _Place(NamedTuple):
    """Where the files of a row stand in the list."""

    pk: int
    at: int
    files: int


def _placed(rows: Iterable[tuple[int, int]], at: int = 0) -> list[_Place]:
    places = []
    for pk, count in rows:
        places.append(_Place(pk, at, count))
        at += count
    return places


def task_files(task: Task, *, state: str | None, kind: str | None, site: str | None) -> list[FileNote]:
    """Return what became of the entries of a task, each once, as its step reported it."""
    rows = Result.objects.filter(task=task, late=False).select_related("task__site")
    notes = [note for row in (rows.filter(state=state) if state else rows) for note in notes_of(row, own=True)]
    return [note for note in notes if kind in {None, note.outcome.entry.kind.value} and site in {None, note.site}]


def notes_of(row: Result, *, own: bool = False) -> Iterator[FileNote]:
    """Yield the files of a row, in the state the job counts them as or, `own`, that the step reported."""
    state, site = row.state if own else row.final, row.task.site.name
    task, step = str(row.task.taskid), row.task.tasktype
    for each in noted(row):
        yield FileNote(outcome=each.outcome, state=state, source=each.source, site=site, task=task, step=step)


def noted(row: Result) -> list[Noted]:
    """Return the outcomes of a row, with where their entries were found."""
    if row.blob is not None:
        return unpack_noted(row.blob)
    entries = TaskEntries.objects.filter(task=row.task_id, attempt__lte=row.attempt).latest("attempt")
    return [_alike(item, row) for item in unpack_carried(entries.blob)]


def _alike(item: Carried, row: Result) -> Noted:
    outcome = Outcome(entry=item.entry, state=FileState(row.state), reason=row.reason, error=row.error)
    return Noted(outcome=outcome, source=item.source)
