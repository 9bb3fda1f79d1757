"""`argosy fileset`."""

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.output import OUTPUT, Format, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from argosy.client import Client, Fileset

app = typer.Typer(help="Trees of which is found out what changed.", no_args_is_help=True)

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
    """Register a fileset. Those of `[[sites.filesets]]` in the configuration file are there without it."""
    with connected() as client:
        added = client.add_fileset(site, name, os.fsencode(path), snapshots=snapshots.value)
    if output is Format.JSON:
        print_lines([added])
    else:
        typer.echo(shown(f"Fileset {added.name} of site {added.site} is {added.path}"))


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
        chosen = _chosen(client, name, site)
        if adopt:
            client.adopt_fileset(_single(chosen).id)
        wanted = {one.id for one in chosen}
        sites = sorted({one.site for one in chosen})
        found = [one for asked in sites for one in client.filesets(asked) if one.id in wanted]
    _print(found, output)
    raise typer.Exit(0 if all(one.state == "ok" for one in found) else 1)


def _chosen(client: "Client", name: str | None, site: str | None) -> "list[Fileset]":
    found = [one for one in client.filesets() if name in {None, one.name} and site in {None, one.site}]
    if not found and name is not None:
        where = "there is" if site is None else f"site {site} has"
        raise NotFound(f"{where} no fileset {name!r}: see `argosy fileset list`")
    return found


def _single(chosen: "Sequence[Fileset]") -> "Fileset":
    if len(chosen) != 1:
        raise Invalid("one fileset is adopted at a time: name it, and its site where several have one of that name")
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
