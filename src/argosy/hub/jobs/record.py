"""What claims, batches and reports do to tasks and jobs. Each is called inside a transaction, with its ledger."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import msgspec
import structlog
from django.db.models import Q, QuerySet

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Invalid, Restoring, Unsupported
from argosy.core.order import Order, Policy
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.core.states import FileState, TaskState
from argosy.discoveries.base import discovery_of
from argosy.hub.common import changes
from argosy.hub.jobs import sinks
from argosy.hub.jobs.blobs import Carried, unpack_noted
from argosy.hub.jobs.known import Known
from argosy.hub.jobs.ledger import Ending, Ledger, chunks
from argosy.hub.jobs.models import COLUMN, OWN, Queue, Task
from argosy.hub.sites.links import mapped
from argosy.hub.sites.models import Site
from argosy.hub.workflows.rules import chosen
from argosy.steps.base import HUBS

log = structlog.get_logger()

ATTEMPTS = 5
"""How many attempts of a task may end badly."""
PATIENCE = 2.0
"""Seconds before the second attempt; three times as many before each later one."""
STANDSTILL = timedelta(seconds=10)
"""How long nothing of a kind must have got through before what waits is held back with a task that failed."""
RESTORED_WITHIN = timedelta(days=4)
"""How long an object may take to come back from an archive tier, at least, before its file fails."""
MOST_FOUND = 2048
"""Entries of the first batch of a discovery at most: of later ones, several times as many fit into a message."""
_ANY_SIZE = 1 << 60
_SOON, LONGEST = 300.0, 3600.0
"""Seconds until it is first looked for again, and between later looks at most: no task waits longer for an attempt."""
OUTAGE = timedelta(seconds=PATIENCE * (3 ** (ATTEMPTS - 1) - 1) / 2)
"""How long a place must have been dead before what waits for it ends with the task that was tried for the last time."""


def claim(ledger: Ledger, taskid: str, attempt: int, *, node: str, lease: float) -> Order | None:
    """Give the attempt to a node, with all it needs to run; None where the task is not waiting for it."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.PENDING:
        return None
    if task.due is not None and task.due > ledger.now:  # held back since its site was told of it
        return None
    until = ledger.now + timedelta(seconds=lease)
    started = task.started or ledger.now
    ledger.change(
        task,
        state=TaskState.STARTED.value,
        started=started,
        rung_at=ledger.now,
        lease_until=until,
        node=node[:255],
    )
    ledger.began(task)
    return _order(ledger.known, task, lease, age=(ledger.now - started).total_seconds())


def _order(known: Known, task: Task, lease: float, *, age: float) -> Order:
    site = known.site(task.site_id)
    sunk = sinks.of(task.tasktype) is not None
    return Order(
        task=str(task.taskid),
        attempt=task.attempt,
        age=age,
        job=task.job_id,
        site=site.name,
        step=task.tasktype,
        options=_options(known, task),
        entries=tuple(item.entry for item in known.entries(task)),
        lease=lease,
        links=tuple(known.linked(task.site_id).links),
        stores=known.stores(task.site_id),
        policy=_policy(site),
        batch_files=sinks.BATCH if sunk else min(site.file_batch_size, MOST_FOUND),
        batch_bytes=_ANY_SIZE if sunk else site.file_batch_gb << 30,
        sequence=task.sequence,
        own=_is_own(task),
        dry_run=_is_looked(task) and known.ordered(task.submission_id).dry_run,
        after=bytes(task.after) if task.after is not None else None,
    )


def _is_looked(task: Task) -> bool:
    """Say whether only to look makes a difference: a discovery of others may do anything, and must not in a plan."""
    return task.chain is not None or discovery_of(task.tasktype) is not None


def _is_own(task: Task) -> bool:
    """Say whether it is one of the steps that only the hub's own jobs may have, and such a job has it."""
    return task.tasktype in _hubs_steps() and task.job.jobtype == OWN


@cache
def _hubs_steps() -> frozenset[str]:
    return frozenset(HUBS.names())


