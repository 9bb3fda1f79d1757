"""`argosy fileset snapshot`."""

import os
from typing import Annotated

import typer

from argosy.cli.fileset import SITE
from argosy.cli.output import OUTPUT, Format
from argosy.cli.session import connected
from argosy.core.errors import Invalid
from argosy.snapshots.naming import checked_name, fresh_name


def snapshot(
    fileset: Annotated[str, typer.Argument(help="Name of the fileset.")],
    name: Annotated[str | None, typer.Argument(help="Name of the snapshot; without one it has the time in it.")] = None,
    *,
    site: SITE = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Take a snapshot of a fileset, which stays until you remove it.

    Write its name into the last-snap file, and the next discovery of changes begins there.
    """
    from argosy.cli.watching import watch_job

    wanted = checked_name(name or fresh_name())
    with connected() as client:
        chosen = [one for one in client.filesets() if one.name == fileset and site in {None, one.site}]
        if len(chosen) != 1:
            said = "several sites have one of that name: give --site" if chosen else "see `argosy fileset list`"
            raise Invalid(f"which fileset is {fileset!r}? {said}")
        given = [os.fsencode(chosen[0].path)]
        number = client.submit("create_snapshot", site=chosen[0].site, given=given, fields={"snapshot": wanted})
        if output is Format.TEXT:
            typer.echo(f"Job {number}, snapshot {wanted}")
        watch_job(client, number, output=output)
