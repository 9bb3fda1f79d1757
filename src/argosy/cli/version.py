"""`argosy version`."""

from importlib.metadata import version as installed

import typer


def version() -> None:
    """Print the version of Argosy."""
    typer.echo(f"argosy {installed('argosy')}")
