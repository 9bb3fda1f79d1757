"""What is seen to now and then: old jobs, tasks of cancelled jobs, tasks that nobody runs any more."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from cronsim import CronSim, CronSimError

from argosy.core.config import HubConfig
from argosy.core.errors import Invalid
from argosy.core.report import Report
from argosy.core.states import JobState
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import record, removal
from argosy.hub.jobs.cancelling import cancel_tasks
from argosy.hub.jobs.ledger import OPEN_TASK, Ledger
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.recorder import Recorder

MOST = 200
"""Tasks or jobs that are seen to in one transaction: others wait for the next."""
A_WHILE = 0.25
"""Seconds of one sweep that removal may take."""

log = structlog.get_logger()


_schedules = HubConfig()


def configure(config: HubConfig) -> None:
    """Do chores when the configuration says.

    Raises:
        Invalid: one of its schedules is none.
    """
    global _schedules  # noqa: PLW0603 - a process has one hub
    for name in CHORES:
        _times(name, getattr(config, name), datetime.now(UTC))
    _schedules = config


class Housekeeping:
    """Knows when which chore is due: all of them when the hub starts, and then by their schedules."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._due: dict[str, datetime] = {}

    def run(self, now: datetime) -> None:
        """Do what is due, in transactions that keep nobody waiting."""
        for name, act in CHORES.items():
            if name not in self._due or self._due[name] <= now:
                while self._recorder.record(act) >= MOST:
                    pass
                self._due[name] = next(_times(name, getattr(_schedules, name), now))
        until = time.monotonic() + A_WHILE
        while self._recorder.record(_purge) and time.monotonic() < until:
            pass


def _times(name: str, schedule: str, now: datetime) -> CronSim:
    try:
        return CronSim(schedule, now)
    except CronSimError as error:
        raise Invalid(
            f"hub.{name}: {schedule!r} is no schedule ({error}): write five fields as cron has, "
            "such as '0 0 * * *' for every midnight (UTC)"
        ) from error


def _expire(ledger: Ledger) -> int:
    removal.expire(ledger.now)
    return 0


def _purge(_ledger: Ledger) -> bool:
    return removal.purge()


def _cancel_left(ledger: Ledger) -> int:
    """Cancel tasks that are open although their job was cancelled."""
    left = Task.objects.filter(state__in=OPEN_TASK, job__state=JobState.CANCELLED).values("job").distinct()
    jobs = list(Job.objects.filter(pk__in=left)[:MOST])
    for job in jobs:
        cancel_tasks(ledger, job)
        log.warning("tasks of a cancelled job were left, and are cancelled", job=job.pk)
    return len(jobs)


def _fail_inactive(ledger: Ledger) -> int:
    """Fail tasks that an agent began, was lost with, and nobody has taken up again for `task_invalidation_timeout`."""
    minutes = Configuration.current().task_invalidation_timeout
    since = ledger.now - timedelta(minutes=minutes)
    tasks = list(Task.objects.filter(state__in=OPEN_TASK, lease_until__lt=since).select_for_update()[:MOST])
    ledger.known.hold(tasks)
    for task in tasks:
        reason = f"{task.node} stopped answering, and nobody took the task up for {minutes} minutes: start an agent"
        record.end(ledger, task, Report(task=str(task.taskid), attempt=task.attempt, error="lease_lost", reason=reason))
    return len(tasks)


CHORES: dict[str, Callable[[Ledger], int]] = {
    "expire_old_jobs_interval": _expire,
    "invalidate_cancelled_job_tasks_interval": _cancel_left,
    "inactive_tasks_interval": _fail_inactive,
}
"""What does a part of each chore, under the name its schedule has; `MOST` done means that there may be more."""
