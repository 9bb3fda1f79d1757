"""`argosy fileset`."""

import os
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.core.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from argosy.client import Client, Fileset

app = typer.Typer(help="Trees of which is found out what changed.", no_args_is_help=True)

_LONGEST = 36_500
"""Days that something can be kept."""

SITE = Annotated[str | None, typer.Option(help="Name of the site; without one all of them.")]


class Snapshots(StrEnum):
    """How it is held fast what a fileset looked like."""

    INDEX = "index"
    BTRFS = "btrfs"
    GPFS = "gpfs"


@app.callback()
def filesets() -> None:
    """Trees of which is found out what changed."""


@app.command("list")
def list_(site: SITE = None, output: OUTPUT = Format.TEXT) -> None:
    """List the filesets, and what their sites last said of them; as JSON one fileset a line."""
    with connected() as client:
        found = [one for one in client.filesets() if site in {None, one.site}]
    _print(found, output)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    path: Annotated[str, typer.Argument(help="Its top directory, as it is called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has it.")],
    *,
    snapshots: Annotated[Snapshots, typer.Option(help="How it is held fast what it looked like.")] = Snapshots.INDEX,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Register a fileset. Those that the configuration file names (`sites.filesets`) are there without it."""
    with connected() as client:
        added = client.add_fileset(site, name, os.fsencode(path), snapshots=snapshots.value)
        if output is Format.JSON:
            print_lines([added])
            return
        typer.echo(shown(f"Fileset {added.name} of site {added.site} is {added.path}"))
        with suppress(Unavailable):  # what the site says of it then `list` shows later
            amiss = next((one.reason for one in client.filesets(added.site) if one.id == added.id), "")
            if amiss:
                typer.echo(shown(f"it is not served: {amiss}"), err=True)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="Name of the fileset.")],
    *,
    site: SITE = None,
    mass_change_percent: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="A sync waits for `argosy sync confirm` where more per cent are gone ..."),
    ] = None,
    mass_change_count: Annotated[int | None, typer.Option(min=0, help="... and more than so many.")] = None,
    mass_change_top: Annotated[
        int | None, typer.Option(min=1, help="Or where nothing is left at its top, of so many or more.")
    ] = None,
    trash_days: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS",
            help="How long what was removed and replaced in it is kept; 0: not at all, `site`: as its site has it.",
        ),
    ] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Settle of a fileset how much may be gone before a sync waits for somebody, and how long its trash is kept."""
    given = {
        "mass_change_percent": mass_change_percent,
        "mass_change_count": mass_change_count,
        "mass_change_top": mass_change_top,
    }
    values: dict[str, float | None] = {key: value for key, value in given.items() if value is not None}
    if trash_days is not None:
        values["trash_days"] = _days(trash_days)
    if not values:
        raise Invalid("there is nothing to set: see `argosy fileset set --help`")
    with connected() as client:
        one = client.set_fileset(_single(named(client, name, site), done="set").id, **values)
    if output is Format.JSON:
        print_lines([one])
        return
    typer.echo(
        shown(
            f"Fileset {one.name} of site {one.site}: syncs wait where more than {one.mass_change_percent} % and "
            f"{one.mass_change_count} are gone, or all of {one.mass_change_top} or more at its top"
        )
    )
    if trash_days is not None:
        kept = "as long as its site has it" if one.trash_days is None else f"{one.trash_days:g} days"
        typer.echo(f"What was removed and replaced in it is kept {kept}")


def _days(said: str) -> float | None:
    """Return a number of days; None: those of the site."""
    if said == "site":
        return None
    try:
        days = float(said)
    except ValueError:
        days = -1.0
    if not 0 <= days <= _LONGEST:
        raise Invalid(f"--trash-days: {said!r} cannot be: give a number from 0 to {_LONGEST}, or `site`")
    return days


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="Name of the fileset; without one all of them.")] = None,
    *,
    site: SITE = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take what lies there for the fileset from now on: you have looked.")
    ] = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Ask the sites what lies at the tops of filesets. Exit status 1 where that is not what was registered."""
    with connected() as client:
        chosen = named(client, name, site)
        if adopt:
            client.adopt_fileset(_single(chosen).id)
        place = {one.id: number for number, one in enumerate(chosen)}
        asked = (one for site in {one.site for one in chosen} for one in client.filesets(site) if one.id in place)
        found = sorted(asked, key=lambda one: place[one.id])
    _print(found, output)
    raise typer.Exit(0 if all(one.state == "ok" for one in found) else 1)


def named(client: "Client", name: str | None, site: str | None) -> "list[Fileset]":
    """Return the filesets of the name, or all, at the site, or all.

    Raises:
        NotFound: none is of that name.
    """
    found = [one for one in client.filesets() if name in {None, one.name} and site in {None, one.site}]
    if not found and name is not None:
        where = "there is" if site is None else f"site {site} has"
        raise NotFound(f"{where} no fileset {name!r}: see `argosy fileset list`")
    return found


def _single(chosen: "Sequence[Fileset]", *, done: str = "adopted") -> "Fileset":
    if len(chosen) != 1:
        raise Invalid(f"one fileset is {done} at a time: name it, and its site where several have one of that name")
    return chosen[0]


def _print(found: "Sequence[Fileset]", output: Format) -> None:
    if output is Format.JSON:
        print_lines(found)
        return
    header = ["SITE", "NAME", "NUMBER", "SNAPSHOTS", "STATE", "PATH"]
    print_table(header, ((one.site, one.name, one.number, one.snapshots, one.state, one.path) for one in found))
    for one in found:
        if one.reason:
            typer.echo(shown(f"{one.site}:{one.name}: {one.reason}"))
