"""`argosy admin`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.configuration import DATA_DIR

app = typer.Typer(help="What the administrator does on the hub's machine.", no_args_is_help=True)


@app.callback()
def admin() -> None:
    """What the administrator does on the hub's machine."""


@app.command()
def reset_password(
    data_dir: Annotated[Path, typer.Option(help="The data directory of the hub.")] = Path(DATA_DIR),
    user: Annotated[str, typer.Option(help="Whose password.")] = "admin",
) -> None:
    """Give a user a new password: that in ARGOSY_ADMIN_PASSWORD, else one made up and shown once.

    Tokens given for the old password end.
    """
    from argosy.embedded.offline import reset_password as reset

    given = os.environ.get("ARGOSY_ADMIN_PASSWORD") or None
    password = reset(data_dir, user, given)
    typer.echo(f"The password of {user} is set" if given else f"The new password of {user} is {password}")
