"""Values of a workflow's runtime fields."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from argosy.core.errors import Invalid
from argosy.hub.sites.queries import site_named

Field = Mapping[str, Any]
_DIGITS = re.compile(r"[+-]?[0-9]{1,19}")
"""A number of 64 bits as forms write it; Python reads more, blanks and underscores too."""

DESTINATION = "destinationsite"
"""The field of a site that things go to; it is another than the job's."""


def values(
    fields: Sequence[Field], given: Mapping[str, Any], *, aliases: Mapping[str, str], home: str
) -> dict[str, Any]:
    """Return a value for every field of a job of the site `home`: the given one, else its default.

    Raises:
        Invalid: a field is unknown, missing, given twice, its value does not fit, or the destination is `home`.
    """
    named = _canonical(given, aliases)
    known = {field["name"]: field for field in fields}
    if unknown := sorted(set(named) - set(known)):
        raise Invalid(f"unknown field {unknown[0]!r}: the workflow takes {', '.join(sorted(known)) or 'none'}")
    found = {name: _value(field, named) for name, field in known.items()}
    if DESTINATION in known and known[DESTINATION]["type"] == "enum[site]" and found[DESTINATION] == home:
        raise Invalid(f"field {DESTINATION!r}: {home!r} is the site itself: name another")
    return found


def _canonical(given: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in given.items():
        name = aliases.get(key, key)
        if name in named and named[name] != value:
            raise Invalid(f"field {name!r} is given twice, with different values")
        named[name] = value
    return named


def _value(field: Field, given: Mapping[str, Any]) -> Any:
    name = field["name"]
    if name not in given and "default" not in field:
        raise Invalid(f"field {name!r} is missing: it has no default")
    value = given.get(name, field.get("default"))
    if value is None and field.get("default", "") is None:
        return None  # so declared: what has this value is not set
    return checked(field, value)


def default_of(field: Field) -> Any:
    """Return the default of a field that has one, as a run gets it.

    Raises:
        Invalid: it does not fit.
    """
    return _value(field, {})


def checked(field: Field, value: Any) -> Any:
    """Return a value as the field's type has it.

    Raises:
        Invalid: it does not fit.
    """
    found = _CHECKS[field["type"]](field, value)
    for place, why in unstorable(found, f"field {field['name']!r}"):
        raise Invalid(f"{place}: {why}")
    return found


def unstorable(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield each place of a value of JSON that databases and orders cannot hold, and why."""
    if isinstance(value, str) and "\0" in value:
        yield place, "this holds a NUL"
    elif isinstance(value, int | float) and not -(2**63) <= value < 2**63:
        yield place, "no 64 bits hold this number"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from ((place, f"of a key: {why}") for _, why in unstorable(key, place))
            yield from unstorable(item, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from unstorable(item, f"{place}[{number}]")


def _wrong(field: Field, value: Any, wanted: str) -> Invalid:
    return Invalid(f"field {field['name']!r}: {value!r} is not {wanted}")


def _string(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(field, value, "text")
    return value


def _int(field: Field, value: Any) -> int:
    """Return the number; forms send it as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise _wrong(field, value, "an integer")


def _bool(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, value, "true or false")
    return value


def _choice(field: Field, value: Any) -> str | int:
    allowed = [choice["value"] for choice in field["choices"]]
    for known in allowed:
        if type(known) is type(value) and known == value:
            return known if isinstance(known, int) else str(known)
    raise _wrong(field, value, f"one of {', '.join(map(str, allowed))}")


def _site(field: Field, value: Any) -> str:
    name = _string(field, value)
    try:
        return site_named(name).name
    except Invalid as error:
        raise Invalid(f"field {field['name']!r}: {error.message}") from error


def _list(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, (str, int, float, bool)) for item in value):
        raise _wrong(field, value, "a list of texts and numbers")
    return value


_CHECKS: dict[str, Callable[[Field, Any], Any]] = {
    "string": _string,
    "int": _int,
    "bool": _bool,
    "choices": _choice,
    "enum[site]": _site,
    "list": _list,
}
TYPES = tuple(_CHECKS)
