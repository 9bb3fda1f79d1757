"""What is to be said of a job."""

from datetime import datetime
from typing import Final

from argosy.core.states import JOB_ENDED, JobState
from argosy.hub.jobs import leads
from argosy.hub.jobs.explain import failed, waiting
from argosy.hub.jobs.explain.causes.asked import ALIKE, CANCELLED, FOLLOWS, NO_WORK, NOTHING_CHANGED, NOTHING_FOUND
from argosy.hub.jobs.explain.causes.turns import QUEUED, RUNNING
from argosy.hub.jobs.explain.words import Told, Trouble, counted, named
from argosy.hub.jobs.models import Job, Plan

SNAPDIFF: Final = "snapdiff"
"""The discovery that finds what changed."""
ONE_WAY: Final = "site_sync"
"""The workflow that leaves alone what only the other site has."""
LOOKS = 3
"""How often what is open of a job is looked for, at most."""


def explain(job: Job, now: datetime) -> Told:
    """Return why the job is not done yet, what of it did not go well and for which causes; what matters most first."""
    open_ = _open(job, now)
    unwell, examined = failed.troubles(job)
    causes = [*open_, *unwell] if any(map(_hinders, open_)) else [*unwell, *open_]
    if job.state == JobState.CANCELLED:
        causes.sort(key=lambda one: one.cause is not CANCELLED)
    if not causes and not job.numfiles and not job.numopen:
        causes = [_nothing(job)]
    return Told(
        job=job.pk,
        state=job.state,
        summary=_summary(job, causes, now),
        causes=causes,
        examined=examined,
        unwell=job.numfailedfiles + job.numabortedfiles,
    )


def _nothing(job: Job) -> Trouble:
    """Return why a job has no files with which nothing went wrong."""
    cause, reason = NO_WORK, ""
    if job.state in JOB_ENDED and leads.of(job.jobtype) is not None:
        cause = FOLLOWS if job.jobtype == ONE_WAY else ALIKE
    elif job.state in JOB_ENDED and job.discovery == SNAPDIFF and not job.numuntaken:
        cause = NOTHING_CHANGED
    elif job.state in JOB_ENDED:
        cause = NOTHING_FOUND
        found = f"{counted(job.numuntaken, 'entry')} {'was' if job.numuntaken == 1 else 'were'} found"
        reason = f"{found}, and no rule is for any of that" if job.numuntaken else "nothing was found"
    return Trouble(cause=cause, state=job.state.lower(), files=0, site=job.site.name, reason=reason)


def _open(job: Job, now: datetime) -> list[Trouble]:
    """Return what keeps the job from its end, and one that was cancelled from letting go of its snapshots.

    Tasks change while they are looked at: if all slipped by, look again.
    """
    for _ in range(LOOKS):
        if job.state in JOB_ENDED and not job.numopen:
            return []
        if found := waiting.troubles(job, now):
            return found
        job.refresh_from_db()
    running = Trouble(cause=RUNNING, state="running", files=0, site=job.site.name)
    return [running] if job.numopen else []


def _hinders(trouble: Trouble) -> bool:
    """Say whether the trouble, rather than time, keeps the job from its end."""
    return trouble.cause not in {RUNNING, QUEUED} or trouble.state == "waiting"


def _summary(job: Job, causes: list[Trouble], now: datetime) -> str:
    name = f"{'Plan' if job.dry_run else 'Job'} {job.pk} ({job.jobtype} at {job.site.name})"
    runs = job.state == JobState.PENDING and bool(causes) and causes[0].state == "running"  # since it was read
    state = JobState.STARTED if runs else JobState(job.state)
    stands = (_STANDS | (_PLAN_STANDS if job.dry_run else {}))[state]
    if not causes:
        return f"{name} {stands}: {_would(job) if job.dry_run else _did(job)}"
    if job.state == JobState.FAILURE and not job.numfiles and not job.dry_run:
        stands = "failed"
    if job.state == JobState.SUCCESS and not job.dry_run:
        some = job.numprocessedfiles + job.numskippedfiles
        stands = f"ended, but {'not with all' if some else 'with nothing'} that it was to do"
    first, due = causes[0], causes[0].next_try
    again = f"; the next try is in {max(0, round((due - now).total_seconds()))} s" if due else ""
    who = f" ({first.reason})" if first.cause is CANCELLED else ""
    return f"{name} {stands}: {first.sentence()}{who}{again}{_still_held(job, causes)}"


def _still_held(job: Job, causes: list[Trouble]) -> str:
    """Say what keeps a job that has ended from letting go of its snapshots."""
    left = [one for one in causes if one.state in {"waiting", "running"}] if job.state in JOB_ENDED else []
    return f"; it has yet to let go of its snapshots: {left[0].sentence()}" if left else ""


def _did(job: Job) -> str:
    """Say what a job did with which nothing is wrong: what it left alone is not as if it had been done."""
    done, skipped = job.numprocessedfiles, job.numskippedfiles
    said = [f"{counted(done, 'file')} {'is as it was' if done == 1 else 'are as they were'} to be"]
    if skipped:
        left = _left(job, "was" if skipped == 1 else "were")
        said = [*said, left] if done else [left]
    return " and ".join(said)


def _would(job: Job) -> str:
    """Say what a plan foresees without trouble: nothing of it was done."""
    done = job.numprocessedfiles
    said = [f"{counted(done, 'file')} would be dealt with"] if done else []
    said += [_left(job, "would be")] if job.numskippedfiles else []
    return " and ".join(said) + (f"; {_next(job)}" if done else "")


def _next(plan: Job) -> str:
    """Say how a plan is applied, or which job did."""
    found = Plan.objects.filter(job=plan).first()
    if found is not None and found.applied_id is not None:
        return f"job {found.applied_id} applied it"
    return f"do it with `argosy apply {plan.pk}`"


def _left(job: Job, be: str) -> str:
    """Say how many files are left alone, and why one of them is."""
    reason, path = failed.left_out(job)
    example = f", {named(path)} for one: {reason}" if path is not None else ""
    return f"{counted(job.numskippedfiles, 'file')} {be} left alone{example}"


_STANDS = {
    JobState.PENDING: "waits",
    JobState.STARTED: "goes on",
    JobState.SUCCESS: "ended well",
    JobState.FAILURE: "failed, at least in part",
    JobState.SKIPPED: "had nothing to do",
    JobState.CANCELLED: "has ended",
}
_PLAN_STANDS = {
    JobState.PENDING: "waits to be made",
    JobState.STARTED: "is being made",
    JobState.SUCCESS: "is made, and nothing was changed",
    JobState.FAILURE: "is made, and foresees failures; nothing was changed",
}
"""The same of a plan."""
