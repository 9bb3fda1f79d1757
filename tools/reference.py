"""docs/reference, made of the code: `python tools/reference.py [--check] [DIRECTORY]`.

Everything stands once, beside the code that does it: help of commands, annotations of options, docstrings of keys and
states. Here it only becomes pages. With `--check` nothing is written; the exit status tells whether they are current.
"""

import ast
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import typer

from argosy.core import config, states
from argosy.core.options import options
from argosy.discoveries.base import DISCOVERIES
from argosy.steps.base import STEPS, Signature
from argosy.stores.base import STORES

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "reference"
HEAD = "<!-- Made of the code by `make docs`: change the code, not this page. -->\n"
HIDDEN_STORES = {"memory"}
"""Plugins of the room that are for tests alone."""

Row = Sequence[str]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them; return the exit status."""
    check = "--check" in arguments
    directory = next((Path(word) for word in arguments if word != "--check"), PAGES)
    made = {name: HEAD + make() for name, make in MAKERS.items()}
    if check:
        return _checked(directory, made)
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (directory / name).write_text(text)
    return 0


def _checked(directory: Path, made: dict[str, str]) -> int:
    present = {file.name: file.read_text() for file in directory.glob("*.md")}
    wrong = sorted(name for name in made.keys() | present.keys() if made.get(name) != present.get(name))
    if wrong:
        sys.stderr.write(f"{directory.name} is not what the code says ({', '.join(wrong)}): run make docs\n")
    return 1 if wrong else 0


def cli() -> str:
    """Return the page of the commands."""
    from argosy.cli.main import app

    top: Any = typer.main.get_command(app)
    parts = ["# Commands\n", f"{top.epilog} Every command knows `--help`.\n"]
    parts += [_command(words, command) for words, command in _commands(["argosy"], top)]
    return "\n".join(parts)


def _commands(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    if command.invoke_without_command:
        yield words, command
    for name, below in command.commands.items():
        yield from _commands([*words, name], below)


def _command(words: list[str], command: Any) -> str:
    given = [param for param in command.params if not param.opts[0].startswith("-")]
    flags = [param for param in command.params if param.opts[0].startswith("-")]
    called = [*words, *(f"{param.name.upper()}{'...' if param.nargs < 0 else ''}" for param in given)]
    called += [f"{param.opts[0]} {_value(param)}".strip() for param in flags if param.required]
    called += ["[OPTIONS]"] if any(not param.required for param in flags) else []
    parts = [f"## {' '.join(words)}\n", f"```\n{' '.join(called)}\n```\n", inspect.cleandoc(command.help) + "\n"]
    rows = [(f"`{param.name.upper()}`", "", param.help) for param in given]
    rows += [(_flag(param), _default_of(param), _help(param)) for param in flags]
    return "\n".join([*parts, _table(("option", "default", ""), rows)] if rows else parts)


def _flag(param: Any) -> str:
    return ", ".join(f"`{opt} {_value(param)}".strip() + "`" for opt in param.opts)


def _value(param: Any) -> str:
    kind = param.type_descriptor.annotation
    if kind is bool:
        return ""
    return "|".join(member.value for member in kind) if issubclass(kind, Enum) else str(param.name.upper())


def _default_of(param: Any) -> str:
    if param.required:
        return "required"
    value = param.default.value if isinstance(param.default, Enum) else param.default
    return "" if value in (None, False) else f"`{value}`"


def _help(param: Any) -> str:
    limits = [f"{word} {value}" for word in ("min", "max") if (value := getattr(param, word, None)) is not None]
    more = ([f"({', '.join(limits)})"] if limits else []) + ([f"Also `{param.envvar}`."] if param.envvar else [])
    return " ".join([param.help or "", *more])


def configuration() -> str:
    """Return the page of the keys of the configuration file."""
    tables: list[type[msgspec.Struct]] = [
        config.HubConfig,
        config.AgentConfig,
        config.DatastoreConfig,
        config.SiteConfig,
        config.LinkConfig,
        config.FilesetConfig,
    ]
    parts = [
        "# Keys of the configuration file\n",
        "What they are for, with examples: [configuration](../configuration.md).\n",
    ]
    parts += [_struct(table) for table in tables]
    secrets = (config.__doc__ or "").partition("\n\n")[2].strip()
    return "\n".join([*parts, "## Secrets\n", secrets + "\n"])


def _struct(struct: type[msgspec.Struct]) -> str:
    said = _said_of(struct)
    hints = get_type_hints(struct, include_extras=True)
    rows = [
        (
            f"`{field.name}`",
            _kind(hints[field.name]),
            _default(field.default, required=field.required),
            said[field.name],
        )
        for field in msgspec.structs.fields(struct)
    ]
    title = (struct.__doc__ or "").strip(".")
    return f"## {title}\n\n" + _table(("key", "value", "default", ""), rows)


def _said_of(owner: type[Any]) -> dict[str, str]:
    """Return the docstring below each field or member of a class."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(owner)).body if isinstance(node, ast.ClassDef))
    said: dict[str, str] = {}
    for line, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(line, ast.AnnAssign | ast.Assign):
            target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
            text = below.value if isinstance(below, ast.Expr) else None
            said[ast.unparse(target)] = " ".join(str(text.value).split()) if isinstance(text, ast.Constant) else ""
    return said


