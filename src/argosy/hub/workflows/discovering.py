"""How a run finds its entries."""

from collections.abc import Mapping
from typing import Any, Final

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


ROTATE_ON_ERROR: Final = "snapdiff_rotate_on_error"
"""The field that decides whether snapshots rotate after a job in which files failed."""
_OF_SNAPDIFF: Final = {
    "name": ROTATE_ON_ERROR,
    "label": "Rotate snapshots although files failed",
    "type": "bool",
    "default": True,
}


def implied(
    workflow: Workflow, asked: str | msgspec.UnsetType | None, given: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return the fields that a run has for its discovery, though its workflow does not declare them.

    One over files that another run found has what that was given.
    """
    name = workflow.discovery if asked is msgspec.UNSET else asked
    declared = any(field["name"] == ROTATE_ON_ERROR for field in workflow.fields)
    has_it = name == "snapdiff" or (name is None and ROTATE_ON_ERROR in given)
    return [_OF_SNAPDIFF] if has_it and not declared else []


def expected(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a discovery, as one names them who runs it.

    Raises:
        Invalid: there is no such discovery, or it does not take them.
    """
    options_ = dict(given)
    expect_fit(offered.discovery(name), Spelled(name, options_), options_, noun=f"discovery {name}")
    return options_


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
