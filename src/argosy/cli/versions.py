"""`argosy versions`."""

import typer

from argosy.cli import shelves
from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH

app = typer.Typer(help="What was replaced, and is kept for a while.", no_args_is_help=True)


@app.callback()
def versions() -> None:
    """What was replaced, and is kept for a while."""


@app.command("list")
def list_(paths: shelves.PATHS, site: shelves.SITE, output: OUTPUT = Format.TEXT) -> None:
    """List what was replaced at the paths and beneath them, the oldest first; as JSON one entry a line."""
    shelves.list_shelf("versions", paths, site=site, output=output)


@app.command()
def restore(
    paths: shelves.CHOSEN,
    site: shelves.SITE,
    *,
    to: shelves.TO = "",
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Put back what was replaced. What has the name by now stays: move it away first, or restore to another path."""
    shelves.restore("versions", paths, site=site, to=to, detach=detach, output=output)
