"""`argosy sync`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli import sync_runs
from argosy.cli.output import OUTPUT, Format, amount
from argosy.sync.planner.options import Options, Policy

if TYPE_CHECKING:
    from argosy.sync.preview.previewing import Reading
    from argosy.sync.preview.trees import Place

app = typer.Typer(help="Keeping two trees the same.", no_args_is_help=True)


@app.callback()
def sync() -> None:
    """Keeping two trees the same."""


sync_runs.add_to(app)


@app.command()
def plan(
    one: Annotated[str, typer.Argument(metavar="A", help="SITE:NAME of a fileset, or a directory of this machine.")],
    two: Annotated[str, typer.Argument(metavar="B", help="The other one. One-way, it is the destination.")],
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="The configuration that names the filesets; without one, the hub.")
    ] = None,
    base: Annotated[
        list[Path] | None,
        typer.Option(help="What both agreed on; repeat it for more chunks. Without one: as the hub has it, or none."),
    ] = None,
    one_way: Annotated[bool, typer.Option("--one-way/--bidirectional", help="Whether nothing changes at A.")] = False,
    preference: Annotated[
        Policy, typer.Option(help="Who keeps the name where both changed the same; the other version is kept as well.")
    ] = Policy.NEWEST,
    no_hash: Annotated[bool, typer.Option("--no-hash", help="Read no file; say which must be compared.")] = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Say what a sync of two trees would do, operation by operation, and change nothing.

    Both are scanned, on this machine. Filesets as SITE:NAME are those of the configuration, else of the hub: then what
    they agreed on, its guards and its clock count as in a sync. Files are read only where nothing else tells whether
    they are alike. Exit status 3 where some things stay as they are or are not known, 1 where a guard refuses it all.
    """
    from argosy.cli.sync_output import told
    from argosy.cli.sync_places import placed
    from argosy.linux.scratch import scratch
    from argosy.sync.preview.circumstances import circumstances
    from argosy.sync.preview.previewing import Previewing
    from argosy.sync.reduction.base import Base

    def may_read(reading: "Reading") -> bool:
        if output is Format.TEXT and not no_hash:
            typer.echo(f"Reading {amount(reading.bytes)} of {reading.files} files to compare them", err=True)
        return not no_hash

    with scratch(None) as folder:
        sides = placed((one, two), config, folder, ask_base=not base)
        chunks = base or ([sides.base] if sides.base is not None else [])
        options = Options(policy=preference, one_way=one_way, sites=_sites(sides.places))
        found = Previewing(
            sides.places,
            folder,
            options,
            base=Base.open(chunks) if chunks else None,
            is_recorded=sides.base is not None,
            ask=partial(circumstances, clock_off_ns=sides.clock_off_ns),
            read=may_read,
        ).preview()
        raise typer.Exit(told(found, options.sites, output))


def _sites(places: "tuple[Place, Place]") -> tuple[str, str]:
    """Return two names for the sides that differ."""
    one, two = (place.name for place in places)
    return (one, two) if one != two else (f"{one}-1", f"{two}-2")
