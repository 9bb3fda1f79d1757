"""Questions about schedules: when they run next, and how the last run went."""

from datetime import datetime
from typing import Any

from argosy.core.errors import ArgosyError
from argosy.core.states import JobState
from argosy.hub.jobs.models import Job
from argosy.hub.schedules import cron
from argosy.hub.schedules.models import Run, Schedule, Subscription
from argosy.hub.schedules.services import values_of

SHOWN = 3
"""How many of the next runs are told."""
_WORST_FIRST = (
    JobState.STARTED, JobState.PENDING, JobState.FAILURE, JobState.CANCELLED, JobState.SUCCESS, JobState.SKIPPED,
)  # fmt: skip


def next_runs(schedule: Schedule, now: datetime) -> list[datetime]:
    """Return when it is due next; nothing while it is disabled."""
    return cron.upcoming(schedule, now, SHOWN) if schedule.enabled else []


def last_run(schedule: Schedule) -> dict[str, Any] | None:
    """Return the run that was begun last, or could not be, and how it stands; None where there was none."""
    run = Run.objects.filter(schedule=schedule, skipped=False).first()
    return None if run is None else told(run)


def last_skipped(schedule: Schedule) -> dict[str, Any] | None:
    """Return the run that was left out since, because the one before went on; None where none was."""
    run = Run.objects.filter(schedule=schedule).first()
    return {"due": run.due, "reason": run.reason} if run is not None and run.skipped else None


def told(run: Run) -> dict[str, Any]:
    """Return a run as it stands: as the worst of its jobs, as long as one goes on as that."""
    states = Job.objects.filter(pk__in=run.jobs, removed=False).values_list("state", flat=True)
    return {
        "due": run.due,
        "began": run.began,
        "state": _state(run, set(states)),
        "jobs": run.jobs,
        "reason": run.reason,
    }


def _state(run: Run, states: set[str]) -> str | None:
    """Return a state of jobs; None where they are gone."""
    if not run.jobs:
        return JobState.FAILURE
    return next((state for state in _WORST_FIRST if state in states), None)


def trouble(subscription: Subscription) -> str:
    """Return why the subscription does not run, "" where it does."""
    try:
        values_of(subscription)
    except ArgosyError as error:
        return error.message
    return ""
