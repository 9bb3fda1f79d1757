"""`argosy workflow`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, print_json, print_table, shown
from argosy.cli.session import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from argosy.client import Client
    from argosy.client.workflows import Plugin, Workflow

app = typer.Typer(help="Workflows of the hub.", no_args_is_help=True)

NAME = Annotated[str, typer.Argument(help="Name of the workflow, or its id.")]
FILE = Annotated[str, typer.Argument(help="File with one definition, as JSON or YAML; - for standard input.")]
SITE = Annotated[str, typer.Option(help="Site that has them.")]


@app.callback()
def workflows() -> None:
    """Workflows of the hub."""


@app.command("list")
def list_(output: OUTPUT = Format.TEXT) -> None:
    """List the workflows; as JSON one definition a line."""
    with connected() as client:
        found = list(client.workflows())
    if output is Format.TEXT:
        print_table(["ID", "NAME", "DISCOVERY", "OFFERED", "ORIGIN", "LABEL"], map(_row, found))
        return
    for workflow in found:
        print_json(workflow)


def _row(workflow: "Workflow") -> tuple[object, ...]:
    return workflow.id, workflow.name, workflow.discovery, _offered(workflow), _origin(workflow), workflow.label


def _offered(workflow: "Workflow") -> str:
    if not workflow.enabled:
        return "disabled"
    if workflow.schedule_only:
        return "schedules"
    return "yes" if workflow.visible else "hidden"


def _origin(workflow: "Workflow") -> str:
    if not workflow.shipped:
        return "own"
    return "shipped, changed" if workflow.changed else "shipped"


@app.command()
def show(name: NAME, output: OUTPUT = Format.TEXT) -> None:
    """Show a definition as YAML, or as JSON: what `import` and `update` read."""
    import msgspec

    with connected() as client:
        found = client.workflow(name)
    if output is Format.JSON:
        print_json(found)
    else:
        typer.echo(msgspec.yaml.encode(found), nl=False)


@app.command("import")
def import_(file: FILE, output: OUTPUT = Format.TEXT) -> None:
    """Make a workflow of a definition. What is wrong with it is said with its place, and nothing is made."""
    from argosy.cli.definitions import read

    definition = read(file)
    with connected() as client:
        made = client.create_workflow(definition)
    _tell(made, "Made", output)


@app.command()
def update(name: NAME, file: FILE, output: OUTPUT = Format.TEXT) -> None:
    """Set the keys that the file holds, and leave the others; rules and fields are replaced as a whole.

    What is changed of a workflow that comes with Argosy stays changed when Argosy is upgraded: see `reset`.
    """
    from argosy.cli.definitions import read

    definition = read(file)
    with connected() as client:
        changed = client.change_workflow(client.workflow(name).id, definition)
    _tell(changed, "Changed", output)


@app.command()
def delete(name: NAME) -> None:
    """Remove a workflow. Jobs of it go on. Those that come with Argosy stay: hide or disable them."""
    with connected() as client:
        found = client.workflow(name)
        client.delete_workflow(found.id)
    typer.echo(shown(f"Deleted workflow {found.name}"))


@app.command()
def reset(name: NAME, output: OUTPUT = Format.TEXT) -> None:
    """Take back all that was changed of a workflow that comes with Argosy."""
    with connected() as client:
        found = client.reset_workflow(client.workflow(name).id)
    _tell(found, "Reset", output)


def _tell(workflow: "Workflow", what: str, output: Format) -> None:
    if output is Format.JSON:
        print_json(workflow)
    else:
        typer.echo(shown(f"{what} workflow {workflow.name} ({workflow.id})"))


@app.command()
def steps(
    name: Annotated[str | None, typer.Argument(help="One step or discovery, to see its options.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List the steps and discoveries that workflows can be made of, or the options of one."""
    with connected() as client:
        found = list(_plugins(client, name))
    if output is Format.JSON:
        for _, plugin in found:
            print_json(plugin)
    elif name is None:
        rows = ((kind, one.name, one.trouble or one.description.partition("\n")[0]) for kind, one in found)
        print_table(["KIND", "NAME", ""], rows)
    else:
        _show_options(found[0][1])


def _plugins(client: "Client", name: str | None) -> "Iterator[tuple[str, Plugin]]":
    """Yield all, or the one of the name.

    Raises:
        NotFound: there is none.
    """
    from argosy.core.errors import NotFound

    known = [("step", one) for one in client.steps()] + [("discovery", one) for one in client.discoveries()]
    found = [(kind, one) for kind, one in known if name in {None, one.name}]
    if not found:
        raise NotFound(f"there is no step or discovery {name!r}: `argosy workflow steps` lists them")
    yield from found


def _show_options(plugin: "Plugin") -> None:
    import inspect

    typer.echo("\n\n".join(filter(None, (plugin.name, inspect.cleandoc(plugin.description)))) + "\n")
    rows = [
        (name, _kind(told), _default(told), told.get("description", ""))
        for name, told in plugin.options.get("properties", {}).items()
    ]
    if rows:
        print_table(["OPTION", "VALUE", "DEFAULT", ""], rows)
    else:
        typer.echo(shown(plugin.trouble) or "No options.")


def _default(told: dict[str, object]) -> str:
    import msgspec

    return msgspec.json.encode(told["default"]).decode() if "default" in told else "required"


def _kind(told: dict[str, object]) -> str:
    """Return what values JSON Schema allows, in a word or two."""
    if isinstance(told.get("anyOf"), list):
        return " or ".join(_kind(one) for one in told["anyOf"])  # type: ignore[attr-defined]  # was looked at
    if isinstance(told.get("enum"), list):
        return ", ".join("null" if value is None else str(value) for value in told["enum"])  # type: ignore[attr-defined]
    return str(told.get("type", "any"))


@app.command("test")
def try_(
    workflow: Annotated[str, typer.Argument(help="Name of a workflow, or a file with a definition (.json, .yaml, -).")],
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: SITE,
    *,
    state: Annotated[str, typer.Option(help="State that the paths are given with.")] = "",
    field: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Value of a runtime field.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Pattern in the place of those of the rules.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Pattern in the place of those of the rules.")] = None,
    ignore_site_includes: Annotated[bool, typer.Option("--ignore-site-includes", help="As a run would.")] = False,
    ignore_site_excludes: Annotated[bool, typer.Option("--ignore-site-excludes", help="As a run would.")] = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Show which rules would match real paths, and what would run; no file is changed.

    The site looks at the paths in a job of its own, below directories too where the workflow's discovery is recursive.
    A definition in a file need not be imported for it.
    """
    from argosy.cli.trial import Asked, try_paths

    flags = {"ignore_site_includes": ignore_site_includes, "ignore_site_excludes": ignore_site_excludes}
    globs = {"include": include or None, "exclude": exclude or None}
    asked = Asked(workflow=workflow, site=site, paths=paths, state=state, fields=field or [], more={**globs, **flags})
    with connected() as client:
        raise typer.Exit(try_paths(client, asked, output))
