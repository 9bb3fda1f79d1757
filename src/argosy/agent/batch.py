"""A batch of entries on its way through a step: all through one stage before any goes on to the next."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple, TypeVar, cast

import msgspec
import structlog

from argosy.agent.drift import Drift
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.agent.plans import foreseen
from argosy.agent.reached import Silent
from argosy.agent.syncing.scanned import as_scanned, expect_scanned, is_scanned
from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, Changed, Invalid, LeaseLost, Unavailable
from argosy.core.failpoints import failpoint
from argosy.core.faults import Occupied
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.others import words_of
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.states import FileState
from argosy.core.syncing import OF_ENTRIES
from argosy.core.turns import taken
from argosy.filesystems.base import Syncing
from argosy.hsm.file.local import present
from argosy.steps.base import HUBS, Batched, Joint, Settling, Step, Work, is_of_others, step_named
from argosy.steps.move_paths_on_gpfs import Moving
from argosy.sync.steps.base import SYNCS

log = structlog.get_logger()
T = TypeVar("T")

SMALL = 1 << 20
"""Bytes up to which the work on a file is mostly Python's, and takes a turn."""
HANDS = 16
"""Threads of a site that one task keeps busy at once; a site with more of them serves several tasks."""
MOST_SAID = 1 << 20
"""Bytes that a step or discovery of another distribution may add to what is known of an entry."""


Passing = Unavailable | Occupied
"""What keeps an entry from being dealt with for a while: a place that does not answer, or another task of ours."""


class Applied(NamedTuple):
    """What became of entries, and what kept the others from being dealt with."""

    outcomes: list[Outcome]
    kept: list[tuple[Entry, Passing]]
    asked: frozenset[bytes] = frozenset()
    """Paths of entries for which a store was asked that did not answer."""


def apply(order: Order, site: OrderSite, pool: Executor) -> Applied:
    """Take the order's entries through its step, and return what became of each.

    Raises:
        LeaseLost: the task is no longer ours.
        Unavailable: a place does not answer that all of them need.
        Invalid: there is no such step, or it has no such options.
    """
    silent = Silent()
    site = replace(site, silent=silent)
    step: Step | Batched = parse(_named(order), order.options, noun=f"step {order.step}")
    others = is_of_others(order.step, order.options)
    slots = [_Slot(entry, site, others=others, dry_run=order.dry_run) for entry in order.entries]
    try:
        if order.dry_run:
            looking = Looking(site)
            _each(pool, slots, lambda slot: slot.take(foreseen(step, slot.entry, looking)))
            _keep_names(step, slots, pool)
        elif order.entries and order.entries[0].facts.expected is not None:
            _do_as_planned(step, slots, site, pool)
        else:
            _each(pool, [slot for slot in slots if is_scanned(slot.entry, order.step)], _Slot.expect_scanned)
            _do(step, slots, site, pool)
    finally:
        for slot in slots:
            slot.close()
    kept = [(slot.entry, slot.kept) for slot in slots if slot.kept is not None]
    return Applied([slot.ended() for slot in slots if slot.kept is None], kept, silent.asked)


def _named(order: Order) -> type[Step | Batched]:
    if not order.own:
        return step_named(order.step)
    return SYNCS.get(order.step) if order.step in OF_ENTRIES else HUBS.get(order.step)


def _do_as_planned(step: Step | Batched, slots: Sequence["_Slot"], site: OrderSite, pool: Executor) -> None:
    """Do what a plan said, to what is as it was seen: all of it is looked at before any of it is touched."""
    drift = Drift(slots[0].entry, step, site)
    _each(pool, slots, lambda slot: slot.expect(drift))
    _keep_names(step, slots, pool)
    drift.begin([slot.entry for slot in slots if slot.is_open])
    try:
        _do(step, slots, site, pool)
    finally:
        drift.end()


def _do(step: Step | Batched, slots: Sequence["_Slot"], site: OrderSite, pool: Executor) -> None:
    left = [slot for slot in slots if slot.is_open]
    if not isinstance(step, Batched):
        _each(pool, left, lambda slot: slot.take(step.apply(slot.entry, site)))
        return
    _each(pool, left, lambda slot: slot.take(step.prepare(slot.entry, site)))
    for wave in _waves(step, [slot for slot in slots if slot.work], lambda entry: -_depth(entry.source)):
        _sync(pool, wave, _Slot.sync, _Slot.synced)
    _keep_names(step, slots, pool)
    _each(pool, [slot for slot in slots if slot.work], _Slot.commit)
    _keep_names(step, slots, pool)
    for wave in _waves(step, [slot for slot in slots if slot.settling], lambda entry: _depth(entry.path)):
        _sync(pool, wave, _Slot.settle, _Slot.end)


