"""How a run finds its entries."""

from collections.abc import Mapping
from typing import Any

import msgspec

from argosy.core.errors import Invalid
from argosy.core.options import options
from argosy.hub.workflows import offered
from argosy.hub.workflows.fitting import expect_fit
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.naming import filled
from argosy.hub.workflows.spellings import Spelled

SKIP_MISSING = "skip_missing"
"""The option of discoveries that lets paths through which are not there."""


def planned_discovery(
    workflow: Workflow, asked: str | msgspec.UnsetType | None, values: Mapping[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """Return the discovery of a run, the workflow's own where none was asked for, and its options.

    Those of the workflow go only with its own discovery. None: what the paths are is looked at, and no more.

    Raises:
        Invalid: there is no such discovery, or an option does not take the value that its field has.
    """
    name = workflow.discovery if asked is msgspec.UNSET else asked
    own = name is not None and name == workflow.discovery
    given = filled(workflow.discovery_options, values) if own else {}
    if name is None:
        return None, {SKIP_MISSING: True} if workflow.allow_missing_paths else {}
    try:
        plugin = offered.discovery(name)
    except Invalid as error:
        raise Invalid(f"{error.message}, and null for none") from error
    if workflow.allow_missing_paths and SKIP_MISSING in {option.name for option in options(plugin)}:
        given.setdefault(SKIP_MISSING, True)
    said = Spelled(name, workflow.discovery_options if own else {})
    expect_fit(plugin, said, given, noun=f"discovery {name}")
    return name, given
