"""Decisions on workflows."""

from django.db import transaction

from argosy.core.errors import Invalid
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.shipped import SHIPPED


@transaction.atomic
def install_shipped() -> None:
    """Make the workflows that come with Argosy what this version says they are."""
    for definition in SHIPPED:
        Workflow.objects.update_or_create(name=definition["name"], defaults=definition)


def runnable(name: str) -> Workflow:
    """Return the workflow.

    Raises:
        Invalid: there is none of the name, it is disabled, or only schedules may run it.
    """
    workflow = Workflow.objects.filter(name=name).first()
    if workflow is None:
        known = ", ".join(Workflow.objects.filter(enabled=True, visible=True).values_list("name", flat=True))
        raise Invalid(f"unknown workflow {name!r}: known are {known or 'none'}")
    if not workflow.enabled:
        raise Invalid(f"workflow {name} is disabled: enable it first")
    if workflow.schedule_only:
        raise Invalid(f"workflow {name} is run by schedules only")
    return workflow
