"""`argosy verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.watching import DETACH, run_workflow

if TYPE_CHECKING:
    from argosy.client import Client

_LEFT = "its content was not read"
"""How the reason begins of a file whose turn is another time."""


def verify(
    paths: Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has them.")],
    *,
    content: Annotated[bool, typer.Option("--content", help="Read the objects whole and hash them.")] = False,
    budget_gb: Annotated[
        int, typer.Option(min=0, help="With --content: read so many GiB, the rest in the next runs. 0: all.")
    ] = 0,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Finish what killed verbs left, and mend what files and the index say of copies."
        ),
    ] = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Check that the objects of premigrated files and stubs are there and are the ones that were stored.

    Lists the files that are not well: lost ones above all. With a budget, what was read in the last 30 days is not read
    again, so that the same command goes on where it stood. Waits and shows the progress; Ctrl-C stops the watching, not
    the job.
    """
    fields = {"content": content, "repair": repair, "budget_gb": budget_gb}

    def tell_left(client: "Client", number: int) -> None:
        if content and budget_gb and output is Format.TEXT:
            left = sum(
                file.reason is not None and file.reason.startswith(_LEFT)
                for file in client.files(number, category="skipped")
            )
            typer.echo(f"The content of {left} files is left for the next run" if left else "All content was read")

    run_workflow("verify", paths, site=site, fields=fields, detach=detach, output=output, bad=None, at_end=tell_left)
