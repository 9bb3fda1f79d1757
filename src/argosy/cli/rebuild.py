"""`argosy rebuild`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format
from argosy.cli.session import connected
from argosy.core.errors import Invalid

if TYPE_CHECKING:
    from argosy.client import Site


def rebuild(
    site: Annotated[str | None, typer.Argument(help="Name of the site; without one all of them.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Find again where the objects of a site's files are, after hub or agent lost what they knew.

    Reads what the files themselves say and asks the datastores. Files whose objects are nowhere are listed as failed.
    Waits and shows the progress; Ctrl-C stops the watching, not the job.
    """
    from argosy.cli.watching import watch_job

    status = 0
    with connected() as client:
        for one in _chosen(client.sites(), site):
            roots = [root.encode() for root in client.site(one.id).roots or ()]
            number = client.submit("rebuild", site=one.name, given=roots)
            if output is Format.TEXT:
                typer.echo(f"Job {number}, site {one.name}")
            try:
                watch_job(client, number, output=output)
            except typer.Exit as ended:
                status = max(status, ended.exit_code)
                if ended.exit_code == 130:
                    break
    raise typer.Exit(status)


def _chosen(sites: list["Site"], name: str | None) -> list["Site"]:
    chosen = [site for site in sites if name in {None, site.name}]
    if not chosen:
        known = ", ".join(site.name for site in sites)
        raise Invalid(f"unknown site {name!r}: known are {known or 'none'}")
    return chosen
