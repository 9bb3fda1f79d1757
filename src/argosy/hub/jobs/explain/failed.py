"""What of a job did not go well, by cause: how many files each, and one of them."""

from collections.abc import Iterator

import msgspec
from django.db.models import Min, QuerySet, Sum

from argosy.core.states import FileState, JobState, TaskState
from argosy.hub.jobs import leads
from argosy.hub.jobs.blobs import unpack_carried, unpack_noted
from argosy.hub.jobs.closing import ROTATE
from argosy.hub.jobs.explain.causes import cause_of
from argosy.hub.jobs.explain.causes.asked import CANCELLED
from argosy.hub.jobs.explain.words import Trouble
from argosy.hub.jobs.failures import UNWELL
from argosy.hub.jobs.given import paths_of
from argosy.hub.jobs.models import Job, Result, Task, TaskEntries

EXAMINED = 20_000
"""Results of single files that are looked at: what a job of millions suffers from shows in these."""
_Key = tuple[str, str, str, str]
"""Name of the cause, state, site, step."""


class Groups:
    """Adds up what is alike."""

    def __init__(self) -> None:
        self._found: dict[_Key, Trouble] = {}

    def add(self, trouble: Trouble) -> None:
        """Count it to those of the same cause, state, site and step; the first of them is the example."""
        key = (trouble.cause.name, trouble.state, trouble.site, trouble.step)
        known = self._found.get(key)
        if known is None:
            self._found[key] = trouble
        else:
            self._found[key] = msgspec.structs.replace(known, files=known.files + trouble.files)

    def add_unless_known(self, trouble: Trouble) -> None:
        """Add what comes of a cause, unless that is told of for the site."""
        known = {(one.cause.name, one.site) for one in self._found.values()}
        if (trouble.cause.name, trouble.site) not in known:
            self.add(trouble)

    def largest_first(self) -> list[Trouble]:
        """Return them: failed before aborted before cancelled, and what concerns most files first."""
        order = [state.value for state in (*UNWELL, FileState.CANCELLED)]
        return sorted(self._found.values(), key=lambda one: (order.index(one.state), -one.files))


def troubles(job: Job) -> tuple[list[Trouble], int]:
    """Return why files of the job did not go well, and how many of their results were looked at."""
    groups = Groups()
    rows = Result.objects.filter(job=job, final__in=UNWELL)
    examined = 0
    for trouble in _together(rows.filter(blob=None)):
        groups.add(trouble)
        examined += trouble.files
    for trouble in _each(rows.exclude(blob=None).order_by("id")):
        groups.add(trouble)
        examined += 1
        if examined >= EXAMINED:
            break
    for trouble in _broken(job):
        groups.add_unless_known(trouble)
    if job.state == JobState.CANCELLED:
        groups.add(_cancelled(job))
    return [*_led(job), *groups.largest_first()], examined


def _together(rows: QuerySet[Result]) -> Iterator[Trouble]:
    """Yield tasks that broke with all they had left, those of one reason as one."""
    alike = rows.values("final", "error", "reason", "task__site__name", "task__tasktype")
    for found in alike.annotate(files=Sum("count"), first=Min("id")).order_by("first"):
        yield Trouble(
            cause=cause_of(found["error"]),
            state=found["final"],
            files=found["files"],
            site=found["task__site__name"],
            step=found["task__tasktype"],
            reason=found["reason"],
            path=_first_path(found["first"]),
        )


def _first_path(result: int) -> bytes | None:
    row = Result.objects.get(pk=result)
    entries = TaskEntries.objects.filter(task=row.task_id, attempt__lte=row.attempt).latest("attempt")
    return next((item.origin for item in unpack_carried(entries.blob)), None)


def _each(rows: QuerySet[Result]) -> Iterator[Trouble]:
    for row in rows.select_related("task__site").iterator(chunk_size=100):
        assert row.blob is not None
        for noted in unpack_noted(row.blob):
            outcome = noted.outcome
            yield Trouble(
                cause=cause_of(outcome.error),
                state=row.final,
                files=1,
                site=row.task.site.name,
                step=row.task.tasktype,
                reason=outcome.reason,
                path=outcome.entry.path,
            )


def _broken(job: Job) -> Iterator[Trouble]:
    """Yield tasks that broke and have nothing that is a file of the job: what is left to do at its end."""
    for task in Task.objects.filter(job=job, tasktype=ROTATE, chain=None, state=TaskState.FAILURE).select_related(
        "site"
    ):
        yield Trouble(
            cause=cause_of(task.error),
            state=FileState.FAILED.value,
            files=0,
            site=task.site.name,
            step=task.tasktype,
            reason=task.reason,
            path=paths_of(task)[0],
        )


def _led(job: Job) -> Iterator[Trouble]:
    """Yield why whoever leads the job ended it: that comes before whatever became of files."""
    for lead in Task.objects.filter(job=job, tasktype=leads.LEAD, state=TaskState.FAILURE):
        failed = FileState.FAILED.value
        yield Trouble(cause=cause_of(lead.error), state=failed, files=0, site=job.site.name, reason=lead.reason)


def _cancelled(job: Job) -> Trouble:
    return Trouble(
        cause=CANCELLED,
        state=FileState.CANCELLED.value,
        files=job.numcancelledfiles,
        site=job.site.name,
        reason=who_cancelled(job),
        since=job.completed,
    )


def who_cancelled(job: Job) -> str:
    """Return who did and when, in words."""
    if not job.cancelled_by or job.completed is None:
        return "nothing is recorded of who did"
    return f"{job.cancelled_by} cancelled it at {job.completed:%Y-%m-%d %H:%M:%S} UTC"


def left_out(job: Job) -> tuple[str, bytes | None]:
    """Return why the first entry that was skipped was, and which that is; nothing where none was."""
    row = Result.objects.filter(job=job, final=FileState.SKIPPED).order_by("id").first()
    if row is None:
        return "", None
    if row.blob is None:
        return row.reason, _first_path(row.pk)
    outcome = unpack_noted(row.blob)[0].outcome
    return outcome.reason, outcome.entry.path