def _sync(
    pool: Executor, wave: Sequence["_Slot"], alone: Callable[["_Slot"], None], after: Callable[["_Slot"], None]
) -> None:
    """Have on the disk what the slots hold, and go on with each: of small ones all at once where that takes less.

    `alone` syncs what one holds and goes on with it, `after` goes on with one whose filesystem was synced.

    Raises:
        LeaseLost: the task is no longer ours.
    """
    apart = list(wave)
    for some in _alike(wave):
        (first, syncing), *others = some
        if others and syncing.sync_with([other for _, other in others]):
            # Of a journal that was given up, and to a disk that has a memory of its own, only the sync of a file tells.
            apart.remove(first)
            if _went_well(first, alone):
                for slot, _ in others:
                    apart.remove(slot)
                    _went_well(slot, after)
    _each(pool, apart, alone)


def _alike(wave: Sequence["_Slot"]) -> Collection[list[tuple["_Slot", Syncing]]]:
    """Return small slots that hold what can be synced together, and that, kind by kind."""
    alike: dict[type, list[tuple[_Slot, Syncing]]] = {}
    for slot in wave:
        if slot.entry.size <= SMALL and (syncing := slot.syncing()) is not None:
            alike.setdefault(type(syncing), []).append((slot, syncing))
    return alike.values()


def _went_well(slot: "_Slot", act: Callable[["_Slot"], None]) -> bool:
    """Act on a slot, and say whether nothing was wrong.

    Raises:
        LeaseLost: the task is no longer ours.
    """
    done = []

    def acted(slot: "_Slot") -> None:
        act(slot)
        done.append(slot)

    error = _guarded(slot, acted)
    if isinstance(error, LeaseLost):
        raise error
    return bool(done)


def _waves(step: Step | Batched, slots: list["_Slot"], depth: Callable[[Entry], int]) -> Iterable[Sequence["_Slot"]]:
    """Return slots that can go side by side: what leaves a directory goes before that, what is to lie in it after."""
    if not isinstance(step, Moving):
        return [slots]
    waves = groupby(sorted(slots, key=lambda slot: depth(slot.entry)), key=lambda slot: depth(slot.entry))
    return (list(wave) for _, wave in waves)


def _depth(path: bytes | None) -> int:
    return 0 if path is None else path.count(b"/")


def _keep_names(step: Step | Batched, slots: Sequence["_Slot"], pool: Executor) -> None:
    """See to it that nothing takes the name of what was to leave it and does not: neither does that leave its own."""
    if not isinstance(step, Moving):
        return
    seen: set[bytes | None] = set()
    while staying := {slot.entry.source: slot for slot in slots if slot.stays and slot.entry.source not in seen}:
        hindered = [slot for slot in slots if slot.may_go and slot.entry.path in staying]
        seen |= {slot.entry.path for slot in hindered}
        _each(pool, hindered, lambda slot: slot.expect_free(staying[slot.entry.path].kept))
        if not hindered:
            return


