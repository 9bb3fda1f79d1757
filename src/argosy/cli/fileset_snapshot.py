"""`argosy fileset snapshot`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.fileset import SITE, named
from argosy.cli.output import OUTPUT, Format
from argosy.cli.session import connected
from argosy.core import paths
from argosy.core.errors import Invalid
from argosy.snapshots.naming import checked_name, fresh_name

if TYPE_CHECKING:
    from argosy.client import Client, Fileset


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
        chosen = single(client, fileset, site)
        given = [paths.from_json(chosen.path, chosen.path_b64)]
        number = client.submit("create_snapshot", site=chosen.site, given=given, fields={"snapshot": wanted})
        if output is Format.TEXT:
            typer.echo(f"Job {number}, snapshot {wanted}")
        watch_job(client, number, output=output)


def single(client: "Client", name: str, site: str | None) -> "Fileset":
    """Return the fileset of the name.

    Raises:
        NotFound: there is none.
        Invalid: several sites have one.
    """
    found = named(client, name, site)
    if len(found) != 1:
        raise Invalid(f"several sites have a fileset {name!r}: give --site, of {', '.join(one.site for one in found)}")
    return found[0]
