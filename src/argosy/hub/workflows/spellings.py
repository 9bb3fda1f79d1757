"""Other spellings that documentation and clients use, and what they mean here."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from argosy.core.errors import Invalid

FIELDS: Final[dict[str, dict[str, str]]] = {
    name: {"destination": "destinationsite", "destination site": "destinationsite"}
    for name in ("send", "site_sync", "bidirectional_sync")
}
"""Of fields, by workflow."""

_OPTIONS: Final = {("dynamo.tasks.reverse_stub", "sync_policy"): "conflict_preference"}
"""Of options, by step."""
_VALUES: Final = {("dynamo.tasks.reverse_stub", "sync_policy", "sourcesite"): "ignore"}
"""Of values: `sourcesite` has the site that sends win, which is to ignore what is here."""


class Spelled(msgspec.Struct, frozen=True):
    """Options under the names they have here; `names` holds those they were given under."""

    step: str
    options: Mapping[str, Any]
    names: Mapping[str, str] = {}

    def given(self, name: str) -> str:
        """Return the name that an option was given under."""
        return self.names.get(name, name)

    def value(self, name: str, value: Any) -> Any:
        """Return what a value means for an option, under the name that was given."""
        return _VALUES.get((self.step, self.given(name), value), value) if isinstance(value, str) else value

    def meant(self) -> dict[str, Any]:
        """Return the options with the values they have here."""
        return {name: self.value(name, value) for name, value in self.options.items()}


def spelled(step: str, options: Mapping[str, Any]) -> Spelled:
    """Return options of a step under the names they have here.

    Raises:
        Invalid: one is given under two names.
    """
    names: dict[str, str] = {}
    for given in options:
        name = _OPTIONS.get((step, given), given)
        if name in names:
            raise Invalid(f"{names[name]!r} and {given!r} are the same option: leave one out")
        names[name] = given
    return Spelled(step, {name: options[given] for name, given in names.items()}, names)