class _Slot:
    """One entry on its way through a batch: at most one of `work`, `settling` and `outcome` is set."""

    def __init__(self, entry: Entry, site: OrderSite, *, others: bool = False, dry_run: bool = False) -> None:
        self.entry = entry
        self.site = site
        self.silent = site.silent or Silent()
        self.others = others
        """Whether the step is of another distribution, which may say anything."""
        self.dry_run = dry_run
        self.work: Work | None = None
        self.settling: Settling | None = None
        self.outcome: Outcome | None = None
        self.kept: Passing | None = None
        """What keeps the entry from being dealt with."""
        self.drift: Drift | None = None
        self.scanned = False
        """Whether it is to be what the scan of a sync saw of it, before and afterwards."""

    @property
    def is_open(self) -> bool:
        """Whether something is to be done to the entry yet."""
        return self.outcome is None and self.kept is None

    @property
    def stays(self) -> bool:
        """Whether the entry was to leave its source, and did not."""
        ended_there = self.outcome is not None and not self.outcome.state.goes_on
        return (ended_there or self.kept is not None) and self.entry.source != self.entry.path

    @property
    def may_go(self) -> bool:
        """Whether it may get another name yet; or, of one that was only planned, whether it would."""
        planned = self.outcome is not None and self.outcome.cost is not None and self.outcome.state.goes_on
        return (self.is_open or planned) and self.entry.source != self.entry.path

    def expect(self, drift: Drift) -> None:
        """Go on with what is as its plan saw it.

        Raises:
            Drifted: it is not: nothing is to be done to it.
        """
        self.drift, self.entry = drift, drift.expect(self.entry)

    def expect_scanned(self) -> None:
        """Go on with what is as the scan of its sync saw it.

        Raises:
            Changed: it is not.
        """
        expect_scanned(self.entry, self.site)
        self.scanned = True

    def expect_free(self, kept: Passing | None) -> None:
        """Return where nothing has the name that the entry is to get; `kept`: what keeps another from leaving it.

        Raises:
            Changed: something has.
            Unavailable, Occupied: something has that may leave it yet.
        """
        path = self.entry.path
        if present(self.site.tree(path), path) is not None:
            if kept is not None:
                raise kept
            raise Changed(f"{display(path)}: has this name still: it was to get another, and could not")

    def is_of_one(self, error: Passing) -> bool:
        """Say whether what keeps this entry keeps it alone, or only those that need the same datastore or root."""
        return isinstance(error, Occupied) or self.silent.is_of_one(error)

    def take(self, prepared: Work | Settling | Outcome) -> None:
        if isinstance(prepared, Outcome):
            self._end(prepared)
        elif hasattr(prepared, "commit"):  # an `isinstance` of a protocol costs fifty times as much
            self.work = cast("Work", prepared)
        else:
            self.settling = _settling(prepared)
            if self.scanned:
                failpoint("sync:mid_upload")

    def sync(self) -> None:
        assert self.work is not None
        self.work.sync()

    def syncing(self) -> Syncing | None:
        """Return what is to be on the disk, where that can be done together with others."""
        return None if self.others else getattr(self.work or self.settling, "syncing", None)

    def synced(self) -> None:
        cast("Joint", self.work).synced()

    def commit(self) -> None:
        assert self.work is not None
        self.settling, self.work = _settling(self.work.commit()), None

    def settle(self) -> None:
        assert self.settling is not None
        self.settling.settle()
        self._end(self.settling.outcome)

    def end(self) -> None:
        assert self.settling is not None
        cast("Joint", self.settling).synced()
        self._end(self.settling.outcome)

    def keep(self, error: Passing) -> None:
        """Leave the entry as it is: another attempt may deal with it."""
        self.close()
        self.outcome, self.kept = None, error

    def fail(self, error: ArgosyError) -> None:
        self.close()
        failed = Outcome.of_error(self.entry, error)
        try:
            self.outcome = readable(failed, Outcome) if self.others else failed
        except ArgosyError as unreadable:  # an error of their own making
            self.outcome = Outcome.of_error(self.entry, unreadable)

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
            except BaseException as error:  # noqa: BLE001 - of a step of others, whose fault must not hide how the entry ended
                log.warning("not cleared away", path=self.entry.path, reason=words_of(error))

    def _end(self, outcome: Outcome) -> None:
        told = self._believed(outcome)
        if self.scanned:
            told = as_scanned(self.entry, told, self.site)
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
            told = readable(told, Outcome, beside=self.entry)
            self._expect_ended(told)
        if told.entry.path != self.entry.path:
            raise ArgosyError(f"internal error: the step told of another entry, {display(told.entry.path)}")
        return told

    def _expect_ended(self, told: Outcome) -> None:
        """See to it that a step says of an entry only what is for steps to say."""
        if told.state is FileState.CANCELLED:
            raise ArgosyError("internal error: the step says cancelled, and only the hub cancels: raise an error")
        if told.cost is not None and not self.dry_run:
            raise ArgosyError("internal error: the step says what it would cost, and was to do it")


def _settling(told: Settling) -> Settling:
    """Return what a step said is to be settled.

    Raises:
        ArgosyError: it is nothing of the kind.
    """
    if not hasattr(told, "settle"):
        raise ArgosyError(f"internal error: {told!r:.100} was returned, which is no Outcome")
    return told


def _each(pool: Executor, slots: Sequence[_Slot], act: Callable[[_Slot], None]) -> None:
    """Act on all slots in parallel; what is wrong with one entry becomes its outcome, or keeps it from one.

    Raises:
        LeaseLost: the task is no longer ours.
    """
    broken: list[Passing | LeaseLost] = []
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
    for error in broken:
        if isinstance(error, LeaseLost):
            raise error
        for slot in rest:
            slot.keep(error)


def _guarded(slot: _Slot, act: Callable[[_Slot], None]) -> Passing | LeaseLost | None:
    """Act on a slot; return what keeps all others from being acted on as well."""
    try:
        with slot.silent.dealing(slot.entry.path):
            if slot.entry.size > SMALL:
                act(slot)
            else:
                with taken():
                    act(slot)
    except LeaseLost as error:
        return error
    except (Unavailable, Occupied) as error:
        slot.keep(error)
        return None if slot.is_of_one(error) else error
    except ArgosyError as error:
        slot.fail(error)
    except BaseException as error:  # a fault in one entry must not take the others with it
        log.exception("step failed", path=slot.entry.path)
        slot.fail(ArgosyError(f"internal error: {words_of(error)}"))
    return None


def readable(told: T, kind: type[T], *, beside: Entry | None = None) -> T:
    """Return what a step or discovery of another distribution said, as the hub will read it.

    `beside`: the entry that it was said of.

    Raises:
        ArgosyError: the hub will not read it so, for the values in it are of other types or beyond what they can be;
            or nobody could keep as much.
    """
    if not isinstance(told, kind):
        raise ArgosyError(f"internal error: {told!r:.100} was returned, which is no {kind.__name__}")
    said = wire.dump(told)
    if len(said) > MOST_SAID + (len(wire.dump(beside)) if beside is not None else 0):
        raise ArgosyError(f"internal error: {len(said)} bytes were returned, too much to say of one entry")
    try:
        read = wire.load(said, kind)
    except Invalid as error:
        raise ArgosyError(f"internal error: what was returned is {error.message}") from error
    if read != told:
        raise ArgosyError(f"internal error: {told!r:.100} was returned, which is no {kind.__name__}")
    return read
