"""`argosy undo`."""

from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format, shown
from argosy.cli.plan import DETACH_PLAN, tell_when_made
from argosy.cli.session import connected


def undo(
    job: Annotated[int, typer.Argument(help="Number of the job that was the sync.")],
    *,
    detach: DETACH_PLAN = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Say what of a sync can be undone, and change nothing: `argosy apply` does then exactly that.

    What the sync replaced or deleted comes back from version store and trash, and what it put in its place goes to the
    version store. What people changed since stays, and is told. Exit status 3 where some, 1 where nothing could come
    back.
    """
    with connected() as client:
        planned = client.undo(job)
        if planned.note:
            typer.echo(shown(planned.note), err=True)
        tell_when_made(client, planned.plan, detach=detach, output=output)
