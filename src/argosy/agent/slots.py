"""The slots of a site: how many tasks of each kind it does at once, and which of them are held for nothing.

Nobody can end a thread: a task that was taken back, and does not see that or cannot, holds its slot until it ends by
itself. What other distributions brought may never end, so it has slots and threads apart from all else.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from argosy.agent.batch import HANDS
from argosy.agent.lease import Lease, now
from argosy.core.errors import LeaseLost
from argosy.core.order import Order

CUSTOM: Final = "custom"
SLOTS: Final = {"discovery": 2, "transfer": 4, CUSTOM: 4}
"""Tasks of each kind that a site runs at once; the entries of all but custom ones share the site's threads."""
_KINDS: Final = {
    "discovery": "for discoveries",
    "transfer": "for steps",
    CUSTOM: "for steps and discoveries of other distributions",
}
LINGERING = 10.0
"""Seconds after which a task that was taken back, and has not ended, counts as stuck."""


class Slot:
    """One that is taken; `order` is what is done in it, once that is known."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.order: Order | None = None
        self._lease: Lease | None = None
        self._lost_at: float | None = None

    def begin(self, order: Order, lease: Lease) -> None:
        """Note what is done in it."""
        self._lease = lease
        self.order = order

    def is_stuck(self) -> bool:
        """Say whether its task was taken back a while ago, as far as somebody asked then."""
        if self._lease is None:
            return False
        try:
            self._lease.check()
        except LeaseLost:
            self._lost_at = now() if self._lost_at is None else self._lost_at
            return now() - self._lost_at >= LINGERING
        self._lost_at = None
        return False


class Slots:
    """All slots of one site."""

    def __init__(self, site: str, threads: int) -> None:
        """`threads`: as many entries are worked on at once."""
        self._site = site
        self._threads = threads
        self._entries = ThreadPoolExecutor(threads, f"{site}-entry")
        self._pools = {queue: ThreadPoolExecutor(slots, f"{site}-{queue}") for queue, slots in SLOTS.items()}
        self._taken: set[Slot] = set()
        self._stuck: set[Slot] = set()
        self._given: Counter[str] = Counter()
        """Tasks of each kind that have a slot, or wait for one."""
        self._changed = threading.Condition()

    def submit(self, queue: str, act: Callable[[Slot], None]) -> None:
        """Have it done as soon as a slot of the kind is free."""
        with self._changed:
            self._given[queue] += 1
        try:
            self._pools[queue].submit(self._take, queue, act)
        except RuntimeError:
            self._give_back(queue)
            raise

    def wait_free(self, queue: str, timeout: float) -> bool:
        """Say whether, within the time, a slot of the kind is free and nobody waits for it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._given[queue] < SLOTS[queue], timeout)

    def _give_back(self, queue: str) -> None:
        with self._changed:
            self._given[queue] -= 1
            self._changed.notify_all()

    def _take(self, queue: str, act: Callable[[Slot], None]) -> None:
        slot = Slot(queue)
        with self._changed:
            self._taken.add(slot)
        try:
            act(slot)
        finally:
            with self._changed:
                self._taken.discard(slot)
            self._give_back(queue)

    @contextmanager
    def entries_of(self, slot: Slot) -> Iterator[Executor]:
        """Lend the threads in which the entries of its task are worked on."""
        if slot.queue != CUSTOM:
            yield self._entries
            return
        with ThreadPoolExecutor(min(self._threads, HANDS), f"{self._site}-{CUSTOM}-entry") as own:
            yield own

    def orders(self) -> list[Order]:
        """Return what is under way."""
        with self._changed:
            return [slot.order for slot in self._taken if slot.order is not None]

    def look(self) -> None:
        """See which slots are held by tasks that were taken back. Call it every now and then."""
        with self._changed:
            self._stuck = {slot for slot in self._taken if slot.is_stuck()}

    def held(self) -> dict[str, str]:
        """Return of which kinds slots are held by tasks that were taken back, as it was seen last, and say by which."""
        return {queue: said for queue in SLOTS if (said := self._said(queue))}

    def blocked(self) -> dict[str, str]:
        """Return those of them of which all are held: nothing more of the kind is done."""
        return {queue: said for queue, said in self.held().items() if self._held_of(queue) >= SLOTS[queue]}

    def _held_of(self, queue: str) -> int:
        return sum(slot.queue == queue for slot in self._stuck)

    def _said(self, queue: str) -> str:
        orders = [slot.order for slot in self._stuck if slot.queue == queue and slot.order is not None]
        if not orders:
            return ""
        steps = ", ".join(sorted({order.step for order in orders}))
        jobs = ", ".join(str(job) for job in sorted({order.job for order in orders}))
        return (
            f"{len(orders)} of {SLOTS[queue]} slots {_KINDS[queue]} are held: what was taken back does not end "
            f"({steps} of job {jobs}); if it never does, start the agents again"
        )

    def stop(self, timeout: float) -> bool:
        """Take nothing more and wait for what is under way, but for what is stuck; say whether all has ended."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            ended = self._changed.wait_for(lambda: self._taken <= self._stuck, timeout) and not self._taken
        self._entries.shutdown(wait=ended, cancel_futures=True)
        return ended