def _policy(site: Site) -> Policy:
    return Policy(unguarded_stubs=site.unguarded_stubs, min_stub_size=site.min_stub_size, trash_days=site.trash_days)


def _options(known: Known, task: Task) -> dict[str, object]:
    if task.chain is not None:
        return dict(known.rules(task.submission_id)[task.chain].chain[task.seq].options)
    return dict(task.submission.options)


def renew(ledger: Ledger, taskid: str, attempt: int, *, lease: float) -> bool:
    """Let the attempt run on; False where it is no longer the one that has the task."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.STARTED:
        return False
    ledger.change(task, lease_until=ledger.now + timedelta(seconds=lease))
    return True


def batch(ledger: Ledger, told: Batch) -> bool:
    """Record what a discovery found: tasks for the chains of the rules that match.

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
    sink = sinks.of(task.tasktype)
    counts = _found(ledger, task, told.entries) if sink is None else _taken(ledger, task, told.entries, sink)
    counts += _unwalked(ledger, task, told.failed)
    after = told.entries[-1].path if told.entries else task.after
    ledger.change(task, counts, sequence=task.sequence + 1, after=after)
    return True


def report(ledger: Ledger, told: Report) -> None:
    """Record how an attempt ended. One that no longer has the task adds what it knows, and changes nothing."""
    task = ledger.known.task(told.task)
    if task is None:
        log.warning("report of an unknown task", task=told.task, attempt=told.attempt)
        return
    ledger.need_no_more(task, told.outcomes)
    if task.attempt != told.attempt or task.state != TaskState.STARTED:
        if task.attempt == told.attempt:
            ledger.change(task, lease_until=None)  # it does nothing any more
        ledger.note_late(task, told.attempt, told.outcomes)
    elif _waits_for_restore(ledger, task, told):
        _put_off(ledger, task, told)
    elif told.error and told.retry and task.failures + 1 < ATTEMPTS:
        _retry(ledger, task, told)
    else:
        end(ledger, task, told)
        if _of_a_place(told) and not task.finds and _place_is_dead(ledger, task, told, within=OUTAGE):
            _end_alike(ledger, task, told)


def _waits_for_restore(ledger: Ledger, task: Task, told: Report) -> bool:
    """Say whether objects of the task are on their way from an archive tier, and may still be."""
    since = task.started or ledger.now
    return any(map(_restoring, told.outcomes)) and not task.finds and ledger.now - since < RESTORED_WITHIN


def _restoring(outcome: Outcome) -> bool:
    return outcome.error == Restoring.code


def _put_off(ledger: Ledger, task: Task, told: Report) -> None:
    """Record what did end, and have the task offered again for the entries whose objects are on their way.

    Such an attempt has not ended badly: it is not counted among those that have.
    """
    awaited = next(filter(_restoring, told.outcomes))
    endings, rest = _passed(ledger, task, [outcome for outcome in told.outcomes if not _restoring(outcome)])
    ledger.change(task, ledger.note(task, endings))
    ledger.keep(task, rest)
    waited = (ledger.now - (task.started or ledger.now)).total_seconds()
    delay = min(max(waited, _SOON), LONGEST)
    reason = f"restore requested for {len(rest)} files: {awaited.reason}"
    again(ledger, task, reason=reason, error=Restoring.code, failures=0, delay=delay)
    log.info("task waits for objects", task=told.task, objects=len(rest), delay=delay)


def expire(ledger: Ledger, task: Task) -> None:
    """Take the task from an attempt whose lease ran out: offer it again, or end it when that happened too often."""
    reason = f"{task.node or 'the node'} stopped answering while it ran this task (attempt {task.attempt})"
    if task.failures + 1 < ATTEMPTS:
        until = task.lease_until
        again(ledger, task, reason=reason, error="lease_lost", failures=1)
        ledger.change(task, lease_until=until)
    else:
        told = Report(task=str(task.taskid), attempt=task.attempt, error="lease_lost", reason=reason)
        until = task.lease_until
        end(ledger, task, told)
        ledger.change(task, lease_until=until)


