"""JSON in which every object gives each of its keys once: of two values nobody knows which one was meant."""

import json
from collections.abc import Callable
from typing import Any

from argosy.core.errors import Invalid


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


class _TwiceError(Exception):
    """A key was given twice."""


def loads(text: str, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Return the value of a JSON text; `parse_constant` as for `json.loads`.

    Raises:
        Invalid: an object gives a key twice; the message begins with the place of the second one.
        ValueError: it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=parse_constant)
    except _TwiceError:
        place = _twice(json.loads(text, object_pairs_hook=_Pairs, parse_constant=parse_constant))
        raise Invalid(f"{place}: this key is given twice: leave one out") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _twice(whole: Any) -> str:
    """Return the place of a key that is given twice."""
    rest = [("", whole)]
    while rest:
        place, value = rest.pop()
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, item in value:
                if key in seen:
                    return beneath(place, key)
                seen.add(key)
                rest.append((beneath(place, key), item))
        elif isinstance(value, list):
            rest += [(f"{place}[{number}]", item) for number, item in enumerate(value)]
    return ""


def beneath(place: str, key: str) -> str:
    """Return the place of a key of the object at the place."""
    return f"{place}.{key}" if place else key
