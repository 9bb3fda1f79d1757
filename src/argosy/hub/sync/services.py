"""Decisions on runs: from phase to phase, to their ends, and to begin one that somebody confirmed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.errors import NotFound
from argosy.core.failpoints import failpoint
from argosy.core.states import JobState, TaskState
from argosy.core.syncing import APPLY, HASH, INDEX, SCAN, SIDE
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import leads, resubmission
from argosy.hub.jobs.ledger import OPEN_JOB, Ledger
from argosy.hub.jobs.models import Job, Submission, Task
from argosy.hub.sites.models import Fileset
from argosy.hub.sync import conflicts, phases
from argosy.hub.sync.beginning import have_scanned, take_turn
from argosy.hub.sync.models import OPEN, Applied, Pair, Run
from argosy.sync.planner.options import Alarm, Guard, Policy
from argosy.sync.planner.trees import Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.work import Answer, Commit, Cut, Plan, Work

ROUNDS: Final = 5
"""How often a run that was broken off while it was applied begins anew within its job."""
BROKEN: Final = "sync_broken"
REFUSED: Final = "sync_refused"
"""What stands as the error of a job that did nothing since a guard refused."""
_RECEIVED: Final = {INDEX: "received", SIDE: "side"}
_HERE: Final = (Run.State.PLAN, Run.State.CUT, Run.State.COMMIT)
"""States in which the hub is at work, and no site."""

_TOLD: Final = {TaskState.SUCCESS, TaskState.ERROR}
"""Of a task that said of all it was given what became of it, though some may have failed."""

log = structlog.get_logger()


def advance(run: Run) -> Work | None:
    """Take the run on, if what its sites were to do is done; return what the hub has to reckon for it, if that is next.

    Harmless when repeated, wherever it was killed.
    """
    job = Job.objects.filter(pk=run.job).first()
    if job is None or job.state not in OPEN_JOB:
        _close(run)
    elif run.state in _HERE:
        return _work(run)
    elif not _is_busy(run):
        _NEXT[Run.State(run.state)](run)
    return None


def _is_busy(run: Run) -> bool:
    return Task.objects.filter(job=run.job, completed=None).exclude(tasktype=leads.LEAD).exists()


@contextmanager
def _step(run: Run) -> Iterator[tuple[Ledger, Job] | None]:
    """Hold the run and its job in one transaction, as what was known of it; None where it is no longer so."""
    with transaction.atomic():
        found = Run.objects.select_for_update().filter(pk=run.pk, state=run.state, round=run.round).first()
        job = Job.objects.select_for_update().filter(pk=run.job, state__in=OPEN_JOB).first()
        if found is None or job is None:
            yield None
            return
        ledger = Ledger(timezone.now())
        yield ledger, job
        ledger.write()


def _to(run: Run, state: Run.State, **values: object) -> None:
    for name, value in values.items():
        setattr(run, name, value)
    run.state = state
    run.save()


def _waited(run: Run) -> None:
    """Begin, if it is the run's turn."""
    with _step(run) as step:
        if step is not None:
            ledger, job = step
            take_turn(ledger, run, Submission.objects.filter(job=job).order_by("pk")[0])


def _scanned(run: Run) -> None:
    """Plan, if both sides are here."""
    tasks = phases.tasks_of(run, SCAN)
    lost = [task for task in tasks if task.state != TaskState.SUCCESS or not _received(run, task).exists()]
    if lost:
        fail(run, _why(run, lost[0]))
        return
    for task in tasks:
        _place_circumstances(run, task)
        _received(run, task).replace(work.index(run.folder, run.side_of(task.site_id)))
    with _step(run) as step:
        if step is not None:
            _to(run, Run.State.PLAN, generation=run.pair.generation)


def _received(run: Run, task: Task) -> Path:
    """Return the file that the last attempt of a scan sent; once it is known to be that, it has another name."""
    placed = work.index(run.folder, run.side_of(task.site_id))
    found = received(run, task.site_id, task.attempt)
    return found if found.exists() or not placed.exists() else placed


