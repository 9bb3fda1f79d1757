"""Runs one order: entries through a step, or a discovery in batches back to the hub."""

import time
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

import msgspec
import structlog

from argosy.agent.batch import Applied, apply, readable
from argosy.agent.hub import Hub
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, LeaseLost, Refused, Unavailable
from argosy.core.faults import Occupied
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.others import words_of
from argosy.core.outcome import Outcome
from argosy.core.paths import sayable
from argosy.core.report import Batch, Report
from argosy.discoveries.base import DISCOVERIES, OTHERS, Discovery, discovery_of

log = structlog.get_logger()
T = TypeVar("T")

GROWTH = 16
"""How many tasks' worth of entries a discovery sends at once, at most."""


def run(order: Order, site: OrderSite, hub: Hub, entries_pool: Executor) -> Report:
    """Return how the order ended.

    Raises:
        LeaseLost: the task is no longer ours; nothing is to be reported.
    """
    began, kind = time.monotonic(), discovery_of(order.step)
    try:
        if kind is None:
            report = _applied(order, apply(order, site, entries_pool))
        else:
            report = _report(order, outcomes=tuple(_discover(kind, order, site, hub)))
    except LeaseLost:
        raise
    except ArgosyError as error:
        report = _report(order, **_told(error))
    except BaseException as error:  # unsaid, it would be taken for an agent that died
        log.exception("task failed", task=order.task, attempt=order.attempt)
        report = broken(order.task, order.attempt, error)
    return msgspec.structs.replace(report, seconds=time.monotonic() - began)


def broken(task: str, attempt: int, error: BaseException) -> Report:
    """Return how an attempt ended that met an error which nobody foresaw: another may succeed."""
    reason = f"internal error: {words_of(error)}"
    return Report(task=task, attempt=attempt, error=ArgosyError.code, reason=reason, retry=True)


def _applied(order: Order, applied: Applied) -> Report:
    """Return what became of entries; and of those that a dead place kept, what they met."""
    report = _report(order, outcomes=tuple(applied.outcomes))
    if not applied.kept:
        return report
    _, error = min(applied.kept, key=lambda kept: (isinstance(kept[1], Refused), isinstance(kept[1], Occupied)))
    others = [(entry, other) for entry, other in applied.kept if _is_own(other, error)]
    met = tuple(Outcome.of_error(entry, other) for entry, other in others)
    asked = tuple(entry.path for entry, _ in applied.kept if entry.path in applied.asked)
    return msgspec.structs.replace(report, met=met, asked=asked, **_told(error))


def _is_own(other: ArgosyError, error: ArgosyError) -> bool:
    """Say whether it is to be told of an entry what it met, beside the error of the report."""
    return isinstance(other, Occupied) or _told(other) != _told(error)


def _told(error: ArgosyError) -> dict[str, Any]:
    """Return what a report says of an error that kept entries from being dealt with."""
    retry = isinstance(error, Unavailable | Occupied) and not isinstance(error, Refused)
    return {"error": error.code, "reason": sayable(error.message), "retry": retry}


def _report(order: Order, **fields: Any) -> Report:
    return Report(task=order.task, attempt=order.attempt, **fields)


def _discover(kind: str, order: Order, site: OrderSite, hub: Hub) -> list[Outcome]:
    """Send what is found while the walk goes on; each batch is committed before the next is gathered."""
    discovery: Discovery = parse(DISCOVERIES.get(kind), order.options, noun=f"discovery {kind}")
    failed: list[Outcome] = []
    found = discovery.find(
        order.entries,
        Looking(site) if order.dry_run else site,
        on_error=lambda path, error: failed.append(readable(_unseen(path, error), Outcome)),
        after=order.after,
    )
    if order.step.startswith(OTHERS):
        found = (readable(entry, Entry) for entry in found)
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