def again(ledger: Ledger, task: Task, *, reason: str, error: str, failures: int, delay: float = 0.0) -> None:
    """Have another attempt made, after `delay` seconds."""
    ledger.change(
        task,
        state=TaskState.PENDING.value,
        attempt=task.attempt + 1,
        failures=task.failures + failures,
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
    if told.outcomes and not task.finds:
        endings, rest = _passed(ledger, task, told.outcomes)
        if not rest:
            end(ledger, task, msgspec.structs.replace(told, error="", reason="", retry=False))
            return
        ledger.change(task, ledger.note(task, endings))
        ledger.keep(task, rest)
    log.info("task will be tried again", task=told.task, attempt=told.attempt, delay=delay, reason=told.reason)
    again(ledger, task, reason=told.reason, error=told.error, failures=1, delay=delay)
    if _of_a_place(told) and _place_is_dead(ledger, task, told, within=STANDSTILL):
        _hold_back_alike(ledger, task, told, due=ledger.now + timedelta(seconds=delay))


def _of_a_place(told: Report) -> bool:
    """Say whether the attempt ended for something that others meet as well, such as a store that does not answer."""
    own_faults = {ArgosyError.code, Invalid.code, Unsupported.code}
    return bool(told.error) and told.retry and told.error not in own_faults


def _place_is_dead(ledger: Ledger, task: Task, told: Report, *, within: timedelta) -> bool:
    """Say whether it is the place, and not something in the task: none of the tasks like it gets through.

    None has ended well lately, and none has been at it for longer than it would have taken to fail as this one did.
    """
    alike = _alike(ledger, task)
    through = alike.filter(completed__gte=ledger.now - within, state__in=(TaskState.SUCCESS, TaskState.ERROR))
    patience = min(max(2 * timedelta(seconds=told.seconds), STANDSTILL), OUTAGE)
    at_it = alike.filter(state=TaskState.STARTED, rung_at__lt=ledger.now - patience, lease_until__gte=ledger.now)
    return not through.exists() and not at_it.exists()


def _met_by_others(ledger: Ledger, task: Task) -> bool:
    """Say whether another task like it has failed, too, since shortly before this one began."""
    begun = (task.started or ledger.now) - OUTAGE
    tried = _alike(ledger, task).filter(
        failures__gt=0, state__in=(TaskState.PENDING, TaskState.STARTED, TaskState.FAILURE)
    )
    return tried.filter(Q(completed=None) | Q(completed__gte=begun)).exists()


def _alike(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return the other tasks of the job that do the same at the same place."""
    return ledger.tasks().filter(job=task.job_id, site=task.site_id, tasktype=task.tasktype).exclude(pk=task.pk)


def _waiting_alike(ledger: Ledger, task: Task) -> QuerySet[Task]:
    """Return those of them that wait, of the same chain."""
    waiting = _alike(ledger, task).filter(chain=task.chain, state=TaskState.PENDING)
    return waiting.exclude(error=Restoring.code)


def _hold_back_alike(ledger: Ledger, task: Task, told: Report, *, due: datetime) -> None:
    """Have what waits for the place wait as long; but for one task, where no other than this was tried yet."""
    waiting = _waiting_alike(ledger, task).filter(failures=0)
    if not _met_by_others(ledger, task) and (one := waiting.order_by("pk").first()):
        waiting = waiting.exclude(pk=one.pk)
    if waiting.update(due=due, rung_at=None, error=told.error, reason=told.reason):
        changes.note_many(changes.Kind.TASK)
    ledger.known.forget()


def _end_alike(ledger: Ledger, task: Task, told: Report) -> None:
    """End what waits for a place that has been dead through all attempts, so that other work has the site's slots.

    Where no other task was tried it may be this one's own fault: what waits is tried then.
    """
    if not _met_by_others(ledger, task):
        return
    for waiting in ledger.known.hold(_waiting_alike(ledger, task)):
        counts = _all_failed(ledger, waiting, told)
        ledger.change(
            waiting, counts, state=TaskState.FAILURE.value, completed=ledger.now, error=told.error, reason=told.reason
        )


def end(ledger: Ledger, task: Task, told: Report) -> None:
    """Record the end of a task and what became of each of its entries."""
    if task.finds:
        counts = _end_finding(ledger, task, told)
    elif told.outcomes or not told.error:
        endings, rest = _passed(ledger, task, told.outcomes)
        counts = ledger.note(task, [*endings, *(_left(item, told) for item in rest)])
    else:
        counts = _all_failed(ledger, task, told)
    state = _ended_as(counts, told)
    ledger.change(
        task,
        counts,
        state=state.value,
        completed=ledger.now,
        lease_until=None,
        error=told.error,
        reason=told.reason,
    )
    if state is not TaskState.SUCCESS:
        log.warning("task ended", task=told.task, job=task.job_id, state=state.value, reason=told.reason)


def _end_finding(ledger: Ledger, task: Task, told: Report) -> Counter[str]:
    """Record the end of a task that finds entries; those it reports in good state are found."""
    ledger.walked(task)
    counts = _found(ledger, task, [outcome.entry for outcome in told.outcomes if outcome.state.goes_on])
    counts += _unwalked(ledger, task, [outcome for outcome in told.outcomes if not outcome.state.goes_on])
    if told.error:
        failed = _all_failed(ledger, task, told)
        ledger.count(task.job_id, numfiles=failed["numfailedfiles"])
        counts += failed
    return counts


def _ended_as(counts: Counter[str], told: Report) -> TaskState:
    if told.error:
        return TaskState.FAILURE
    return TaskState.ERROR if counts["numfailedfiles"] else TaskState.SUCCESS


def _all_failed(ledger: Ledger, task: Task, told: Report) -> Counter[str]:
    count = ledger.known.row(task).count
    return ledger.note_all(task, FileState.FAILED, count, error=told.error, reason=told.reason)


def _left(item: Carried, told: Report) -> Ending:
    """Return how an entry ended that the report says nothing of."""
    reason = told.reason or "the site reported nothing of it"
    outcome = Outcome(entry=item.entry, state=FileState.FAILED, reason=reason, error=told.error or "error")
    return Ending(outcome, item.source, FileState.FAILED)


def _found(ledger: Ledger, task: Task, entries: Sequence[Entry]) -> Counter[str]:
    """Start the chains of the rules that match the entries; return counts for the task."""
    rules = ledger.known.rules(task.submission_id)
    chains: dict[int, list[Carried]] = {}
    endings: list[Ending] = []
    size = 0
    for entry in entries:
        if entry.kind is Kind.OTHER:
            outcome = Outcome.skipped(entry, "not a file, directory or symlink")
            endings.append(Ending(outcome, final=FileState.SKIPPED))
            continue
        for place in chosen(rules, entry):
            chains.setdefault(place, []).append(Carried(entry=entry))
            size += entry.size
    for place, carried in chains.items():
        endings += _pass_on(ledger, task, place, 0, carried)
    counted = sum(map(len, chains.values())) + len(endings)
    ledger.count(task.job_id, numfiles=counted, numbytes=size)
    return ledger.note(task, endings)


def _taken(ledger: Ledger, task: Task, entries: Sequence[Entry], sink: sinks.Sink) -> Counter[str]:
    """Give the entries to whoever wanted to know of them; they are done then."""
    sink(task.job_id, entries)
    ledger.count(task.job_id, numfiles=len(entries), numprocessedfiles=len(entries))
    return Counter({COLUMN[FileState.PROCESSED]: len(entries)})


def _unwalked(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> Counter[str]:
    """Record paths that could not be looked at, each once: an attempt says again what those before it said."""
    said = _said_before(ledger, task) if outcomes and task.attempt > 1 else set()
    endings = [Ending(outcome, final=outcome.state) for outcome in outcomes if outcome.entry.path not in said]
    ledger.count(task.job_id, numfiles=len(endings))
    return ledger.note(task, endings)


def _said_before(ledger: Ledger, task: Task) -> set[bytes]:
    """Return the paths that earlier attempts could not look at."""
    states = [state.value for state in FileState if not state.goes_on]
    told = ledger.results().filter(task=task, attempt__lt=task.attempt, final__in=states)
    blobs = told.exclude(blob=None).values_list("blob", flat=True)
    return {noted.outcome.entry.path for blob in blobs if blob for noted in unpack_noted(blob)}


def _passed(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> tuple[list[Ending], list[Carried]]:
    """Hand on the entries that go on; return how each ended here, and the entries without an outcome."""
    assert task.chain is not None
    pairs, rest = _paired(ledger.known.entries(task), outcomes)
    last = task.seq + 1 == len(ledger.known.rules(task.submission_id)[task.chain].chain)
    endings = [_ending(item, outcome) for item, outcome in pairs if last or not outcome.state.goes_on]
    if last:
        return endings, rest
    on = [_carried(item, outcome) for item, outcome in pairs if outcome.state.goes_on]
    lost = _pass_on(ledger, task, task.chain, task.seq + 1, on)
    stranded = {ending.outcome.entry.path for ending in lost}
    gone = [
        Ending(outcome, item.source)
        for item, outcome in pairs
        if outcome.state.goes_on and outcome.entry.path not in stranded
    ]
    return [*endings, *gone, *lost], rest


def _ending(item: Carried, outcome: Outcome) -> Ending:
    """Return the end of an entry's way: processed where any link of its chain processed it."""
    worked = item.done and outcome.state is FileState.SKIPPED
    return Ending(outcome, item.source, FileState.PROCESSED if worked else outcome.state)


def _carried(item: Carried, outcome: Outcome) -> Carried:
    done = item.done or outcome.state is FileState.PROCESSED
    return Carried(entry=outcome.entry, source=item.source, done=done)


def _paired(
    carried: Sequence[Carried], outcomes: Sequence[Outcome]
) -> tuple[list[tuple[Carried, Outcome]], list[Carried]]:
    """Return each entry with its outcome, and those that have none: outcomes come in the order of the entries."""
    if len(outcomes) == len(carried):
        return list(zip(carried, outcomes, strict=True)), []
    told = {outcome.entry.path: outcome for outcome in outcomes}
    pairs = [(item, told[item.entry.path]) for item in carried if item.entry.path in told]
    return pairs, [item for item in carried if item.entry.path not in told]


def _pass_on(ledger: Ledger, task: Task, chain: int, seq: int, carried: Sequence[Carried]) -> list[Ending]:
    """Start link `seq` of a chain for the entries; return, as failed, those that have no place at its site."""
    if not carried:
        return []
    link = ledger.known.rules(task.submission_id)[chain].chain[seq]
    there, lost = _moved(ledger, task, link.site, carried)
    for some in chunks(there, ledger.known.site(link.site)):
        following = Task(job_id=task.job_id, submission_id=task.submission_id, site_id=link.site, parent=task)
        following.tasktype, following.queue, following.chain, following.seq = link.step, Queue.TRANSFER, chain, seq
        ledger.spawn(following, some)
    return lost


def _moved(ledger: Ledger, task: Task, site: int, carried: Sequence[Carried]) -> tuple[Sequence[Carried], list[Ending]]:
    """Return the entries under their paths at the site, and those that have none."""
    if site == task.site_id:
        return carried, []
    here, there = ledger.known.linked(task.site_id), ledger.known.linked(site)
    moved: list[Carried] = []
    lost: list[Ending] = []
    for item in carried:
        try:
            path = mapped(item.entry.path, here, there)
            source = None if item.entry.source is None else mapped(item.entry.source, here, there)
        except Invalid as error:
            lost.append(Ending(Outcome.of_error(item.entry, error), item.source, FileState.FAILED))
        else:
            # an inode of one site says nothing at another, and what was not seen there is looked at first
            entry = msgspec.structs.replace(item.entry, path=path, source=source, inode=0, ctime_ns=0)
            moved.append(Carried(entry=entry, source=item.origin, done=item.done))
    return moved, lost
