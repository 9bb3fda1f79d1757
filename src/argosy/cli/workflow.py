"""`argosy workflow`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli import chosen
from argosy.cli.output import OUTPUT, Format, print_json, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import DETACH

if TYPE_CHECKING:
    from argosy.client.workflows import Workflow

app = typer.Typer(help="Workflows of the hub.", no_args_is_help=True)

NAME = chosen.WORKFLOW
FILE = Annotated[str, typer.Argument(help="File with one definition, as JSON or YAML; - for standard input.")]


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
    print_lines(found)


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
    from argosy.cli.plugins import plugins, show_options

    with connected() as client:
        found = list(plugins(client, name))
    if output is Format.JSON:
        print_lines(plugin for _, plugin in found)
    elif name is None:
        rows = ((kind, one.name, one.trouble or one.description.partition("\n")[0]) for kind, one in found)
        print_table(["KIND", "NAME", ""], rows)
    else:
        show_options(found[0][1])


@app.command("test")
def try_(
    workflow: Annotated[str, typer.Argument(help="Name of a workflow, or a file with a definition (.json, .yaml, -).")],
    paths: chosen.PATHS,
    site: chosen.SITE,
    *,
    state: chosen.STATE = "",
    field: chosen.FIELD = None,
    include: chosen.INCLUDE = None,
    exclude: chosen.EXCLUDE = None,
    ignore_site_includes: chosen.IGNORE_INCLUDES = False,
    ignore_site_excludes: chosen.IGNORE_EXCLUDES = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Show which rules would match real paths, and what would run; no file is changed.

    The site looks at the paths in a job of its own, below directories too where the workflow's discovery is recursive.
    A definition in a file need not be imported for it.
    """
    from argosy.cli.trial import Asked, try_paths

    said = chosen.patterns(include, exclude, ignore_includes=ignore_site_includes, ignore_excludes=ignore_site_excludes)
    asked = Asked(workflow=workflow, site=site, paths=paths, state=state, fields=field or [], more=said)
    with connected() as client:
        raise typer.Exit(try_paths(client, asked, output))


@app.command()
def run(
    name: NAME,
    paths: chosen.PATHS,
    site: chosen.SITE,
    *,
    state: chosen.STATE = "",
    discovery: chosen.DISCOVERY = "",
    field: chosen.FIELD = None,
    include: chosen.INCLUDE = None,
    exclude: chosen.EXCLUDE = None,
    ignore_site_includes: chosen.IGNORE_INCLUDES = False,
    ignore_site_excludes: chosen.IGNORE_EXCLUDES = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Run a workflow over files and whole trees, as its discovery finds them.

    Waits and shows the progress; Ctrl-C stops the watching, not the job. `argosy plan` says first what it would do.
    """
    from argosy.cli.trial import submitted
    from argosy.cli.watching import tell_or_leave

    said = chosen.patterns(include, exclude, ignore_includes=ignore_site_includes, ignore_excludes=ignore_site_excludes)
    with connected() as client:
        number = submitted(
            client, name, paths, site=site, fields=field or [], state=state, discovery=discovery, patterns=said
        )
        tell_or_leave(client, number, detach=detach, output=output)
