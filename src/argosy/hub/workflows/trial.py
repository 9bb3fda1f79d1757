"""What a workflow would do with paths: which rules match, and what their chains are. Nothing is done."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.forms.models import model_to_dict

from argosy.core.entry import Entry
from argosy.hub.sites.models import Site
from argosy.hub.sites.queries import site_named
from argosy.hub.workflows import fields as field_values
from argosy.hub.workflows.definition import faults
from argosy.hub.workflows.discovering import planned_discovery
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.rules import Patterns, Rule, chosen, planned
from argosy.hub.workflows.spellings import FIELDS


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as a run would have them, the discovery it would begin with, and for every path the rules that match."""

    rules: list[Rule]
    discovery: str | None
    options: dict[str, Any]
    """Of the discovery."""
    matched: list[list[int]]
    sites: dict[int, str]
    """Names of the sites of the chains."""


def tried(
    workflow: Workflow,
    entries: Sequence[Entry],
    *,
    site: str,
    fields: Mapping[str, Any],
    **globs: Any,
) -> Tried:
    """Return what a run at the site would do with the entries; `globs` as `Patterns.of` takes them.

    Raises:
        Invalid: the definition, the site or a field is not well.
    """
    faults(model_to_dict(workflow)).refuse(f"workflow {workflow.name}")
    home = site_named(site)
    values = field_values.values(workflow.fields, fields, aliases=FIELDS.get(workflow.name, {}), home=home.name)
    rules = planned(workflow.filter_rules, values, home=home, patterns=Patterns.of(home, **globs))
    discovery, options = planned_discovery(workflow, msgspec.UNSET, values)
    return Tried(
        rules=rules,
        discovery=discovery,
        options=options,
        matched=[chosen(rules, entry) for entry in entries],
        sites=dict(Site.objects.values_list("pk", "name")),
    )
