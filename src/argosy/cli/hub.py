"""`argosy hub`."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.configuration import configuration

ADDRESS, PORT = "0.0.0.0", 8000  # noqa: S104 - nodes and people come from elsewhere

app = typer.Typer()


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--config", help="Configuration (TOML).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the hub keeps its data. Else as the file says.")] = None,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = ADDRESS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0: any that is free.")] = PORT,
) -> None:
    """Run the hub: the API by HTTPS, and what agents on other machines ask for.

    Its database (PostgreSQL) and Redis stand in the configuration. The administrator is `admin`; the password is that
    in ARGOSY_ADMIN_PASSWORD, else it is made up and shown once. Nothing is lost if it is killed: start it again.
    """
    if context.invoked_subcommand is not None:
        return
    from argosy.distributed.start import hub as run

    run(configuration(file, data_dir), address=bind, port=port)
