"""`argosy schedule`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argosy.cli import chosen
from argosy.cli.output import OUTPUT, Format, moment, print_json, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import absolute
from argosy.core import paths as path_rules
from argosy.core.errors import Invalid

if TYPE_CHECKING:
    from argosy.client import Client, Schedule, Subscription

_OF_FILESETS = {"snapdiff", "bidirectional_snapdiff"}
"""Discoveries that find only what is in filesets."""

app = typer.Typer(help="Workflows that run by the clock.", no_args_is_help=True)

NAME = Annotated[str, typer.Argument(help="Name of the schedule, or its id.")]
PATHS = Annotated[list[str] | None, typer.Argument(help="Paths it looks after, as they are called at the site.")]
NEW_PATHS = Annotated[
    list[str] | None, typer.Option("--path", help="Path it looks after, in the place of all before; repeat for more.")
]
DISCOVERY = Annotated[
    str | None,
    typer.Option(help="How entries are found: recursive, snapdiff, bidirectional_snapdiff; none: the paths alone."),
]
OPTION = Annotated[
    list[str] | None,
    typer.Option("--discovery-option", metavar="NAME=VALUE", help="Option of the discovery; repeat it for more."),
]
MINUTE = Annotated[str | None, typer.Option(help="0-59; as cron has it: * for any, 7,23,46, 10-20, */5, 2/5.")]
HOUR = Annotated[str | None, typer.Option(help="0-23, in UTC.")]
DAY_OF_WEEK = Annotated[str | None, typer.Option(help="0-7 or sun-sat; 0 and 7 are Sunday.")]
DAY_OF_MONTH = Annotated[str | None, typer.Option(help="1-31; L is the last.")]
MONTH_OF_YEAR = Annotated[str | None, typer.Option(help="1-12 or jan-dec.")]


@app.callback()
def schedules() -> None:
    """Workflows that run by the clock."""


@app.command("list")
def list_(output: OUTPUT = Format.TEXT) -> None:
    """List the schedules; as JSON one a line. Times are those of cron (minute hour day month weekday), in UTC."""
    with connected() as client:
        found = list(client.schedules())
    if output is Format.JSON:
        print_lines(found)
        return
    print_table(["ID", "NAME", "SITE", "DISCOVERY", "TIMES", "NEXT", "LAST", "PATHS"], map(_row, found))


def _row(one: "Schedule") -> tuple[object, ...]:
    last = one.last_run.state if one.last_run else None
    return one.id, one.name, one.site, one.discovery, one.times, _next(one), last, ", ".join(one.paths) or None


def _next(one: "Schedule") -> str | None:
    return moment(one.next_runs[0]) if one.next_runs else "disabled"


@app.command()
def show(name: NAME, output: OUTPUT = Format.TEXT) -> None:
    """Show a schedule, its next runs, how the last one went, and what is subscribed to it."""
    import msgspec

    with connected() as client:
        one = client.schedule(name)
        subscribed = list(client.subscriptions(one.id))
    if output is Format.JSON:
        print_json(msgspec.to_builtins(one) | {"workflows": subscribed})
        return
    for key, value in _told(one).items():
        typer.echo(f"{key:18} {'-' if value is None else shown(str(value))}")
    for each in subscribed:
        trouble = f"; does not run: {each.trouble}" if each.trouble else ""
        typer.echo(f"{'workflow':18} {shown(_called(each) + trouble)}")


def _told(one: "Schedule") -> dict[str, object]:
    told: dict[str, object] = {"id": one.id, "name": one.name, "site": one.site, "discovery": one.discovery}
    told |= {"discovery_options": _fields(one.discovery_options) or None, "managed_paths": ", ".join(one.paths) or None}
    times = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
    told |= {name: getattr(one, name) for name in times} | {"enabled": one.enabled}
    told |= {"next_runs": ", ".join(filter(None, map(moment, one.next_runs))) or None}
    told |= {"last_run": _last(one)}
    if one.last_skipped:
        told |= {"last_skipped": f"{moment(one.last_skipped.due)}: {one.last_skipped.reason}"}
    return told


def _last(one: "Schedule") -> str | None:
    if one.last_run is None:
        return None
    run = one.last_run
    jobs = f" (job{'s' if len(run.jobs) > 1 else ''} {', '.join(map(str, run.jobs))})" if run.jobs else ""
    state = f"{run.state or 'its jobs are gone'}{jobs if run.state else ''}"
    return f"{moment(run.due or run.began)}: {state}" + (f"; {run.reason}" if run.reason else "")


def _called(one: "Subscription") -> str:
    return " ".join(filter(None, [f"{one.workflow} ({one.id})", _fields(one.fields)]))


def _fields(values: dict[str, Any]) -> str:
    import msgspec

    told = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode() for key, value in values.items()
    }
    return " ".join(f"{key}={value}" for key, value in told.items())


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    paths: PATHS,
    site: chosen.SITE,
    *,
    discovery: DISCOVERY = "recursive",
    option: OPTION = None,
    minute: MINUTE = "*",
    hour: HOUR = "*",
    day_of_week: DAY_OF_WEEK = "*",
    day_of_month: DAY_OF_MONTH = "*",
    month_of_year: MONTH_OF_YEAR = "*",
    disabled: Annotated[bool, typer.Option("--disabled", help="It does not run until it is enabled.")] = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Make a schedule. Without times it runs every minute, as soon as a workflow is subscribed to it."""
    values = _values(paths, discovery, option) | {"name": name, "site": site, "enabled": not disabled}
    values |= _times(minute, hour, day_of_week, day_of_month, month_of_year)
    with connected() as client:
        made = client.add_schedule(values)
        _warn(client, made)
    _tell(made, f"Schedule {made.name} ({made.id}), next due {_next(made)}", output)


