"""`argosy fileset snapshots` and `argosy fileset remove`: what is kept of a fileset's past."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from argosy.cli.fileset import SITE
from argosy.cli.fileset_snapshot import single
from argosy.cli.output import OUTPUT, Format, amount, print_lines, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import ended, summary, watch_job
from argosy.core import paths
from argosy.core.errors import ArgosyError, Invalid

if TYPE_CHECKING:
    from argosy.client import Client, Fileset, JobFile

NAME = Annotated[str, typer.Argument(help="Name of the fileset.")]
LAST_TOO = Annotated[
    bool,
    typer.Option(
        "--last-too", help="The last-snap file too, and the one it names: the next run begins with everything."
    ),
]


class _Told(msgspec.Struct, frozen=True):
    name: str
    began_ns: int | None = None
    rows: int | None = None
    size: int = 0
    last: bool = False
    rotates: bool = False


def snapshots(
    fileset: NAME,
    *,
    site: SITE = None,
    remove: Annotated[str | None, typer.Option(metavar="SNAPSHOT", help="Remove this one for good.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Remove all but the one that the last-snap file names.")] = False,
    last_too: LAST_TOO = False,
    output: OUTPUT = Format.TEXT,
) -> None:
    """List the snapshots of a fileset, as JSON one a line; or remove some.

    Those that a run under way compares are never removed, nor, unless you say so, the one where the next run begins.
    """
    if remove is not None and all_:
        raise Invalid("--remove takes one snapshot, --all all of them: give one of the two")
    if last_too and remove is None and not all_:
        raise Invalid("--last-too says what else is to be removed: give --remove SNAPSHOT or --all as well")
    with connected() as client:
        chosen = single(client, fileset, site)
        if remove is None and not all_:
            _list(_told(client, chosen), output)
            return
        number = _remove(client, chosen, {"snapshot": remove or "", "last_too": last_too})
        watch_job(client, number, output=output, at_end=None if all_ else _tell_kept)


def remove(
    fileset: NAME,
    *,
    site: SITE = None,
    with_snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Remove its snapshots first, and its last-snap file.")
    ] = False,
) -> None:
    """Give a fileset up. Its files stay as they are; so do, unless you say otherwise, its snapshots."""
    with connected() as client:
        chosen = single(client, fileset, site)
        if chosen.declared_by:  # nothing of it goes if it stays
            raise Invalid(f"{chosen.declared_by} declares fileset {chosen.name}: remove it there; nothing was done")
        if with_snapshots:
            job = ended(client, number := _remove(client, chosen, {"snapshot": "", "last_too": True}))
            if job.bad or job.state not in {"SUCCESS", "SKIPPED"}:
                raise ArgosyError(
                    f"{summary(job)}: its snapshots are there, and so is it: see `argosy job show {number}`"
                )
            left = ""
        else:
            left = _left(client, chosen)
        client.remove_fileset(chosen.id)
    typer.echo(shown(f"Fileset {chosen.name} of site {chosen.site} is given up. {left}".rstrip()))


def _left(client: "Client", chosen: "Fileset") -> str:
    """Say what stays at the site, and how it is removed; nothing does of what was never served."""
    if not chosen.fileset_id:
        return ""
    where = f".argosy/snapshots/{chosen.fileset_id} below its root"
    how = f"register it again, and `argosy fileset remove {chosen.name} --snapshots`"
    try:
        kept = _told(client, chosen)
    except ArgosyError as error:
        return f"What is kept of it ({error.message}) stays in {where}. To have that removed, {how}"
    if not kept:
        return ""
    size = amount(sum(one.size for one in kept))
    besides = "" if chosen.snapshots == "index" else ", and what its snapshots hold of files that are no more"
    return f"{len(kept)} of its snapshots stay, in {where} ({size}{besides}). To remove them, {how}"


def _remove(client: "Client", chosen: "Fileset", fields: Mapping[str, Any]) -> int:
    return client.submit(
        "delete_snapshots", site=chosen.site, given=[_top(chosen)], fields=fields, discovery="snapshots"
    )


def _tell_kept(client: "Client", number: int) -> None:
    """Say why a snapshot is there still that was to be removed."""
    for file in client.files(number, category="skipped"):
        typer.echo(shown(f"kept: {file.reason}; with --last-too it goes as well"), err=True)


def _told(client: "Client", chosen: "Fileset") -> "list[_Told]":
    """Return the snapshots, the oldest first.

    Raises:
        ArgosyError: the site does not answer, or the fileset is not what it should be.
    """
    client.filesets(chosen.site)  # a site that is not served is told of at once
    number = client.submit("list_snapshots", site=chosen.site, given=[_top(chosen)], discovery="snapshots")
    ended(client, number)
    files: Sequence[JobFile] = list(client.files(number))
    if bad := [file for file in files if file.state in {"failed", "aborted"}]:
        raise ArgosyError(bad[0].reason or f"{bad[0].path}: {bad[0].error}")
    told = [msgspec.json.decode(file.reason or "", type=_Told) for file in files if file.state == "processed"]
    return sorted(told, key=lambda one: (one.began_ns or 0, one.name))


def _top(chosen: "Fileset") -> bytes:
    return paths.from_json(chosen.path, chosen.path_b64)


def _list(found: "Sequence[_Told]", output: Format) -> None:
    if output is Format.JSON:
        print_lines({**msgspec.to_builtins(one), "when": _when(one)} for one in found)
    elif found:
        header = ["NAME", "WHEN", "ENTRIES", "SIZE", "MADE BY", "LAST"]
        print_table(header, map(_row, found))
    else:
        typer.echo("There are no snapshots of it.", err=True)


def _row(one: _Told) -> tuple[object, ...]:
    made = "a run" if one.rotates else "a person"
    return one.name, _when(one), one.rows, amount(one.size), made, "last" if one.last else None


def _when(one: _Told) -> str | None:
    if one.began_ns is None:
        return None
    return datetime.fromtimestamp(one.began_ns // 10**9, UTC).isoformat(" ", "seconds")
