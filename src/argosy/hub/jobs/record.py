"""What batches and reports do to tasks and jobs. Each is called inside a transaction, with its ledger."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from argosy.core.errors import ArgosyError, Invalid, LeaseLost, Restoring
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.core.states import FileState, TaskState
from argosy.discoveries.base import discovery_of
from argosy.hub.jobs import feeding, late, leads, outages, sinks
from argosy.hub.jobs.blobs import Carried
from argosy.hub.jobs.closing import ROTATE
from argosy.hub.jobs.ledger import OPEN_TASK, Ending, Ledger
from argosy.hub.jobs.models import COLUMN, Task
from argosy.hub.jobs.outages import STANDSTILL
from argosy.hub.jobs.passing import found, paired, passed, taken, unwalked
from argosy.hub.jobs.phases import waiting
from argosy.hub.jobs.undone import left_out

log = structlog.get_logger()

ATTEMPTS = 5
"""How many attempts of a task may end badly."""
PATIENCE = 2.0
"""Seconds before the second attempt; three times as many before each later one."""
RESTORED_WITHIN = timedelta(days=4)
"""How long an object may take to come back from an archive tier, at least, before its file fails."""
_SOON, LONGEST = 300.0, 3600.0
"""Seconds until it is first looked for again, and between later looks at most: no task waits longer for an attempt."""
OUTAGE = timedelta(seconds=PATIENCE * (3 ** (ATTEMPTS - 1) - 1) / 2)
"""How long a place must have been dead before what waits for it ends with the task that was tried for the last time."""


def batch(ledger: Ledger, told: Batch) -> bool:
    """Record what a discovery found: tasks for the chains of the rules that match. False: the attempt is over.

    Of a later phase than what was found before nothing is recorded while that is worked on: see `phases`.

    Raises:
        Invalid: batches are missing before it.
    """
    task = ledger.known.task(told.task)
    if task is None or task.attempt != told.attempt or task.state != TaskState.STARTED:
        return False
    if told.sequence < task.sequence:
        return True
    if told.sequence > task.sequence:
        raise Invalid(f"batch {told.sequence} of task {told.task} came before batch {task.sequence}")
    if told.phase > task.phase and task.sequence and _is_at_work(ledger, task):
        _hold(ledger, task, told.phase)
        return False
    counts = _handed_out(ledger, task, told) + unwalked(ledger, task, told.failed)
    after = told.entries[-1].path if told.entries else task.after
    ledger.change(task, counts, sequence=task.sequence + 1, after=after, phase=max(told.phase, task.phase))
    return True


def _handed_out(ledger: Ledger, task: Task, told: Batch) -> Counter[str]:
    """Give what was found to those that it is for; return counts for the task."""
    if feeding.feeds(ledger, task):
        return feeding.feed(ledger, task, told.entries, phase=told.phase)
    sink = sinks.of(task.tasktype)
    if sink is not None:
        return taken(ledger, task, told.entries, sink)
    return found(ledger, task, told.entries, phase=told.phase)


def _is_at_work(ledger: Ledger, task: Task) -> bool:
    """Say whether anything found is still worked on, this discovery and what waits for a later phase apart."""
    others = ledger.tasks().filter(job__in=feeding.jobs_of(ledger, task), state__in=OPEN_TASK, held=False)
    return others.exclude(pk=task.pk).exists()


def _hold(ledger: Ledger, task: Task, phase: int) -> None:
    """Take the task from its attempt; another begins the phase when what was handed out before is done."""
    behind = task.phase
    again(ledger, task, reason="", error="", failures=0)
    ledger.change(task, after=None, due=None, lost=0, **waiting(phase, behind=behind))


def report(ledger: Ledger, told: Report) -> None:
    """Record how an attempt ended. One that no longer has the task adds what it knows, and changes nothing.

    An attempt that the task was taken from has it still, as long as nobody has claimed the next.
    """
    task = ledger.known.task(told.task)
    if task is None:
        log.warning("report of an unknown task", task=told.task, attempt=told.attempt)
        return
    ledger.need_no_more(task, told.outcomes)
    if task.state == TaskState.PENDING and task.lost == told.attempt == task.attempt - 1:
        _give_back(ledger, task)
    if task.attempt != told.attempt or task.state != TaskState.STARTED:
        if task.attempt == told.attempt:
            ledger.change(task, lease_until=None)  # it does nothing any more
        ledger.note_late(task, told.attempt, told.outcomes)
        if task.state == TaskState.CANCELLED:
            late.tell(ledger, task, told.outcomes)
    elif told.error and told.retry and task.failures + 1 < ATTEMPTS:
        _retry(ledger, task, told)
    elif _waits_for_restore(ledger, task, told):
        _put_off(ledger, task, told)
    else:
        end(ledger, task, told)
        if outages.is_of_a_place(told) and not _walks(task):
            _end_alike(ledger, task, told)


def _give_back(ledger: Ledger, task: Task) -> None:
    """Give the task to the attempt again that it was taken from, as if it never had been."""
    counted = int(task.error == LeaseLost.code)
    ledger.change(
        task,
        state=TaskState.STARTED.value,
        attempt=task.lost,
        lost=0,
        failures=task.failures - counted,
        lease_until=None,
    )


def _waits_for_restore(ledger: Ledger, task: Task, told: Report) -> bool:
    """Say whether objects of the task are on their way from an archive tier, and may still be."""
    since = task.started or ledger.now
    return any(map(_restoring, told.outcomes)) and not task.finds and ledger.now - since < RESTORED_WITHIN


def _restoring(outcome: Outcome) -> bool:
    return outcome.error == Restoring.code


def _ended(told: Report) -> list[Outcome]:
    """Return what ended of what is told: what is on its way from an archive tier has not."""
    return [outcome for outcome in told.outcomes if not _restoring(outcome)]


def _put_off(ledger: Ledger, task: Task, told: Report) -> None:
    """Record what did end, and have the task offered again for the entries whose objects are on their way.

    Such an attempt has not ended badly: it is not counted among those that have.
    """
    awaited = {outcome.entry.path: outcome for outcome in told.outcomes if _restoring(outcome)}
    left = _dealt_with(ledger, task, _ended(told))
    rest = [item for item in left if item.entry.path in awaited]
    _lose_some(ledger, task, [item for item in left if item.entry.path not in awaited], told)
    ledger.keep(task, rest)
    waited = (ledger.now - (task.started or ledger.now)).total_seconds()
    delay = min(max(waited, _SOON), LONGEST)
    reason = f"restore requested for {len(rest)} files: {next(iter(awaited.values())).reason}"
    again(ledger, task, reason=reason, error=Restoring.code, failures=0, delay=delay)
    log.info("task waits for objects", task=told.task, objects=len(rest), delay=delay)


def expire(ledger: Ledger, task: Task) -> None:
    """Take the task from an attempt whose lease ran out: offer it again, or end it when that happened too often."""
    reason = f"{task.node or 'the node'} stopped answering while it ran this task (attempt {task.attempt})"
    if task.failures + 1 < ATTEMPTS:
        until = task.lease_until
        lost = task.attempt
        again(ledger, task, reason=reason, error=LeaseLost.code, failures=1)
        ledger.change(task, lost=lost, lease_until=until)
    else:
        told = Report(task=str(task.taskid), attempt=task.attempt, error=LeaseLost.code, reason=reason)
        until = task.lease_until
        end(ledger, task, told)
        ledger.change(task, lease_until=until)


def leave_out(ledger: Ledger, task: Task) -> bool:
    """End what a task that was held has to do with moves that did not end well; say whether there was anything."""
    told = left_out(ledger, task)
    if not told:
        return False
    if rest := _dealt_with(ledger, task, told):
        ledger.keep(task, rest)
        again(ledger, task, reason="", error="", failures=0)
    else:
        _end_as(ledger, task)
    return True


def again(ledger: Ledger, task: Task, *, reason: str, error: str, failures: int, delay: float = 0.0) -> None:
    """Have another attempt made, after `delay` seconds."""
    ledger.change(
        task,
        state=TaskState.PENDING.value,
        attempt=task.attempt + 1,
        failures=task.failures + failures,
        deaths=0,
        due=ledger.now + timedelta(seconds=delay),
        rung_at=None,
        lease_until=None,
        reason=reason,
        error=error,
    )
    ledger.wait(task)


def _retry(ledger: Ledger, task: Task, told: Report) -> None:
    """Record what did end, and have the rest tried again later."""
    delay = PATIENCE * 3**task.failures
    if (told.outcomes or told.asked) and not _walks(task):
        rest = _dealt_with(ledger, task, _ended(told))
        if not rest:
            _end_as(ledger, task)
            return
        ledger.keep(task, _asked_last(rest, told))
    log.info("task will be tried again", task=told.task, attempt=told.attempt, delay=delay, reason=told.reason)
    again(ledger, task, reason=told.reason, error=told.error, failures=1, delay=delay)
    if outages.is_of_a_place(told) and outages.is_dead(ledger, task, told, within=STANDSTILL, outage=OUTAGE):
        outages.hold_back(ledger, task, told, due=ledger.now + timedelta(seconds=delay))


def _asked_last(rest: Sequence[Carried], told: Report) -> list[Carried]:
    """Return the entries in the order of the next attempt, which may not come to the last of them."""
    asked = set(told.asked)
    return sorted(rest, key=lambda item: item.entry.path in asked)


def _end_alike(ledger: Ledger, task: Task, told: Report) -> None:
    """End what waits for a place that has been dead through all attempts, so that other work has the site's slots."""
    if outages.is_dead(ledger, task, told, within=OUTAGE, outage=OUTAGE):
        for waiting in outages.to_end_with(ledger, task):
            _lose(ledger, waiting, told)
            _end_as(ledger, waiting, error=told.error, reason=told.reason)


