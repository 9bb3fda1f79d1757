"""Jobs done again: all of them, or only what did not go well."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from argosy.core.entry import Entry
from argosy.core.errors import Invalid, NotFound
from argosy.core.ready import ready
from argosy.core.states import JOB_ENDED, FileState, JobState
from argosy.hub.jobs.blobs import Noted, unpack_carried
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import OWN, WALKS, Job, Result, Submission, Task
from argosy.hub.jobs.services import Asked, record
from argosy.hub.sites.links import Linked, mapped

NOT_WELL = (FileState.FAILED, FileState.ABORTED)
"""What is done again where only that is wanted."""
MOST = 100_000
"""Files that are done again one by one; a job with more is done again as a whole, which skips what is as wanted."""
QUICK = timedelta(seconds=10)
"""Within it the same asked for again is the same: somebody clicked twice, or the first answer was lost."""
_AT_ONCE = 200
"""Results that are read at once."""

log = structlog.get_logger()


@transaction.atomic
def resubmit(pk: int, *, owner: User | None, only_failed: bool = False) -> Job:
    """Return a new job that does the same over the same paths, or over the files that failed or were aborted.

    While the job has not ended, nothing happens and it is returned; while one that does the same of it again has not,
    and shortly after one was asked for, that one.

    Raises:
        NotFound: there is no such job.
        Invalid: nothing of it can be done again, or not any more: the workflow has other fields, say, or is disabled.
    """
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk}")
    if job.state not in JOB_ENDED:
        return job
    again = Job.objects.filter(resubmission_of=pk, only_failed=only_failed, removed=False)
    now = timezone.now()
    quick = Q(created__range=(now - QUICK, now + QUICK)) & ~Q(state=JobState.CANCELLED)
    return again.filter(Q(state__in=OPEN_JOB) | quick).first() or _again(job, owner=owner, only_failed=only_failed)


def _again(job: Job, *, owner: User | None, only_failed: bool) -> Job:
    if job.jobtype == OWN:
        raise Invalid(f"job {job.pk} is the hub's own: `argosy gc` begins another")
    if job.applies is not None:
        raise Invalid(
            f"job {job.pk} applied plan {job.applies}: apply that again for what still is as it was seen, or plan again"
        )
    wanted = list(_not_well(job) if only_failed else _everything(job))
    if not wanted:
        what = "no file of it failed or was aborted" if only_failed else "nothing was submitted to it"
        raise Invalid(f"job {job.pk} cannot be resubmitted: {what}")
    made = record(wanted[0], owner=owner, resubmission_of=job.pk)
    Job.objects.filter(pk=made.pk).update(only_failed=only_failed)
    for more in wanted[1:]:
        record(msgspec.structs.replace(more, job=made.pk), owner=owner)
    made.refresh_from_db()
    log.info("job resubmitted", job=job.pk, as_job=made.pk, only_failed=only_failed)
    return made


def _everything(job: Job) -> Iterator[Asked]:
    for submission in _submissions(job):
        yield _asked(submission, [item.entry for item in unpack_carried(submission.paths)])


def _not_well(job: Job) -> Iterator[Asked]:
    """Yield what to ask: where a discovery did not get somewhere it goes on from there, files are taken as they are."""
    if (files := job.numfailedfiles + job.numabortedfiles) > MOST:
        raise Invalid(f"{files} files of job {job.pk} did not go well, more than {MOST}: resubmit all of it")
    for submission in _submissions(job):
        tasks = Task.objects.filter(submission=submission)
        if entries := list(_bad(tasks.filter(WALKS), submission)):
            yield _asked(submission, entries)
        if entries := list(_bad(tasks.exclude(WALKS), submission)):
            yield msgspec.structs.replace(_asked(submission, entries), discovery=None)


def _submissions(job: Job) -> Iterator[Submission]:
    """Yield what was asked of the job; a job that was only registered has paths that nothing was asked for."""
    for submission in Submission.objects.filter(job=job).select_related("job", "site"):
        if submission.rules:
            yield submission


def _asked(submission: Submission, entries: Sequence[Entry]) -> Asked:
    """Return what was asked, for these entries; of submissions from before that was kept, what their job says."""
    job = submission.job
    said = submission.asked or {"workflow": job.jobtype, "fields": job.fields, "discovery": job.discovery}
    asked = msgspec.convert({**said, "site": submission.site.name, "paths": []}, ready(Asked))
    return msgspec.structs.replace(asked, paths=entries)


def _bad(tasks: QuerySet[Task], submission: Submission) -> Iterator[Entry]:
    """Yield the entries of these tasks that did not go well, each once, as they were found at the site."""
    rows = Result.objects.filter(task__in=tasks, final__in=NOT_WELL).select_related("task__site").order_by("id")
    links = {submission.site_id: Linked.of(submission.site)}
    unique: dict[bytes, Entry] = {}
    for row in rows.iterator(chunk_size=_AT_ONCE):
        there = links.setdefault(row.task.site_id, Linked.of(row.task.site))
        for entry in (_as_found(each, there, links[submission.site_id]) for each in noted(row)):
            unique.setdefault(entry.path, entry)
    yield from unique.values()


def _as_found(each: Noted, there: Linked, here: Linked) -> Entry:
    entry = each.outcome.entry
    before = entry.source
    if before is not None and there.name != here.name:
        before = mapped(before, there, here)
    return Entry(path=each.source or entry.path, state=entry.state, source=before)
