"""`argosy site`."""

import typer

from argosy.cli.output import OUTPUT, Format, print_json, print_table
from argosy.cli.session import connected

app = typer.Typer(help="Sites of the hub.", no_args_is_help=True)


@app.callback()
def sites() -> None:
    """Sites of the hub."""


@app.command("list")
def list_(output: OUTPUT = Format.TEXT) -> None:
    """List the sites."""
    with connected() as client:
        found = client.sites()
    if output is Format.JSON:
        print_json(found)
    else:
        print_table(["ID", "NAME"], ((site.id, site.name) for site in found))
