"""Steps and discoveries, as people read them."""

import inspect
from collections.abc import Iterator
from typing import Any

import msgspec
import typer

from argosy.cli.output import print_table, shown
from argosy.client import Client
from argosy.client.workflows import Plugin
from argosy.core.errors import NotFound

_BOUNDS = {
    "minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}", "minLength": "length >= {}", "maxLength": "length <= {}", "pattern": "like {}",
    "minItems": "length >= {}", "maxItems": "length <= {}",
}  # fmt: skip
"""How limits of JSON Schema are told."""


def plugins(client: Client, name: str | None) -> Iterator[tuple[str, Plugin]]:
    """Yield all with what they are, or the one of the name.

    Raises:
        NotFound: there is none.
    """
    known = [("step", one) for one in client.steps()] + [("discovery", one) for one in client.discoveries()]
    found = [(kind, one) for kind, one in known if name in {None, one.name}]
    if not found:
        raise NotFound(f"there is no step or discovery {name!r}: `argosy workflow steps` lists them")
    yield from found


def show_options(plugin: Plugin) -> None:
    """Print what a step or discovery does, and its options."""
    typer.echo("\n\n".join(filter(None, (plugin.name, inspect.cleandoc(plugin.description)))) + "\n")
    rows = [
        (name, kind(told), _default(told), told.get("description", ""))
        for name, told in plugin.options.get("properties", {}).items()
    ]
    if rows:
        print_table(["OPTION", "VALUE", "DEFAULT", ""], rows)
    else:
        typer.echo(shown(plugin.trouble) or "No options.")


def _default(told: dict[str, Any]) -> str:
    return msgspec.json.encode(told["default"]).decode() if "default" in told else "required"


def kind(told: dict[str, Any]) -> str:
    """Return what values JSON Schema allows, in a word or two, and within which limits."""
    if isinstance(told.get("anyOf"), list):
        return " or ".join(map(kind, told["anyOf"]))
    if isinstance(told.get("enum"), list):
        return ", ".join("null" if value is None else str(value) for value in told["enum"])
    bounds = [text.format(told[bound]) for bound, text in _BOUNDS.items() if bound in told]
    return " ".join([str(told.get("type", "any")), " and ".join(bounds)]).rstrip()
