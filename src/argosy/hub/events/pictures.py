"""What a row looks like to those who listen: as the API shows it in a list, made once for all of them."""

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db.models import QuerySet
from rest_framework.renderers import JSONRenderer

from argosy.hub.common import sight
from argosy.hub.common.changes import Kind
from argosy.hub.jobs.api import JobViewSet, TaskViewSet
from argosy.hub.jobs.models import OWN, Job, Task
from argosy.hub.jobs.shapes import JobSerializer, TaskSerializer
from argosy.hub.sites.api import SiteSerializer, SiteViewSet
from argosy.hub.sites.models import Site

_DELETED = "deleted"
AT_ONCE = 500
"""Rows of one question to the database, which limits them."""
_CONTEXT = {"request": None}  # one picture serves all hosts that the hub goes by: its addresses begin with /


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is now, or that it is gone."""

    kind: Kind
    row: int
    job: int | None = None
    """The job it belongs to."""
    own: bool = False
    """Whether it is a job that the hub began for itself, or a task of one: those see it who ask for it by number."""
    name: str
    """Of the event."""
    data: bytes
    """JSON."""

    @property
    def is_gone(self) -> bool:
        """Whether it says no more than that the row is gone."""
        return self.name == _DELETED


def pictures(kind: Kind, rows: Collection[int]) -> Iterator[Picture]:
    """Yield how the rows look now. Of those that are gone, jobs and sites are told; tasks go with their job."""
    left = iter(sorted(rows))
    while some := list(islice(left, AT_ONCE)):
        made = list(_MAKERS[kind](some))
        yield from made
        if kind is not Kind.TASK:
            yield from (_deleted(kind, row) for row in set(some) - {picture.row for picture in made})


def narrowed(user: User, kind: Kind) -> QuerySet[Any] | None:
    """Return the rows that somebody sees; None where he sees all there are."""
    rows = _ROWS[kind].all()
    seen = sight.shown(user, rows)
    return None if seen is rows else seen


def _jobs(rows: Collection[int]) -> Iterator[Picture]:
    job: Job
    for job in JobViewSet.queryset.filter(pk__in=rows).order_by("pk"):
        data = _json(JobSerializer(job, context=_CONTEXT).data)
        yield Picture(kind=Kind.JOB, row=job.pk, job=job.pk, own=job.jobtype == OWN, name="job", data=data)


def _tasks(rows: Collection[int]) -> Iterator[Picture]:
    task: Task
    for task in TaskViewSet.queryset.select_related("job").filter(pk__in=rows).order_by("pk"):
        data = _json(TaskSerializer(task, context=_CONTEXT).data)
        own = task.job.jobtype == OWN
        yield Picture(kind=Kind.TASK, row=task.pk, job=task.job_id, own=own, name="task", data=data)


def _sites(rows: Collection[int]) -> Iterator[Picture]:
    site: Site
    for site in SiteViewSet.queryset.filter(pk__in=rows).order_by("pk"):
        data = _json(SiteSerializer(site, context=_CONTEXT).data)
        yield Picture(kind=Kind.SITE, row=site.pk, name="site", data=data)


def _deleted(kind: Kind, row: int) -> Picture:
    job = row if kind is Kind.JOB else None
    return Picture(kind=kind, row=row, job=job, name=_DELETED, data=_json({"type": kind.value, "id": row}))


def _json(shown: Any) -> bytes:
    """Return the same JSON as the API answers: it has no line ends, which would end a line of an event."""
    made: bytes = JSONRenderer().render(shown)
    return made


_ROWS: dict[Kind, QuerySet[Any]] = {
    Kind.JOB: JobViewSet.queryset,
    Kind.TASK: TaskViewSet.queryset,
    Kind.SITE: SiteViewSet.queryset,
}
_MAKERS: dict[Kind, Callable[[Collection[int]], Iterator[Picture]]] = {
    Kind.JOB: _jobs,
    Kind.TASK: _tasks,
    Kind.SITE: _sites,
}
