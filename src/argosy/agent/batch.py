"""A batch of entries on its way through a step: all through one stage before any goes on to the next."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from typing import TypeVar, cast

import msgspec
import structlog

from argosy.agent.drift import Drift
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.agent.plans import foreseen
from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, Changed, LeaseLost, Unavailable
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.turns import taken
from argosy.hsm.file.local import present
from argosy.steps.base import CUSTOM, HUBS, Batched, Settling, Step, Work, step_named
from argosy.steps.move_paths_on_gpfs import Moving

log = structlog.get_logger()
T = TypeVar("T")

SMALL = 1 << 20
"""Bytes up to which the work on a file is mostly Python's, and takes a turn."""
HANDS = 16
"""Threads of a site that one task keeps busy at once; a site with more of them serves several tasks."""


def apply(order: Order, site: OrderSite, pool: Executor) -> list[Outcome]:
    """Take the order's entries through its step, and return what became of each.

    Raises:
        LeaseLost: the task is no longer ours.
        Unavailable: the place does not answer; other entries may have been dealt with.
        Invalid: there is no such step, or it has no such options.
    """
    named = HUBS.get(order.step) if order.own else step_named(order.step)
    step: Step | Batched = parse(named, order.options, noun=f"step {order.step}")
    others = CUSTOM in repr((order.step, order.options))  # an option can name a step, too
    slots = [_Slot(entry, others=others) for entry in order.entries]
    try:
        if order.dry_run:
            looking = Looking(site)
            _each(pool, slots, lambda slot: slot.take(foreseen(step, slot.entry, looking)))
            _keep_names(step, slots, site, pool)
        elif order.entries and order.entries[0].facts.expected is not None:
            _do_as_planned(step, slots, site, pool)
        else:
            _do(step, slots, site, pool)
    finally:
        for slot in slots:
            slot.close()
    return [slot.ended() for slot in slots]


def _do_as_planned(step: Step | Batched, slots: Sequence["_Slot"], site: OrderSite, pool: Executor) -> None:
    """Do what a plan said, to what is as it was seen: all of it is looked at before any of it is touched."""
    drift = Drift(slots[0].entry, step, site)
    _each(pool, slots, lambda slot: slot.expect(drift))
    _keep_names(step, slots, site, pool)
    drift.begin([slot.entry for slot in slots if slot.outcome is None])
    try:
        _do(step, slots, site, pool)
    finally:
        drift.end()


def _do(step: Step | Batched, slots: Sequence["_Slot"], site: OrderSite, pool: Executor) -> None:
    left = [slot for slot in slots if slot.outcome is None]
    if not isinstance(step, Batched):
        _each(pool, left, lambda slot: slot.take(step.apply(slot.entry, site)))
        return
    _each(pool, left, lambda slot: slot.take(step.prepare(slot.entry, site)))
    _each(pool, [slot for slot in slots if slot.work], _Slot.sync)
    _keep_names(step, slots, site, pool)
    _each(pool, [slot for slot in slots if slot.work], _Slot.commit)
    _keep_names(step, slots, site, pool)
    _each(pool, [slot for slot in slots if slot.settling], _Slot.settle)


def _keep_names(step: Step | Batched, slots: Sequence["_Slot"], site: OrderSite, pool: Executor) -> None:
    """See to it that nothing takes the name of what was to leave it and does not: neither does that leave its own."""
    if not isinstance(step, Moving):
        return
    seen: set[bytes] = set()
    while staying := {slot.entry.source for slot in slots if slot.stays} - seen:
        hindered = [slot for slot in slots if slot.may_go and slot.entry.path in staying]
        seen |= {slot.entry.path for slot in hindered}
        _each(pool, hindered, lambda slot: slot.expect_free(site))
        if not hindered:
            return


