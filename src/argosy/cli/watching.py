"""Jobs as they run: submitted, watched to their end, told as an exit status."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argosy.cli.output import Format, amount, cause, print_json, shown, span
from argosy.cli.session import connected, is_terminal
from argosy.core import paths as path_rules
from argosy.core.errors import Invalid, Unavailable
from argosy.core.states import JobState

if TYPE_CHECKING:
    from argosy.client import Client, Job

    AtEnd = Callable[[Client, int], None]

DETACH = Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the job.")]

_LINES = 10.0
"""Seconds between lines where nobody watches a terminal."""
_SHOWN = 10
"""Failed files that are listed at the end."""
_REASONS = 2.0
"""Seconds between questions for why a job waits."""
_IDLE = "nothing to do"
_OPEN = ("waiting", "running")
_UNTROUBLED = ("running", "behind")
"""Causes of which nothing needs to be said."""
_RECENT = 30.0
"""Seconds a rate is measured over."""


def run_workflow(
    workflow: str,
    given: Sequence[str],
    *,
    site: str,
    fields: Mapping[str, Any],
    detach: bool,
    output: Format,
    discovery: str = "recursive",
    bad: int | None = _SHOWN,
    at_end: "AtEnd | None" = None,
) -> None:
    """Submit the paths, to be found by a discovery; unless detached watch the job and exit as it ends.

    `bad`: so many files that did not go well are listed, None: all; `at_end` is called when the job has ended.
    """
    with connected() as client:
        paths = [absolute(path) for path in given]
        number = client.submit(workflow, site=site, given=paths, fields=fields, discovery=discovery)
        tell_or_leave(client, number, detach=detach, output=output, bad=bad, at_end=at_end)


def tell_or_leave(
    client: "Client",
    number: int,
    *,
    detach: bool,
    output: Format,
    bad: int | None = _SHOWN,
    at_end: "AtEnd | None" = None,
) -> None:
    """Say which job goes on by itself or, unless detached, show it to its end and exit as it ends."""
    if not detach:
        if output is Format.TEXT:
            typer.echo(f"Job {number}")
        watch_job(client, number, output=output, bad=bad, at_end=at_end)
    elif output is Format.JSON:
        print_json({"job": number})
    else:
        typer.echo(f"Job {number} runs: watch it with `argosy job watch {number}`")


def ended(client: "Client", number: int, *, then: str = "") -> "Job":
    """Return the job once it has ended; how far it is, and why it waits, is told on standard error.

    `then`: how to go on, said after Ctrl-C, which stops only the waiting.
    """
    with _left_alone(then or _goes_on(number)):
        return _watched(client, number, err=True)


def watch_job(
    client: "Client", number: int, *, output: Format, bad: int | None = _SHOWN, at_end: "AtEnd | None" = None
) -> None:
    """Show a job until it has ended, then exit with its status; Ctrl-C stops only the watching."""
    with _left_alone(_goes_on(number)):
        job = _last(_looks(client, number)) if output is Format.JSON else _watched(client, number)
    if output is Format.JSON:
        print_json(job)
    else:
        typer.echo(summary(job, applied=applied(client, job)))
    list_bad(client, job, bad)
    tell_why(client, job, output)
    if at_end is not None:
        at_end(client, number)
    raise typer.Exit(status_of(job))


def tell_why(client: "Client", job: "Job", output: Format) -> None:
    """Say of a job that has ended why, where its counts of entries do not: on standard error if it failed."""
    failed = job.state is JobState.FAILURE
    if (failed or output is Format.TEXT) and (line := why(client, job)):
        typer.echo(line, err=failed)


def why(client: "Client", job: "Job") -> str:
    """Return on one line why a job that has ended failed, or did nothing, where no entry tells; else ""."""
    if job.state not in {JobState.FAILURE, JobState.SKIPPED}:
        return ""
    first = next(iter(client.explain_job(job.id).causes), None)
    if first is None or first.files:
        return ""
    return shown(f"{first.title}: {first.reason}" if first.reason else first.title)


def status_of(job: "Job") -> int:
    """Return 0 where all is as wanted, 1 where the job failed or was cancelled and nothing is, and else 3.

    A job with aborted files is no failure, and yet not all is done: 3 says so, even where nothing else was to be done.
    """
    if job.state in {JobState.SUCCESS, JobState.SKIPPED}:
        return 3 if job.bad else 0
    return 3 if job.good else 1


def applied(client: "Client", job: "Job") -> int | None:
    """Return the job that applied a plan, None where none did, and of what is no plan."""
    return client.plan(job.id).applied if job.dry_run and job.ended else None


def summary(job: "Job", *, applied: int | None = None) -> str:
    """Return how a job stands, on one line; of a plan that was `applied`, by which job."""
    if job.dry_run:
        return _planned(job, applied)
    counts = {
        "processed": job.numprocessedfiles,
        "skipped": job.numskippedfiles,
        "failed": job.numfailedfiles,
        "aborted": job.numabortedfiles,
        "cancelled": job.numcancelledfiles,
    }
    took = f" in {span(job.runtime)}" if job.runtime else ""
    idle = "nothing was done" if job.state is JobState.FAILURE else _IDLE
    return f"Job {job.id} {job.state}: {_counted(counts, idle)}; {amount(job.moved_data)} moved{took}"


def _planned(job: "Job", applied: int | None) -> str:
    """Return how a plan stands: nothing was done."""
    counts = {
        "to deal with": job.numprocessedfiles,
        "left alone": job.numskippedfiles,
        "in trouble": job.numfailedfiles + job.numabortedfiles,
        "cancelled": job.numcancelledfiles,
    }
    stands = f"Plan {job.id} {job.state}: {_counted(counts)}; nothing was changed"
    if not job.ended or job.state is JobState.CANCELLED:
        return stands
    todo = f", do it with `argosy apply {job.id}`" if job.numprocessedfiles else ""
    todo = f", job {applied} applied it" if applied else todo
    return f"{stands}: see it with `argosy apply --show {job.id}`{todo}"


def _counted(counts: Mapping[str, int], idle: str = _IDLE) -> str:
    """Return `2 entries processed, 1 failed`; `idle` where all are 0."""
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return told.replace(" ", " entry " if told.startswith("1 ") else " entries ", 1) or idle


def retried(client: "Client", number: int) -> str:
    """Return what the last try of a part of a job met that is tried again, on one line, "" where there is none."""
    reason = client.waiting(number)
    again = "" if reason.endswith("again") else "; it is tried again"
    return f"waiting: {shown(reason)}{again}" if reason else ""


def waiting(client: "Client", number: int) -> str:
    """Return what keeps a job from going on, on one line, "" where only time does."""
    if line := retried(client, number):
        return line
    for cause_ in client.explain_job(number).causes:
        if cause_.state in _OPEN and cause_.cause not in _UNTROUBLED:
            why = f": {cause_.reason}" if cause_.reason else ""
            return f"waiting: {shown(cause_.title + why)}; see `argosy explain {number}`"
    return ""


def absolute(path: str) -> bytes:
    """Return the path as bytes, absolute as seen from here; symlinks are left for the site to judge.

    Raises:
        Invalid: it is empty (an unset variable, say): that is not taken for the current directory.
    """
    if not path:
        raise Invalid("a path is empty: name it, or . for the current directory")
    return path_rules.absolute(os.path.normpath(os.path.join(os.getcwdb(), os.fsencode(path))))


@contextmanager
def _left_alone(then: str) -> Iterator[None]:
    """Say, where Ctrl-C ends the watching, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\n{then}", err=True)
        raise typer.Exit(130) from None


