"""Decisions on workflows."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.db import transaction
from django.forms.models import model_to_dict

from argosy.core.errors import Invalid, NotFound
from argosy.hub.common.errors import Conflict
from argosy.hub.workflows.definition import faults
from argosy.hub.workflows.models import LED, RESERVED, Workflow

_SHOWN: Final = ("filter_rules", "fields", "discovery", "discovery_options", "allow_missing_paths", "schedule_only")

log = structlog.get_logger()


@transaction.atomic
def create(values: Mapping[str, Any]) -> Workflow:
    """Record a workflow of somebody's own."""
    workflow = Workflow.objects.create(**values)
    log.info("workflow created", workflow=workflow.name)
    return workflow


@transaction.atomic
def change(workflow: Workflow, values: Mapping[str, Any]) -> Workflow:
    """Set values of a workflow; jobs that run keep the rules they began with.

    Raises:
        Conflict: it comes with Argosy, and was to have another name, or other rules than those that it only shows.
    """
    if workflow.shipped and values.get("name", workflow.name) != workflow.name:
        raise Conflict(f"workflow {workflow.name} comes with Argosy and keeps its name: make a copy under another")
    _refuse_led(workflow, values)
    for key, value in values.items():
        setattr(workflow, key, value)
    workflow.save(update_fields=list(values))
    log.info("workflow changed", workflow=workflow.name, keys=sorted(values))
    return workflow


def is_led(workflow: Workflow) -> bool:
    """Say whether its jobs are planned as a whole, and its rules only shown."""
    return workflow.shipped and workflow.name in LED


def _refuse_led(workflow: Workflow, values: Mapping[str, Any]) -> None:
    """See to it that what a workflow shows, and does not run, stays as it is.

    Raises:
        Conflict: it was to change.
    """
    other = sorted(key for key in _SHOWN if key in values and values[key] != getattr(workflow, key))
    if other and is_led(workflow):
        raise Conflict(
            f"workflow {workflow.name} plans as a whole what its rules show, so {other[0]} cannot be changed: "
            "copy it under another name, and change that: its rules are run as they are written"
        )


@transaction.atomic
def delete(workflow: Workflow) -> None:
    """Remove a workflow; jobs that run go on.

    Raises:
        Conflict: it comes with Argosy.
    """
    if workflow.shipped:
        raise Conflict(
            f"workflow {workflow.name} comes with Argosy and cannot be deleted: "
            "set `visible` to false to hide it, or `enabled` to false so that nobody runs it"
        )
    log.info("workflow deleted", workflow=workflow.name)
    workflow.delete()


@transaction.atomic
def reset(workflow: Workflow) -> Workflow:
    """Make a workflow that comes with Argosy what the release says it is.

    Raises:
        Conflict: somebody made it here.
    """
    if workflow.installed is None:
        raise Conflict(f"workflow {workflow.name} does not come with Argosy: there is nothing to go back to")
    return change(workflow, workflow.installed)


def runnable(name: str, *, scheduled: bool = False) -> Workflow:
    """Return the workflow, for a run by a person or by a schedule.

    Raises:
        Invalid: there is none of the name, or it is the hub's own; it is disabled, only schedules may run it, or what
            it names is gone.
    """
    try:
        workflow = named(name)
    except NotFound as error:
        raise Invalid(error.message) from error
    if name == RESERVED:
        raise Invalid(f"jobs of the hub's own are called {name}: give the workflow another name")
    if not workflow.enabled:
        raise Invalid(f"workflow {name} is disabled: enable it first")
    if workflow.schedule_only and not scheduled:
        raise Invalid(f"workflow {name} is run by schedules only")
    if not is_led(workflow):
        faults(model_to_dict(workflow)).refuse(f"workflow {name}")
    return workflow


def named(name: str) -> Workflow:
    """Return the workflow.

    Raises:
        NotFound: there is none of the name; the message lists those there are.
    """
    workflow = Workflow.objects.filter(name=name).first()
    if workflow is None:
        known = ", ".join(Workflow.objects.filter(enabled=True, visible=True).values_list("name", flat=True))
        raise NotFound(f"unknown workflow {name!r}: known are {known or 'none'}")
    return workflow