_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", NoneType: "null", Signature: "object"}


def _kind(hint: Any) -> str:
    """Say what values a type has."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = next((meta for meta in inner[1:] if isinstance(meta, msgspec.Meta)), None)
        return _kind(inner[0]) + (f", {limits.ge} to {limits.le}" if limits else "")
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        return "tables" if isinstance(inner[0], type) and issubclass(inner[0], msgspec.Struct) else "list of texts"
    if origin is dict:
        return "object"
    if origin in (Union, UnionType):
        return " or ".join(_kind(one) for one in inner)
    return _WORDS[hint]


def _default(value: Any, *, required: bool) -> str:
    if required:
        return "required"
    return "" if value in ("", None, ()) else f"`{msgspec.json.encode(value).decode()}`"


def steps() -> str:
    """Return the page of the steps and discoveries."""
    parts = ["# Steps\n", "What the actions of a workflow's rules are made of.\n"]
    parts += [_plugin(name, STEPS.get(name)) for name in STEPS.names()]
    parts += ["# Discoveries\n", "How a job finds its entries.\n"]
    return "\n".join([*parts, *(_plugin(name, DISCOVERIES.get(name)) for name in DISCOVERIES.names())])


def stores() -> str:
    """Return the page of the stores."""
    names = [name for name in STORES.names() if name not in HIDDEN_STORES]
    parts = ["# Stores\n", "The `type` of a datastore, and the keys that go with it.\n"]
    settable = config.DatastoreConfig.__struct_fields__
    return "\n".join([*parts, *(_plugin(name.upper(), STORES.get(name), only=settable) for name in names)])


def _plugin(name: str, plugin: type[Any], *, only: Sequence[str] | None = None) -> str:
    rows = [
        (f"`{one.name}`", _kind(one.type), _default(one.default, required=one.required), one.help)
        for one in options(plugin)
        if only is None or one.name in only
    ]
    known = _table(("option", "value", "default", ""), rows) if rows else "No options.\n"
    return f"## {name}\n\n{inspect.cleandoc(plugin.__doc__ or '')}\n\n{known}"


def rest() -> str:
    """Return the page of the API's addresses."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "argosy.hub.project.settings"
    import django

    django.setup()
    from drf_spectacular.generators import SchemaGenerator

    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # is untyped
    rows = [
        (method.upper(), f"`{path}`", _summary(one), _query(one))
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
    ]
    head = (
        "# REST\n\nThe hub documents itself: `/api/docs/` shows every field, `/api/schema/` is the OpenAPI document.\n"
        "Lists take `page` and `page_size` as well. Errors are problem documents (RFC 9457): `detail` says why.\n"
    )
    return "\n".join([head, _table(("", "address", "", "query"), rows)])


def _summary(operation: dict[str, Any]) -> str:
    text = " ".join(operation.get("description", "").split())
    known = {"list": f"List {text.lower()}", "retrieve": f"Show one of the {text.lower()}"}
    plain = len(text.split()) == 1
    return known.get(operation["operationId"].rpartition("_")[2], text) if plain else text


def _query(operation: dict[str, Any]) -> str:
    asked = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    return ", ".join(f"`{name}`" for name in asked if name not in {"page", "page_size"})


def states_page() -> str:
    """Return the page of the states."""
    parts = [
        "# States\n",
        _states("Jobs", states.JobState, states.JOB_NEXT),
        _states("Tasks", states.TaskState, states.TASK_NEXT),
        _states("Files", states.FileState, None),
        "A file of a job counts as processed where any step of its chain processed it. The reason is the last one's.\n",
    ]
    return "\n".join(parts)


def _states(title: str, kind: type[Enum], following: Any) -> str:
    said = _said_of(kind)
    rows = [(f"`{one.value}`", said[one.name], _following(one, kind, following)) for one in kind]
    header = ("state", "", "may be followed by") if following else ("state", "")
    return f"## {title}\n\n" + _table(header, [row[: len(header)] for row in rows])


def _following(one: Enum, kind: type[Enum], following: Any) -> str:
    after = following[one] if following else ()
    return ", ".join(f"`{member.value}`" for member in kind if member in after)


def _table(header: Row, rows: Sequence[Row]) -> str:
    """Return the rows as a table; a column that says nothing is left out."""
    kept = [column for column in range(len(header)) if any(row[column] for row in rows)]
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line[column] for column in kept)} |\n" for line in lines)


MAKERS: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "configuration.md": configuration,
    "steps.md": steps,
    "stores.md": stores,
    "rest.md": rest,
    "states.md": states_page,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
