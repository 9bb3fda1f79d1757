"""Runs one order: entries in parallel through a step, or a discovery in batches back to the hub."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec
import structlog

from argosy.agent.hub import Hub
from argosy.agent.place import OrderSite
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, LeaseLost, Refused, Unavailable
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.core.states import FileState
from argosy.discoveries.base import DISCOVERIES, Discovery
from argosy.steps.base import STEPS, Batched, Step, Work

log = structlog.get_logger()

DISCOVERY_STEPS = {"dynamo.tasks.recursive_action": "recursive"}
"""Documented task names of discoveries."""


def run(order: Order, site: OrderSite, hub: Hub, entries_pool: Executor) -> Report:
    """Return how the order ended.

    Raises:
        LeaseLost: the task is no longer ours; nothing is to be reported.
    """
    began = time.monotonic()
    try:
        outcomes = _discover(order, site, hub) if order.step in DISCOVERY_STEPS else _apply(order, site, entries_pool)
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


def _discover(order: Order, site: OrderSite, hub: Hub) -> list[Outcome]:
    """Send what is found while the walk goes on; each batch is committed before the next is gathered."""
    plugin = DISCOVERIES.get(DISCOVERY_STEPS[order.step])
    discovery: Discovery = parse(plugin, order.options, noun=f"discovery {order.step}")
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
    """Yield the entries in batches of at most `files`, closed as soon as they hold `size` bytes or more."""
    batch: list[Entry] = []
    held = 0
    for entry in entries:
        if batch and held + entry.size > size:
            yield tuple(batch)
            batch, held = [], 0
        batch.append(entry)
        held += entry.size
        if len(batch) >= files:
            yield tuple(batch)
            batch, held = [], 0
    if batch:
        yield tuple(batch)


def _apply(order: Order, site: OrderSite, pool: Executor) -> list[Outcome]:
    step: Step | Batched = parse(STEPS.get(order.step), order.options, noun=f"step {order.step}")
    slots = [_Slot(entry) for entry in order.entries]
    if not isinstance(step, Batched):
        _each(pool, slots, lambda slot: slot.finish(step.apply(slot.entry, site)))
        return [slot.ended() for slot in slots]
    try:
        _each(pool, slots, lambda slot: slot.begin(step.prepare(slot.entry, site)))
        _each(pool, _open(slots), lambda slot: slot.work.sync())
        _each(pool, _open(slots), lambda slot: slot.commit())
        _each(pool, _working(slots), lambda slot: slot.work.settle())
    finally:
        for slot in slots:
            slot.close()
    return [slot.ended() for slot in slots]


class _Slot:
    """One entry on its way through a batch."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.outcome: Outcome | None = None
        self._work: Work | None = None

    @property
    def work(self) -> Work:
        assert self._work is not None
        return self._work

    def begin(self, prepared: Work | Outcome) -> None:
        if isinstance(prepared, Outcome):
            self.outcome = prepared
        else:
            self._work = prepared

    def commit(self) -> None:
        self.outcome = self.work.commit()

    def finish(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def fail(self, error: ArgosyError) -> None:
        self.outcome = Outcome.of_error(self.entry, error)

    def is_open(self) -> bool:
        return self._work is not None and self.outcome is None

    def is_committed(self) -> bool:
        return self._work is not None and self.outcome is not None and self.outcome.state is not FileState.FAILED

    def ended(self) -> Outcome:
        assert self.outcome is not None
        return self.outcome

    def close(self) -> None:
        if self._work is not None:
            self._work.close()


def _open(slots: Sequence[_Slot]) -> list[_Slot]:
    return [slot for slot in slots if slot.is_open()]


def _working(slots: Sequence[_Slot]) -> list[_Slot]:
    return [slot for slot in slots if slot.is_committed()]


def _each(pool: Executor, slots: Sequence[_Slot], act: Callable[[_Slot], None]) -> None:
    """Act on all slots in parallel; what is wrong with one entry becomes its outcome, a dead place ends the task."""
    broken: list[ArgosyError] = []

    def one(slot: _Slot) -> None:
        if broken:
            return  # the place is dead: do not wait for it once an entry
        if (error := _guarded(slot, act)) is not None:
            broken.append(error)

    list(pool.map(one, slots))
    if broken:
        raise broken[0]


def _guarded(slot: _Slot, act: Callable[[_Slot], None]) -> ArgosyError | None:
    try:
        act(slot)
    except (Unavailable, LeaseLost) as error:
        return error
    except ArgosyError as error:
        slot.fail(error)
    except Exception as error:  # a fault of ours in one entry must not take the others with it
        log.exception("step failed", path=slot.entry.path)
        slot.fail(ArgosyError(f"internal error: {type(error).__name__}: {error}"))
    return None
