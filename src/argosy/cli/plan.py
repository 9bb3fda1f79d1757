"""`argosy plan` and `argosy apply`."""

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from argosy.cli import chosen
from argosy.cli.output import OUTPUT, Format, amount, cause, print_json, shown
from argosy.cli.session import connected
from argosy.cli.watching import DETACH

if TYPE_CHECKING:
    from argosy.client import Client, Plan
    from argosy.client.plans import Said

DETACH_PLAN = Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the plan.")]


def plan(
    workflow: chosen.WORKFLOW,
    paths: chosen.PATHS,
    site: chosen.SITE,
    *,
    state: chosen.STATE = "",
    discovery: chosen.DISCOVERY = "",
    field: chosen.FIELD = None,
    include: chosen.INCLUDE = None,
    exclude: chosen.EXCLUDE = None,
    ignore_site_includes: chosen.IGNORE_INCLUDES = False,
    ignore_site_excludes: chosen.IGNORE_EXCLUDES = False,
    detach: DETACH_PLAN = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Say what a workflow would do to files and whole trees, and change nothing.

    Each step says how many files it would deal with, how many bytes and requests that takes, and why it would leave
    others alone. `argosy apply` does then exactly that. Exit status 3 where some of it, 1 where nothing could be done.
    """
    from argosy.cli.trial import submitted

    said = chosen.patterns(include, exclude, ignore_includes=ignore_site_includes, ignore_excludes=ignore_site_excludes)
    with connected() as client:
        number = submitted(
            client, workflow, paths, site=site, fields=field or [], state=state, discovery=discovery, patterns=said,
            dry_run=True,
        )  # fmt: skip
        tell_when_made(client, number, detach=detach, output=output)


def tell_when_made(client: "Client", number: int, *, detach: bool, output: Format) -> None:
    """Print a plan once it is made and exit as it is; or, to `detach`, say that it is being made."""
    from argosy.cli.watching import ended

    if detach:
        _say_being_made(number, output)
        return
    typer.echo(f"Plan {number} is being made", err=True)
    ended(client, number, then=f"Plan {number} goes on: see it with `argosy apply --show {number}`")
    _tell(client.plan(number), output)


def apply(
    number: Annotated[int, typer.Argument(metavar="PLAN", help="Number of the plan.")],
    *,
    show: Annotated[bool, typer.Option("--show", help="Show the plan, as far as it is made, and do nothing.")] = False,
    detach: DETACH = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Do what a plan says, to the files as it saw them; what has changed since stays as it is and is listed.

    What the plan would leave alone is left alone; where that is all there is no job, and the exit status is the plan's.
    Waits and shows the progress; Ctrl-C stops the watching, not the job.
    """
    from argosy.cli.watching import tell_or_leave

    with connected() as client:
        found = client.plan(number)
        if show:
            _tell(found, output)
        if found.complete and not found.files:
            _tell_idle(found, output)
        tell_or_leave(client, client.apply(number), detach=detach, output=output)


def _say_being_made(number: int, output: Format) -> None:
    if output is Format.JSON:
        print_json({"plan": number})
    else:
        typer.echo(f"Plan {number} is being made: see it with `argosy apply --show {number}`")


def _tell(found: "Plan", output: Format) -> NoReturn:
    """Print the plan and exit as it is."""
    if output is Format.JSON:
        print_json(found)
    else:
        _show(found)
    raise typer.Exit(_status_of(found))


def _tell_idle(found: "Plan", output: Format) -> NoReturn:
    """Say that there is nothing to apply, and exit as the plan is."""
    if output is Format.JSON:
        print_json(found)
    else:
        trouble = f"; {_entries(found.unable)} in trouble, see `argosy apply --show {found.plan}`"
        typer.echo(f"Plan {found.plan} has nothing to do{trouble if found.unable else ''}")
    raise typer.Exit(_status_of(found))


def _status_of(found: "Plan") -> int:
    """Return 0 where all would be as wanted, 1 where nothing would, and else 3."""
    good = found.files + found.untouched
    return 0 if not found.unable else 3 if good else 1


def _show(found: "Plan") -> None:
    made = "" if found.complete else f" (not complete: {found.state})"
    typer.echo(shown(f"Plan {found.plan}: {found.workflow} at {found.site}{made}"))
    for step in found.steps:
        typer.echo(f"{step.step.rpartition('.')[2]} at {shown(step.site)}")
        for said in step.says:
            typer.echo(f"  {_entries(said.files):>12}  {shown(said.says)}{_takes(said)}")
            if said.reason:
                typer.echo(f"  {'such as':>12}  {shown(said.path)}: {cause(said.path, said.reason)}")
    more = f", {_entries(found.untouched)} left alone" if found.untouched else ""
    more += f", {_entries(found.unable)} in trouble" if found.unable else ""
    least = "at least " if found.uncounted else ""
    takes = f"{least}{amount(found.bytes)}, {least or 'about '}{found.requests} requests"
    typer.echo(f"{_entries(found.files)} to deal with, {takes}{more}")
    if found.untaken and not found.files + found.untouched + found.unable:
        were = "was" if found.untaken == 1 else "were"
        typer.echo(f"{_entries(found.untaken)} {were} found, and no rule is for any: see `argosy explain {found.plan}`")
    if found.applied is not None:
        typer.echo(f"Applied by job {found.applied}")
    elif found.complete and found.files:
        typer.echo(f"Do it with `argosy apply {found.plan}`")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _takes(said: "Said") -> str:
    takes = [f"{amount(said.size)} in size"] if said.size and said.state == "processed" else []
    takes += [f"{amount(said.bytes)} to move"] if said.bytes else []
    takes += [f"requests: {said.requests}"] if said.requests else []
    takes += [f"entries along: {said.along}"] if said.along else []
    return f" ({', '.join(takes)})" if takes else ""