def _goes_on(number: int) -> str:
    return f"Job {number} goes on: watch it with `argosy job watch {number}`"


def _looks(client: "Client", number: int) -> Iterator["Job"]:
    from argosy.client import follow

    return follow(client, number)


def _watched(client: "Client", number: int, *, err: bool = False) -> "Job":
    looks, tell = _looks(client, number), partial(typer.echo, err=err)
    if is_terminal(err=err):
        return _live(looks, client, err=err)
    return _last(looks, _Lines(tell), _Reasons(client, tell))


def _last(looks: Iterator["Job"], *shows: Callable[["Job"], None]) -> "Job":
    for job in looks:
        for show in shows:
            show(job)
    return job


class _Reasons:
    """What of a job is tried again, and why it stands still where it does: a line when it changes."""

    def __init__(self, client: "Client", tell: Callable[[str], None]) -> None:
        self._client, self._tell = client, tell
        self._due = time.monotonic() + _REASONS
        self._stood = (0, 0)
        self._told = ""

    def __call__(self, job: "Job") -> None:
        if job.ended or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _REASONS
        before, self._stood = self._stood, (job.done, job.numfiles)
        with suppress(Unavailable):
            line = (waiting if self._stood == before else retried)(self._client, job.id)
            if line not in {"", self._told}:
                self._told = line
                self._tell(line)


