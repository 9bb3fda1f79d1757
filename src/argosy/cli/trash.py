"""`argosy trash`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from argosy.cli import shelves
from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow

app = typer.Typer(help="What was removed, and is kept for a while.", no_args_is_help=True)


@app.callback()
def trash() -> None:
    """What was removed, and is kept for a while."""


@app.command("list")
def list_(paths: shelves.PATHS, site: shelves.SITE, output: OUTPUT = Format.TEXT) -> None:
    """List what was removed at the paths and beneath them, the oldest first; as JSON one entry a line."""
    shelves.list_shelf("trash", paths, site=site, output=output)


@app.command()
def restore(
    paths: shelves.CHOSEN,
    site: shelves.SITE,
    *,
    to: shelves.TO = "",
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Put back what was removed: a directory with all that went with it. What is there by now stays, and is listed."""
    shelves.restore("trash", paths, site=site, to=to, detach=detach, output=output)


@app.command()
def purge(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH[@ID]...",
            help="Paths as they were at the site, with all that was beneath them; with an @ID what went under that.",
        ),
    ],
    site: shelves.SITE,
    *,
    older_than: Annotated[str, typer.Option(help="Only what was removed that long ago, such as 30d or 4w.")] = "0d",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Remove for good what lies in the trash of the paths and beneath them, whenever it came there."""
    fields = {"older_than_days": shelves.days(older_than)}
    if not (yes or _confirmed(f"Remove for good all that the trash of {site} has of {_counted(paths)}?")):
        raise typer.Exit(0)
    run_workflow("trash_purge", paths, site=site, fields=fields, detach=detach, output=output, discovery="trash")


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise typer.BadParameter("nobody is there to be asked: say --yes") from None


def _counted(paths: Sequence[object]) -> str:
    return "1 path" if len(paths) == 1 else f"{len(paths)} paths"
