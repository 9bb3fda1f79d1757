"""What sites do in each phase of a run, and what is made of what they told: each called in a transaction."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from django.db.models import QuerySet

from argosy.core.entry import Entry, Kind
from argosy.core.outcome import Outcome
from argosy.core.paths import display, join
from argosy.core.states import FileState
from argosy.core.syncing import APPLY, HASH, SCAN, STAGE
from argosy.hub.jobs import leads
from argosy.hub.jobs.blobs import Carried, pack_carried
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.ledger import Ending, Ledger, chunks
from argosy.hub.jobs.models import COLUMN, Job, Queue, Result, Submission, Task
from argosy.hub.jobs.queues import queue_of
from argosy.hub.sync.models import Applied, Run
from argosy.hub.workflows.rules import Link, Rule
from argosy.sync.executor.outcomes import Became
from argosy.sync.executor.outcomes import Outcome as Done
from argosy.sync.planner import trees
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import SIDES, Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.work import Needed, Stays, Told
from argosy.sync.transfers import Sent, Transfer

MIGRATE: Final = "dynamo.tasks.migrate"
STAT: Final = "dynamo.tasks.stat_paths"
_BECAME: Final = {
    Became.DONE: FileState.PROCESSED,
    Became.ABORTED: FileState.ABORTED,
    Became.FAILED: FileState.FAILED,
    Became.LEFT: FileState.ABORTED,
}
KINDS: Final = {
    trees.Kind.FILE: Kind.FILE,
    trees.Kind.DIRECTORY: Kind.DIRECTORY,
    trees.Kind.SYMLINK: Kind.SYMLINK,
}
_STATES: Final = {Act.TRASH: "deleted", Act.PARK: "moved", Act.UNPARK: "moved", Act.CREATE: "created"}
Route = tuple[Side, Side, bool]
"""From which side to which, and whether with content."""


def tasks_of(run: Run, tasktype: str) -> list[Task]:
    """Return the tasks of a kind of this round, by side for those of which each side has one."""
    since = Task.objects.filter(job=run.job, tasktype=SCAN).order_by("-pk")[: len(SIDES)].values_list("pk", flat=True)
    found = Task.objects.filter(job=run.job, tasktype=tasktype, pk__gte=min(since)).select_related("site")
    return sorted(found, key=lambda task: (run.side_of(task.site_id), task.pk))


def have_hashed(ledger: Ledger, run: Run, job: Job) -> None:
    """Have sites read what the plan needs to know."""
    by_side: defaultdict[Side, list[Carried]] = defaultdict(list)
    for need in pages.read(work.needs(run.folder), Needed):
        by_side[need.side].append(Carried(entry=_seen(run, need)))
    for side, given in by_side.items():
        submission = _submission(job, run, side, {})
        for some in chunks(given, run.site(side)):
            task = Task(job=job, submission=submission, site=run.site(side), tasktype=HASH, queue=Queue.DISCOVERY)
            ledger.spawn(task, some)


def _seen(run: Run, need: Needed) -> Entry:
    return Entry(
        path=join(run.top(need.side), need.path),
        size=need.size,
        mtime_ns=need.mtime_ns,
        ctime_ns=need.ctime_ns,
        inode=need.inode,
    )


def _submission(job: Job, run: Run, side: int, options: dict[str, object]) -> Submission:
    return Submission.objects.create(job=job, site=run.site(side), rules=[], options=options, paths=pack_carried([]))


def keep_hashes(run: Run) -> None:
    """Write what was read of the files that the plan needs; what nobody told could not be read."""
    path = work.told(run.folder)
    told = {(each.side, each.path): each.digest for each in pages.read(path, Told)} if path.exists() else {}
    told |= {(need.side, need.path): b"" for need in pages.read(work.needs(run.folder), Needed)}
    for task in tasks_of(run, HASH):
        side = run.side_of(task.site_id)
        for outcome in _outcomes(task):
            if outcome.state.goes_on and outcome.entry.facts.digest:
                told[side, _below(run, side, outcome.entry.path)] = outcome.entry.facts.digest
    pages.write(path, (Told(side, name, found) for (side, name), found in told.items()))


def _below(run: Run, side: int, path: bytes) -> bytes:
    return path[len(run.top(side)) :].lstrip(b"/")


def _outcomes(task: Task) -> Iterator[Outcome]:
    """Yield what each entry of a task came to, attempt by attempt."""
    for row in Result.objects.filter(task=task, late=False):
        yield from (each.outcome for each in noted(row))


def have_brought(ledger: Ledger, run: Run, job: Job) -> bool:
    """Begin the chains that bring contents and attributes to where operations need them; say whether there are any.

    What both sides send from the same path gets the same key: in the second part of the phase the other side sends it.
    """
    routes: defaultdict[Route, list[Carried]] = defaultdict(list)
    first = {each.path for each in _transfers(run) if each.whole and each.origin is Side.ONE}
    for each in _transfers(run):
        later = each.whole and each.origin is Side.TWO and each.path in first
        if later == bool(run.part):
            routes[each.origin, each.to, each.whole].append(Carried(entry=_sent(run, each)))
    for route, given in routes.items():
        _begin_route(ledger, run, job, route, given)
    return bool(routes)


def _transfers(run: Run) -> Iterator[Transfer]:
    return pages.read(work.transfers(run.folder), Transfer)


def _sent(run: Run, each: Transfer) -> Entry:
    entry, version = each.entry, each.entry.version
    found = Entry(
        path=join(run.top(each.origin), each.path),
        kind=KINDS[entry.kind],
        size=version.size if entry.kind is trees.Kind.FILE else 0,
        mtime_ns=version.mtime_ns,
        ctime_ns=version.ctime_ns,
        inode=entry.binding.inode,
    )
    return found.learned(operation=each.number, digest=(entry.content or b"") if each.whole else b"")


def _begin_route(ledger: Ledger, run: Run, job: Job, route: Route, given: Sequence[Carried]) -> None:
    origin, to, whole = route
    here, there = run.site(origin), run.site(to)
    sending = {"premigrate": True, "overwrite": True, "abort_missing": True} if whole else {}
    first = Link(step=MIGRATE if whole else STAT, site=here.pk, options=sending)
    second = Link(step=STAGE, site=there.pk, options={"run": run.name, "hydrate": run.hydrate})
    submission = _submission(job, run, origin, {})
    submission.rules = msgspec.to_builtins([Rule(state="all", type="all", chain=(first, second))])
    submission.save(update_fields=["rules"])
    for some in chunks(given, here, ledger.known.places(here.pk)):
        queue = queue_of(first.step, first.options)
        task = Task(job=job, submission=submission, site=here, tasktype=first.step, queue=queue, chain=0)
        ledger.spawn(task, some)


def keep_brought(run: Run) -> work.Brought:
    """Return what became of the transfers."""
    staged: set[tuple[int, bool]] = set()
    sent: dict[int, Sent] = {}
    for task in tasks_of(run, STAGE):
        for outcome in _outcomes(task):
            if outcome.state.goes_on:
                facts = outcome.entry.facts
                staged.add((facts.operation, facts.stored is not None))
    for task in tasks_of(run, MIGRATE):
        for outcome in _outcomes(task):
            stored = outcome.entry.facts.stored
            if outcome.state.goes_on and stored is not None:
                sent[outcome.entry.facts.operation] = Sent(stored.digest, outcome.entry.ctime_ns)
    wanted = ((each.number, each.whole) for each in _transfers(run))
    return work.Brought(lost=[each[0] for each in wanted if each not in staged], sent=sent)


def have_applied(ledger: Ledger, run: Run, job: Job) -> None:
    """Have each side that has operations do them; those that cannot be done any more have ended."""
    for side in SIDES:
        if pages.after(work.applicable(run.folder, side), -1):
            submission = _submission(job, run, side, {"run": run.name})
            task = Task(job=job, submission=submission, site=run.site(side), tasktype=APPLY, queue=Queue.DISCOVERY)
            ledger.spawn(task, [Carried(entry=Entry(path=run.top(side)))])
    _note(ledger, run, job, pages.read(work.undone(run.folder), Stays))


def note_stays(ledger: Ledger, run: Run, job: Job) -> None:
    """Have the job tell what stays different: it was asked for, or a later run looks at it again."""
    _note(ledger, run, job, pages.read(work.stays(run.folder), Stays))


def _note(ledger: Ledger, run: Run, job: Job, stays: Iterator[Stays]) -> None:
    lead = ledger.known.hold(Task.objects.filter(job=job, tasktype=leads.LEAD))[0]
    endings = [_staying(run, each) for each in stays]
    if endings:
        ledger.change(lead, ledger.note(lead, endings))
        ledger.count(job.pk, numfiles=len(endings))


def _staying(run: Run, each: Stays) -> Ending:
    state = FileState.SKIPPED if each.skipped else FileState.ABORTED
    entry = Entry(path=join(run.top(each.side), each.path))
    why = each.why
    if each.elsewhere:
        other = each.side.other
        why += f"; on {run.site(other).name} it is {display(join(run.top(other), each.elsewhere))}"
    return Ending(Outcome(entry=entry, state=state, reason=why), final=state)


def note_done(ledger: Ledger, run: Run, task: Task, done: Sequence[Done]) -> None:
    """Have the job tell what became of operations that its agent has told of."""
    side = run.side_of(task.site_id)
    known = _operations(run, side, [each.number for each in done])
    endings = [_ended(run, known[each.number], each) for each in done if each.number in known]
    ledger.change(task, ledger.note(task, endings))


def _operations(run: Run, side: Side, numbers: Sequence[int]) -> dict[int, Operation]:
    """Return operations by their numbers; pages that hold none of these are not read."""
    path, found = work.applicable(run.folder, side), dict[int, Operation]()
    for number in numbers:
        if number not in found:
            page = pages.holding(path, number)
            some = msgspec.msgpack.decode(page, type=list[Operation]) if page else []
            found |= {each.number: each for each in some}
    return found


def _ended(run: Run, operation: Operation, done: Done) -> Ending:
    state = _BECAME[done.became]
    entry = Entry(
        path=join(run.top(operation.side), operation.target),
        kind=KINDS[operation.kind],
        size=operation.size,
        state=_STATES.get(operation.act, "updated"),
    )
    outcome = Outcome(entry=entry, state=state, reason=done.reason, error=done.code)
    return Ending(outcome, final=state)


def keep_outcomes(run: Run) -> None:
    """Write what became of operations to where the next base is made of it."""
    for side in SIDES:
        rows = Applied.objects.filter(run=run, round=run.round, side=side, attempt=1).order_by("sequence")
        pages.write(work.outcomes(run.folder, side), _told(rows))


def _told(rows: QuerySet[Applied]) -> Iterator[Done]:
    for row in rows.iterator(chunk_size=10):
        yield from msgspec.msgpack.decode(bytes(row.done), type=tuple[Done, ...])


def have_nothing(run: Run) -> None:
    """Write what the next base is made of where there is nothing to do."""
    pages.write_one(work.brought(run.folder), work.Brought())
    for side in SIDES:
        for path in (work.applicable(run.folder, side), work.outcomes(run.folder, side)):
            pages.write(path, ())


def settle(ledger: Ledger, job: Job, planned: int = 0) -> None:
    """Have the job count as its files what has ended, and so many that have not."""
    row = Job.objects.get(pk=job.pk)
    ended = sum(getattr(row, column) for column in COLUMN.values())
    ledger.count(job.pk, numfiles=ended + planned - row.numfiles)
