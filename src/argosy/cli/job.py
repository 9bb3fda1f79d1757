"""`argosy job`."""

from enum import StrEnum
from typing import Annotated

import typer

from argosy.cli.output import OUTPUT, Format, print_json, print_table
from argosy.cli.session import connected
from argosy.core.states import JobState

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
    if output is Format.JSON:
        print_json(found)
        return
    rows = ((job.id, job.state, job.jobtype, job.site, f"{job.done}/{job.numfiles}", job.created) for job in found)
    print_table(["ID", "STATE", "WORKFLOW", "SITE", "FILES", "CREATED"], rows)


@app.command()
def show(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show one job."""
    import msgspec

    with connected() as client:
        job = client.job(number)
    if output is Format.JSON:
        print_json(job)
        return
    for key, value in msgspec.to_builtins(job).items():
        typer.echo(f"{key:18} {'-' if value is None else value}")


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
                reason = f"  ({file.reason})" if file.reason else ""
                typer.echo(f"{file.state or '-':9}  {file.path}{reason}")


@app.command()
def watch(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show the progress of a job until it has ended, and exit as it ended."""
    from argosy.cli.watching import watch_job

    with connected() as client:
        watch_job(client, number, output=output)


@app.command()
def cancel(number: NUMBER) -> None:
    """Drop the pending tasks of a job; running ones stop between files."""
    with connected() as client:
        client.cancel(number)
        state = client.job(number).state
    cancelled = state is JobState.CANCELLED
    typer.echo(f"Job {number} is being cancelled" if cancelled else f"Job {number} had ended before: {state}")
