"""The thread that runs schedules when they are due."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.utils import timezone

from argosy.hub.common.duties import Duty
from argosy.hub.schedules import running
from argosy.hub.schedules.models import Run, Schedule

PERIOD = 1.0
"""Seconds after which the clock is looked at again: somebody may have set it."""
LATER = 5.0
"""Seconds until what could not be recorded is tried again."""
SLACK = timedelta(minutes=2)
"""By how much the clocks of several hubs may differ. Minutes further ahead are those of a clock that was set back."""

log = structlog.get_logger()


class Ticker:
    """The clock of one hub. Several decide each minute once, for the database lets only one of them do so."""

    def __init__(self, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._looked: datetime | None = None
        self._duty = Duty("schedules", self._tick, later=LATER)

    def start(self) -> None:
        """Begin to run what is due, and what was last due while no hub ran."""
        self._duty.start()

    def stop(self) -> None:
        """Run nothing more."""
        self._duty.stop()

    def look(self) -> list[Run]:
        """Decide on what is due, once a minute; return what was decided."""
        now = self._now()
        minute = now.replace(second=0, microsecond=0)
        if minute == self._looked:
            return []
        _forget_ahead(now)
        enabled = list(Schedule.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True))
        decided = [_decided(pk, now) for pk in enabled]
        self._looked = minute if all(good for good, _ in decided) else None
        return [run for _, run in decided if run is not None]

    def _tick(self) -> float:
        self.look()
        return LATER if self._looked is None else min(PERIOD, _left(self._now()))


def _decided(pk: int, now: datetime) -> tuple[bool, Run | None]:
    """Decide on one schedule, and say whether that could be done: what is wrong with one is not wrong with others."""
    try:
        return True, running.run_due(pk, now)
    except Exception:
        log.exception("schedule put off", schedule=pk)
        return False, None


def _left(now: datetime) -> float:
    """Return the seconds until the next minute."""
    return 60 - now.second - now.microsecond / 1e6


def _forget_ahead(now: datetime) -> None:
    """Let minutes be due again that were decided by a clock which was ahead, and was set back."""
    Run.objects.filter(due__gt=now + SLACK).update(due=None)
    Schedule.objects.filter(since__gt=now + SLACK).update(since=now)
