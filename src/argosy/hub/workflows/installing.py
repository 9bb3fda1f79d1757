"""How the workflows that come with Argosy get into the database, and what an upgrade leaves alone."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.db import transaction

from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.shipped import SHIPPED

log = structlog.get_logger()

_RUN: Final = frozenset({"filter_rules", "fields", "discovery", "discovery_options", "allow_missing_paths"})
"""What makes up a run: it fits together, so that a change to a part of it keeps all of it."""
_DEFAULTS: Final[dict[str, Any]] = {
    "icon_classes": [],
    "discovery": None,
    "discovery_options": {},
    "enabled": True,
    "visible": True,
    "schedule_only": False,
    "allow_missing_paths": False,
}


@transaction.atomic
def install_shipped(release: tuple[Mapping[str, Any], ...] = SHIPPED) -> None:
    """Make the workflows that come with Argosy what this release says they are, save what was changed here.

    One that the release ships no more stays, and is its users' own.
    """
    rows = {row.name: row for row in Workflow.objects.select_for_update()}
    for definition in release:
        said = _DEFAULTS | {key: value for key, value in definition.items() if key != "name"}
        row = rows.pop(definition["name"], None)
        if row is None:
            Workflow.objects.create(name=definition["name"], installed=said, **said)
        elif row.installed is None:
            log.warning("a workflow made here has the name of one that comes with Argosy", workflow=row.name)
        else:
            _upgrade(row, said)
    Workflow.objects.filter(pk__in=[row.pk for row in rows.values() if row.shipped]).update(installed=None)


def _upgrade(row: Workflow, said: dict[str, Any]) -> None:
    changed = set(row.changed)
    kept = changed | (_RUN if changed & _RUN else set())
    if missed := sorted(key for key in kept if said[key] != (row.installed or {}).get(key)):
        log.warning(
            "a workflow that was changed here keeps what this release has otherwise", workflow=row.name, keys=missed
        )
    for key in said.keys() - kept:
        setattr(row, key, said[key])
    row.installed = said
    row.save()
