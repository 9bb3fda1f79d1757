"""Applying the operations of a side: they come from the hub page by page, and what became of them goes back so."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, cast

import msgspec

from argosy.agent.hub import Hub
from argosy.agent.place import OrderSite
from argosy.agent.syncing.patience import patiently
from argosy.core.errors import ArgosyError, Changed, Corrupt, LeaseLost
from argosy.core.fileset import Fileset
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.ready import ready
from argosy.core.syncing import PAGE, Applied, Wanted
from argosy.filesystems._posix import undoing
from argosy.filesystems._posix.errors import translated
from argosy.hsm.tree.shelves import days_kept
from argosy.sync.executor import executing, recovery
from argosy.sync.executor.area import Area
from argosy.sync.executor.outcomes import Outcome as Done
from argosy.sync.planner.plans import Operation
from argosy.sync.steps.base import RUN, area_of

_LEAST: Final = 1.0
"""Days for which it is known what a sync took, though the shelves may keep it for a shorter time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Options of such an order."""

    run: Annotated[str, "Round of the run whose operations are applied", msgspec.Meta(pattern=RUN)]


def apply(order: Order, fileset: Fileset, site: OrderSite, hub: Hub) -> Outcome:
    """Do the operations of the task's side, and have the hub know what became of each.

    An attempt that was broken off is not taken up: what it had on its way is brought home, and the run is to be
    planned anew from what is there then.

    Raises:
        Changed: it is not the first attempt.
        Occupied: another run is being applied.
        LeaseLost: the task is no longer ours; what is under way then the next scan brings home.
    """
    asked = parse(Apply, order.options, noun=f"step {order.step}")
    with area_of(fileset, site) as area:
        if order.attempt > 1:
            site.check_lease()
            recovery.recover(area)
            raise Changed(f"{display(fileset.path)}: the sync was broken off while it was applied: scan and plan anew")
        with translated(fileset.path):
            undoing.forget(area.home, days=max(days_kept(fileset.path, site), _LEAST))
        with _brought_home(area):
            _apply(order, asked.run, area, site, hub)
    return Outcome.processed(order.entries[0])


@contextmanager
def _brought_home(area: Area) -> Iterator[None]:
    """Have nothing be out of sight for long that was parked in the block, whatever ended it: nobody may come for it."""
    try:
        yield
    except BaseException:
        with suppress(ArgosyError, OSError):
            recovery.recover(area)
        raise


def _apply(order: Order, run: str, area: Area, site: OrderSite, hub: Hub) -> None:
    operations = _operations(order, site, hub)
    begun = executing.apply(area, run, operations, check=site.check_lease)
    with closing(cast("Generator[Done, None, None]", begun)) as done:
        for sequence, some in enumerate(_pages(done)):
            told = Applied(task=order.task, attempt=order.attempt, sequence=sequence, done=msgspec.msgpack.encode(some))
            if not patiently(partial(hub.applied, told), site):
                raise LeaseLost("the hub took the task back")


def _operations(order: Order, site: OrderSite, hub: Hub) -> Iterator[Operation]:
    """Yield the operations in their order; of the hub's there is one page in memory."""
    after = -1
    while True:
        wanted = Wanted(task=order.task, attempt=order.attempt, after=after)
        said = patiently(partial(hub.operations, wanted), site)
        if said is None:
            raise LeaseLost("the hub took the task back")
        if not said:
            return
        page = _decoded(said)
        if not page or page[0].number <= after:
            raise Corrupt("the operations that the hub told are not in their order: run the sync again")
        yield from page
        after = page[-1].number


def _decoded(said: bytes) -> tuple[Operation, ...]:
    try:
        return msgspec.msgpack.decode(said, type=ready(tuple[Operation, ...]))
    except msgspec.MsgspecError as error:
        raise Corrupt(f"the operations that the hub told cannot be read: {error}: run the sync again") from error


def _pages(done: Iterable[Done]) -> Iterator[Sequence[Done]]:
    """Yield what became of operations, so many at once; each is on the disk.

    What was done before the tree went away, say, is told as well.
    """
    some: list[Done] = []
    try:
        for each in done:
            some.append(each)
            if len(some) == PAGE:
                yield some
                some = []
    except LeaseLost:
        raise
    except ArgosyError:
        if some:
            yield some
        raise
    if some:
        yield some
