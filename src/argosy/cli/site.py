"""`argosy site`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, print_lines, print_table, shown
from argosy.cli.session import connected

if TYPE_CHECKING:
    from argosy.client import SiteHealth

app = typer.Typer(help="Sites of the hub.", no_args_is_help=True)


@app.callback()
def sites() -> None:
    """Sites of the hub."""


@app.command("list")
def list_(output: OUTPUT = Format.TEXT) -> None:
    """List the sites; as JSON one site a line."""
    with connected() as client:
        found = client.sites()
        health = {told.site: told for told in client.health().site_status}
    if output is Format.JSON:
        print_lines(found)
        return
    print_table(["ID", "NAME", "HEALTH"], ((site.id, site.name, _health(site.name, health)) for site in found))
    for told in health.values():
        if told.reason:
            typer.echo(shown(f"{told.site}: {told.reason}"))


def _health(site: str, health: "Mapping[str, SiteHealth]") -> str:
    return health[site].health if site in health else ""


@app.command("forget-root")
def forget_root(
    site: Annotated[str, typer.Argument(help="The site, or the name it had.")],
    root: Annotated[str, typer.Argument(help="The root, as the site's settings named it.")],
) -> None:
    """Forget a root that a site serves no longer, so that garbage collection goes on without it.

    Objects that only files below it pointed to are garbage from then on: stubs there, should they come back, are lost.
    """
    with connected() as client:
        client.forget_root(site, root)
    typer.echo(shown(f"Forgot root {root} of site {site}"))
