"""`argosy explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, cause, moment, print_json, shown
from argosy.cli.session import connected

if TYPE_CHECKING:
    from argosy.client import JobTold, PathTold, Trouble


def explain(
    what: Annotated[
        str, typer.Argument(metavar="JOB|PATH", help="Number of a job, or a path (./7 for a file called 7).")
    ],
    site: Annotated[str | None, typer.Option(help="Of a path: the site, where several have it.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Say in plain words why a job waits and what of it failed, or what became of a path, and what to do about it.

    Says what the hub has recorded; nothing is looked at or changed at the sites.
    """
    from argosy.cli.watching import absolute

    with connected() as client:
        if what.isdecimal():
            told = client.explain_job(int(what))
            _tell_job(told) if output is Format.TEXT else print_json(told)
        else:
            found = client.explain_path(absolute(what), site=site)
            _tell_path(found) if output is Format.TEXT else print_json(found)


def _tell_job(told: "JobTold") -> None:
    typer.echo(shown(told.summary))
    _tell_causes(told.causes)
    if told.examined < told.unwell:
        typer.echo(f"\nTaken from the first {told.examined} of {told.unwell} entries that did not go well")


def _tell_path(told: "PathTold") -> None:
    typer.echo(shown(told.summary))
    _tell_causes(told.causes)
    if told.object is not None:
        typer.echo(f"\ncopy     object {shown(told.object.key)} of datastore {shown(told.object.datastore)}")
    for happened in told.history:
        step = happened.step.rpartition(".")[2]
        why = f" ({cause(told.path, happened.reason)})" if happened.reason else ""
        typer.echo(
            f"{moment(happened.when) or '-'}  job {happened.job} at {happened.site}: {step} {happened.state}{why}"
        )
    if not told.whole:
        typer.echo("Earlier jobs were not looked through")


def _tell_causes(causes: "list[Trouble]") -> None:
    for trouble in causes:
        typer.echo(f"\n{trouble.title} ({_where(trouble)})")
        if trouble.path is not None:
            reason = cause(trouble.path, trouble.reason) if trouble.reason else "nothing more is recorded"
            typer.echo(f"  such as  {shown(trouble.path)}: {reason}")
        elif trouble.reason:
            typer.echo(f"  reason   {shown(trouble.reason)}")
        if trouble.next_try is not None:
            typer.echo(f"  again    {moment(trouble.next_try)}")
        if trouble.jobs:
            typer.echo(f"  jobs     {', '.join(map(str, trouble.jobs))}")
        typer.echo(f"  to do    {shown(trouble.remedy)}")


def _where(trouble: "Trouble") -> str:
    """Return how many entries it concerns, if any, how they or the job stand, and where."""
    entries = "1 entry " if trouble.files == 1 else f"{trouble.files} entries " if trouble.files else ""
    step = f", {trouble.step.rpartition('.')[2]}" if trouble.step else ""
    return f"{entries}{trouble.state}{step} at {trouble.site}"
