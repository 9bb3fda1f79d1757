"""Runs one order: entries in parallel through a step, or a discovery in batches back to the hub."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, wait
from typing import Any, cast

import msgspec
import structlog

from argosy.agent.hub import Hub
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.agent.plans import as_planned, foreseen
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, LeaseLost, Refused, Unavailable
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.core.turns import taken
from argosy.discoveries.base import DISCOVERIES, Discovery, discovery_of
from argosy.steps.base import STEPS, Batched, Settling, Step, Work

log = structlog.get_logger()

GROWTH = 16
"""How many tasks' worth of entries a discovery sends at once, at most."""
SMALL = 1 << 20
"""Bytes up to which the work on a file is mostly Python's, and takes a turn."""
HANDS = 16
"""Threads of a site that one task keeps busy at once; a site with more of them serves several tasks."""


def run(order: Order, site: OrderSite, hub: Hub, entries_pool: Executor) -> Report:
    """Return how the order ended.

    Raises:
        LeaseLost: the task is no longer ours; nothing is to be reported.
    """
    began, kind = time.monotonic(), discovery_of(order.step)
    try:
        outcomes = _apply(order, site, entries_pool) if kind is None else _discover(kind, order, site, hub)
    except LeaseLost:
        raise
    except ArgosyError as error:
        retry = isinstance(error, Unavailable) and not isinstance(error, Refused)
        report = _report(order, error=error.code, reason=error.message, retry=retry)
    else:
        report = _report(order, outcomes=tuple(outcomes))
    return msgspec.structs.replace(report, seconds=time.monotonic() - began)


def _report(order: Order, **fields: Any) -> Report:
    return Report(task=order.task, attempt=order.attempt, **fields)


def _discover(kind: str, order: Order, site: OrderSite, hub: Hub) -> list[Outcome]:
    """Send what is found while the walk goes on; each batch is committed before the next is gathered."""
    discovery: Discovery = parse(DISCOVERIES.get(kind), order.options, noun=f"discovery {kind}")
    failed: list[Outcome] = []
    found = discovery.find(
        order.entries, site, on_error=lambda path, error: failed.append(_unseen(path, error)), after=order.after
    )
    sequence = order.sequence
    for entries in batches(found, files=order.batch_files, size=order.batch_bytes):
        site.check_lease()
        unseen, failed[:] = tuple(failed), []
        batch = Batch(task=order.task, attempt=order.attempt, sequence=sequence, entries=entries, failed=unseen)
        if not hub.batch(batch):
            raise LeaseLost("the hub took the task back")
        sequence += 1
    return failed


def _unseen(path: bytes, error: ArgosyError) -> Outcome:
    return Outcome.of_error(Entry(path=path), error)


def batches(entries: Iterator[Entry], *, files: int, size: int) -> Iterator[tuple[Entry, ...]]:
    """Yield the entries in batches: the first of `files`, each later one of twice as many, up to `GROWTH` times.

    So the first tasks begin at once, and a large tree costs few messages. The hub cuts batches into tasks of the
    site's size; what a batch may hold in bytes grows alike, and is exceeded by a single entry only.
    """
    batch: list[Entry] = []
    held, times = 0, 1
    for entry in entries:
        if batch and (len(batch) >= files * times or held + entry.size > size * times):
            yield tuple(batch)
            batch, held, times = [], 0, min(times * 2, GROWTH)
        batch.append(entry)
        held += entry.size
    if batch:
        yield tuple(batch)


