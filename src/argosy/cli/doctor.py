"""`argosy doctor`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.configuration import configuration
from argosy.cli.output import OUTPUT, Format, print_json, shown
from argosy.core.config import Config
from argosy.core.errors import ArgosyError

if TYPE_CHECKING:
    from argosy.cli.checks import Finding


def doctor(
    file: Annotated[Path | None, typer.Option("--config", help="The configuration to look at.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="The data directory to look at, if not the file's.")] = None,
    output: OUTPUT = Format.TEXT,
) -> None:
    """Check this machine and a configuration, and say what to do about what is wrong.

    Run it as Argosy runs (as root, say). Exit status 1 when something fails; warnings alone do not count.
    """
    from argosy.cli import checks

    found = []
    for finding in _findings(file, data_dir):
        found.append(finding)
        if output is Format.TEXT:
            _tell(finding)
    if output is Format.JSON:
        print_json(found)
    raise typer.Exit(1 if any(finding.level is checks.Level.FAIL for finding in found) else 0)


def _tell(finding: "Finding") -> None:
    remedy = f": {finding.remedy}" if finding.remedy else ""
    typer.echo(shown(f"{finding.level:4}  {finding.subject}: {finding.found}{remedy}"))


def _findings(file: Path | None, data_dir: Path | None) -> Iterator["Finding"]:
    from argosy.cli import checks

    yield from checks.machine()
    try:
        config = configuration(file, data_dir)
    except ArgosyError as error:
        yield checks.fail("configuration", error.message, "")
        return
    yield from _of_config(config, file)


def _of_config(config: Config, file: Path | None) -> Iterable["Finding"]:
    from argosy.cli import checks

    if file:
        yield checks.configuration_file(file, config)
    if config.hub.database:
        yield checks.database(config.hub)
    yield from checks.data_directory(Path(config.hub.data_dir))
    for site in config.sites:
        yield from checks.site(site)
    for store in config.datastores:
        yield checks.datastore(store, Path(config.hub.data_dir))
    yield from checks.hub()
