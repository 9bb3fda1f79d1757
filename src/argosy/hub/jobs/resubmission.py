"""Jobs done again: all of them, or only what did not go well."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from argosy.core.entry import Entry, Facts
from argosy.core.errors import Invalid, NotFound
from argosy.core.paths import display
from argosy.core.ready import ready
from argosy.core.states import JOB_ENDED, JobState
from argosy.hub.jobs import leads
from argosy.hub.jobs.blobs import Noted, unpack_carried
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import OWN, WALKS, Job, Result, Submission, Task
from argosy.hub.jobs.services import Asked, Scheduled, record
from argosy.hub.jobs.undone import NOT_WELL
from argosy.hub.sites.links import Linked, mapped

MOST = 100_000
"""Files that are done again one by one; a job with more is done again as a whole, which skips what is as wanted."""
_ONLY_WHERE_GIVEN: Final = {"snapdiff", "rebuild"}
"""Discoveries that begin at the top of a fileset, or go through a site, wherever they are told to look."""
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


def again_of(pk: int, *, owner: User | None) -> Job:
    """Return a new job that does the same, however the last one that did went; raises as `resubmit` does."""
    return _again(Job.objects.get(pk=pk, removed=False), owner=owner, only_failed=False)


def _again(job: Job, *, owner: User | None, only_failed: bool) -> Job:
    """Begin it; the whole of what a schedule began is of that again, so that it can be what schedules alone run."""
    if job.jobtype == OWN:
        raise Invalid(f"job {job.pk} is the hub's own: `argosy gc` begins another")
    if job.applies is not None:
        raise Invalid(
            f"job {job.pk} applied plan {job.applies}: apply that again for what still is as it was seen, or plan again"
        )
    _expect_own_finds(job, only_failed=only_failed)
    if only_failed and leads.of(job.jobtype) is not None:
        raise Invalid(
            f"job {job.pk} is a sync: what did not go well is tried again by the next one: resubmit all of it"
        )
    wanted = list(_not_well(job) if only_failed else _everything(job))
    if not wanted:
        what = _nothing_of(job) if only_failed else "nothing was submitted to it"
        raise Invalid(f"job {job.pk} cannot be resubmitted: {what}")
    scheduled = None
    if job.schedule is not None and not only_failed:
        scheduled = Scheduled(schedule=job.schedule, name=job.schedule_name)
    made = record(wanted[0], owner=owner, resubmission_of=job.pk, scheduled=scheduled)
    Job.objects.filter(pk=made.pk).update(only_failed=only_failed)
    for more in wanted[1:]:
        record(msgspec.structs.replace(more, job=made.pk), owner=owner)
    made.refresh_from_db()
    log.info("job resubmitted", job=job.pk, as_job=made.pk, only_failed=only_failed)
    return made


def _nothing_of(job: Job) -> str:
    """Say why there is nothing to do again of what failed of the job."""
    if job.fed_by is not None and job.numfailedfiles:
        return (
            f"what failed is that job {job.fed_by} found no more, which is part of the same run of schedule "
            f"{job.schedule_name}: run that again"
        )
    cancelled = ": leave out only_failed to have done what was cancelled" if job.state == JobState.CANCELLED else ""
    return f"no file of it failed or was aborted{cancelled}"


def _expect_own_finds(job: Job, *, only_failed: bool) -> None:
    """See to it that nothing is looked for again that a schedule looked for on behalf of several jobs.

    What one of them finds by itself would be no change any more to the others.
    """
    if job.feeds or (job.fed_by is not None and not only_failed):
        what = "" if job.feeds else ", or resubmit what failed of it (only_failed)"
        raise Invalid(f"job {job.pk} is part of a run of schedule {job.schedule_name}: run that again{what}")


def _everything(job: Job) -> Iterator[Asked]:
    for submission in _submissions(job):
        yield _asked(submission, [item.entry for item in unpack_carried(submission.paths)])


def _not_well(job: Job) -> Iterator[Asked]:
    """Yield what to ask: where a discovery did not get somewhere it goes on from there, files are taken as they are.

    Raises:
        Invalid: they are too many; or all that there is are paths where the discovery cannot begin.
    """
    if (files := job.numfailedfiles + job.numabortedfiles) > MOST:
        raise Invalid(f"{files} files of job {job.pk} did not go well, more than {MOST}: resubmit all of it")
    out_of_reach, done = "", False
    for submission in _submissions(job):
        tasks = Task.objects.filter(submission=submission)
        met = list(_bad(tasks.filter(WALKS), submission))
        begins, beyond = _parted(submission, [] if job.fed_by else [entry for entry in met if not entry.state])
        if beyond:
            out_of_reach = out_of_reach or _told_of(submission, beyond)
        if begins:
            done = True
            yield _asked(submission, begins)
        found = [entry for entry in met if entry.state]  # and was not begun, for what was to be done before it
        single = {_said_of(entry): entry for entry in (*found, *_bad(tasks.exclude(WALKS), submission))}
        if single:
            done = True
            asked = _asked(submission, list(single.values()))
            earlier = asked.found or asked.discovery is not None or job.fed_by is not None
            yield msgspec.structs.replace(asked, discovery=None, found=earlier)
    if out_of_reach and not done:
        raise Invalid(f"job {job.pk} cannot be resubmitted: {out_of_reach}")


def _parted(submission: Submission, unseen: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return where the discovery can begin, and where not: some begin only where they were given to."""
    if _asked(submission, []).discovery not in _ONLY_WHERE_GIVEN:
        return list(unseen), []
    given = {item.entry.path for item in unpack_carried(submission.paths)}
    begins = [entry for entry in unseen if entry.path in given]
    return begins, [entry for entry in unseen if entry.path not in given]


def _told_of(submission: Submission, beyond: Sequence[Entry]) -> str:
    """Say why nothing begins at these paths, and what to do."""
    name = _asked(submission, []).discovery
    where = "its fileset" if name == "snapdiff" else "the paths that it was given"
    others = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
    return (
        f"discovery {name} could not deal with {display(beyond[0].path)}{others}, and does not begin there: "
        f"run workflow {submission.job.jobtype} over {where} again"
    )


def _submissions(job: Job) -> Iterator[Submission]:
    """Yield what was asked of the job; a job that was only registered has paths that nothing was asked for."""
    led = leads.of(job.jobtype) is not None
    for submission in Submission.objects.filter(job=job).select_related("job", "site"):
        if submission.asked if led else submission.rules:
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
    unique: dict[object, Entry] = {}
    for row in rows.iterator(chunk_size=_AT_ONCE):
        there = links.setdefault(row.task.site_id, Linked.of(row.task.site))
        for entry in (_as_found(each, there, links[submission.site_id]) for each in noted(row)):
            unique.setdefault(_said_of(entry), entry)
    yield from unique.values()


def _said_of(entry: Entry) -> tuple[bytes, str, bytes | None]:
    """Return what is to be done once: a path may have been moved and updated, or deleted and created."""
    return entry.path, entry.state, entry.source


def _as_found(each: Noted, there: Linked, here: Linked) -> Entry:
    entry = each.outcome.entry
    before = entry.source
    if before is not None and there.name != here.name:
        before = mapped(before, there, here)
    found = Entry(path=each.source or entry.path, kind=entry.kind, state=entry.state, source=before)
    if before is None:
        return found
    known_by = Facts(was=entry.facts.was)
    return msgspec.structs.replace(found, size=entry.size, mtime_ns=entry.mtime_ns, facts=known_by)
