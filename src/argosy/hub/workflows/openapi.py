"""What the OpenAPI document says of rules: every step there is, with its options."""

import re
from typing import TYPE_CHECKING, Any, Final

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent, build_array_type

from argosy.core.options import described
from argosy.hub.workflows import offered
from argosy.hub.workflows.fields import TYPES as FIELD_TYPES
from argosy.hub.workflows.rules import TYPES

if TYPE_CHECKING:
    from drf_spectacular.openapi import AutoSchema

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_CHOICE: Final = {
    "type": "object",
    "required": ["label", "value"],
    "properties": {"label": _TEXT, "value": {"oneOf": [_TEXT, {"type": "integer"}]}},
}
_FIELD: Final = {"type": "string", "pattern": r"^\*.", "description": "The value of the runtime field of that name."}


class RulesExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # its base says so
    """The rules of a workflow."""

    target_class = "argosy.hub.workflows.api.RulesField"

    def map_serializer_field(self, auto_schema: "AutoSchema", direction: str) -> dict[str, Any]:  # noqa: ARG002
        """Return their schema."""
        actions = [_component(auto_schema, name, _action(name, step)) for name, step in offered.steps().items()]
        action = _component(auto_schema, "WorkflowAction", {"oneOf": actions})
        return build_array_type(_component(auto_schema, "WorkflowRule", _rule(action)))


class DeclaredExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # its base says so
    """The runtime fields of a workflow."""

    target_class = "argosy.hub.workflows.api.DeclaredField"

    def map_serializer_field(self, auto_schema: "AutoSchema", direction: str) -> dict[str, Any]:  # noqa: ARG002
        """Return their schema."""
        return build_array_type(
            {
                "type": "object",
                "required": ["name", "label", "type"],
                "properties": {
                    "name": _TEXT,
                    "label": _TEXT,
                    "type": {"type": "string", "enum": list(FIELD_TYPES)},
                    "default": {"description": "Without it, a run must give a value. null: not set."},
                    "choices": {"type": "array", "items": _CHOICE},
                },
            }
        )


def _component(auto_schema: "AutoSchema", name: str, told: dict[str, Any]) -> dict[str, Any]:
    component = ResolvedComponent(  # type: ignore[no-untyped-call]  # is untyped
        name=name, type=ResolvedComponent.SCHEMA, schema=told, object=name
    )
    auto_schema.registry.register_on_missing(component)
    return component.ref


def _action(name: str, step: type[Any]) -> dict[str, Any]:
    told = described(step)
    properties = {
        option: {"anyOf": [kind, _FIELD], "description": kind.get("description", "")}
        for option, kind in told["properties"].items()
    }
    first = {
        "name": {**_TEXT, "pattern": f"^{re.escape(name)}$"},
        "site": {**_TEXT, "description": "Where; else the job's site."},
    }
    return told | {"required": ["name", *told["required"]], "properties": {**first, **properties}}


def _rule(action: dict[str, Any]) -> dict[str, Any]:
    flag = {"type": "boolean"}
    return {
        "type": "object",
        "required": ["state", "type", "action"],
        "additionalProperties": False,
        "properties": {
            "state": {**_TEXT, "description": "What discovery or the submission says of an entry; or all, or default."},
            "type": {"type": "string", "enum": [*TYPES, "default"]},
            "action": {"oneOf": [{"type": "array", "items": action}, action]},
            "include": _TEXTS,
            "exclude": _TEXTS,
            "ignore_site_includes": flag,
            "ignore_site_excludes": flag,
            "description": _TEXT,
        },
    }
