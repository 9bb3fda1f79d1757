"""`argosy sync run`, `status`, `confirm` and `unlock`: syncs that the hub leads."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from argosy.cli.output import OUTPUT, Format, amount, moment, print_json, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import DETACH, ended, run_workflow, tell_or_leave
from argosy.core.errors import ArgosyError
from argosy.sync.planner.options import Policy

if TYPE_CHECKING:
    from argosy.client import Client, Fileset, Sync

JOB = Annotated[int, typer.Argument(help="Number of the job.")]


def run(
    path: Annotated[str, typer.Argument(help="Top of a fileset, as it is called at the site.")],
    site: Annotated[str, typer.Option(help="Site that has it; nothing changes there.")],
    to: Annotated[str, typer.Option(help="Site whose fileset is to follow.")],
    *,
    preference: Annotated[
        Policy, typer.Option(help="Who keeps the name where both changed the same; the other version is kept as well.")
    ] = Policy.NEWEST,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Have a fileset of another site follow one: what changed here since the last sync is done there.

    Both must be registered as filesets. Waits and shows the progress; Ctrl-C stops the watching, not the job. Exit
    status 1 where a guard refuses: `argosy sync status` says why, and `argosy sync confirm` syncs all the same.
    """
    fields = {"destinationsite": to, "sync_preference": preference.value}
    run_workflow("site_sync", [path], site=site, fields=fields, detach=detach, output=output, discovery="snapdiff")


def status(
    job: Annotated[int | None, typer.Argument(help="Only the sync that is this job, with all that is known.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Show how syncs went, or how far they are, the newest first; as JSON one a line."""
    with connected() as client:
        if job is not None:
            _show(client.sync(job), output)
            return
        found = list(client.syncs())
    if output is Format.JSON:
        print_lines(found)
        return
    print_table(["JOB", "STATE", "FROM", "TO", "BEGAN", "OPERATIONS", "REASON"], map(_row, found))


def _row(one: "Sync") -> tuple[object, ...]:
    here, there = (f"{side.site}:{side.path}" for side in one.sides)
    done = sum(one.counts.get("operations", [])) if one.counts else None
    return one.job, one.state, here, there, moment(one.created), done, one.reason or None


def _show(one: "Sync", output: Format) -> None:
    if output is Format.JSON:
        print_json(one)
        return
    here, there = (f"{side.site}:{side.path}" for side in one.sides)
    arrow = "to" if one.one_way else "with"
    told = {"job": one.job, "state": one.state, "sync": f"{here} {arrow} {there}", "preference": one.policy}
    told |= {"round": one.round, "base": one.base, "began": moment(one.created), "ended": moment(one.completed)}
    told |= {"confirmed by": f"job {one.confirmed_by}" if one.confirmed_by else None, "reason": one.reason or None}
    for name, value in (told | _counted(one)).items():
        if value is not None:
            typer.echo(f"{name:14} {shown(str(value))}")


def _counted(one: "Sync") -> dict[str, object]:
    """Return what the plan came to, in words."""
    if not one.counts:
        return {}
    counts = one.counts
    operations = ", ".join(f"{n} at {side.site}" for n, side in zip(counts["operations"], one.sides, strict=True))
    told: dict[str, object] = {"operations": operations, "to carry": amount(counts["bytes"])}
    for name, key in (("conflicts", "conflicts"), ("held", "stays"), ("left alone", "left"), ("drift", "drift")):
        told |= {name: counts[key]} if counts[key] else {}
    return told


def confirm(job: JOB, *, detach: DETACH = False, output: OUTPUT = Format.TEXT) -> None:
    """Sync what a guard refused, once: begins a new job that the guard lets pass.

    Look first: the reason of the job says what would be lost.
    """
    with connected() as client:
        tell_or_leave(client, client.confirm(job), detach=detach, output=output)


def unlock(
    name: Annotated[str | None, typer.Argument(help="Name of the fileset; without one all that are locked.")] = None,
    *,
    site: Annotated[str | None, typer.Option(help="Name of the site; without one all of them.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Release the lock of a fileset that a sync, or another discovery of changes, left which is no more.

    Where whoever holds it goes on, or its site has yet to release it, nothing is done and the reason is told: exit
    status 1.
    """
    from argosy.cli.fileset import named

    with connected() as client:
        chosen = {one.id for one in named(client, name, site)}
        sites = sorted({one.site for one in client.filesets() if one.id in chosen})
        locked = [one for each in sites for one in client.filesets(each) if one.id in chosen and one.locked]
        told = [_unlocked(client, one) for one in locked]
    if output is Format.JSON:
        print_lines(told)
    elif not told:
        typer.echo("Nothing is locked")
    for each in told if output is Format.TEXT else ():
        typer.echo(shown(each["reason"] or f"{each['site']}:{each['name']} is unlocked"), err=bool(each["reason"]))
    raise typer.Exit(1 if any(each["reason"] for each in told) else 0)


def _unlocked(client: "Client", fileset: "Fileset") -> dict[str, Any]:
    """Have one lock released; tell by which job, or why not."""
    told: dict[str, Any] = {"site": fileset.site, "name": fileset.name, "locked": fileset.locked, "job": None}
    try:
        told["job"] = client.unlock(fileset.id)
        ended(client, told["job"])
        bad = next((file.reason for file in client.files(told["job"]) if file.state in {"failed", "aborted"}), None)
    except ArgosyError as error:
        bad = error.message
    return told | {"reason": bad}


def add_to(app: typer.Typer) -> None:
    """Have the group know these commands."""
    for command in (run, status, confirm, unlock):
        app.command()(command)