@app.command()
def change(
    name: NAME,
    *,
    rename: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    path: NEW_PATHS = None,
    site: Annotated[str | None, typer.Option(help="Another site.")] = None,
    discovery: DISCOVERY = None,
    option: OPTION = None,
    minute: MINUTE = None,
    hour: HOUR = None,
    day_of_week: DAY_OF_WEEK = None,
    day_of_month: DAY_OF_MONTH = None,
    month_of_year: MONTH_OF_YEAR = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Change what is given of a schedule, and leave the rest; what runs goes on."""
    values = _values(path, discovery, option) | _times(minute, hour, day_of_week, day_of_month, month_of_year)
    values |= {key: value for key, value in (("name", rename), ("site", site)) if value is not None}
    if not values:
        raise Invalid("there is nothing to change: give an option")
    _change(name, values, "Changed", output)


@app.command()
def enable(name: NAME, output: OUTPUT = Format.TEXT) -> None:
    """Have a schedule run when it is due, from now on."""
    _change(name, {"enabled": True}, "Enabled", output)


@app.command()
def disable(name: NAME, output: OUTPUT = Format.TEXT) -> None:
    """Have a schedule run no more; what runs goes on."""
    _change(name, {"enabled": False}, "Disabled", output)


@app.command()
def remove(name: NAME) -> None:
    """Remove a schedule with its subscriptions; its jobs go on, and stay."""
    with connected() as client:
        found = client.schedule(name)
        client.remove_schedule(found.id)
    typer.echo(shown(f"Removed schedule {found.name}"))


def _values(paths: Sequence[str] | None, discovery: str | None, option: Sequence[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if paths:
        values["managed_paths"] = [path_rules.to_json(absolute(path)) for path in paths]
    if discovery is not None:
        values["discovery"] = None if discovery == "none" else discovery
    if option:
        values["discovery_options"] = dict(map(_option, option))
    return values


def _option(given: str) -> tuple[str, Any]:
    """Return an option and its value: JSON where it is, else text."""
    import msgspec

    name, sign, value = given.partition("=")
    if not sign:
        raise Invalid(f"--discovery-option {given}: give NAME=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def _times(*given: str | None) -> dict[str, str]:
    names = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
    return {name: value for name, value in zip(names, given, strict=True) if value is not None}


def _change(name: str, values: dict[str, Any], what: str, output: Format) -> None:
    with connected() as client:
        changed = client.change_schedule(client.schedule(name).id, values)
        _warn(client, changed)
    due = f", next due {_next(changed)}" if changed.enabled else ""
    _tell(changed, f"{what} schedule {changed.name} ({changed.id}){due}", output)


def _warn(client: "Client", schedule: "Schedule") -> None:
    """Say of which paths runs will fail, for want of a fileset: it may be registered later."""
    if schedule.discovery not in _OF_FILESETS:
        return
    tops = {one.path for one in client.filesets() if one.site == schedule.site}
    for path in schedule.paths:
        if path not in tops:
            typer.echo(
                shown(
                    f"{path} is not the top of a registered fileset of site {schedule.site}: runs fail until it is "
                    "(`argosy fileset add`)"
                ),
                err=True,
            )


def _tell(schedule: "Schedule", line: str, output: Format) -> None:
    if output is Format.JSON:
        print_json(schedule)
    else:
        typer.echo(shown(line))
