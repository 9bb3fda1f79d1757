"""Decisions on schedules and subscriptions."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from argosy.core.errors import Invalid
from argosy.core.paths import absolute, below, quoted, to_json
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs.models import Job
from argosy.hub.schedules import cron, pairs
from argosy.hub.schedules.models import BIDIRECTIONAL, Schedule, Subscription
from argosy.hub.sites.models import Site
from argosy.hub.workflows import fields as field_values
from argosy.hub.workflows import offered
from argosy.hub.workflows.discovering import expected, implied
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.services import runnable
from argosy.hub.workflows.spellings import FIELDS

SNAPDIFF = "snapdiff"
"""The discovery that finds for all subscriptions at once."""
_ONE_PATH = (SNAPDIFF, BIDIRECTIONAL)
"""Discoveries of one fileset."""
_TIMES = {*cron.FIELDS, "enabled"}

log = structlog.get_logger()


@transaction.atomic
def create(values: Mapping[str, Any]) -> Schedule:
    """Record a schedule; its minutes count from now on.

    Raises:
        Invalid, Conflict: it cannot be, or not beside the others; the message says why.
    """
    _alone()
    schedule = Schedule(**values, since=timezone.now())
    _save(schedule)
    log.info("schedule created", schedule=schedule.name)
    return schedule


@transaction.atomic
def change(schedule: Schedule, values: Mapping[str, Any]) -> Schedule:
    """Set values of a schedule; jobs that run go on. Where its times change, its minutes count from now on.

    Raises:
        Invalid, Conflict: it cannot be so, or not beside the others; the message says why.
    """
    _alone()
    was = {key: getattr(schedule, key) for key in values}
    for key, value in values.items():
        setattr(schedule, key, value)
    _check_kind(was.get("discovery", schedule.discovery), schedule)
    if any(was[key] != getattr(schedule, key) for key in _TIMES & was.keys()):
        schedule.since = timezone.now()
    _save(schedule)
    if was.get("name", schedule.name) != schedule.name:
        Job.objects.filter(schedule=schedule.pk).update(schedule_name=schedule.name)
    log.info("schedule changed", schedule=schedule.name, keys=sorted(values))
    return schedule


@transaction.atomic
def remove(schedule: Schedule) -> None:
    """Remove a schedule with its subscriptions; jobs that run go on."""
    log.info("schedule removed", schedule=schedule.name)
    schedule.delete()


@transaction.atomic
def subscribe(schedule: Schedule, *, workflow: str, fields: Mapping[str, Any], site: str) -> Subscription:
    """Have a workflow run when the schedule does.

    Raises:
        Invalid, Conflict: it cannot, or not beside what else is subscribed; the message says why.
    """
    _alone()
    return _subscribed(Subscription(schedule=schedule), workflow=workflow, fields=fields, site=site)


@transaction.atomic
def change_subscription(subscription: Subscription, values: Mapping[str, Any]) -> Subscription:
    """Set values of a subscription; jobs that run go on.

    Raises:
        Invalid, Conflict: it cannot be so; the message says why.
    """
    _alone()
    now = {
        "workflow": subscription.called,
        "fields": subscription.fields,
        "site": subscription.schedule.site.name,
    }
    return _subscribed(subscription, **{**now, **values})


@transaction.atomic
def unsubscribe(subscription: Subscription) -> None:
    """Have the workflow run no more when the schedule does; jobs that run go on."""
    log.info("unsubscribed", schedule=subscription.schedule.name, workflow=subscription.called)
    subscription.delete()


def values_of(subscription: Subscription) -> dict[str, Any]:
    """Return what its workflow gets for its fields.

    Raises:
        Invalid: it is gone or disabled, or does not take them.
    """
    schedule = subscription.schedule
    if subscription.workflow is None:
        raise Invalid(f"workflow {subscription.name} was deleted: subscribe another, or remove the subscription")
    workflow = runnable(subscription.workflow.name, scheduled=True)
    declared = [*workflow.fields, *implied(workflow, schedule.discovery, subscription.fields)]
    aliases = FIELDS.get(workflow.name, {})
    return field_values.values(declared, subscription.fields, aliases=aliases, home=schedule.site.name)


def _alone() -> None:
    """Let nobody else decide on schedules until this is recorded: what they may be depends on all of them."""
    len(Site.objects.select_for_update().order_by("pk").values_list("pk"))


def _save(schedule: Schedule) -> None:
    _check_discovery(schedule)
    schedule.managed_paths = [to_json(_inside(path, schedule.site)) for path in pairs.paths(schedule)]
    _check_paths(schedule)
    schedule.save()
    pairs.check(schedule)


def _check_discovery(schedule: Schedule) -> None:
    name, options = schedule.discovery, schedule.discovery_options
    if name is not None and name != BIDIRECTIONAL:
        try:
            expected(name, options)
        except Invalid as error:
            raise Invalid(f"{_place(name)}: {error.message}") from error
    elif options:
        raise Invalid(
            f"discovery_options: {'there is no discovery' if name is None else name} that takes any: give {{}}"
        )


def _place(discovery: str) -> str:
    return "discovery_options" if discovery in offered.discoveries() else "discovery"


def _check_kind(was: str | None, schedule: Schedule) -> None:
    if (was == BIDIRECTIONAL) != schedule.is_bidirectional:
        raise Conflict(
            f"discovery: schedule {schedule.name} cannot be changed {'from' if was == BIDIRECTIONAL else 'to'} "
            f"{BIDIRECTIONAL}: make another schedule"
        )


def _inside(path: bytes, site: Site) -> bytes:
    path = absolute(path)
    if site.roots and not any(below(path, root.encode()) for root in site.roots):
        roots = ", ".join(site.roots)
        raise Invalid(f"managed_paths: {quoted(path)} is outside the roots of site {site.name}: {roots}")
    return path


def _check_paths(schedule: Schedule) -> None:
    found = pairs.paths(schedule)
    if twice := next((path for number, path in enumerate(found) if path in found[:number]), None):
        raise Invalid(f"managed_paths: {quoted(twice)} is given twice: leave one out")
    if schedule.discovery in _ONE_PATH and len(found) > 1:
        raise Invalid(
            f"managed_paths: {schedule.discovery} takes exactly one path, the top of a fileset, and {len(found)} are "
            "given: make a schedule for each"
        )


def _subscribed(subscription: Subscription, *, workflow: str, fields: Mapping[str, Any], site: str) -> Subscription:
    schedule = subscription.schedule
    if site != schedule.site.name:
        raise Invalid(f"site: the paths of schedule {schedule.name} are of site {schedule.site.name}: give that")
    found = runnable(workflow, scheduled=True)
    _check_fits(subscription, found)
    subscription.workflow, subscription.name, subscription.fields = found, found.name, dict(fields)
    values_of(subscription)
    subscription.save()
    pairs.check(schedule)
    log.info("subscribed", schedule=schedule.name, workflow=found.name)
    return subscription


def _check_fits(subscription: Subscription, workflow: Workflow) -> None:
    """See to it that a schedule in both directions has what belongs to it and nothing else, and only it has that."""
    schedule = subscription.schedule
    if schedule.is_bidirectional and workflow.name != pairs.BOTH_WAYS:
        raise Invalid(
            f"workflow: {pairs.BOTH_WAYS} is all that a {BIDIRECTIONAL} schedule takes: "
            f"subscribe {workflow.name} to a schedule with another discovery"
        )
    if workflow.name == pairs.BOTH_WAYS and not schedule.is_bidirectional:
        raise Invalid(
            f"workflow: {pairs.BOTH_WAYS} runs from {BIDIRECTIONAL} schedules only, "
            f"and the discovery of schedule {schedule.name} is {schedule.discovery or 'none'}: make one"
        )
    if schedule.is_bidirectional and schedule.subscriptions.exclude(pk=subscription.pk).exists():
        raise Conflict(f"schedule {schedule.name} has a subscription, and a {BIDIRECTIONAL} schedule takes one only")
