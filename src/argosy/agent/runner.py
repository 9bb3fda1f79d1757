"""Runs one order: entries through a step, or a discovery in batches back to the hub."""

import time
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
import structlog

from argosy.agent.batch import Applied, apply, readable
from argosy.agent.hub import Hub
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.agent.syncing import running as syncing
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, LeaseLost, Refused, Unavailable
from argosy.core.faults import Occupied
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.others import words_of
from argosy.core.outcome import Outcome
from argosy.core.paths import above, sayable
from argosy.core.report import Batch, Report
from argosy.discoveries.base import DISCOVERIES, OTHERS, Discovery, Phased, discovery_of
from argosy.filesystems.base import OnError
from argosy.site import Site

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
        if syncing.is_of_sync(order):
            report = _report(order, outcomes=(syncing.run(order, site, hub),))
        elif kind is None:
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
    on_error = _noting(failed)
    place = Looking(site) if order.dry_run else site
    sequence = order.sequence
    for phase, found in _in_phases(discovery, order, place, on_error):
        for entries in batches(found, files=order.batch_files, size=order.batch_bytes):
            site.check_lease()
            unseen, failed[:] = tuple(failed), []
            batch = Batch(task=order.task, attempt=order.attempt, sequence=sequence, entries=entries, failed=unseen)
            if not hub.batch(msgspec.structs.replace(batch, phase=phase)):
                raise LeaseLost("the hub took the task back")
            sequence += 1
    return failed


def _noting(failed: list[Outcome]) -> OnError:
    return lambda path, error: failed.append(readable(_unseen(path, error), Outcome))


def _in_phases(
    discovery: Discovery, order: Order, site: Site, on_error: OnError
) -> Iterator[tuple[int, Iterator[Entry]]]:
    """Yield what is found, phase by phase; most discoveries have only one."""
    if isinstance(discovery, Phased):
        every = discovery.phases(order.entries, site, on_error=on_error, after=order.after, phase=order.phase)
        for phase, some in groupby(every, key=itemgetter(0)):
            yield phase, _readable((entry for _, entry in some), order)
        return
    yield order.phase, _readable(discovery.find(order.entries, site, on_error=on_error, after=order.after), order)


def _readable(found: Iterator[Entry], order: Order) -> Iterator[Entry]:
    return (readable(entry, Entry) for entry in found) if order.step.startswith(OTHERS) else found


def _unseen(path: bytes, error: ArgosyError) -> Outcome:
    return Outcome.of_error(Entry(path=path), error)


def batches(entries: Iterator[Entry], *, files: int, size: int) -> Iterator[tuple[Entry, ...]]:
    """Yield the entries in batches: the first of `files`, each later one of twice as many, up to `GROWTH` times.

    So the first tasks begin at once, and a large tree costs few messages. The hub cuts batches into tasks of the
    site's size; what a batch may hold in bytes grows alike, and is exceeded by a single entry only. What is to move
    together comes together: then a batch has a little more.
    """
    batch: list[Entry] = []
    names = _Names()
    held, times = 0, 1
    for entry in entries:
        full = len(batch) >= files * times or held + entry.size > size * times
        if batch and full and not (entry.source is not None and names.concern(entry)):
            yield tuple(batch)
            batch, names, held, times = [], _Names(), 0, min(times * 2, GROWTH)
        batch.append(entry)
        if entry.source is not None:
            names.add(entry)
        held += entry.size
    if batch:
        yield tuple(batch)


class _Names:
    """The names that entries have and are to get, and the directories those lie in."""

    def __init__(self) -> None:
        self._own: set[bytes] = set()
        self._above: set[bytes] = set()

    def add(self, entry: Entry) -> None:
        for name in _names(entry):
            self._own.add(name)
            self._above.update(above(name))

    def concern(self, entry: Entry) -> bool:
        """Say whether the entry has to do with a name of these, or with what lies there."""
        return any(
            name in self._own or name in self._above or not self._own.isdisjoint(above(name)) for name in _names(entry)
        )


def _names(entry: Entry) -> tuple[bytes, ...]:
    return (entry.path,) if entry.source is None else (entry.path, entry.source)
