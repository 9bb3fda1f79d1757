"""The runtime fields that a definition declares."""

from collections.abc import Mapping
from typing import Any, Final

from argosy.core.errors import Invalid
from argosy.hub.workflows.faults import Faults
from argosy.hub.workflows.fields import TYPES, checked

_NEEDED: Final = ("name", "label", "type")
_KNOWN: Final = {*_NEEDED, "default", "choices", "value"}
"""`value` is in documented definitions, and means nothing."""


def check(fields: Any, found: Faults) -> dict[str, Mapping[str, Any] | None]:
    """Note what is wrong with the fields; return them by name, None for one that is not well formed."""
    known: dict[str, Mapping[str, Any] | None] = {}
    for place, field in found.items(fields, "fields", "field"):
        before = found.count
        _check(field, place, found)
        name = field.get("name")
        if not isinstance(name, str):
            continue
        if name in known:
            found.add(f"{place}.name", f"{name!r} is declared twice")
        known[name] = field if found.count == before else None
    return known


def check_unread(fields: Any, found: Faults) -> None:
    """Note choices of fields that offer none. Definitions that have some were made before, and run as they did."""
    for number, field in enumerate(fields if isinstance(fields, list) else []):
        kind = field.get("type") if isinstance(field, Mapping) else None
        if kind in TYPES and kind != "choices" and field.get("choices"):
            said = f"a field of type {kind} offers no choices: make it one of type choices, or leave them out"
            found.add(f"fields[{number}].choices", said)


def _check(field: Mapping[str, Any], place: str, found: Faults) -> None:
    found.keys(field, place, needed=_NEEDED, known=_KNOWN)
    found.text(field, "name", place)
    found.text(field, "label", place)
    kind = field.get("type")
    if "type" in field and (not isinstance(kind, str) or kind not in TYPES):
        found.add(f"{place}.type", f"{kind!r} is no type: types are {', '.join(TYPES)}")
        return
    if kind == "choices" and not _check_choices(field, place, found):
        return
    if {"name", "type"} <= field.keys() and field.get("default") is not None:
        try:
            checked(field, field["default"])
        except Invalid as error:
            found.add(f"{place}.default", error.message)


def _check_choices(field: Mapping[str, Any], place: str, found: Faults) -> bool:
    before = found.count
    if not field.get("choices"):
        found.add(f"{place}.choices", "a field of type choices needs some: a list of objects with label and value")
        return False
    for at, choice in found.items(field["choices"], f"{place}.choices", "choice"):
        found.keys(choice, at, needed=("label", "value"), known={"label", "value"})
        found.text(choice, "label", at)
        value = choice.get("value")
        if "value" in choice and (isinstance(value, bool) or not isinstance(value, str | int)):
            found.add(f"{at}.value", f"{value!r} is neither text nor an integer")
    return found.count == before
