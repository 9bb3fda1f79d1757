"""Jobs as they run: submitted, watched to their end, told as an exit status."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
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


def ended(client: "Client", number: int) -> "Job":
    """Return the job once it has ended; nothing is shown."""
    from argosy.client import follow

    return _last(follow(client, number))


def watch_job(
    client: "Client", number: int, *, output: Format, bad: int | None = _SHOWN, at_end: "AtEnd | None" = None
) -> None:
    """Show a job until it has ended, then exit with its status; Ctrl-C stops only the watching."""
    try:
        job = _watched(client, number, output)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nJob {number} goes on: watch it with `argosy job watch {number}`\n")
        raise typer.Exit(130) from None
    if output is Format.JSON:
        print_json(job)
    else:
        typer.echo(summary(job))
    _list_bad(client, job, bad)
    if at_end is not None:
        at_end(client, number)
    raise typer.Exit(status_of(job))


def status_of(job: "Job") -> int:
    """Return 0 where all is as wanted, 1 where the job failed or was cancelled and nothing is, and else 3.

    A job with aborted files is no failure, and yet not all is done: 3 says so, even where nothing else was to be done.
    """
    if job.state in {JobState.SUCCESS, JobState.SKIPPED}:
        return 3 if job.bad else 0
    return 3 if job.good else 1


def summary(job: "Job") -> str:
    """Return how a job stands, on one line."""
    if job.dry_run:
        return _planned(job)
    counts = {
        "processed": job.numprocessedfiles,
        "skipped": job.numskippedfiles,
        "failed": job.numfailedfiles,
        "aborted": job.numabortedfiles,
        "cancelled": job.numcancelledfiles,
    }
    took = f" in {span(job.runtime)}" if job.runtime else ""
    return f"Job {job.id} {job.state}: {_counted(counts)}; {amount(job.moved_data)} moved{took}"


def _planned(job: "Job") -> str:
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
    return f"{stands}: see it with `argosy apply --show {job.id}`{todo}"


def _counted(counts: Mapping[str, int]) -> str:
    """Return `2 entries processed, 1 failed`."""
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return told.replace(" ", " entry " if told.startswith("1 ") else " entries ", 1) or "nothing to do"


def retried(client: "Client", number: int) -> str:
    """Return what the last try of a part of a job met that is tried again, on one line, "" where there is none."""
    reason = client.waiting(number)
    return f"waiting: {shown(reason)}; it is tried again" if reason else ""


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


def _watched(client: "Client", number: int, output: Format) -> "Job":
    from argosy.client import follow

    looks = follow(client, number)
    if output is Format.JSON:
        return _last(looks)
    if is_terminal():
        return _live(looks, client)
    return _last(looks, _Lines(), _Reasons(client, typer.echo))


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

    def __init__(self) -> None:
        self._due = time.monotonic() + _LINES
        self._rate = Rate()

    def __call__(self, job: "Job") -> None:
        self._rate.note(job)
        if time.monotonic() >= self._due and not job.ended:
            self._due = time.monotonic() + _LINES
            typer.echo(f"{progress(job)}, {self._rate}")
            sys.stdout.flush()


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


def _live(looks: Iterator["Job"], client: "Client") -> "Job":
    from rich.progress import BarColumn, Progress, TextColumn

    rate = Rate()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=None, rate="")

        def show(job: "Job") -> None:
            rate.note(job)
            total = job.numfiles if job.dir_walk_complete else None
            speed = ", ".join(filter(None, (str(rate), rate.left(job))))
            bar.update(task, description=progress(job), completed=job.done, total=total, rate=speed)

        def tell(line: str) -> None:
            bar.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

        return _last(looks, show, _Reasons(client, tell))


def _list_bad(client: "Client", job: "Job", most: int | None = _SHOWN) -> None:
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
