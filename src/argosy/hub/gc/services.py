"""Decisions on runs: to begin one, and to take it from phase to phase."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import models, transaction
from django.utils import timezone

from argosy.core.config import Config
from argosy.core.states import JobState, TaskState
from argosy.hub.common import changes
from argosy.hub.common.errors import Conflict
from argosy.hub.gc import phases
from argosy.hub.gc.models import OPEN, Run
from argosy.hub.gc.notes import Due
from argosy.hub.jobs import services as jobs
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job, Task
from argosy.hub.sites.presence import refusal, serving

log = structlog.get_logger()

PATIENCE = timedelta(minutes=10)
"""How long a site that is not busy may leave a task of a run unclaimed."""
_WAITS = {"unneeded": timedelta(days=90), "orphan": phases.DAY, "deleted": timedelta(days=90)}
"""How long an object must have been without references, by why it has none: backups bring back what pointed to it."""
_TOLD = timedelta(days=90)
"""How long a run is told of."""
_JOB_OK = (JobState.SUCCESS, JobState.SKIPPED)


def configure(config: Config) -> None:
    """Wait as long as the configuration says."""
    _WAITS["deleted"] = _WAITS["unneeded"] = timedelta(days=config.hub.garbage_days)


@transaction.atomic
def begin(kind: Run.Kind, *, take_over: bool = False) -> Run:
    """Record a run and, once it is recorded, set the sites to work.

    `take_over`: what bears the seal of another hub, or of a key that was lost, is garbage like all else.

    Raises:
        Conflict: another run goes on.
    """
    if (other := Run.objects.filter(state__in=OPEN).first()) is not None:
        raise Conflict(f"garbage collection goes on (run {other.pk}, {other.state}): wait for it to end")
    run = Run(kind=kind, takes_over=take_over, state=Run.State.SURVEY, created=timezone.now())
    run.save()
    phases.begin(run)
    log.info("garbage collection begun", run=run.pk, kind=kind)
    if reason := phases.gone():
        fail(run, reason)
    else:
        _work(run, [*phases.references(), *(phases.objects(run) if kind != Run.Kind.ASKED else ())])
    return run


def advance(run: Run) -> None:
    """Take the run on, if what its sites were to do has been done. Harmless when repeated, wherever it was killed."""
    job = Job.objects.filter(pk=run.job or 0).first()
    if job is None and run.job is not None:
        fail(run, f"its job {run.job} is gone, and with it what came of that: begin another run")
    elif not _has_notes(run):
        jobs.cancel(job.pk) if job is not None else None
        fail(run, "its notes are gone, or are another run's: begin another run")
    elif job is not None and job.state in OPEN_JOB:
        _check_patience(run, job)
    elif job is not None and not _may_go_on(run, job):
        fail(run, _why(job))
    else:
        _NEXT[Run.State(run.state)](run)


def _has_notes(run: Run) -> bool:
    with phases.notes(run) as notes:
        return notes.are_of(run.nonce)


def _may_go_on(run: Run, job: Job) -> bool:
    if run.state == Run.State.SWEEP:
        return job.state != JobState.CANCELLED
    return job.state in _JOB_OK and not job.numabortedfiles


@transaction.atomic
def fail(run: Run, reason: str) -> None:
    """Stop the run; what it had not removed stays."""
    log.warning("garbage collection stopped", run=run.pk, reason=reason)
    _end(run, Run.State.FAILED, reason)


def _check_patience(run: Run, job: Job) -> None:
    """Stop the run where a site refuses its task, or leaves it lying although nothing keeps it busy."""
    for task in Task.objects.filter(job=job, state=TaskState.PENDING).select_related("site"):
        if reason := refusal(task.site, serving(task.site, timezone.now())):
            jobs.cancel(job.pk)
            fail(run, f"site {task.site.name} cannot be asked, so nothing more is removed: {reason}")
            return
    before = timezone.now() - PATIENCE
    late = models.Q(started=None, created__lt=before) | models.Q(due__lt=before)
    for task in Task.objects.filter(late, job=job, state=TaskState.PENDING).select_related("site"):
        if not Task.objects.filter(site=task.site_id, state=TaskState.STARTED).exists():
            jobs.cancel(job.pk)
            fail(run, f"site {task.site.name} does not answer, so nothing more is removed: start its agent")
            return


def _why(job: Job) -> str:
    broken = Task.objects.filter(job=job).exclude(state__in=(TaskState.SUCCESS, TaskState.SKIPPED))
    task = broken.select_related("site").first()
    if job.state == JobState.CANCELLED or task is None:
        return f"its job {job.pk} was cancelled: nothing more is removed"
    told = task.reason or f"see `argosy job files {job.pk} --category failed`"
    return f"site {task.site.name} could not do its part ({task.tasktype}), so nothing is removed: {told}"


def _surveyed(run: Run) -> None:
    """Reckon what is due."""
    now = timezone.now()
    with phases.notes(run) as notes:
        notes.carry(phases.carried(notes))
        if run.kind != Run.Kind.ASKED:
            waits = {why: wait.total_seconds() for why, wait in _WAITS.items()}
            notes.settle(phases.now_counted(now), waits, phases.unwanted())
        notes.ask(phases.asked(now))
        run.counts = notes.counts()
        if run.kind != Run.Kind.PLAN:
            notes.leftover(phases.SPARED)
        due = notes.due(phases.MOST)
    if due and run.kind != Run.Kind.PLAN:
        _doom(run, due, 0)
    else:
        _end(run, Run.State.DONE, "")


@transaction.atomic
def _doom(run: Run, due: Sequence[Due], part: int) -> None:
    """Mark one part of what is due; it is noted first what may bear a mark from now on."""
    going = [one for one in due if one.why != phases.SPARED]
    with phases.notes(run) as notes:
        notes.marking(one.stored for one in going)
    run.state, run.part = Run.State.DOOM, part
    _work(run, phases.over(going, phases.DOOM, run))


def _doomed(run: Run) -> None:
    """Mark the next part. After the last, wait for work that may refer to what was unmarked when it began."""
    with phases.notes(run) as notes:
        due = notes.due(phases.MOST, run.part + 1) if run.doomed is None else []
        if not due and run.doomed is None:
            phases.note_adopting(notes)
        waits = due or phases.adopting(notes)
    if due:
        _doom(run, due, run.part + 1)
        return
    run.doomed = run.doomed or timezone.now()
    run.save(update_fields=["doomed"])
    if not waits:
        _look_again(run)


@transaction.atomic
def _look_again(run: Run) -> None:
    """Have sites list once more what they refer to, now that nothing comes to refer to what is marked."""
    if reason := phases.gone():
        fail(run, reason)
        return
    run.state = Run.State.MARK
    _work(run, phases.references())


@transaction.atomic
def _marked(run: Run) -> None:
    """Spare what something refers to, of what is due; remove the rest."""
    with phases.notes(run) as notes:
        notes.carry(phases.carried(notes))
        for one in notes.spare(phases.SPARED):
            phases.rows(one.stored, run).delete()  # it is wanted: once it no longer is, a run finds it without this
        run.counts["spared"] = {"objects": notes.count(phases.SPARED)}
        due = notes.due(phases.MOST)
    _sweep(run, due, 0)


def _sweep(run: Run, due: Sequence[Due], part: int) -> None:
    run.state, run.part = Run.State.SWEEP, part
    _work(run, phases.over(due, phases.DELETE, run))


@transaction.atomic
def _swept(run: Run) -> None:
    """Add up what became of one part, and go on with the next. What could not be removed is told at the end."""
    with phases.notes(run) as notes:
        told = phases.swept(run, notes)
        due = notes.due(phases.MOST, run.part + 1)
    _add(run, "removed", objects=told["removed"], bytes=told["bytes"])
    _add(run, "left as they were", objects=told["left"])
    if told["failed"]:
        _add(run, "not removed", objects=told["failed"])
        run.reason = f"some objects could not be removed: see `argosy job files {run.job} --category failed`"
    if due:
        _sweep(run, due, run.part + 1)
        return
    failed = run.counts.get("not removed", {"objects": 0})["objects"]
    _end(run, Run.State.DONE, run.reason.replace("some", str(failed), 1) if failed else "")


def _add(run: Run, why: str, **more: int) -> None:
    counted = run.counts.get(why, {})
    run.counts[why] = {unit: counted.get(unit, 0) + count for unit, count in more.items()}


_NEXT = {
    Run.State.SURVEY: _surveyed,
    Run.State.DOOM: _doomed,
    Run.State.MARK: _marked,
    Run.State.SWEEP: _swept,
}


@transaction.atomic
def _work(run: Run, parts: Sequence[jobs.Part]) -> None:
    """Set sites to work; where there is nothing to do, the phase has ended as it begins."""
    _drop_job(run)
    run.job = jobs.begin(parts).pk if parts else None
    run.save()


def _drop_job(run: Run) -> None:
    """Drop a job that went well: it has nothing to tell any more, and runs that begin by themselves make many."""
    if Job.objects.filter(pk=run.job or 0, state__in=_JOB_OK).delete()[0]:
        changes.note(changes.Kind.JOB, [run.job or 0])
        run.job = None


@transaction.atomic
def _end(run: Run, state: Run.State, reason: str) -> None:
    if run.kind != Run.Kind.PLAN:
        phases.put_off(run)
    _drop_job(run)
    run.state, run.reason, run.completed = state, reason, timezone.now()
    run.save()
    Run.objects.filter(completed__lt=run.completed - _TOLD).delete()
    transaction.on_commit(phases.notes(run).remove)
