"""`argosy stub`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict

from argosy.cli.configuration import configuration
from argosy.cli.output import OUTPUT, Format, cause, print_json, shown
from argosy.core.errors import ArgosyError, Denied
from argosy.core.paths import display

if TYPE_CHECKING:
    from argosy.agent.glimpse import Glimpse
    from argosy.core.config import Config
    from argosy.hsm.file.account import Account, Bound, Copy

_NO_KEY = "of a key that the index does not have; one that was made a moment ago it gets within seconds"

app = typer.Typer(help="Files and their copies, as this machine has them.", no_args_is_help=True)


@app.callback()
def stub() -> None:
    """Files and their copies, as this machine has them."""


@app.command()
def show(
    paths: Annotated[list[str], typer.Argument(help="Files on this machine.")],
    file: Annotated[Path, typer.Option("--config", help="The configuration that Argosy runs with.")],
    data_dir: Annotated[Path | None, typer.Option(help="The data directory, if not the file's.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Show the state of files, which objects they point to, and whether they were written to since.

    Looks at the files themselves and changes nothing; no hub is needed. Run it as Argosy runs (as root, say), where the
    files are. Exit status 1 where one cannot be told, 3 where others could.
    """
    from argosy.cli.watching import absolute

    glimpses = list(_glimpses(configuration(file, data_dir)))
    bad = 0
    for path in map(absolute, paths):
        try:
            found = _looked(path, glimpses)
        except ArgosyError as error:
            bad += 1
            text = display(path)
            typer.echo(f"argosy: {shown(text)}: {cause(text, error.message)}", err=True)
        else:
            _tell(found, output)
    raise typer.Exit(0 if not bad else 1 if bad == len(paths) else 3)


def _glimpses(config: "Config") -> Iterator["Glimpse"]:
    from argosy.agent.glimpse import Glimpse

    agents = Path(config.hub.data_dir) / "agent"
    return (Glimpse(site, agents / site.name) for site in config.sites)


def _looked(path: bytes, glimpses: list["Glimpse"]) -> "Account":
    from argosy.hsm.file.account import account

    for glimpse in glimpses:
        if (tree := glimpse.tree(path)) is not None:
            with tree.open(path) as file:
                return account(file, glimpse)
    raise Denied(f"{display(path)}: is outside all roots of the configuration: name a file of a site")


def _tell(found: "Account", output: Format) -> None:
    if output is Format.JSON:
        print_json({**found.path, **{key: value for key, value in asdict(found).items() if key != "path"}})
        return
    for key, value in _lines(found):
        typer.echo(f"{key:10} {shown(value)}")


def _lines(found: "Account") -> Iterator[tuple[str, str]]:
    yield "path", found.path["path"]
    yield "state", f"{found.state}: {found.meaning}"
    kept = f"; the first {found.kept} stay" if found.kept else ""
    yield "size", f"{found.size} bytes, {found.data} of them on disk{kept}"
    yield "written", _moment(found.mtime_ns)
    if found.object is not None:
        yield from _of_object(found.object, written=found.unwritten is False)
    if found.binding is not None:
        yield "binding", _of_binding(found.binding)


def _of_object(copy: "Copy", *, written: bool) -> Iterator[tuple[str, str]]:
    datastore = copy.datastore or f"number {copy.datastore_number}"
    yield "object", f"{copy.key or _NO_KEY}, datastore {datastore}"
    version = f", version {copy.version}" if copy.version else ""
    yield "pinned", f"uuid {copy.uuid}, entity tag {copy.etag or 'unknown'}{version}"
    yield "content", f"{copy.size} bytes, BLAKE3 {copy.digest or 'unknown'}"
    since = "the file differs in this from what it was" if written else "the file is as it was"
    yield "copied", f"as written {_moment(copy.mtime_ns)}: {since}"


def _of_binding(bound: "Bound") -> str:
    inode = f"inode {bound.inode} of filesystem {bound.filesystem}"
    if bound.subvolume:
        inode += f", subvolume {bound.subvolume}"
    return f"{inode}: {'this file' if bound.own else 'another file, of which this is a copy'}"


def _moment(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09} UTC"
    except (ValueError, OverflowError, OSError):  # beyond what a calendar holds
        return f"{seconds}.{rest:09} seconds after 1970"
