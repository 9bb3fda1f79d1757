"""What claims, batches and reports do to tasks and jobs. Each is called inside a transaction, with its ledger."""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import msgspec
import structlog

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Invalid, LeaseLost, Restoring
from argosy.core.order import Order, Policy
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.core.states import FileState, TaskState
from argosy.discoveries.base import discovery_of
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import late, outages, sinks, suspects
from argosy.hub.jobs.blobs import Carried, unpack_noted
from argosy.hub.jobs.closing import SNAPSHOTTING
from argosy.hub.jobs.known import Known
from argosy.hub.jobs.ledger import Ending, Ledger, chunks
from argosy.hub.jobs.models import COLUMN, OWN, Task
from argosy.hub.jobs.outages import STANDSTILL
from argosy.hub.jobs.queues import queue_of
from argosy.hub.sites.links import mapped
from argosy.hub.sites.models import Site
from argosy.hub.workflows.rules import chosen
from argosy.steps.base import HUBS

log = structlog.get_logger()

ATTEMPTS = 5
"""How many attempts of a task may end badly."""
PATIENCE = 2.0
"""Seconds before the second attempt; three times as many before each later one."""
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
    if suspects.is_condemned(task):  # whoever asks has told how the last attempt ended, if it did
        end(ledger, task, Report(task=taskid, attempt=attempt, error=task.error, reason=task.reason))
        return None
    if not _may_begin(ledger, task):
        ledger.change(task, rung_at=None)
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


def _may_begin(ledger: Ledger, task: Task) -> bool:
    if not suspects.suspects():
        return True
    ledger.tasks()  # what the acts before this one began
    return suspects.may_begin(task, ledger.now)


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
        policy=_policy(site, task.tasktype),
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


def _policy(site: Site, step: str) -> Policy:
    policy = Policy(unguarded_stubs=site.unguarded_stubs, min_stub_size=site.min_stub_size, trash_days=site.trash_days)
    if step not in SNAPSHOTTING:
        return policy
    patience = Configuration.current().snapshot_create_delete_retry_timeout
    return msgspec.structs.replace(policy, lock_threshold=site.lock_threshold, snapshot_retry=patience)


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
    if told.outcomes and not _walks(task):
        rest = _dealt_with(ledger, task, _ended(told))
        if not rest:
            _end_as(ledger, task)
            return
        ledger.keep(task, rest)
    log.info("task will be tried again", task=told.task, attempt=told.attempt, delay=delay, reason=told.reason)
    again(ledger, task, reason=told.reason, error=told.error, failures=1, delay=delay)
    if outages.is_of_a_place(told) and outages.is_dead(ledger, task, told, within=STANDSTILL, outage=OUTAGE):
        outages.hold_back(ledger, task, told, due=ledger.now + timedelta(seconds=delay), outage=OUTAGE)


def _end_alike(ledger: Ledger, task: Task, told: Report) -> None:
    """End what waits for a place that has been dead through all attempts, so that other work has the site's slots."""
    if outages.is_dead(ledger, task, told, within=OUTAGE, outage=OUTAGE):
        for waiting in outages.to_end_with(ledger, task):
            _lose(ledger, waiting, told)
            _end_as(ledger, waiting, error=told.error, reason=told.reason)


def end(ledger: Ledger, task: Task, told: Report) -> None:
    """Record the end of a task and what became of each of its entries."""
    if _walks(task):
        ledger.change(task, _unwalked(ledger, task, told.outcomes))
        _lose(ledger, task, told) if told.error else None
    elif told.outcomes or told.met or not told.error:
        rest = _dealt_with(ledger, task, told.outcomes)
        if not _lose_some(ledger, task, rest, told):
            told = msgspec.structs.replace(told, error="", reason="")
    else:
        _lose(ledger, task, told)
    _end_as(ledger, task, error=told.error, reason=told.reason)


def _walks(task: Task) -> bool:
    """Say whether it finds entries below those that it was given; all others tell of each that they were given."""
    return task.finds and discovery_of(task.tasktype) is not None


