"""`argosy job`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, amount, cause, moment, print_json, print_table, shown, span
from argosy.cli.session import connected
from argosy.core.states import JobState

if TYPE_CHECKING:
    from argosy.client import Job

_GIVEN = 10
"""Paths of a job that are shown."""

app = typer.Typer(help="Jobs of the hub.", no_args_is_help=True)
NUMBER = Annotated[int, typer.Argument(help="Number of the job.")]


class Category(StrEnum):
    """What became of a file."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


@app.callback()
def jobs() -> None:
    """Jobs of the hub."""


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="Show this many at most, the latest first.")] = 20,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List jobs, the latest first."""
    with connected() as client:
        found = list(client.jobs(most=limit))
        if output is Format.TEXT:  # a list does not say which paths were given
            found = [client.job(job.id) for job in found]
    if output is Format.JSON:
        print_json(found)
        return
    print_table(["ID", "STATE", "WORKFLOW", "SITE", "TO", "ENTRIES", "CREATED", "PATH"], map(_row, found))


def _row(job: "Job") -> tuple[object, ...]:
    done, created = f"{job.done}/{job.numfiles}", moment(job.created)
    path = job.given[0] if job.given else None
    more = f" and {len(job.given) - 1} more" if len(job.given) > 1 else ""
    return (job.id, job.state, job.jobtype, job.site, job.destination, done, created, f"{path}{more}" if path else None)


@app.command()
def show(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show one job."""
    from argosy.cli.watching import waiting

    with connected() as client:
        job = client.job(number)
        reason = "" if job.ended or output is Format.JSON else client.waiting(number)
    if output is Format.JSON:
        print_json(job)
        return
    for key, value in _told(job).items():
        typer.echo(f"{key:18} {'-' if value is None else shown(str(value))}")
    _show_given(job)
    if reason:
        typer.echo(waiting(reason))


def _told(job: "Job") -> dict[str, object]:
    """Return what a job is, under the names that JSON has for it, as people read it."""
    import msgspec

    told: dict[str, object] = {"id": job.id, "state": job.state, "jobtype": job.jobtype, "site": job.site}
    told |= {"destinationsite": job.destination} if job.destination else {}
    told |= {key: value for key, value in msgspec.to_builtins(job).items() if key not in {"fields", "paths"}}
    told |= {key: moment(getattr(job, key)) for key in ("created", "started", "completed")}
    told |= {key: amount(getattr(job, key)) for key in ("numbytes", "moved_data")}
    return told | {"runtime": None if job.runtime is None else span(job.runtime)}


def _show_given(job: "Job") -> None:
    for path in job.given[:_GIVEN]:
        typer.echo(f"{'path':18} {shown(path)}")
    if (more := len(job.given) - _GIVEN) > 0:
        typer.echo(f"{'path':18} and {more} more")


@app.command()
def files(
    number: NUMBER,
    category: Annotated[Category | None, typer.Option(help="Only those that ended like this.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List the files of a job and what became of each; as JSON one file a line."""
    with connected() as client:
        for file in client.files(number, category=category):
            if output is Format.JSON:
                print_json(file)
            else:
                reason = f"  ({cause(file.path, file.reason)})" if file.reason else ""
                typer.echo(f"{file.state or '-':9}  {shown(file.path)}{reason}")


@app.command()
def watch(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show the progress of a job until it has ended, and exit as it ended."""
    from argosy.cli.watching import watch_job

    with connected() as client:
        watch_job(client, number, output=output)


@app.command()
def cancel(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Drop the pending tasks of a job; running ones stop between files."""
    with connected() as client:
        before = client.job(number)
        if not before.ended:
            client.cancel(number)
        job = client.job(number)
    if output is Format.JSON:
        print_json(job)
    elif before.ended or job.state is not JobState.CANCELLED:
        typer.echo(f"Job {number} has ended ({job.state})")
    else:
        typer.echo(f"Job {number} is being cancelled")
