"""The paths that jobs were given, and the jobs that were given paths that begin alike."""

from collections.abc import Iterable, Iterator, Sequence

from django.db.models import Q, QuerySet

from argosy.hub.jobs.blobs import Carried, unpack_carried
from argosy.hub.jobs.models import Job, Submission, Task, TaskEntries

LONGEST = 1024
"""Bytes of a path that are looked at."""


def bounds(given: Sequence[Carried]) -> tuple[bytes, bytes]:
    """Return the beginnings of the first and of the last path, as a submission keeps them."""
    paths = [item.entry.path for item in given]
    return min(paths)[:LONGEST], max(paths)[:LONGEST]


def given_paths(job: Job) -> list[bytes]:
    """Return the paths that were submitted to the job."""
    blobs = Submission.objects.filter(job=job).values_list("paths", flat=True)
    return [item.entry.path for blob in blobs for item in unpack_carried(blob)]


def paths_of(task: Task) -> list[bytes]:
    """Return the paths a task was given."""
    first = TaskEntries.objects.filter(task=task).order_by("attempt").first()
    return [item.entry.path for item in unpack_carried(first.blob)] if first else []


def under(jobs: QuerySet[Job], prefix: bytes) -> QuerySet[Job]:
    """Return those of the jobs that were given a path that begins with the prefix, of `LONGEST` bytes at most.

    Where the first path of a submission begins so, no more is looked at. Only those whose paths lie on both sides of
    the prefix are unpacked.
    """
    begin = Submission.objects.filter(first__gte=prefix, first__lt=_after(prefix))
    between = Submission.objects.filter(first__lt=prefix, last__gte=prefix, job__in=jobs)
    found = {job for job, blob in _blobs(between) if _has(unpack_carried(blob), prefix)}
    return jobs.filter(Q(pk__in=begin.values("job")) | Q(pk__in=found))


def _blobs(submissions: QuerySet[Submission]) -> Iterator[tuple[int, bytes | memoryview]]:
    yield from submissions.values_list("job", "paths").iterator(chunk_size=100)


def _has(given: Iterable[Carried], prefix: bytes) -> bool:
    return any(item.entry.path.startswith(prefix) for item in given)


def _after(prefix: bytes) -> bytes:
    """Return what comes behind all that begins with the prefix: no path goes on with so many 255s."""
    return prefix + b"\xff" * (LONGEST + 1)