def _end_as(ledger: Ledger, task: Task, *, error: str = "", reason: str = "") -> None:
    """Record that a task has ended of which all entries are dealt with."""
    state = TaskState.FAILURE if error else TaskState.ERROR if task.numfailedfiles else TaskState.SUCCESS
    if task.finds:
        ledger.walked(task)
    ledger.change(task, state=state.value, completed=ledger.now, lease_until=None, deaths=0, error=error, reason=reason)
    if state is not TaskState.SUCCESS:
        log.warning("task ended", task=str(task.taskid), job=task.job_id, state=state.value, reason=reason)


def _dealt_with(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> list[Carried]:
    """Record what became of entries, and have those that go on do so; return those without an outcome."""
    pairs, rest = _paired(ledger.known.entries(task), outcomes)
    if len(pairs) < len(outcomes):
        log.warning("outcomes of nothing that was given", task=str(task.taskid), outcomes=len(outcomes) - len(pairs))
    if task.finds:
        counts = _looked_at(ledger, task, [outcome for _, outcome in pairs])
    else:
        counts = ledger.note(task, _passed(ledger, task, pairs))
    got_on = ledger.now if any(outcome.state.goes_on for _, outcome in pairs) else task.got_on
    ledger.change(task, counts, got_on=got_on)
    return rest


def _looked_at(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> Counter[str]:
    """Record what was found at given paths; return counts for the task."""
    counts = _found(ledger, task, [outcome.entry for outcome in outcomes if outcome.state.goes_on])
    return counts + _unwalked(ledger, task, [outcome for outcome in outcomes if not outcome.state.goes_on])


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


def _passed(ledger: Ledger, task: Task, pairs: Sequence[tuple[Carried, Outcome]]) -> list[Ending]:
    """Hand on the entries that go on; return how each ended here."""
    assert task.chain is not None
    last = task.seq + 1 == len(ledger.known.rules(task.submission_id)[task.chain].chain)
    endings = [_ending(item, outcome) for item, outcome in pairs if last or not outcome.state.goes_on]
    if last:
        return endings
    on = [_carried(item, outcome) for item, outcome in pairs if outcome.state.goes_on]
    lost = _pass_on(ledger, task, task.chain, task.seq + 1, on)
    stranded = {ending.outcome.entry.path for ending in lost}
    gone = [
        Ending(outcome, item.source)
        for item, outcome in pairs
        if outcome.state.goes_on and outcome.entry.path not in stranded
    ]
    return [*endings, *gone, *lost]


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
    """Return each entry with its outcome, and those that have none; an outcome of another path is nobody's."""
    if [item.entry.path for item in carried] == [outcome.entry.path for outcome in outcomes]:
        return list(zip(carried, outcomes, strict=True)), []
    told: defaultdict[bytes, deque[Outcome]] = defaultdict(deque)
    for outcome in outcomes:
        told[outcome.entry.path].append(outcome)
    pairs, rest = list[tuple[Carried, Outcome]](), list[Carried]()
    for item in carried:
        if of_it := told.get(item.entry.path):
            pairs.append((item, of_it.popleft()))
        else:
            rest.append(item)
    return pairs, rest


def _pass_on(ledger: Ledger, task: Task, chain: int, seq: int, carried: Sequence[Carried]) -> list[Ending]:
    """Start link `seq` of a chain for the entries; return, as failed, those that have no place at its site."""
    if not carried:
        return []
    link = ledger.known.rules(task.submission_id)[chain].chain[seq]
    there, lost = _moved(ledger, task, link.site, carried)
    for some in chunks(there, ledger.known.site(link.site), ledger.known.places(link.site)):
        following = Task(job_id=task.job_id, submission_id=task.submission_id, site_id=link.site, parent=task)
        following.tasktype, following.queue = link.step, queue_of(link.step, link.options)
        following.chain, following.seq = chain, seq
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
