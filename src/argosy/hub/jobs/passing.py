"""What becomes of entries: those that were found begin the chains of rules, those that go on come to the next link."""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Invalid
from argosy.core.faults import NotMoved
from argosy.core.outcome import Outcome
from argosy.core.phases import MOVED
from argosy.core.states import FileState
from argosy.hub.jobs import leads, sinks
from argosy.hub.jobs.blobs import Carried, unpack_noted
from argosy.hub.jobs.ledger import Ending, Ledger, chunks
from argosy.hub.jobs.models import COLUMN, Task
from argosy.hub.jobs.queues import queue_of
from argosy.hub.jobs.undone import Undone
from argosy.hub.sites.links import mapped
from argosy.hub.workflows.rules import chosen


def found(ledger: Ledger, task: Task, entries: Sequence[Entry], *, phase: int) -> Counter[str]:
    """Start the chains of the rules that match the entries; return counts for the task.

    Of a later phase than the first moves, nothing is begun that has to do with moves that did not end well.
    """
    rules = ledger.known.rules(task.submission_id)
    undone = Undone.of(ledger, task, home=task.site_id) if phase > MOVED else Undone()
    chains: dict[int, list[Carried]] = {}
    endings: list[Ending] = []
    size = untaken = 0
    for entry in entries:
        if entry.kind is Kind.OTHER:
            outcome = Outcome.skipped(entry, "not a file, directory or symlink")
            endings.append(Ending(outcome, final=FileState.SKIPPED))
            continue
        places = chosen(rules, entry)
        untaken += not places
        try:
            undone.expect_apart(entry)
        except NotMoved as error:
            endings += [Ending(Outcome.of_error(entry, error), final=FileState.ABORTED)] if places else []
            continue
        for place in places:
            chains.setdefault(place, []).append(Carried(entry=entry))
            size += entry.size
    for place, carried in chains.items():
        endings += _pass_on(ledger, task, place, 0, carried)
    counted = sum(map(len, chains.values())) + len(endings)
    ledger.count(task.job_id, numfiles=counted, numbytes=size, numuntaken=untaken)
    return ledger.note(task, endings)


def taken(ledger: Ledger, task: Task, entries: Sequence[Entry], sink: sinks.Sink) -> Counter[str]:
    """Give the entries to whoever wanted to know of them; they are done then."""
    sink(task.job_id, entries)
    ledger.count(task.job_id, numfiles=len(entries), numprocessedfiles=len(entries))
    return Counter({COLUMN[FileState.PROCESSED]: len(entries)})


def unwalked(ledger: Ledger, task: Task, outcomes: Sequence[Outcome]) -> Counter[str]:
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


def passed(ledger: Ledger, task: Task, pairs: Sequence[tuple[Carried, Outcome]]) -> list[Ending]:
    """Hand on the entries that go on; return how each ended here."""
    assert task.chain is not None
    last = task.seq + 1 == len(ledger.known.rules(task.submission_id)[task.chain].chain)
    endings = [_ending(item, outcome) for item, outcome in pairs if last or not outcome.goes_on]
    if last and task.tasktype == leads.PREPARED:
        return [_prepared(ending) for ending in endings]
    if last:
        return endings
    on = [_carried(item, outcome) for item, outcome in pairs if outcome.goes_on]
    lost = _pass_on(ledger, task, task.chain, task.seq + 1, on)
    stranded = {ending.outcome.entry.path for ending in lost}
    gone = [
        Ending(outcome, item.source)
        for item, outcome in pairs
        if outcome.goes_on and outcome.entry.path not in stranded
    ]
    return [*endings, *gone, *lost]


def _prepared(ending: Ending) -> Ending:
    """Return the ending of an entry that waits, if it ended well, for what comes of it."""
    return msgspec.structs.replace(ending, final=None) if ending.outcome.state.goes_on else ending


def _ending(item: Carried, outcome: Outcome) -> Ending:
    """Return the end of an entry's way: processed where any link of its chain processed it.

    One that needed nothing is told as skipped, whichever links found that out.
    """
    worked = item.done and outcome.state is FileState.SKIPPED and not outcome.ends
    return Ending(outcome, item.source, FileState.PROCESSED if worked else outcome.state)


def _carried(item: Carried, outcome: Outcome) -> Carried:
    done = item.done or outcome.state is FileState.PROCESSED
    return Carried(entry=outcome.entry, source=item.source, done=done)


def paired(
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