def end(ledger: Ledger, task: Task, told: Report) -> None:
    """Record the end of a task and what became of each of its entries."""
    if task.tasktype == leads.TOLD:
        ledger.change(task, ledger.note(task, [Ending(outcome) for outcome in told.outcomes]))
    elif _closes(task):
        told = _in_all(leads.told_of(task, told))
    elif _walks(task):
        ledger.change(task, unwalked(ledger, task, told.outcomes))
        _lose(ledger, task, told) if told.error else None
    elif told.outcomes or told.met or not told.error:
        rest = _dealt_with(ledger, task, told.outcomes)
        if not _lose_some(ledger, task, rest, told):
            told = msgspec.structs.replace(told, error="", reason="")
    else:
        _lose(ledger, task, told)
    _end_as(ledger, task, error=told.error, reason=told.reason)


def _in_all(told: Report) -> Report:
    """Return how a task went of which nothing is a file of the job: one that failed counts as all of it."""
    for outcome in told.outcomes:
        if outcome.state is FileState.FAILED and not told.error:
            return msgspec.structs.replace(told, error=outcome.error or ArgosyError.code, reason=outcome.reason)
    return told


def _walks(task: Task) -> bool:
    """Say whether what it was given are no files of the job; all others tell of each that they were given."""
    return (task.finds and discovery_of(task.tasktype) is not None) or _closes(task)


