"""`argosy send`."""

from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow


def send(
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has them.")],
    to: Annotated[str, typer.Option(help="Site that is to get them.")],
    *,
    hydrate: Annotated[
        bool, typer.Option("--hydrate", help="Bring the bytes too; without it the files become stubs there.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace what differs, at the site and in the datastore; what was there is kept as a version.",
        ),
    ] = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Send files and whole trees from one site to another, through the datastore both are linked to.

    Waits and shows the progress; Ctrl-C stops the watching, not the job.
    """
    fields = {"destinationsite": to, "hydrate": hydrate, "overwrite": overwrite}
    run_workflow("send", paths, site=site, fields=fields, detach=detach, output=output)
