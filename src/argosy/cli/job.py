"""`argosy job`."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, amount, cause, moment, print_json, print_lines, print_table, shown, span
from argosy.cli.session import connected
from argosy.cli.watching import DETACH, absolute, applied, summary, tell_or_leave, waiting, watch_job, why
from argosy.core.errors import ArgosyError, Denied, Exists, Invalid
from argosy.core.states import JobState, TaskState

if TYPE_CHECKING:
    from argosy.client import Client, Job

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


class Kind(StrEnum):
    """What a download is written as."""

    JSON = "json"
    CSV = "csv"


@app.callback()
def jobs() -> None:
    """Jobs of the hub."""


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="Show this many at most, the latest first.")] = 20,
    state: Annotated[list[JobState] | None, typer.Option(help="Only those in this state; repeat it for more.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.")] = None,
    path: Annotated[str | None, typer.Option(help="Only those that were given a path that begins so.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List jobs, the latest first; as JSON one job a line."""
    prefix = None if path is None else absolute(path)
    with connected() as client:
        found = list(client.jobs(most=limit, states=state or (), workflow=workflow, path=prefix))
        if output is Format.TEXT:  # a list does not say which paths were given
            found = [client.job(job.id) for job in found]
    if output is Format.JSON:
        print_lines(found)
        return
    print_table(["ID", "STATE", "WORKFLOW", "SITE", "TO", "ENTRIES", "CREATED", "PATH"], map(_row, found))


def _row(job: "Job") -> tuple[object, ...]:
    done, created = f"{job.done}/{job.numfiles}", moment(job.created)
    path = job.given[0] if job.given else None
    more = f" and {len(job.given) - 1} more" if len(job.given) > 1 else ""
    what = f"plan of {job.jobtype}" if job.dry_run else job.jobtype
    return (job.id, job.state, what, job.site, job.destination, done, created, f"{path}{more}" if path else None)


@app.command()
def show(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show one job, and what it waits for, or why it came to nothing."""
    with connected() as client:
        job = client.job(number)
        by = None if output is Format.JSON else applied(client, job)
        reason = "" if output is Format.JSON else why(client, job) if job.ended else waiting(client, number)
    if output is Format.JSON:
        print_json(job)
        return
    for key, value in _told(job).items():
        typer.echo(f"{key:18} {'-' if value is None else shown(str(value))}")
    _show_given(job)
    if job.dry_run:
        typer.echo(summary(job, applied=by))
    if reason:
        typer.echo(reason)


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
def download(
    number: NUMBER,
    file: Annotated[Path, typer.Argument(help="File to write, which must not exist; - for standard output.")],
    category: Annotated[Category | None, typer.Option(help="Only those that ended like this.")] = None,
    kind: Annotated[Kind | None, typer.Option("--format", help="Default: what FILE ends in; json for -.")] = None,
) -> None:
    """Write all files of a job and what became of each into a JSON or CSV file.

    Where a path is not UTF-8, `path` shows it for people and `path_b64` has its bytes in base64.
    """
    written = kind or _kind_of(file)
    with connected() as client:
        pieces = client.download(number, kind=written, category=category)
        if str(file) == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _write(file, pieces)
            typer.echo(f"{file}: {amount(file.stat().st_size)}")


def _kind_of(file: Path) -> Kind:
    """Return the format that the name of a file asks for.

    Raises:
        Invalid: it asks for none.
    """
    ending = file.suffix.lower().removeprefix(".")
    if str(file) == "-":
        return Kind.JSON
    if ending not in {kind.value for kind in Kind}:
        raise Invalid(f"{file} ends in neither .json nor .csv: name it so, or say which with --format")
    return Kind(ending)


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file; where it cannot be whole it is gone."""
    try:
        with file.open("xb") as out:
            try:
                out.writelines(pieces)
            except BaseException:
                file.unlink(missing_ok=True)
                raise
    except FileExistsError as error:
        raise Exists(f"{file} exists: name another, or remove it") from error
    except OSError as error:
        raise Denied(f"{file} cannot be written ({error.strerror})") from error


@app.command()
def tasks(
    number: NUMBER,
    state: Annotated[list[TaskState] | None, typer.Option(help="Only those in this state; repeat it for more.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List the tasks of a job; as JSON one task a line."""
    with connected() as client:
        client.job(number)  # which says so where there is none
        for task in client.tasks(number, states=state or ()):
            if output is Format.JSON:
                print_json(task)
            else:
                reason = f"  ({shown(task.reason)})" if task.reason else ""
                started = moment(task.started) or "-"
                typer.echo(f"{task.taskid}  {task.state:9}  {started:25}  {task.site}  {task.tasktype}{reason}")


@app.command()
def watch(number: NUMBER, output: OUTPUT = Format.TEXT) -> None:
    """Show the progress of a job until it has ended, and exit as it ended."""
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


@app.command()
def resubmit(
    number: NUMBER,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only the files that failed or were aborted.")] = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Do a job again: the same workflow over the same paths, with the same fields. What is as wanted is skipped."""
    with connected() as client:
        job = client.resubmit(number, only_failed=failed)
        if job.id == number:
            raise Exists(f"job {number} has not ended ({job.state}): wait for it, or cancel it, and resubmit it then")
        if job.ended:
            typer.echo(f"Job {job.id} did that a moment ago: ask again in a while to have it done anew", err=True)
        tell_or_leave(client, job.id, detach=detach, output=output)


@app.command()
def delete(numbers: Annotated[list[int], typer.Argument(metavar="NUMBER...", help="Numbers of the jobs.")]) -> None:
    """Remove jobs that have ended, with all that is told of their tasks and files. Files stay as they are.

    Exit status 3 where only some could be removed, 1 where none could.
    """
    with connected() as client:
        gone = [number for number in numbers if _deleted(client, number)]
    if len(gone) < len(numbers):
        raise typer.Exit(3 if gone else 1)


def _deleted(client: "Client", number: int) -> bool:
    try:
        client.delete_job(number)
    except ArgosyError as error:
        typer.echo(f"argosy: {shown(error.message)}", err=True)
        return False
    typer.echo(f"Job {number} is removed")
    return True
