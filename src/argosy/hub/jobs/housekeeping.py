"""What is seen to now and then: old jobs, tasks of cancelled jobs, tasks that nobody runs any more."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from cronsim import CronSim, CronSimError

from argosy.core.config import HubConfig
from argosy.core.errors import Invalid, Unavailable
from argosy.core.report import Report
from argosy.core.states import JobState
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import record, removal
from argosy.hub.jobs.cancelling import cancel_tasks
from argosy.hub.jobs.closing import ROTATE
from argosy.hub.jobs.ledger import OPEN_TASK, Ledger
from argosy.hub.jobs.models import Job
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
        """Do what is due, in transactions that keep nobody waiting.

        Raises:
            Unavailable: something could not be recorded, and is done with the next call.
        """
        for name, chore in CHORES.items():
            following = next(_times(name, getattr(_schedules, name), now))
            self._due[name] = min(self._due.get(name, now), following)  # clocks are set back
            if self._due[name] <= now:
                self._do(name, chore)
                self._due[name] = following
        until = time.monotonic() + A_WHILE
        while self._recorder.record(_purge) and time.monotonic() < until:
            pass

    def _do(self, name: str, chore: "Chore") -> None:
        try:
            while chore(self._recorder) >= MOST:
                pass
        except Unavailable:
            raise
        except Exception:  # nothing that is wrong with one chore keeps the others from being done
            log.exception("chore failed", chore=name)


def _times(name: str, schedule: str, now: datetime) -> CronSim:
    try:
        return CronSim(schedule, now)
    except CronSimError as error:
        raise Invalid(
            f"hub.{name}: {schedule!r} is no schedule ({error}): write five fields as cron has, "
            "such as '0 0 * * *' for every midnight (UTC)"
        ) from error


def _expire(recorder: Recorder) -> int:
    recorder.record(lambda ledger: removal.expire(ledger.now))
    return 0


def _purge(_ledger: Ledger) -> bool:
    return removal.purge()


def _cancel_left(recorder: Recorder) -> int:
    """Cancel tasks that are open although their job was cancelled, but for those that this left to do."""
    return recorder.each((partial(_cancel, pk=pk), "") for pk in recorder.record(_left))


def _left(ledger: Ledger) -> list[int]:
    left = (
        ledger.tasks().filter(state__in=OPEN_TASK, job__state=JobState.CANCELLED).exclude(tasktype=ROTATE, chain=None)
    )
    return list(left.order_by("job").values_list("job", flat=True).distinct()[:MOST])


def _cancel(ledger: Ledger, pk: int) -> None:
    for job in Job.objects.filter(pk=pk):
        cancel_tasks(ledger, job)
        log.warning("tasks of a cancelled job were left, and are cancelled", job=pk)


def _fail_inactive(recorder: Recorder) -> int:
    """Fail tasks that an agent began, was lost with, and nobody has taken up again for `task_invalidation_timeout`."""
    return recorder.each((partial(_fail, taskid=taskid), taskid) for taskid in recorder.record(_inactive))


def _inactive(ledger: Ledger) -> list[str]:
    inactive = ledger.tasks().filter(state__in=OPEN_TASK, lease_until__lt=_inactive_since(ledger))
    return [str(taskid) for taskid in inactive.values_list("taskid", flat=True)[:MOST]]


def _inactive_since(ledger: Ledger) -> datetime:
    return ledger.now - timedelta(minutes=Configuration.current().task_invalidation_timeout)


def _fail(ledger: Ledger, taskid: str) -> None:
    """Fail the task, unless it was heard of since somebody looked."""
    task = ledger.known.task(taskid)
    if task and task.state in OPEN_TASK and task.lease_until and task.lease_until < _inactive_since(ledger):
        minutes = Configuration.current().task_invalidation_timeout
        reason = f"{task.node} stopped answering, and nobody took the task up for {minutes} minutes: start an agent"
        record.end(ledger, task, Report(task=taskid, attempt=task.attempt, error="lease_lost", reason=reason))


Chore = Callable[[Recorder], int]
"""Does a part of what is to be done, and returns how much: `MOST` means that there may be more."""

CHORES: dict[str, Chore] = {
    "expire_old_jobs_interval": _expire,
    "invalidate_cancelled_job_tasks_interval": _cancel_left,
    "inactive_tasks_interval": _fail_inactive,
}
"""The chores, under the names their schedules have."""