def _closes(task: Task) -> bool:
    """Say whether it is one of those that the hub adds to a job, of which nothing is a file of the job."""
    return task.finds and (task.tasktype == ROTATE or task.tasktype in leads.ASIDE)


def _end_as(ledger: Ledger, task: Task, *, error: str = "", reason: str = "") -> None:
    """Record that a task has ended of which all entries are dealt with."""
    state = TaskState.FAILURE if error else TaskState.ERROR if task.numfailedfiles else TaskState.SUCCESS
    if task.finds:
        ledger.walked(task)
        if feeding.feeds(ledger, task):
            feeding.end(ledger, task, state, error=error, reason=reason)
    ledger.change(task, state=state.value, completed=ledger.now, lease_until=None, deaths=0, error=error, reason=reason)
    if state is not TaskState.SUCCESS:
        log.warning("task ended", task=str(task.taskid), job=task.job_id, state=state.value, reason=reason)


def _dealt_with(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> list[Carried]:
    """Record what became of entries, and have those that go on do so; return those without an outcome."""
    pairs, rest = paired(ledger.known.entries(task), outcomes)
    if len(pairs) < len(outcomes):
        log.warning("outcomes of nothing that was given", task=str(task.taskid), outcomes=len(outcomes) - len(pairs))
    if task.finds:
        counts = _looked_at(ledger, task, [outcome for _, outcome in pairs])
    else:
        counts = ledger.note(task, passed(ledger, task, pairs))
    got_on = ledger.now if any(outcome.state.goes_on for _, outcome in pairs) else task.got_on
    ledger.change(task, counts, got_on=got_on)
    return rest


def _looked_at(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> Counter[str]:
    """Record what was found at given paths; return counts for the task."""
    good = [outcome.entry for outcome in outcomes if outcome.state.goes_on]
    counts = found(ledger, task, good, phase=task.phase)
    return counts + unwalked(ledger, task, [outcome for outcome in outcomes if not outcome.state.goes_on])


def _lose(ledger: Ledger, task: Task, told: Report) -> None:
    """Record that all entries which a task has left failed."""
    count = ledger.known.row(task).count
    counts = ledger.note_all(task, FileState.FAILED, count, error=told.error, reason=told.reason)
    ledger.count(task.job_id, numfiles=count if task.finds else 0)
    ledger.change(task, counts)


def _lose_some(ledger: Ledger, task: Task, rest: Sequence[Carried], told: Report) -> int:
    """Record that these came to nothing, which have no outcome; return how many of them failed."""
    met = {outcome.entry.path: outcome for outcome in told.met}
    counts = ledger.note(task, [_left(item, met.get(item.entry.path), told) for item in rest])
    ledger.count(task.job_id, numfiles=len(rest) if task.finds else 0)
    ledger.change(task, counts)
    return counts[COLUMN[FileState.FAILED]]


def _left(item: Carried, met: Outcome | None, told: Report) -> Ending:
    """Return how an entry ended that has no outcome; `met`: what kept it from one, where that is told."""
    if met is None:
        reason = told.reason or "the site reported nothing of it"
        met = Outcome(entry=item.entry, state=FileState.FAILED, reason=reason, error=told.error or "error")
    return Ending(msgspec.structs.replace(met, entry=item.entry), item.source, met.state)
