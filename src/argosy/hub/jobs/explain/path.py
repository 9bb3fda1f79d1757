"""What is to be said of a path: which jobs have it or had it, what became of it there, and what keeps it now."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome
from argosy.core.paths import absolute, below, display, to_json
from argosy.core.states import JOB_OPEN, TASK_OPEN, FileState
from argosy.hub.jobs.blobs import unpack_carried
from argosy.hub.jobs.explain import waiting
from argosy.hub.jobs.explain.causes import cause_of
from argosy.hub.jobs.explain.causes.asked import CANCELLED
from argosy.hub.jobs.explain.failed import who_cancelled
from argosy.hub.jobs.explain.words import Trouble, counted
from argosy.hub.jobs.failures import results_of
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.models import Job, Result, Task, TaskEntries
from argosy.hub.sites.models import Site

ROWS = 2_000
"""Results, of some 40 files each, that are looked through, the latest first."""
OPEN_TASKS = 500
"""Tasks that are not done whose entries are looked through."""
_AT_ONCE = 100
LATEST = 10
"""How many of the things that happened to it are told."""


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """What a job made of the path."""

    job: int
    jobtype: str
    site: str
    step: str
    state: str
    reason: str
    error: str
    when: datetime | None
    stored: Stored | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        kept = ("job", "jobtype", "site", "step", "state", "reason", "error", "when")
        return {name: getattr(self, name) for name in kept}


class PathTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a path. `stored`: the copy that the last job that knew of one left."""

    path: bytes
    sites: list[str]
    summary: str
    causes: list[Trouble]
    history: list[Happened]
    stored: Stored | None
    whole: bool
    """Whether all that is recorded was looked through."""

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        stored = self.stored
        return {
            **to_json(self.path),
            "sites": self.sites,
            "summary": self.summary,
            "causes": [trouble.to_json() for trouble in self.causes],
            "history": [one.to_json() for one in self.history],
            "object": None if stored is None else {"datastore": stored.datastore, "key": stored.key},
            "whole": self.whole,
        }


def explain(path: bytes, now: datetime, *, site: str | None = None) -> PathTold:
    """Return what is recorded of the path, at one site or at all whose roots hold it.

    Raises:
        Invalid: it is no path, or lies below no root.
    """
    path = absolute(path)
    sites = _sites(path, site)
    history, whole = _history(path, sites)
    causes = [*_open(path, sites, now), *_last(history, path)]
    stored = next((one.stored for one in history if one.stored is not None), None)
    return PathTold(
        path=path,
        sites=[known.name for known in sites],
        summary=_summary(path, causes, history, whole=whole),
        causes=causes,
        history=history[:LATEST],
        stored=stored,
        whole=whole,
    )


def _sites(path: bytes, name: str | None) -> list[Site]:
    asked = Site.objects.all() if name is None else Site.objects.filter(name=name)
    sites = [site for site in asked if not site.roots or any(below(path, root.encode()) for root in site.roots)]
    if not sites:
        where = f"site {name}" if name else "any site"
        known = ", ".join(f"{site.name} ({', '.join(site.roots)})" for site in Site.objects.all())
        raise Invalid(f"path {display(path)!r} lies below no root of {where}: known are {known or 'none'}")
    return sites


def _history(path: bytes, sites: Sequence[Site]) -> tuple[list[Happened], bool]:
    """Return what happened to the path, the latest first, and whether nothing earlier was left out."""
    here = {site.name for site in sites}
    latest = list(Result.objects.filter(late=False).order_by("-id").values_list("pk", flat=True)[:ROWS])
    wanted = sorted({*latest, *results_of(path, LATEST)}, reverse=True)
    found: list[Happened] = []
    for start in range(0, len(wanted), _AT_ONCE):
        rows = Result.objects.filter(pk__in=wanted[start : start + _AT_ONCE]).order_by("-id")
        for row in rows.select_related("task__site", "job"):
            found += _of_row(row, path, here)
        if len(found) >= LATEST:
            return found, False
    return found, len(latest) < ROWS


def _of_row(row: Result, path: bytes, sites: set[str]) -> Iterator[Happened]:
    if row.job.dry_run:  # nothing happened
        return
    here = row.task.site.name in sites
    for each in noted(row):
        if path == (each.outcome.entry.path if here else each.source):
            yield _happened(row, each.outcome)


def _happened(row: Result, outcome: Outcome) -> Happened:
    return Happened(
        job=row.job_id,
        jobtype=row.job.jobtype,
        site=row.task.site.name,
        step=row.task.tasktype,
        state=row.state,
        reason=outcome.reason,
        error=outcome.error,
        when=row.task.completed or row.task.started,
        stored=outcome.entry.facts.stored,
    )


def _open(path: bytes, sites: Sequence[Site], now: datetime) -> list[Trouble]:
    """Return why jobs that have the path, or may come to it, have not done it yet."""
    found: list[Trouble] = []
    for job in Job.objects.filter(pk__in=_holding(path, sites)).order_by("-pk"):
        found += [msgspec.structs.replace(one, jobs=(job.pk, *one.jobs)) for one in waiting.troubles(job, now)[:1]]
    return found


def _holding(path: bytes, sites: Sequence[Site]) -> set[int]:
    """Return the open jobs that were given the path, or something above it that is still walked, or work on it."""
    tasks = Task.objects.filter(site__in=sites, state__in=TASK_OPEN, job__state__in=JOB_OPEN).order_by("id")
    found: set[int] = set()
    for task in tasks[:OPEN_TASKS]:
        if task.job_id not in found and _has(task, path):
            found.add(task.job_id)
    return found


def _has(task: Task, path: bytes) -> bool:
    entries = TaskEntries.objects.filter(task=task).order_by("-attempt").first()
    if entries is None:
        return False
    paths = (item.entry.path for item in unpack_carried(entries.blob))
    return any(below(path, given) if task.finds else given == path for given in paths)


def _last(history: Sequence[Happened], path: bytes) -> Iterator[Trouble]:
    """Yield what kept the path from being done in the last job that had it, if it was not done."""
    if not history or history[0].state not in {FileState.FAILED, FileState.ABORTED, FileState.CANCELLED}:
        return
    last = history[0]
    cancelled = last.state == FileState.CANCELLED
    yield Trouble(
        cause=CANCELLED if cancelled else cause_of(last.error),
        state=last.state,
        files=1,
        site=last.site,
        step=last.step,
        reason=f"{last.reason}; {who_cancelled(Job.objects.get(pk=last.job))}" if cancelled else last.reason,
        path=path,
        jobs=(last.job,),
    )


def _summary(path: bytes, causes: Sequence[Trouble], history: Sequence[Happened], *, whole: bool) -> str:
    if causes:
        return f"{display(path)}: {causes[0].sentence()}"
    if history:
        last = history[0]
        return f"{display(path)}: {last.step.rpartition('.')[2]} of job {last.job} {last.state} it, and nothing waits"
    if whole:
        return f"{display(path)}: no job had it, as far as is recorded"
    return f"{display(path)}: none of the latest {counted(ROWS, 'result')} tells of it"
