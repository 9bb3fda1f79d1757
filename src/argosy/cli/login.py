"""`argosy login`."""

import os
import sys
from typing import Annotated

import typer

from argosy.cli import session


def login(
    url: Annotated[str | None, typer.Option(help="Address of the hub, such as http://127.0.0.1:8000.")] = None,
    user: Annotated[str, typer.Option(envvar="ARGOSY_USER", help="Name of the user.")] = "admin",
) -> None:
    """Log in to a hub and keep the tokens (for a day), readable by you alone.

    The password is asked for; without a terminal it is read from ARGOSY_PASSWORD or the first line of standard input.
    Scripts may skip the login: ARGOSY_URL, ARGOSY_USER and ARGOSY_PASSWORD do instead.
    """
    from argosy.client import Client

    address = (url or session.hub_url()).rstrip("/")
    with Client(address) as client:
        session.keep(address, client.login(user, _password(user)))
    typer.echo(f"Logged in to {address} as {user}")


def _password(user: str) -> str:
    if known := os.environ.get("ARGOSY_PASSWORD"):
        return known
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {user}", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")