class _Slot:
    """One entry on its way through a batch: at most one of `work`, `settling` and `outcome` is set."""

    def __init__(self, entry: Entry, *, others: bool = False) -> None:
        self.entry = entry
        self.others = others
        """Whether the step is of another distribution, which may say anything."""
        self.work: Work | None = None
        self.settling: Settling | None = None
        self.outcome: Outcome | None = None
        self.drift: Drift | None = None

    @property
    def stays(self) -> bool:
        """Whether the entry was to leave its source, and did not."""
        return self.outcome is not None and not self.outcome.state.goes_on and self.entry.source != self.entry.path

    @property
    def may_go(self) -> bool:
        """Whether it may get another name yet; or, of one that was only planned, whether it would."""
        planned = self.outcome is not None and self.outcome.cost is not None and self.outcome.state.goes_on
        return (self.outcome is None or planned) and self.entry.source != self.entry.path

    def expect(self, drift: Drift) -> None:
        """Go on with what is as its plan saw it.

        Raises:
            Drifted: it is not: nothing is to be done to it.
        """
        self.drift, self.entry = drift, drift.expect(self.entry)

    def expect_free(self, site: OrderSite) -> None:
        """Return where nothing has the name that the entry is to get.

        Raises:
            Changed: something has.
        """
        path = self.entry.path
        if present(site.tree(path), path) is not None:
            raise Changed(f"{display(path)}: has this name still: it was to get another, and could not")

    def take(self, prepared: Work | Settling | Outcome) -> None:
        if isinstance(prepared, Outcome):
            self._end(prepared)
        elif hasattr(prepared, "commit"):  # an `isinstance` of a protocol costs fifty times as much
            self.work = cast("Work", prepared)
        else:
            self.settling = _settling(prepared)

    def sync(self) -> None:
        assert self.work is not None
        self.work.sync()

    def commit(self) -> None:
        assert self.work is not None
        self.settling, self.work = _settling(self.work.commit()), None

    def settle(self) -> None:
        assert self.settling is not None
        self.settling.settle()
        self._end(self.settling.outcome)

    def fail(self, error: ArgosyError) -> None:
        self.close()
        self.outcome = Outcome.of_error(self.entry, error)

    def ended(self) -> Outcome:
        if self.outcome is None:  # of a step that hands out work where it was to do it
            return Outcome.of_error(self.entry, ArgosyError("internal error: the step did not come to an end"))
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
            except Exception:  # of a step of others, whose fault must not hide how the entry ended
                log.exception("not cleared away", path=self.entry.path)

    def _end(self, outcome: Outcome) -> None:
        told = self._believed(outcome)
        if self.drift is not None:
            self.drift.left(self.entry, told)
        self.close()
        self.outcome = told

    def _believed(self, told: Outcome) -> Outcome:
        """Return what a step said became of the entry.

        Raises:
            ArgosyError: it is not what the hub could read, or is of another entry.
        """
        if self.others or not isinstance(told, Outcome):
            readable(told, Outcome)
        if told.entry.path != self.entry.path:
            raise ArgosyError(f"internal error: the step told of another entry, {display(told.entry.path)}")
        return told


def _settling(told: Settling) -> Settling:
    """Return what a step said is to be settled.

    Raises:
        ArgosyError: it is nothing of the kind.
    """
    if not hasattr(told, "settle"):
        raise ArgosyError(f"internal error: {told!r:.100} was returned, which is no Outcome")
    return told


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
    except (Exception, SystemExit) as error:  # a fault in one entry must not take the others with it
        log.exception("step failed", path=slot.entry.path)
        slot.fail(ArgosyError(f"internal error: {type(error).__name__}: {error}"))
    return None


def readable(told: T, kind: type[T]) -> T:
    """Return what a step or discovery of another distribution said, if the hub will read it so.

    Raises:
        ArgosyError: it will not, or the values in it are of other types.
    """
    if not isinstance(told, kind) or wire.load(wire.dump(told), kind) != told:
        raise ArgosyError(f"internal error: {told!r:.100} was returned, which is no {kind.__name__}")
    return told
