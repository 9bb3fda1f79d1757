"""`argosy migrate`."""

from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow


def migrate(
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has them.")],
    *,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Copy files and whole trees to the site's datastore, then free their disk space: each becomes a stub.

    Small files, below the site's min_stub_size, keep their bytes. Waits and shows the progress; Ctrl-C stops the
    watching, not the job.
    """
    run_workflow("migrate", paths, site=site, fields={}, detach=detach, output=output)
