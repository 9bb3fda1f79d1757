"""The thread that takes runs from phase to phase."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import structlog

from argosy.core.errors import ArgosyError
from argosy.hub.common.duties import Duty
from argosy.hub.sync import services
from argosy.hub.sync.models import OPEN, Run
from argosy.hub.sync.process import Process
from argosy.sync.rounds.work import Answer, Work

PERIOD: Final = 0.25
BRISK: Final = 0.1
"""Seconds between looks, and while a run goes on."""
LATER: Final = 1.0
"""Seconds until a look that broke is tried again."""
LINGERING: Final = 60.0
"""Seconds after the last run for which a process waits for the work of the next."""
TRIES: Final = 16
"""How often a step of a run is tried that breaks each time, before the run fails."""
LONGEST: Final = 60.0
"""Seconds between two of them, at most: all of them take ten minutes."""

log = structlog.get_logger()

_Ticket = tuple[int, str, int]
"""A run, its state and its round: what is reckoned is for no other."""


class _Waited(NamedTuple):
    """What is reckoned for a round."""

    folder: str
    future: Future[Answer]


class _PutOff(NamedTuple):
    """A step of a run that broke."""

    tries: int
    until: float
    """When it is tried again, as the steady clock goes."""


class Conductor:
    """Leads the syncs of one hub."""

    def __init__(self, process: Process | None = None, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._process = process or Process()
        self._steady = steady
        self._waiting: dict[_Ticket, _Waited] = {}
        self._put_off: dict[_Ticket, _PutOff] = {}
        self._busy = steady()
        """When a run was seen to go on, as the steady clock goes."""
        self._duty = Duty("conductor", lambda: BRISK if self.look() else PERIOD, later=LATER)

    def start(self) -> None:
        """Begin to look; what an earlier hub left is seen to first."""
        services.sweep()
        self._duty.start(after=PERIOD)

    def stop(self) -> None:
        """Look no more; runs go on where they were when there is a conductor again."""
        self._duty.end()  # before the process: what it says when it is killed is no answer
        self._process.stop()
        self._duty.stop()

    def look(self) -> bool:
        """Take every run that goes on a step further, where it can be; say whether one goes on and is not put off."""
        runs = list(Run.objects.filter(state__in=OPEN).select_related("pair", "site_one", "site_two").order_by("pk"))
        self._forget_all_but(runs)
        self._be_ready(is_busy=bool(runs))
        went = [self._advance(run) for run in runs if not self._is_put_off(run)]
        return any(went)

    def _be_ready(self, *, is_busy: bool) -> None:
        """Have a process wait for the work of runs, and for a while for that of runs to come."""
        if is_busy:
            self._busy = self._steady()
            self._process.ready()
        elif self._steady() - self._busy > LINGERING:
            self._process.rest()

    def _forget_all_but(self, runs: Sequence[Run]) -> None:
        """End what is reckoned for runs that were cancelled meanwhile."""
        wanted = {_ticket(run) for run in runs}
        self._put_off = {ticket: found for ticket, found in self._put_off.items() if ticket in wanted}
        for ticket in self._waiting.keys() - wanted:
            waited = self._waiting.pop(ticket)
            waited.future.cancel()
            self._process.abandon(waited.folder)

    def _is_put_off(self, run: Run) -> bool:
        put_off = self._put_off.get(_ticket(run))
        return put_off is not None and self._steady() < put_off.until

    def _advance(self, run: Run) -> bool:
        """Take a run a step further; one that breaks each time fails in the end. Say whether it did not break."""
        ticket = _ticket(run)
        try:
            asked = services.advance(run)
            if asked is not None:
                self._reckon(run, asked)
        except Exception as error:
            log.exception("sync put off", run=run.pk, job=run.job, state=run.state)
            self._broke(run, ticket, error)
            return False
        self._put_off.pop(ticket, None)
        return True

    def _broke(self, run: Run, ticket: _Ticket, error: Exception) -> None:
        """Have it tried again later, or not any more."""
        tries = self._put_off[ticket].tries + 1 if ticket in self._put_off else 1
        self._put_off[ticket] = _PutOff(tries, self._steady() + min(BRISK * 2**tries, LONGEST))
        if tries >= TRIES:
            try:
                run.refresh_from_db()  # what broke may have changed it, and was undone
                services.fail(run, _given_up(ticket, error))
            except Exception:
                log.exception("sync not ended", run=run.pk, job=run.job)

    def _reckon(self, run: Run, asked: Work) -> None:
        """Begin what is to be reckoned, or go on with what came of it."""
        ticket = _ticket(run)
        waited = self._waiting.get(ticket)
        if waited is None:
            self._waiting[ticket] = _Waited(asked.folder, self._process.begin(asked))
        elif waited.future.done() and not self._duty.is_ended:
            services.reckoned(run, waited.future.result())
            self._waiting.pop(ticket, None)


def _ticket(run: Run) -> _Ticket:
    return run.pk, run.state, run.round


def _given_up(ticket: _Ticket, error: Exception) -> str:
    """Return why a run fails of which a step broke each time."""
    said = error.message if isinstance(error, ArgosyError) else f"{type(error).__name__}: {error}"
    return f"{ticket[1]} broke {TRIES} times, at last with: {said}. See the hub's log, and sync again"
