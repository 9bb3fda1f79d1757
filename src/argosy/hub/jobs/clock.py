"""The hub's clock, and what becomes of leases and waits when somebody sets it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db.models import F
from django.utils import timezone

from argosy.core.states import TASK_OPEN, TaskState
from argosy.hub.jobs.models import Task

SLACK = timedelta(seconds=5)
"""By how much the clock may differ from the kernel's before it counts as set."""
_OPEN = sorted(TASK_OPEN)

log = structlog.get_logger()


def since_boot() -> float:
    """Return seconds since boot, suspended time included: nobody sets that."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """What time it is, and by how much the clock was set since what waits was last moved with it."""

    def __init__(self, now: Callable[[], datetime] = timezone.now, steady: Callable[[], float] = since_boot) -> None:
        self._now = now
        self._steady = steady
        self._began = self._beginning()

    def now(self) -> datetime:
        """Return what the clock says."""
        return self._now()

    def look(self) -> tuple[datetime, timedelta]:
        """Return what the clock says, and by how much it was set; zero where it was not."""
        leap = self._beginning() - self._began
        return self._now(), leap if abs(leap) > SLACK else timedelta()

    def follow(self, leap: timedelta) -> None:
        """Count it as known that the clock was set: what waits was moved, durably."""
        self._began += leap

    def _beginning(self) -> datetime:
        """Return when, by the clock, the machine was started: the same at all times, unless somebody sets the clock."""
        return self._now() - timedelta(seconds=self._steady())


def move(leap: timedelta) -> None:
    """Move with the clock all that is counted by it: as much time is left, or has passed, as before."""
    log.warning("the clock was set", seconds=leap.total_seconds())
    Task.objects.exclude(lease_until=None).update(lease_until=F("lease_until") + leap)
    Task.objects.filter(state__in=_OPEN).exclude(due=None, rung_at=None, started=None).update(
        due=F("due") + leap, rung_at=F("rung_at") + leap, started=F("started") + leap
    )


def count_anew(now: datetime, lease: timedelta, longest: timedelta) -> None:
    """Count from now what was counted when the hub ended: the clock may have been set since.

    Attempts have a whole lease, as none could renew it; nobody waits longer for another than he would if it failed now.
    """
    running = Task.objects.filter(state=TaskState.STARTED)
    running.exclude(lease_until=None).update(lease_until=now + lease)
    running.filter(rung_at__gt=now).update(rung_at=now)
    Task.objects.exclude(state=TaskState.STARTED).filter(lease_until__gt=now).update(lease_until=now + lease)
    waiting = Task.objects.filter(state=TaskState.PENDING)
    waiting.filter(due__gt=now + longest).update(due=now + longest)
    waiting.exclude(rung_at=None).update(rung_at=None)
