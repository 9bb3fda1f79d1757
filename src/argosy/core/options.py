"""Options of a plugin, declared once as annotated dataclass fields and read many ways."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from argosy.core.errors import Invalid

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, its type, what it is for, and its default where it has one."""

    name: str
    type: Any
    help: str
    required: bool
    default: Any


def options(plugin: type[Any]) -> list[Option]:
    """Return the options of a plugin, in the order they are declared."""
    hints = get_type_hints(plugin, include_extras=True)
    return [_option(field, hints[field.name]) for field in dataclasses.fields(plugin) if field.init]


def parse(plugin: type[T], values: Mapping[str, Any], *, noun: str) -> T:
    """Return the plugin made from values as they came in JSON.

    Raises:
        Invalid: an option is unknown, missing or of the wrong type; the message names `noun` and the option.
    """
    known = {option.name for option in options(plugin)}
    if unknown := sorted(set(values) - known):
        raise Invalid(f"{noun} has no option {unknown[0]!r}: it knows {', '.join(sorted(known)) or 'none'}")
    try:
        return msgspec.convert(dict(values), plugin)
    except msgspec.ValidationError as error:
        raise Invalid(f"{noun}: {error}") from error


def schema(plugin: type[Any]) -> dict[str, Any]:
    """Return the options as JSON Schema (an object)."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [option.name for option in options(plugin) if option.required],
        "properties": {
            option.name: msgspec.json.schema(option.type) | {"description": option.help} for option in options(plugin)
        },
    }


def _option(field: "dataclasses.Field[Any]", hint: Any) -> Option:
    annotated = get_origin(hint) is Annotated
    kind, text = get_args(hint)[:2] if annotated else (hint, "")
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    default = None if required else field.default
    return Option(field.name, kind, text, required, default)
