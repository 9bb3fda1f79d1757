"""The thread that takes runs from phase to phase, and begins those that were asked for."""

import time
from datetime import timedelta

from django.utils import timezone

from argosy.core.states import JOB_ENDED
from argosy.hub.catalogue.models import Unneeded
from argosy.hub.common.duties import Duty
from argosy.hub.gc import phases, services
from argosy.hub.gc.models import OPEN, Run
from argosy.hub.jobs.models import Job

PERIOD, BRISK = 1.0, 0.2
"""Seconds between looks, and while a run goes on."""
COUNTS = 600.0
"""Seconds between looks at the clock, so that the time counts in which objects wait."""
PAUSE = 10
"""How many times as long as the last run that began by itself took, no other does."""


class Collector:
    """Garbage collection of one hub."""

    def __init__(self) -> None:
        self._counts = 0.0
        self._duty = Duty("collector", lambda: BRISK if self.look() else PERIOD, later=PERIOD)

    def start(self) -> None:
        """Begin to look."""
        self._duty.start(after=PERIOD)

    def stop(self) -> None:
        """Look no more; a run goes on where it was when there is a collector again."""
        self._duty.stop()

    def look(self) -> bool:
        """Take the run that goes on a step further, or begin one; say whether one goes on."""
        if time.monotonic() >= self._counts:
            phases.now_counted(timezone.now())
            self._counts = time.monotonic() + COUNTS
        run = Run.objects.filter(state__in=OPEN).first()
        if run is not None:
            services.advance(run)
        elif _is_asked_for():
            run = services.begin(Run.Kind.ASKED)
        return run is not None


def _is_asked_for() -> bool:
    """Say whether objects are to be removed whose job has ended, and the last such run is long enough ago."""
    now = timezone.now()
    last = Run.objects.filter(kind=Run.Kind.ASKED).first()
    if last is not None and last.completed is not None:
        took = max(last.completed - last.created, timedelta(seconds=PERIOD))
        if now < last.completed + PAUSE * took:
            return False
    jobs = set(Unneeded.objects.filter(asked=True, due__lte=now).values_list("job", flat=True).distinct())
    return Job.objects.filter(pk__in=jobs, state__in=JOB_ENDED).exists() or bool(jobs - set(_known(jobs)))


def _known(jobs: set[int]) -> list[int]:
    return list(Job.objects.filter(pk__in=jobs).values_list("pk", flat=True))
