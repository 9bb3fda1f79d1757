"""`argosy gc`."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, amount, print_json, shown
from argosy.cli.session import connected

if TYPE_CHECKING:
    from argosy.client import Client, GcRun

app = typer.Typer(help="Objects that nothing refers to.", no_args_is_help=True)

TAKE_OVER = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Count objects that bear another hub's seal, or that of a key that was lost, as this hub's: only where no "
        "other hub uses the datastores.",
    ),
]
_LOOKS = 0.5
"""Seconds between looks at a run."""


@app.callback()
def gc() -> None:
    """Objects that nothing refers to."""


@app.command()
def plan(*, take_over: TAKE_OVER = False, output: OUTPUT = Format.TEXT) -> None:
    """Show which objects nothing refers to, and which of them a run would remove; nothing is removed.

    Every site is asked what its files point to; one that cannot be asked stops it.
    """
    _run("plan", output, take_over=take_over)


@app.command()
def run(*, take_over: TAKE_OVER = False, output: OUTPUT = Format.TEXT) -> None:
    """Remove the objects that nothing has referred to for long enough.

    Every site is asked twice what its files point to; one that cannot be asked stops it before anything is removed.
    Objects whose files were removed wait as long as garbage_days of the configuration says, others for a day. Ctrl-C
    stops the watching, not the run.
    """
    _run("run", output, take_over=take_over)


def _run(kind: str, output: Format, *, take_over: bool) -> None:
    with connected() as client:
        found = _watched(client, client.collect(kind, take_over=take_over))
    if output is Format.JSON:
        print_json(found)
    else:
        _tell(found)
    raise typer.Exit(1 if found.reason else 0)


def _watched(client: "Client", run: "GcRun") -> "GcRun":
    while not run.ended:
        time.sleep(_LOOKS)
        run = client.collection(run.id)
    return run


def _tell(run: "GcRun") -> None:
    for why, count in run.counts.items():
        if not count["objects"]:
            continue
        size = f", {amount(count['bytes'])}" if "bytes" in count else ""
        typer.echo(f"{why:20} {count['objects']} objects{size}")
    if run.reason:
        typer.echo(shown(f"Run {run.id} {run.state}: {run.reason}"), err=True)
    else:
        typer.echo(f"Run {run.id} {run.state}")
