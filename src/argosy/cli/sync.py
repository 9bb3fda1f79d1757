"""`argosy sync`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli import sync_runs
from argosy.cli.output import OUTPUT, Format, amount
from argosy.core.errors import Invalid, NotFound
from argosy.core.paths import absolute, below
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
    config: Annotated[Path | None, typer.Option("--config", help="The configuration that names the filesets.")] = None,
    base: Annotated[
        list[Path] | None, typer.Option(help="What both agreed on; repeat it for more chunks. Without one: first sync.")
    ] = None,
    one_way: Annotated[bool, typer.Option("--one-way/--bidirectional", help="Whether nothing changes at A.")] = False,
    preference: Annotated[
        Policy, typer.Option(help="Who keeps the name where both changed the same; the other version is kept as well.")
    ] = Policy.NEWEST,
    no_hash: Annotated[bool, typer.Option("--no-hash", help="Read no file; say which must be compared.")] = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Say what a sync of two trees would do, operation by operation, and change nothing.

    Both are scanned, on this machine and without a hub. Files are read only where nothing else tells whether they are
    alike. Exit status 3 where some things stay as they are or are not known, 1 where a guard refuses the whole.
    """
    from argosy.cli.sync_output import told
    from argosy.linux.scratch import scratch
    from argosy.sync.preview.previewing import Previewing
    from argosy.sync.reduction.base import Base

    places = _place(one, config, "site1"), _place(two, config, "site2")
    options = Options(policy=preference, one_way=one_way, sites=_sites(places))

    def may_read(reading: "Reading") -> bool:
        if output is Format.TEXT and not no_hash:
            typer.echo(f"Reading {amount(reading.bytes)} of {reading.files} files to compare them", err=True)
        return not no_hash

    known = Base.open(base) if base else None
    with scratch(None) as folder:
        found = Previewing(places, folder, options, base=known, read=may_read).preview()
        raise typer.Exit(told(found, options.sites, output))


def _place(said: str, config: Path | None, name: str) -> "Place":
    """Return what was named: what has a slash or no colon is a directory."""
    from argosy.sync.preview.trees import Place

    site, colon, fileset = said.partition(":")
    if not colon or "/" in said:
        path = absolute(os.fsencode(os.path.abspath(said)))
        return Place(name=name, path=path, root=path)
    if config is None:
        raise Invalid(
            f"{said}: say with --config in which configuration site {site} is, or name a directory, as ./{said}"
        )
    return _fileset(site, fileset, config)


def _fileset(site: str, name: str, config: Path) -> "Place":
    from argosy.cli.configuration import configuration
    from argosy.sync.preview.trees import Place

    found = next((each for each in configuration(config, None).sites if each.name == site), None)
    if found is None:
        raise NotFound(f"{config}: has no site {site!r}")
    filesets = {each.name: each.path.encode() for each in found.filesets}
    if name not in filesets:
        declared = ", ".join(filesets) or "none"
        raise NotFound(
            f"{config}: declares no fileset {name!r} of site {site}, but {declared}: of one that was registered with "
            "`argosy fileset add`, name the top directory"
        )
    path = filesets.pop(name)
    root = next(root.encode() for root in found.roots if below(path, root.encode()))
    return Place(name=site, path=path, root=root, registered=True, others=tuple(filesets.values()))


def _sites(places: "tuple[Place, Place]") -> tuple[str, str]:
    """Return two names for the sides that differ."""
    one, two = (place.name for place in places)
    return (one, two) if one != two else (f"{one}-1", f"{two}-2")