def _apply(order: Order, site: OrderSite, pool: Executor) -> list[Outcome]:
    step: Step | Batched = parse(STEPS.get(order.step), order.options, noun=f"step {order.step}")
    slots = [_Slot(entry) for entry in order.entries]
    try:
        if order.dry_run:
            looking = Looking(site)
            _each(pool, slots, lambda slot: slot.take(foreseen(step, slot.entry, looking)))
        elif isinstance(step, Batched):
            _each(pool, slots, lambda slot: slot.take(step.prepare(slot.expected(site), site)))
            _each(pool, [slot for slot in slots if slot.work], _Slot.sync)
            _each(pool, [slot for slot in slots if slot.work], _Slot.commit)
            _each(pool, [slot for slot in slots if slot.settling], _Slot.settle)
        else:
            _each(pool, slots, lambda slot: slot.take(step.apply(slot.expected(site), site)))
    finally:
        for slot in slots:
            slot.close()
    return [slot.ended() for slot in slots]


class _Slot:
    """One entry on its way through a batch: at most one of `work`, `settling` and `outcome` is set."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.work: Work | None = None
        self.settling: Settling | None = None
        self.outcome: Outcome | None = None

    def expected(self, site: OrderSite) -> Entry:
        """Return the entry, which is as its plan saw it, if it has one.

        Raises:
            Changed: it is not: nothing is to be done to it.
        """
        if self.entry.facts.expected is not None:
            self.entry = as_planned(self.entry, site)
        return self.entry

    def take(self, prepared: Work | Settling | Outcome) -> None:
        if isinstance(prepared, Outcome):
            self.outcome = prepared
        elif hasattr(prepared, "commit"):  # an `isinstance` of a protocol costs fifty times as much
            self.work = cast("Work", prepared)
        else:
            self.settling = prepared

    def sync(self) -> None:
        assert self.work is not None
        self.work.sync()

    def commit(self) -> None:
        assert self.work is not None
        self.settling, self.work = self.work.commit(), None

    def settle(self) -> None:
        assert self.settling is not None
        self.settling.settle()
        self._end(self.settling.outcome)

    def fail(self, error: ArgosyError) -> None:
        self._end(Outcome.of_error(self.entry, error))

    def ended(self) -> Outcome:
        assert self.outcome is not None
        rest = self.entry.facts.expected
        if rest is not None and self.outcome.cost is None:  # of other sites, and steps need not know of it
            return msgspec.structs.replace(self.outcome, entry=self.outcome.entry.learned(expected=rest))
        return self.outcome

    def close(self) -> None:
        """Let go of what is held. What cannot be cleared away on a disk that failed, the next start clears away."""
        held, self.work, self.settling = self.work or self.settling, None, None
        if held is not None:
            try:
                held.close()
            except ArgosyError as error:
                log.warning("not cleared away", path=self.entry.path, reason=error.message)

    def _end(self, outcome: Outcome) -> None:
        self.close()
        self.outcome = outcome


def _each(pool: Executor, slots: Sequence[_Slot], act: Callable[[_Slot], None]) -> None:
    """Act on all slots in parallel; what is wrong with one entry becomes its outcome, a dead place ends the task."""
    broken: list[ArgosyError] = []
    rest = iter(slots)
    door = threading.Lock()

    def work() -> None:
        while not broken:  # a dead place is not waited for once an entry
            with door:
                slot = next(rest, None)
            if slot is None:
                return
            if (error := _guarded(slot, act)) is not None:
                broken.append(error)

    hands = [pool.submit(work) for _ in range(min(len(slots), HANDS))]
    wait(hands)  # also when one of them broke: nothing is reported while another still works
    for hand in hands:
        hand.result()
    if broken:
        raise broken[0]


def _guarded(slot: _Slot, act: Callable[[_Slot], None]) -> ArgosyError | None:
    try:
        if slot.entry.size > SMALL:
            act(slot)
        else:
            with taken():
                act(slot)
    except (Unavailable, LeaseLost) as error:
        return error
    except ArgosyError as error:
        slot.fail(error)
    except Exception as error:  # a fault of ours in one entry must not take the others with it
        log.exception("step failed", path=slot.entry.path)
        slot.fail(ArgosyError(f"internal error: {type(error).__name__}: {error}"))
    return None
