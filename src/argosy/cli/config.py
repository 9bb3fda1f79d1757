"""`argosy config`."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.configuration import DATA_DIR

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """The configuration."""


@app.command()
def export(
    site: Annotated[str | None, typer.Argument(help="Name of the site; without one all of them.")] = None,
    data_dir: Annotated[Path, typer.Option(help="The data directory of the hub.")] = Path(DATA_DIR),
) -> None:
    """Print sites as they stand, in the form of the configuration file; secrets are left out."""
    from argosy.embedded.offline import export_site

    typer.echo(export_site(data_dir, site).rstrip("\n"))
