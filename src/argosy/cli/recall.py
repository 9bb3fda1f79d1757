"""`argosy recall`."""

from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow


def recall(
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has them.")],
    *,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Bring back the bytes of stubs: of files, or of all files in whole trees.

    Waits and shows the progress; Ctrl-C stops the watching, not the job.
    """
    run_workflow("recall", paths, site=site, fields={}, detach=detach, output=output)