def _place_circumstances(run: Run, task: Task) -> None:
    said = received(run, task.site_id, task.attempt, SIDE)
    if said.exists():
        said.replace(work.circumstances(run.folder, run.side_of(task.site_id)))


def received(run: Run, site: int, attempt: int, name: str = INDEX) -> Path:
    """Return where what a site sends is kept until its scan has ended."""
    return run.folder / f"{run.side_of(site):d}.{attempt}.{_RECEIVED[name]}"


def _why(run: Run, task: Task) -> str:
    side = run.called(run.side_of(task.site_id))
    return f"{side} could not be scanned, so nothing was changed: {task.reason or 'nothing was sent'}"


def _work(run: Run) -> Work:
    """Return what is to be reckoned."""
    folder = str(run.folder)
    if run.state == Run.State.CUT:
        return Cut(folder=folder)
    if run.state == Run.State.COMMIT:
        generation = run.generation + 1
        run.pair.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        conflicts.watch(run)
        return Commit(folder=folder, chunk=str(run.pair.base / _chunk(run)), generation=generation)
    return Plan(
        folder=folder,
        base=tuple(str(run.pair.base / chunk) for chunk in run.pair.chunks),
        policy=Policy(run.policy),
        one_way=run.one_way,
        confirmed=_confirmed(run),
        sites=(run.site_one.name, run.site_two.name),
        guards=(_guard(run, Side.ONE), _guard(run, Side.TWO)),
    )


def _confirmed(run: Run) -> tuple[Alarm, ...]:
    """Return what guards had said of the run that somebody confirmed by this one, and no more than that."""
    refused = Run.objects.filter(confirmed_by=run.job).first() if run.confirmed else None
    return msgspec.convert(refused.alarms, tuple[Alarm, ...]) if refused is not None else ()


def _guard(run: Run, side: Side) -> Guard:
    """Return how much may be missing on a side before somebody is asked."""
    fileset = Fileset.objects.filter(site=run.site(side), ident=run.ident(side)).first() or Fileset()
    return Guard(fileset.mass_change_percent, fileset.mass_change_count, fileset.mass_change_top)


def _chunk(run: Run) -> str:
    return f"{run.generation + 1}-{run.name}.parquet"


def reckoned(run: Run, answer: Answer) -> None:
    """Go on with what came of it."""
    if answer.error:
        fail(run, answer.message)
        return
    _RECKONED[Run.State(run.state)](run, answer)


def _planned(run: Run, answer: Answer) -> None:
    if answer.lost:
        log.warning("planned without the base", run=run.pk, job=run.job, chunks=run.pair.chunks)
    if answer.refusals:
        refuse(run, answer.refusals, answer.alarms)
        return
    with _step(run) as step:
        if step is None:
            return
        ledger, job = step
        if answer.needs:
            phases.have_hashed(ledger, run, job)
            _to(run, Run.State.HASH)
            return
        if not sum(answer.operations):
            phases.have_nothing(run)
            _to(run, Run.State.COMMIT, counts=_counts(answer))
            return
        phases.settle(ledger, job, sum(answer.operations))
        ledger.count(job.pk, numbytes=answer.bytes)
        _to(run, Run.State.TRANSFER, counts=_counts(answer), part=0)
        phases.have_brought(ledger, run, job)


def _counts(answer: Answer) -> dict[str, int | list[int]]:
    said = msgspec.to_builtins(answer)
    return {
        key: said.get(key, 0)
        for key in ("operations", "bytes", "stays", "left", "unknown", "conflicts", "drift", "lost", "clocks")
    }


def _hashed(run: Run) -> None:
    broken = [task for task in phases.tasks_of(run, HASH) if task.state not in _TOLD]
    if broken:
        fail(run, f"{run.called(run.side_of(broken[0].site_id))}: files could not be compared: {broken[0].reason}")
        return
    phases.keep_hashes(run)
    with _step(run) as step:
        if step is not None:
            _to(run, Run.State.PLAN)


