"""The one writer: what agents tell is recorded by one thread, as much as waits in one transaction.

A commit waits for the disk, and SQLite lets one writer in at a time: many small tasks a second need to share both.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import structlog
from django.db import DataError, Error, IntegrityError, OperationalError, connection, transaction

from argosy.core.errors import Invalid, Unavailable
from argosy.core.faults import HubAway, HubFull
from argosy.hub.common import turns
from argosy.hub.common.disk import explained, is_full
from argosy.hub.common.trouble import is_away, is_crossed
from argosy.hub.jobs.clock import Clock, move
from argosy.hub.jobs.ledger import Ledger

T = TypeVar("T")
Act = Callable[[Ledger], Any]
Ticket = tuple[Act, str, "Future[Any]"]
"""What to do, on which task, and where the answer goes."""

MOST = 64
"""Acts of one transaction: enough to share a commit, few enough not to keep the API from writing."""

AGAIN = 3
"""How often a transaction is done again that another process crossed."""

log = structlog.get_logger()


class Alone(Generic[T]):
    """An act during which no other process records: what it decides depends on rows that it does not change."""

    def __init__(self, act: Callable[[Ledger], T]) -> None:
        self._act = act

    def __call__(self, ledger: Ledger) -> T:
        """Do it."""
        return self._act(ledger)


class Recorder:
    """A thread and its queue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._stopping = False
        self._door = threading.Lock()

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    def stop(self) -> None:
        """Return when what was handed in is recorded; nothing more is taken."""
        with self._door:
            self._stopping = True
            self._queue.put(None)
        self._thread.join()

    def record(self, act: Callable[[Ledger], T], task: str = "") -> T:
        """Return what the act on a task returned, once it is committed.

        Raises:
            Unavailable: the hub is stopping, or the database does not take it now; nothing of it was recorded.
            Invalid: it holds what can never be recorded; nothing of it was.
            ArgosyError: what the act raised; nothing of it was recorded.
        """
        return self._hand_in(act, task).result()

    def each(self, acts: Iterable[tuple[Act, str]]) -> int:
        """Record acts on tasks, and return how many were. One that cannot be is logged, and harms no other.

        Raises:
            Unavailable: the hub is stopping.
        """
        return sum(map(_recorded, [self._hand_in(act, task) for act, task in acts]))

    def _hand_in(self, act: Callable[[Ledger], T], task: str) -> "Future[T]":
        answer: Future[T] = Future()
        with self._door:  # nothing comes in behind the ticket that ends the queue
            if self._stopping:
                raise HubAway("the hub is stopping")
            self._queue.put((act, task, answer))
        return answer

    def _run(self) -> None:
        while (tickets := self._waiting()) is not None:
            self._together(tickets)
        connection.close()

    def _waiting(self) -> list[Ticket] | None:
        """Wait for a ticket and return it with those behind it; None at the end."""
        first = self._queue.get()
        if first is None:
            return None
        tickets = [first]
        while len(tickets) < MOST:
            try:
                ticket = self._queue.get_nowait()
            except Empty:
                break
            if ticket is None:
                self._queue.put(None)
                break
            tickets.append(ticket)
        return tickets

    def _together(self, tickets: list[Ticket]) -> None:
        """Record all in one transaction; where one of them breaks it, each in its own, so that it harms only itself.

        Where nothing was begun, since the database is locked or away, nobody waits for it a second time.
        """
        try:
            answers = self._committed(tickets)
        except Exception as error:  # noqa: BLE001 - whoever waits for the ticket is told
            if len(tickets) == 1 or is_away(error):
                translated = _translated(error)
                for _, _, future in tickets:
                    future.set_exception(translated)
            else:
                for ticket in tickets:
                    self._together([ticket])
        else:
            for (_, _, future), answer in zip(tickets, answers, strict=True):
                future.set_result(answer)

    def _committed(self, tickets: list[Ticket]) -> list[Any]:
        """Record all in one transaction, again where it and one of another process waited for each other."""
        for _ in range(AGAIN):
            try:
                return self._commit(tickets)
            except OperationalError as error:
                if not is_crossed(error):
                    raise
                log.info("recorded again", reason=str(error).partition("\n")[0])
        return self._commit(tickets)

    def _commit(self, tickets: list[Ticket]) -> list[Any]:
        with turns.shared(unless=any(isinstance(act, Alone) for act, *_ in tickets)), transaction.atomic():
            now, leap = self._clock.look()
            if leap:
                move(leap)
            ledger = Ledger(now)
            ledger.known.load([task for _, task, _ in tickets if task])
            answers = [act(ledger) for act, _, _ in tickets]
            ledger.write()
        self._clock.follow(leap)
        return answers


def _recorded(answer: "Future[Any]") -> bool:
    error = answer.exception()
    if error is not None and not isinstance(error, Unavailable):  # which is logged where it was met
        log.error("not recorded", exc_info=error)
    return error is None


def _translated(error: Exception) -> Exception:
    if isinstance(error, Error):
        connection.close()  # a server that went away and came back needs another
        if is_full(error):
            return HubFull(f"the hub cannot record: {explained()}")
        if is_away(error):
            log.error("not recorded", reason=str(error).strip())
            return HubAway(f"the hub cannot record: {error}")
        log.error("not recorded", exc_info=error)
        if isinstance(error, IntegrityError | DataError):  # and never will be
            return Invalid(f"the hub cannot record this: {error}")
        return HubAway(f"the hub cannot record: {error}")
    if isinstance(error, OverflowError):
        log.error("not recorded", exc_info=error)
        return Invalid(f"the hub cannot record this: a number in it is too large ({error})")
    return error
