"""Questions about jobs and tasks: which there are, and how many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from argosy.core.states import JobState
from argosy.hub.jobs.given import under
from argosy.hub.jobs.models import OWN, Job, Task

STATES = [*(state.value for state in JobState), "ERROR"]
"""States that are counted and can be asked for; ERROR is one of tasks, and no job has it."""
WINDOWS = {"day": 1, "week": 7, "month": 30, "year": 365}
"""Named creation times, in days."""
_RANGES = {
    "created_time_from": "created__gte",
    "created_time_to": "created__lte",
    "completed_time_from": "completed__gte",
    "completed_time_to": "completed__lte",
    "jobtype": "jobtype",
    "site_id": "site",
    "state": "state__in",
    "schedule_ids": "schedule__in",
}
_TASK_FILTERS = {"tasktype": "tasktype", "state": "state__in", "job_id": "job", "site_id": "site"}
_COLUMNS = {"site": "site__name", "owner": "owner__username"}
"""By what is sorted where that is not the column of the name."""
_TIMES = {"created", "created_time_from", "created_time_to", "completed_time_from", "completed_time_to"}
_ALWAYS = ("migrate", "premigrate", "recall")
"""Types that are counted even where there is no such job."""


def matching(jobs: QuerySet[Job], asked: Mapping[str, Any]) -> QuerySet[Job]:
    """Return the jobs asked for."""
    asked = dict(asked)
    if "jobtype" not in asked:
        jobs = jobs.exclude(jobtype=OWN)
    if "created" in asked:
        asked.pop("created_time_from", None)
        asked.pop("created_time_to", None)
        if (window := asked["created"]) in WINDOWS:
            jobs = jobs.filter(created__gte=timezone.now() - timedelta(days=WINDOWS[window]))
    jobs = jobs.filter(**{_RANGES[key]: value for key, value in asked.items() if key in _RANGES})
    if owners := asked.get("owner_ids"):
        known = Q(owner__in=[owner for owner in owners if owner != -1])
        jobs = jobs.filter(known | Q(owner=None) if -1 in owners else known)
    if asked.get("clientkey_ids"):
        jobs = jobs.none()  # no job is started by a key yet
    if asked.get("hide_noop"):
        jobs = jobs.exclude(state=JobState.SUCCESS, numprocessedfiles=0)
    if prefix := asked.get("input_paths_prefix"):
        jobs = under(jobs, prefix)
    return jobs.order_by(*_order(asked.get("ordering", "-id")))


def matching_tasks(tasks: QuerySet[Task], asked: Mapping[str, Any]) -> QuerySet[Task]:
    """Return the tasks asked for."""
    tasks = tasks.filter(**{_TASK_FILTERS[key]: value for key, value in asked.items() if key in _TASK_FILTERS})
    return tasks.order_by(*_order(asked.get("ordering", "id")))


def _order(asked: str) -> Sequence[str]:
    """Return by which columns, those that are alike by their number."""
    column = _COLUMNS.get(asked.removeprefix("-"), asked.removeprefix("-"))
    sign = "-" if asked.startswith("-") else ""
    return [f"{sign}{column}", f"{sign}id"]


def stats(jobs: QuerySet[Job], asked: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return how many of the jobs asked for there are of each type, state, day and site.

    Where no time is asked for, those of the last week count.
    """
    if not _TIMES & set(asked):
        asked = {**asked, "created": "week"}
    counts: dict[str, Counter[str]] = {
        "type": Counter(dict.fromkeys(_ALWAYS, 0)),
        "state": Counter(dict.fromkeys(STATES, 0)),
        "created": Counter(),
        "site": Counter(),
    }
    alike = matching(jobs, asked).order_by().annotate(day=TruncDate("created"))
    for *values, number in alike.values_list("jobtype", "state", "day", "site__name").annotate(Count("pk")):
        for by, value in zip(counts.values(), values, strict=True):
            by[str(value)] += number
    return {name: dict(by) for name, by in counts.items()}
