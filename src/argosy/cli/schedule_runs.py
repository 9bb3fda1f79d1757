"""`argosy schedule run`, `subscribe` and `unsubscribe`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli import chosen
from argosy.cli.output import OUTPUT, Format, print_json, shown
from argosy.cli.schedule import NAME
from argosy.cli.session import connected
from argosy.cli.watching import DETACH, ended, list_bad, status_of, summary, tell_or_leave, tell_why
from argosy.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from argosy.client import Client, Schedule, Subscription

ROTATES = {"name": "snapdiff_rotate_on_error", "type": "bool"}
"""The field that workflows have for the discovery of changes, whether or not they declare it."""


def run(name: NAME, *, detach: DETACH = False, output: OUTPUT = Format.TEXT) -> None:
    """Run a schedule at once, enabled or not, unless it runs already.

    Waits for its jobs; Ctrl-C stops the waiting, not the jobs.
    """
    with connected() as client:
        begun = client.run_schedule(client.schedule(name).id)
        if begun.reason:
            typer.echo(shown(f"not all of it runs: {begun.reason}"), err=True)
        if len(begun.jobs) == 1:
            tell_or_leave(client, begun.jobs[0], detach=detach, output=output)
        elif detach and output is Format.JSON:
            print_json({"job": begun.jobs[0], "jobs": begun.jobs})
        elif detach:
            typer.echo(f"Jobs {', '.join(map(str, begun.jobs))} run: see them with `argosy job list`")
        else:
            raise typer.Exit(_watched(client, begun.jobs, output))


def _watched(client: "Client", jobs: Sequence[int], output: Format) -> int:
    """Show how each job ends, and return the worst exit status: 1, 3, 0."""
    if output is Format.TEXT:
        typer.echo(f"Jobs {', '.join(map(str, jobs))}")
    found = []
    for number in jobs:
        job = ended(client, number, then=f"Jobs {', '.join(map(str, jobs))} go on: see them with `argosy job list`")
        found.append(status_of(job))
        print_json(job) if output is Format.JSON else typer.echo(f"{job.jobtype}: {summary(job)}")
        list_bad(client, job)
        tell_why(client, job, output)
    return next((status for status in (1, 3) if status in found), 0)


def subscribe(
    name: NAME, workflow: chosen.WORKFLOW, *, field: chosen.FIELD = None, output: OUTPUT = Format.TEXT
) -> None:
    """Have a workflow run when the schedule does, over what it finds."""
    import msgspec

    from argosy.cli.trial import field_values

    with connected() as client:
        found, definition = client.schedule(name), client.workflow(workflow)
        known = msgspec.to_builtins(definition)
        fields = field_values({**known, "fields": [*known["fields"], ROTATES]}, field or [])
        made = client.subscribe(found, definition.name, fields)
    if output is Format.JSON:
        print_json(made)
    else:
        typer.echo(shown(f"Workflow {made.workflow} runs with schedule {found.name} (subscription {made.id})"))


def unsubscribe(
    name: NAME, workflow: Annotated[str, typer.Argument(help="Name of the workflow, or the id of its subscription.")]
) -> None:
    """Have a workflow run no more when the schedule does."""
    with connected() as client:
        found = client.schedule(name)
        subscription = _subscription(client, found, workflow)
        client.unsubscribe(found.id, subscription.id)
    typer.echo(shown(f"Workflow {subscription.workflow} runs no more with schedule {found.name}"))


def _subscription(client: "Client", one: "Schedule", workflow: str) -> "Subscription":
    known = list(client.subscriptions(one.id))
    found = [each for each in known if each.workflow == workflow] or [
        each for each in known if str(each.id) == workflow
    ]
    if not found:
        raise NotFound(f"{workflow!r} is not subscribed to schedule {one.name}: see `argosy schedule show {one.name}`")
    if len(found) > 1:
        ids = ", ".join(str(each.id) for each in found)
        raise Invalid(f"{workflow} is subscribed several times: name one by its id, of {ids}")
    return found[0]
