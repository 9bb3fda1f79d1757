"""What is to be said of a job."""

from datetime import datetime

from argosy.core.states import JOB_ENDED, JobState
from argosy.hub.jobs.explain import failed, waiting
from argosy.hub.jobs.explain.causes import CANCELLED, NOTHING_FOUND, QUEUED, RUNNING
from argosy.hub.jobs.explain.words import Told, Trouble, counted
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.plans.kept import is_plan


def explain(job: Job, now: datetime) -> Told:
    """Return why the job is not done yet, what of it did not go well and for which causes; what matters most first."""
    open_ = [] if job.state in JOB_ENDED else waiting.troubles(job, now)
    unwell, examined = failed.troubles(job)
    causes = [*open_, *unwell] if any(map(_hinders, open_)) else [*unwell, *open_]
    if job.state == JobState.CANCELLED:
        causes.sort(key=lambda one: one.cause is not CANCELLED)
    if job.state in JOB_ENDED and not job.numfiles and not causes:
        causes = [Trouble(cause=NOTHING_FOUND, state=job.state, files=0, site=job.site.name)]
    return Told(
        job=job.pk,
        state=job.state,
        summary=_summary(job, causes, now),
        causes=causes,
        examined=examined,
        unwell=job.numfailedfiles + job.numabortedfiles,
    )


def _hinders(trouble: Trouble) -> bool:
    """Say whether the trouble, rather than time, keeps the job from its end."""
    return trouble.cause not in {RUNNING, QUEUED} or trouble.state == "waiting"


def _summary(job: Job, causes: list[Trouble], now: datetime) -> str:
    name = f"{'Plan' if is_plan(job.pk) else 'Job'} {job.pk} ({job.jobtype} at {job.site.name})"
    stands = _STANDS[JobState(job.state)]
    if not causes:
        done = job.numprocessedfiles + job.numskippedfiles
        return f"{name} {stands}: {counted(done, 'file')} {'is as it was' if done == 1 else 'are as they were'} to be"
    if job.state == JobState.SUCCESS:
        stands = "ended, but not with all that it was to do"
    first, due = causes[0], causes[0].next_try
    again = f"; the next try is in {max(0, round((due - now).total_seconds()))} s" if due else ""
    return f"{name} {stands}: {first.sentence()}{again}"


_STANDS = {
    JobState.PENDING: "waits",
    JobState.STARTED: "goes on",
    JobState.SUCCESS: "ended well",
    JobState.FAILURE: "failed, at least in part",
    JobState.SKIPPED: "had nothing to do",
    JobState.CANCELLED: "was cancelled",
}
