"""Steps and discoveries that workflows may name."""

from typing import Any, Final

from argosy.core.errors import Invalid
from argosy.discoveries.base import DISCOVERIES
from argosy.steps.base import STEPS

_HUBS_DISCOVERIES: Final = frozenset({"objects", "references"})
"""Discoveries whose finds the hub keeps to itself."""


def begin() -> None:
    """Begin to load what other distributions bring, so that nobody who asks for it waits for what takes long."""
    STEPS.begin()
    DISCOVERIES.begin()


def steps() -> dict[str, type[Any]]:
    """Return the steps by name, those of other distributions included."""
    return {name: STEPS.get(name) for name in STEPS.names()}


def discoveries() -> dict[str, type[Any]]:
    """Return the discoveries by name, those of other distributions included."""
    return {name: DISCOVERIES.get(name) for name in DISCOVERIES.names() if name not in _HUBS_DISCOVERIES}


def discovery(name: str) -> type[Any]:
    """Return the discovery.

    Raises:
        Invalid: there is none of the name, or it is not for workflows.
    """
    if name in _HUBS_DISCOVERIES:
        raise Invalid(f"discovery {name} is not for workflows: it belongs to garbage collection")
    try:
        return DISCOVERIES.get(name)
    except Invalid as error:
        if name in DISCOVERIES.broken():
            raise
        raise Invalid(f"unknown discovery {name!r}: known are {', '.join(discoveries())}") from error
