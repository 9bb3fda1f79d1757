"""`argosy agent`."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.configuration import configuration

app = typer.Typer()


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--config", help="Configuration (TOML).")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the agent keeps its data. Else as the file says.")
    ] = None,
) -> None:
    """Serve the site of the configuration on this node, which has joined the hub before.

    Stop it with Ctrl-C or SIGTERM. Nothing is lost if it is killed: start it again.
    """
    if context.invoked_subcommand is not None:
        return
    from argosy.distributed.agent import serve as run

    run(configuration(file, data_dir))