def _brought(run: Run) -> None:
    """Have the second part of it brought, if there is one; then see what came."""
    if run.part == 0 and _has_more(run):
        return
    pages.write_one(work.brought(run.folder), phases.keep_brought(run))
    with _step(run) as step:
        if step is not None:
            _to(run, Run.State.CUT)


def _has_more(run: Run) -> bool:
    with _step(run) as step:
        if step is None:
            return True
        ledger, job = step
        _to(run, Run.State.TRANSFER, part=1)
        return phases.have_brought(ledger, run, job)


def _cut(run: Run, _answer: Answer) -> None:
    """Have it applied; whatever becomes of that, it is known which conflict copies it makes."""
    conflicts.note(run)
    with _step(run) as step:
        if step is not None:
            ledger, job = step
            phases.have_applied(ledger, run, job)
            _to(run, Run.State.APPLY)


def _applied(run: Run) -> None:
    """Commit; or begin anew where a side was broken off, since nobody knows what it had done and not told."""
    tasks = phases.tasks_of(run, APPLY)
    broken = [task for task in tasks if task.state not in _TOLD]
    if broken:
        fail(run, f"{run.called(run.side_of(broken[0].site_id))}: not all was done: {broken[0].reason}")
    elif any(task.attempt > 1 for task in tasks):
        _again(run)
    else:
        phases.keep_outcomes(run)
        with _step(run) as step:
            if step is not None:
                _to(run, Run.State.COMMIT)


def _again(run: Run) -> None:
    if run.round >= ROUNDS:
        fail(run, f"it was broken off {ROUNDS} times while it was applied: see the log of the agents")
        return
    folder = run.folder
    with _step(run) as step:
        if step is None:
            return
        ledger, job = step
        phases.settle(ledger, job)
        _to(run, Run.State.SCAN, round=run.round + 1)
        have_scanned(ledger, run, Submission.objects.filter(job=job).order_by("pk")[0])
    make_folder(run)
    shutil.rmtree(folder, ignore_errors=True)
    log.warning("sync begun anew", run=run.pk, job=run.job, round=run.round)


def _committed(run: Run, answer: Answer) -> None:
    """Make what was written the base, unless another run did meanwhile; what it met is recorded before."""
    conflicts.record(run)
    failpoint("sync:before_base_commit")
    old: list[str] = []
    with _step(run) as step:
        if step is None:
            return
        ledger, job = step
        pair = Pair.objects.select_for_update().get(pk=run.pair_id)
        if answer.changed:
            if pair.generation != run.generation:
                leads.end(ledger, job, error=BROKEN, reason="another run of this pair committed meanwhile: sync again")
                _to(run, Run.State.FAILED, reason="another run committed meanwhile", completed=ledger.now)
                return
            old = pair.chunks
            pair.generation, pair.chunks = run.generation + 1, [_chunk(run)]
            pair.save()
        phases.settle(ledger, job)
        phases.note_stays(ledger, run, job)
        leads.end(ledger, job)
        _to(run, Run.State.DONE, completed=ledger.now)
    _clear(run, old)
    log.info("sync done", run=run.pk, job=run.job, changed=answer.changed)


def fail(run: Run, reason: str) -> None:
    """End the run, and its job in FAILURE; what was done stays, and the next run goes on from there."""
    log.warning("sync failed", run=run.pk, job=run.job, state=run.state, reason=reason)
    _end(run, Run.State.FAILED, error=BROKEN, reason=reason)


def refuse(run: Run, refusals: tuple[str, ...], alarms: tuple[Alarm, ...]) -> None:
    """End the run, and its job in FAILURE, with nothing done: somebody is to look, and to confirm it or not."""
    run.refusals, run.alarms = list(refusals), msgspec.to_builtins(list(alarms))
    said = "; ".join(refusals)
    reason = f"{said}: nothing was changed. If that is right, `argosy sync confirm {run.job}` syncs all the same, once"
    _end(run, Run.State.REFUSED, error=REFUSED, reason=reason)


