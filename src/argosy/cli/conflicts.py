"""`argosy conflicts`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from argosy.cli.output import OUTPUT, Format, amount, moment, print_json, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import DETACH, ended

if TYPE_CHECKING:
    from argosy.client import Conflict
    from argosy.client.conflicts import ConflictVersion

app = typer.Typer(help="What both sites of a sync had changed, and which version is kept.", no_args_is_help=True)

ID = Annotated[int, typer.Argument(metavar="ID", help="Number of the conflict.")]
_OPEN = "OPEN,SETTLING"


@app.callback()
def conflicts() -> None:
    """What both sites of a sync had changed, and which version is kept."""


@app.command("list")
def list_(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those that are settled as well.")] = False,
    job: Annotated[int | None, typer.Option(help="Only those that this sync met.")] = None,
    site: Annotated[str, typer.Option(help="Only those of syncs of this site.")] = "",
    output: OUTPUT = Format.TEXT,
) -> None:
    """List the conflicts that nobody settled yet, the newest first; as JSON one a line."""
    with connected() as client:
        found = list(client.conflicts(state="" if all_ else _OPEN, job=job, site=site))
    if output is Format.JSON:
        print_lines(found)
        return
    print_table(["ID", "JOB", "STATE", "ABOUT", "NAME", "THIS", "OTHER", "OTHER IS AT"], map(_row, found))


def _row(one: "Conflict") -> tuple[object, ...]:
    sites = [each.site if each is not None else None for each in (one.this, one.other)]
    state = f"{one.state} ({one.kept})" if one.kept else one.state
    return one.id, one.job, state, one.dispute, one.path, *sites, one.other.path if one.other else None


@app.command()
def show(number: ID, output: OUTPUT = Format.TEXT) -> None:
    """Show a conflict: both versions, where they are, and what became of them."""
    with connected() as client:
        one = client.conflict(number)
    if output is Format.JSON:
        print_json(one)
        return
    for name, value in _told(one).items():
        if value is not None:
            typer.echo(f"{name:14} {shown(str(value))}")


def _told(one: "Conflict") -> dict[str, object]:
    here, there = (f"{side.site}:{side.path}" for side in one.sides)
    told: dict[str, object] = {"conflict": one.id, "state": one.state, "about": one.dispute, "why": one.why}
    told |= {"met by": f"job {one.job}, {here} with {there}", "met": moment(one.created), "name": one.path}
    told |= {"this": _version(one.this), "other": _version(one.other)}
    told |= {"kept": one.kept, "by": one.kept_by or None, "with": f"job {one.keep_job}" if one.keep_job else None}
    return told | {"settled": moment(one.settled), "reason": one.reason or None}


def _version(one: "ConflictVersion | None") -> str | None:
    if one is None:
        return None
    where = one.path or "in no sight"
    holds = f" -> {one.target}" if one.target is not None else f", {one.hash[:12]}" if one.hash else ""
    return f"of {one.site}: {where} ({one.type}, {amount(one.size)}, {moment(one.mtime)}{holds})"


@app.command()
def keep(
    number: ID,
    version: Annotated[
        Literal["this", "other", "both"],
        typer.Argument(help="This one, which has the name; the other one, which then has it; or both, as they are."),
    ],
    *,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Choose which version has the name. What is not kept goes to the version store or the trash, and can come back.

    It is done at one site, if nobody changed either version since; the next sync does the same at the other. Exit
    status 1 where one was changed: nothing was done then.
    """
    with connected() as client:
        one = client.keep(number, version)
        if one.state == "SETTLING" and not detach and one.keep_job is not None:
            ended(client, one.keep_job)
            one = client.conflict(number)
    if output is Format.JSON:
        print_json(one)
    else:
        typer.echo(shown(_said(one)), err=one.state == "OPEN")
    raise typer.Exit(one.state == "OPEN")


def _said(one: "Conflict") -> str:
    if one.state == "SETTLING":
        return f"Conflict {one.id}: job {one.keep_job} keeps `{one.kept}`; see `argosy conflicts show {one.id}`"
    if one.state == "OPEN":
        return f"Conflict {one.id} is open still: {one.reason}"
    if one.kept == "both":
        return f"Conflict {one.id} is settled: both stay, {one.path} and {one.other.path if one.other else '-'}"
    winner, shelf = (one.this, "trash") if one.kept == "this" else (one.other, "versions")
    site = f" of {winner.site}" if winner is not None else ""
    back = f"The other one can come back: see `argosy {shelf} --help`"
    return f"Conflict {one.id} is settled: {one.path} is the version{site}; the next sync carries that over. {back}"
