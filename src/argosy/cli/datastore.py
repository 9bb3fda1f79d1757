"""`argosy datastore`."""

import typer

from argosy.cli.output import OUTPUT, Format, print_lines, print_table
from argosy.cli.session import connected

app = typer.Typer(help="Datastores of the hub.", no_args_is_help=True)


@app.callback()
def datastores() -> None:
    """Datastores of the hub."""


@app.command("list")
def list_(output: OUTPUT = Format.TEXT) -> None:
    """List the datastores, and what each was found to be able to do; as JSON one datastore a line."""
    with connected() as client:
        found = client.datastores()
    if output is Format.JSON:
        print_lines(found)
        return
    header = ["ID", "NAME", "TYPE", "LAYOUT", "CAN", "TROUBLE"]
    print_table(header, ((one.id, one.name, one.type, one.layout, one.can, one.trouble) for one in found))