def _end(run: Run, state: Run.State, *, error: str, reason: str) -> None:
    with _step(run) as step:
        if step is None:
            return
        ledger, job = step
        phases.settle(ledger, job)
        leads.end(ledger, job, error=error, reason=reason)
        _to(run, state, reason=reason, completed=ledger.now)
    _clear(run, [])


def _close(run: Run) -> None:
    """End a run whose job has ended: it was cancelled. What was planned and never begun is no file of it."""
    with transaction.atomic():
        job = Job.objects.filter(pk=run.job).first()
        state = job.state if job is not None else "gone"
        ledger = Ledger(timezone.now())
        changed = Run.objects.filter(pk=run.pk, state__in=OPEN).update(
            state=Run.State.CANCELLED, completed=ledger.now, reason=f"its job is {state}"
        )
        if changed and job is not None:
            phases.settle(ledger, job)
            ledger.write()
    if changed and job is not None and state == JobState.CANCELLED:
        log.info("sync cancelled", run=run.pk, job=run.job)
    _clear(run, [])


def make_folder(run: Run) -> None:
    """Have there be a place for the files of the round."""
    run.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _clear(run: Run, chunks: list[str]) -> None:
    """Remove what a run that is over needed, and chunks that are the base no more."""
    Applied.objects.filter(run=run).delete()
    shutil.rmtree(run.folder, ignore_errors=True)
    for chunk in chunks:
        (run.pair.base / chunk).unlink(missing_ok=True)


def sweep() -> None:
    """Remove files of rounds and bases that a hub which was killed left; call it before any run goes on."""
    for pair in Pair.objects.all():
        going = {run.name for run in Run.objects.filter(pair=pair, state__in=OPEN)}
        for folder in (pair.folder / "rounds").glob("*"):
            if folder.name not in going:
                shutil.rmtree(folder, ignore_errors=True)
        if not going:
            for chunk in pair.base.glob("*"):
                if chunk.name not in pair.chunks:
                    chunk.unlink(missing_ok=True)


@transaction.atomic
def confirm(pk: int, *, owner: User | None) -> Job:
    """Return a new job that syncs what a guard refused, once: where no more is gone by then, and no other guard speaks.

    Raises:
        NotFound: no such sync was ever begun.
        Conflict: nothing was refused, or it was confirmed already; or one of the two filesets is being synced; or the
            hub was of a version that did not keep how much was gone.
    """
    run = Run.objects.select_for_update().filter(job=pk).first()
    if run is None:
        raise NotFound(f"job {pk} is no sync: see `argosy sync status`")
    if run.state != Run.State.REFUSED:
        raise Conflict(f"job {pk} was refused by no guard ({run.state}): there is nothing to confirm")
    if run.confirmed_by is not None:
        raise Conflict(f"job {pk} was confirmed already, as job {run.confirmed_by}: sync again to be asked again")
    if not run.alarms:
        raise Conflict(f"job {pk} was refused before the hub kept how much was gone: sync again to be asked again")
    job = resubmission.again_of(pk, owner=owner)
    Run.objects.filter(job=job.pk).update(confirmed=True)
    Run.objects.filter(pk=run.pk).update(confirmed_by=job.pk)
    log.warning("sync confirmed", job=pk, as_job=job.pk)
    return job


_NEXT: Final[dict[Run.State, Callable[[Run], None]]] = {
    Run.State.WAIT: _waited,
    Run.State.SCAN: _scanned,
    Run.State.HASH: _hashed,
    Run.State.TRANSFER: _brought,
    Run.State.APPLY: _applied,
}
_RECKONED: Final[dict[Run.State, Callable[[Run, Answer], None]]] = {
    Run.State.PLAN: _planned,
    Run.State.CUT: _cut,
    Run.State.COMMIT: _committed,
}
