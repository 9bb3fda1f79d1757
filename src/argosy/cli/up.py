"""`argosy up`."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.configuration import DATA_DIR, configuration

ADDRESS, PORT = "127.0.0.1", 8000


def up(
    file: Annotated[
        Path | None, typer.Option("--config", help="Configuration (TOML). Without one: a hub with no sites.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help=f"Where Argosy keeps its data. Else as the file says, else ./{DATA_DIR}.")
    ] = None,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = ADDRESS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")] = PORT,
) -> None:
    """Run Argosy on this machine: the hub, and the agents of every site in the configuration.

    The administrator is `admin`; the password is that in ARGOSY_ADMIN_PASSWORD, else it is made up and shown once.
    Stop it with Ctrl-C or SIGTERM. Nothing is lost if it is killed: start it again.
    """
    from argosy.embedded.start import up as run

    run(configuration(file, data_dir), address=bind, port=port)
