"""How the options of a definition name fields: `*NAME`, as the whole option or anywhere within it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from argosy.core.errors import Invalid

_NAME: Final = re.compile(r"[\w-]+( [\w-]+)*")
"""What is taken for a name within lists and objects, where patterns such as `*.tmp` may be."""


def field_named(value: Any) -> str | None:
    """Return the name of the field that `*NAME` names, None for other values."""
    return value[1:] if isinstance(value, str) and value.startswith("*") else None


def fields_within(value: Any, place: str, declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield places and names of the fields that are named within a list or an object."""
    for at, item in _items(value, place):
        if (name := _named_within(item, declared)) is not None:
            yield at, name
        else:
            yield from fields_within(item, at, declared)


def filled(options: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the values of the fields that `*NAME` names in place; what gets null by that is not set.

    Raises:
        Invalid: the workflow declares no such field.
    """
    found = {key: fill(value, values) for key, value in options.items()}
    return {key: value for key, value in found.items() if value is not None or field_named(options[key]) is None}


def fill(value: Any, values: Mapping[str, Any], *, within: bool = False) -> Any:
    """Return the value of the field that `*NAME` names; a list or object with those of the fields within it.

    Raises:
        Invalid: the workflow declares no such field.
    """
    name = _named_within(value, values) if within else field_named(value)
    if name is not None:
        if name not in values:
            raise Invalid(f"an action uses the field {name!r}, which the workflow does not declare")
        return values[name]
    if isinstance(value, list):
        return [fill(item, values, within=True) for item in value]
    if isinstance(value, Mapping):
        return {key: fill(item, values, within=True) for key, item in value.items()}
    return value


def _named_within(item: Any, declared: Mapping[str, Any]) -> str | None:
    name = field_named(item)
    return name if name is not None and (name in declared or _NAME.fullmatch(name)) else None


def _items(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{place}[{number}]", item) for number, item in enumerate(value))
    elif isinstance(value, Mapping):
        yield from ((f"{place}.{key}", item) for key, item in value.items())