class _Lines:
    """A plain line now and then."""

    def __init__(self, tell: Callable[[str], None] = typer.echo) -> None:
        self._tell = tell
        self._due = time.monotonic() + _LINES
        self._rate = Rate()

    def __call__(self, job: "Job") -> None:
        self._rate.note(job)
        if time.monotonic() >= self._due and not job.ended:
            self._due = time.monotonic() + _LINES
            self._tell(f"{progress(job)}, {self._rate}")


class Rate:
    """How fast a job moves, over the last half minute."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int, int]] = []

    def note(self, job: "Job") -> None:
        """Take note of how far it is."""
        now = time.monotonic()
        self._seen = [look for look in self._seen if now - look[0] <= _RECENT]
        self._seen.append((now, job.moved_data, job.done))

    def per_second(self) -> tuple[float, float]:
        """Return bytes and files per second."""
        (then, moved, done), (now, moved_now, done_now) = self._seen[0], self._seen[-1]
        passed = (now - then) or 1.0
        return (moved_now - moved) / passed, (done_now - done) / passed

    def left(self, job: "Job") -> str:
        """Return the time that is left, "" while it cannot be told."""
        _, files = self.per_second()
        if not files or not job.dir_walk_complete:
            return ""
        return f"{span((job.numfiles - job.done) / files)} left"

    def __str__(self) -> str:
        moved, files = self.per_second()
        return f"{amount(moved)}/s, {files:.0f} entries/s"


def progress(job: "Job") -> str:
    """Return how far a job is."""
    more = "" if job.dir_walk_complete else "+"
    bad = f" ({job.bad} not well)" if job.bad else ""
    if job.dry_run:
        return f"Plan {job.id}: {job.done} of {job.numfiles}{more} entries looked at{bad}"
    return f"Job {job.id}: {job.done} of {job.numfiles}{more} entries{bad}, {amount(job.moved_data)} moved"


def _live(looks: Iterator["Job"], client: "Client", *, err: bool) -> "Job":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    rate = Rate()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, transient=True, console=Console(stderr=err)) as bar:
        task = bar.add_task("", total=None, rate="")

        def show(job: "Job") -> None:
            rate.note(job)
            total = job.numfiles if job.dir_walk_complete else None
            speed = ", ".join(filter(None, (str(rate), rate.left(job))))
            bar.update(task, description=progress(job), completed=job.done, total=total, rate=speed)

        def tell(line: str) -> None:
            bar.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

        return _last(looks, show, _Reasons(client, tell))


def list_bad(client: "Client", job: "Job", most: int | None = _SHOWN) -> None:
    """Tell on standard error of files that did not go well, a few of them or all."""
    bad = {"failed": job.numfailedfiles, "aborted": job.numabortedfiles}
    left = sum(bad.values()) if most is None else most
    categories = [category for category, count in bad.items() if count]
    for category in categories:
        for file in islice(client.files(job.id, category=category), left):
            left -= 1
            reason = cause(file.path, file.reason or "no reason given")
            typer.echo(f"{'in trouble' if job.dry_run else category}: {shown(file.path)}: {reason}", err=True)
    if most is not None and sum(bad.values()) > most:
        commands = (f"argosy job files {job.id} --category {category}" for category in categories)
        typer.echo(f"all of them: {' and '.join(commands)}", err=True)
