"""What `argosy trash` and `argosy versions` have in common."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from argosy.cli.output import Format, amount, print_json, print_table, shown
from argosy.cli.session import connected
from argosy.cli.watching import absolute, ended, run_workflow
from argosy.core.errors import ArgosyError, Invalid

if TYPE_CHECKING:
    from argosy.client import JobFile

PATHS = Annotated[list[str], typer.Argument(help="Paths as they were at the site; what was beneath them counts too.")]
CHOSEN = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH[@ID]...",
        help="Paths as they were at the site: of each the latest, unless it is followed by an @ID that `list` shows.",
    ),
]
SITE = Annotated[str, typer.Option(help="Site that had them.")]
TO = Annotated[str, typer.Option("--to", help="Path to restore to, where that is not the one it had; of one PATH.")]

_CALLED: Final = {"trash": "trash", "versions": "version store"}
_AGE: Final = re.compile(r"(\d{1,5})([dw])")
_DAYS: Final = {"d": 1, "w": 7}


def list_shelf(shelf: str, given: Sequence[str], *, site: str, output: Format) -> None:
    """Print what is on the shelf of the paths, the oldest first.

    Raises:
        ArgosyError: a path could not be looked at.
    """
    with connected() as client:
        paths = [absolute(path) for path in given]
        number = client.submit(f"{shelf}_list", site=site, given=paths, discovery=shelf)
        ended(client, number)
        files = list(client.files(number))
    found = sorted((file for file in files if file.state == "processed"), key=lambda file: file.reason or "")
    if output is Format.JSON:
        for file in found:
            print_json(_told(file))
    elif found:
        print_table(["ID", "WHEN", "SIZE", "PATH"], map(_row, found))
    else:
        typer.echo(f"Nothing of it is in the {_CALLED[shelf]}.", err=True)
    if bad := [file for file in files if file.state in {"failed", "aborted"}]:
        raise ArgosyError(f"{bad[0].path}: {bad[0].reason}")


def restore(shelf: str, given: Sequence[str], *, site: str, to: str, detach: bool, output: Format) -> None:
    """Restore what is on the shelf, and exit as the job ends.

    Raises:
        Invalid: several paths were given with `to`.
    """
    if to and len(given) > 1:
        raise Invalid("--to goes with one PATH: restore the others by themselves")
    fields = {"to": _text(absolute(to)) if to else ""}
    run_workflow(f"{shelf}_restore", given, site=site, fields=fields, detach=detach, output=output, discovery=shelf)


def days(age: str) -> int:
    """Return the days of an age such as 30d or 4w.

    Raises:
        Invalid: it is none.
    """
    match = _AGE.fullmatch(age)
    if match is None:
        raise Invalid(f"{age!r} is no age: give days or weeks, such as 30d or 4w")
    return int(match[1]) * _DAYS[match[2]]


def _row(file: "JobFile") -> tuple[object, ...]:
    size = amount(file.size) if file.size is not None else None
    return file.reason, _when(file.reason or ""), size, shown(file.path)


def _told(file: "JobFile") -> dict[str, Any]:
    exact = {"path_b64": file.path_b64} if file.path_b64 else {}
    return {"id": file.reason, "when": _when(file.reason or ""), "size": file.size, "path": file.path} | exact


def _when(name: str) -> str:
    came = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return came.isoformat(" ", "seconds")


def _text(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise Invalid("--to takes UTF-8 only: restore to a plain name and rename it") from None
