"""Runs of schedules: by the clock and by hand; never two of one schedule at once, never two of one minute."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, NotFound
from argosy.core.states import JobState
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import services as jobs
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job
from argosy.hub.schedules import cron, pairs
from argosy.hub.schedules.models import Run, Schedule, Subscription
from argosy.hub.schedules.services import SNAPDIFF, values_of
from argosy.hub.workflows.services import is_led

KEPT = 100
"""Runs of a schedule that are kept."""

log = structlog.get_logger()


@transaction.atomic
def run_now(pk: int, *, owner: User | None) -> Run:
    """Begin a run at once, whether or not the schedule is enabled, and return it with its jobs.

    Raises:
        NotFound: there is no such schedule.
        Conflict: it runs already, or there is nothing that could be begun.
    """
    schedule = _held(pk)
    if schedule is None:
        raise NotFound(f"there is no schedule {pk}")
    if (job := going_on(schedule)) is not None:
        raise Conflict(f"schedule {schedule.name} runs already (job {job.pk}, {job.state}): {_until_then(job)}")
    run = _begun(Run(schedule=schedule, began=timezone.now()), owner)
    if not run.jobs:
        raise Conflict(f"schedule {schedule.name} cannot run: {run.reason}")
    return run


@transaction.atomic
def run_due(pk: int, now: datetime) -> Run | None:
    """Decide on the last minute at which the schedule was due, unless that was done; return what was decided.

    Minutes before that one are not made up for.
    """
    schedule = _held(pk)
    due = cron.latest(schedule, now) if schedule is not None and schedule.enabled else None
    if schedule is None or due is None or Run.objects.filter(schedule=schedule, due__gte=due).exists():
        return None
    run = Run(schedule=schedule, due=due, began=timezone.now())
    if (job := going_on(schedule)) is None:
        return _begun(run, None)
    run.skipped, run.reason = True, f"job {job.pk} of the run before goes on"
    Run.objects.filter(schedule=schedule, skipped=True, due__lt=due).delete()
    run.save()
    log.info("run skipped", schedule=schedule.name, due=due.isoformat(), job=job.pk)
    return run


def going_on(schedule: Schedule) -> Job | None:
    """Return a job that the schedule began and that has not ended, or has yet to let go of its snapshots."""
    begun = Job.objects.filter(schedule=schedule.pk, removed=False)
    ending = begun.filter(state=JobState.CANCELLED, numopen__gt=0)
    return begun.filter(state__in=OPEN_JOB).order_by("pk").first() or ending.first()


def _until_then(job: Job) -> str:
    """Say what can be done while a job keeps others from being begun."""
    if job.state in OPEN_JOB:
        return "wait for it, or cancel it"
    return f"it has yet to let go of the snapshots it holds, and `argosy explain {job.pk}` says what it waits for"


def _held(pk: int) -> Schedule | None:
    """Return the schedule, and let nobody else decide on it until this is recorded."""
    return Schedule.objects.select_for_update(of=("self",)).select_related("site").filter(pk=pk).first()


def _begun(run: Run, owner: User | None) -> Run:
    """Begin what can be begun, and record the run."""
    found: list[str] = []
    with transaction.atomic():
        run.jobs = _jobs(run.schedule, owner, found)
        if not run.jobs:
            transaction.set_rollback(True)
    run.reason = "; ".join(found)
    run.save()
    old = Run.objects.filter(schedule=run.schedule_id).order_by("-pk").values_list("pk", flat=True)[KEPT:]
    Run.objects.filter(pk__in=list(old)).delete()
    told = log.warning if found else log.info
    told("schedule runs", schedule=run.schedule.name, jobs=run.jobs, reason=run.reason)
    return run


def _jobs(schedule: Schedule, owner: User | None, found: list[str]) -> list[int]:
    """Begin a job for each subscription, with snapdiff after one that finds for all; add why one could not be."""
    given = [Entry(path=path) for path in pairs.paths(schedule)]
    subscriptions = list(schedule.subscriptions.select_related("workflow"))
    if not given:
        found.append("it manages no path: give it one")
    if not subscriptions:
        found.append("no workflow is subscribed to it: subscribe one")
    if not given or not subscriptions:
        return []
    scheduled = jobs.Scheduled(schedule=schedule.pk, name=schedule.name, discovery_options=schedule.discovery_options)
    led = [one for one in subscriptions if _is_led(one)]
    alone = _each(led, given, scheduled, owner, found)  # they look for themselves
    rest = [one for one in subscriptions if not _is_led(one)]
    if schedule.discovery != SNAPDIFF or not rest:
        return [*alone, *_each(rest, given, scheduled, owner, found)]
    return [*alone, *_fed(rest, given, scheduled, owner, found)]


def _fed(
    subscriptions: Sequence[Subscription],
    given: Sequence[Entry],
    scheduled: jobs.Scheduled,
    owner: User | None,
    found: list[str],
) -> list[int]:
    """Begin a job that finds and those that it feeds; none where none of those can be."""
    with _noting(found), transaction.atomic():
        site = subscriptions[0].schedule.site
        finder = jobs.discover(SNAPDIFF, given, site, scheduled, owner=owner)
        fed = _each(subscriptions, given, msgspec.structs.replace(scheduled, fed_by=finder.pk), owner, found)
        if fed:
            return [finder.pk, *fed]
        transaction.set_rollback(True)
    return []


def _is_led(subscription: Subscription) -> bool:
    return subscription.workflow is not None and is_led(subscription.workflow)


def _each(
    subscriptions: Sequence[Subscription],
    given: Sequence[Entry],
    scheduled: jobs.Scheduled,
    owner: User | None,
    found: list[str],
) -> list[int]:
    begun: list[int] = []
    for subscription in subscriptions:
        with _noting(found, f"{subscription.called}: "):
            begun.append(jobs.run(_asked(subscription, given), scheduled, owner=owner).pk)
    return begun


def _asked(subscription: Subscription, given: Sequence[Entry]) -> jobs.Asked:
    schedule = subscription.schedule
    return jobs.Asked(
        site=schedule.site.name,
        workflow=subscription.called,
        paths=given,
        fields=values_of(subscription),
        discovery=msgspec.UNSET if schedule.is_bidirectional or _is_led(subscription) else schedule.discovery,
    )


@contextmanager
def _noting(found: list[str], place: str = "") -> Iterator[None]:
    """Take back what the block recorded where it cannot go on, and add why."""
    try:
        with transaction.atomic():
            yield
    except ArgosyError as error:
        found.append(f"{place}{error.message}")
