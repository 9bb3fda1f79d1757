"""`argosy adopt`."""

from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow


def adopt(
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has them.")],
    *,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Make stubs of copies of stubs: of files restored from a backup, or copied with all their attributes.

    The objects are looked for first; where one is gone, its copy stays as it is and is listed. A copy with bytes of its
    own forgets whose it was. Waits and shows the progress; Ctrl-C stops the watching, not the job.
    """
    run_workflow("adopt", paths, site=site, fields={}, detach=detach, output=output)
