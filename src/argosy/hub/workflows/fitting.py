"""Whether options of a step or discovery can be what a definition says: values, or fields that will give them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from argosy.core.errors import Invalid
from argosy.core.options import Option, misfit, misfits, options, parse
from argosy.hub.workflows.faults import Faults
from argosy.hub.workflows.spellings import Spelled

Fields = Mapping[str, Mapping[str, Any] | None]
"""Declared fields by name; None: one that is not well formed."""

_JSON: Final = {"string": "string", "enum[site]": "string", "int": "integer", "list": "array"}
"""What values of a field are in JSON, where they are not known beforehand."""


def field_named(value: Any) -> str | None:
    """Return the name of the field that `*NAME` names, None for other values."""
    return value[1:] if isinstance(value, str) and value.startswith("*") else None


def check(plugin: type[Any], said: Spelled, fields: Fields, *, noun: str, place: str, found: Faults) -> None:
    """Note what is wrong with the options that were said."""
    wrong = misfits(plugin, said.meant(), noun=noun)
    known = {option.name: option for option in options(plugin)}
    given = {name: field for name, value in said.options.items() if (field := field_named(value)) is not None}
    for name in given.keys() & known:
        wrong.pop(name, None)
        if why := _misfit(known[name], given[name], fields, partial(said.value, name)):
            wrong[name] = why
    for name, why in wrong.items():
        found.add(f"{place}.{said.given(name)}", why)
    if not wrong and not given:
        _check_whole(plugin, said, noun=noun, place=place, found=found)


def _check_whole(plugin: type[Any], said: Spelled, *, noun: str, place: str, found: Faults) -> None:
    """Note what is wrong with values that fit one by one."""
    try:
        parse(plugin, said.meant(), noun=noun)
    except Invalid as error:
        found.add(place, error.message)


def undeclared(name: str, fields: Fields) -> str:
    """Return how one says that a field is not declared."""
    return f"the workflow declares no field {name!r}: it has {', '.join(sorted(fields)) or 'none'}"


def _misfit(option: Option, name: str, fields: Fields, meant: Callable[[Any], Any]) -> str:
    """Return why the values that the field can have cannot all be the option's, "" where they can."""
    if name not in fields:
        return undeclared(name, fields)
    field = fields[name]
    if field is None:
        return ""
    for value in _known_values(field):
        if said := misfit(option, meant(value)):
            return f"field {name!r} can be {value!r}: {said}"
    kind = _JSON.get(field["type"])
    if kind is not None and not _takes(option, kind):
        return f"field {name!r} is of type {field['type']}, which the option does not take"
    return ""


def _known_values(field: Mapping[str, Any]) -> list[Any]:
    """Return values of the field that are known beforehand."""
    default = [field["default"]] if "default" in field else []
    if field["type"] == "choices":
        return [*(choice["value"] for choice in field["choices"]), *default]
    return [True, False, *default] if field["type"] == "bool" else default


def _takes(option: Option, kind: str) -> bool:
    """Say whether some values of a kind can be the option's."""
    schema = msgspec.json.schema(option.type)
    kinds = {name for one in schema.get("anyOf", [schema]) for name in _kinds(one)}
    return not kinds or kind in kinds or (kind == "integer" and "number" in kinds)


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    if "enum" in schema:
        return ["string" if isinstance(value, str) else "integer" for value in schema["enum"] if value is not None]
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)
