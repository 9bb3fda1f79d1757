"""Which trees `argosy sync plan` means: directories, or filesets of a configuration or of the hub."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from argosy.cli.session import connected
from argosy.core.errors import Denied, NotFound, Unavailable
from argosy.core.paths import absolute, below, from_json
from argosy.sync.clocks import clock_off
from argosy.sync.planner.options import Guard
from argosy.sync.preview.trees import Place

if TYPE_CHECKING:
    from argosy.client import Client
    from argosy.client.shapes import Fileset

_NAMES = ("site1", "site2")


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The two trees, and what the hub knows of them if it was asked."""

    places: tuple[Place, Place]
    base: Path | None = None
    """What they agreed on."""
    clock_off_ns: int = 0
    """By how much the clock of this machine may be off the hub's."""


def placed(said: tuple[str, str], config: Path | None, folder: Path, *, ask_base: bool) -> Placed:
    """Return what was named; a base that the hub has of two of its filesets is written to the folder.

    Raises:
        NotFound: there is no such fileset, or not on this machine.
        Denied, Unavailable: the hub has to be asked, and cannot be.
    """
    if config is not None or not any(map(_is_fileset, said)):
        one, two = (_of_file(each, config, name) for each, name in zip(said, _NAMES, strict=True))
        return Placed(places=(one, two))
    try:
        with connected() as client:
            return _of_hub(said, client, folder, ask_base=ask_base)
    except (Denied, Unavailable) as error:
        raise type(error)(
            f"{error.message}. Filesets of a configuration are named with --config, a directory as ./{said[0]}"
        ) from error


def _is_fileset(said: str) -> bool:
    """Say whether SITE:NAME was named: what has a slash or no colon is a directory."""
    return ":" in said and "/" not in said


def _directory(said: str, name: str) -> Place:
    path = absolute(os.fsencode(os.path.abspath(said)))
    return Place(name=name, path=path, root=path)


def _of_file(said: str, config: Path | None, name: str) -> Place:
    from argosy.cli.configuration import configuration

    if config is None or not _is_fileset(said):
        return _directory(said, name)
    site, _, fileset = said.partition(":")
    found = next((each for each in configuration(config, None).sites if each.name == site), None)
    if found is None:
        raise NotFound(f"{config}: has no site {site!r}")
    filesets = {each.name: each for each in found.filesets}
    if fileset not in filesets:
        declared = ", ".join(filesets) or "none"
        raise NotFound(
            f"{config}: declares no fileset {fileset!r} of site {site}, but {declared}: of one that was registered "
            "with `argosy fileset add`, name the top directory, or leave out --config"
        )
    wanted = filesets.pop(fileset)
    path = wanted.path.encode()
    root = next(root.encode() for root in found.roots if below(path, root.encode()))
    guard = Guard(wanted.mass_change_percent, wanted.mass_change_count, wanted.mass_change_top)
    others = tuple(each.path.encode() for each in filesets.values())
    return Place(name=site, path=path, root=root, registered=True, others=others, guard=guard)


def _of_hub(said: tuple[str, str], client: "Client", folder: Path, *, ask_base: bool) -> Placed:
    known = client.filesets()
    filesets = [_named(each, known) if _is_fileset(each) else None for each in said]
    roots = _roots(client, {fileset.site for fileset in filesets if fileset is not None})
    one, two = (
        _directory(each, name) if fileset is None else _known(fileset, known, roots[fileset.site])
        for each, name, fileset in zip(said, _NAMES, filesets, strict=True)
    )
    into = folder / "base"
    ids = [fileset.fileset_id for fileset in filesets if fileset is not None and fileset.fileset_id]
    has_base = ask_base and len(ids) == len(said) and client.base(ids[0], ids[1], into)
    return Placed(places=(one, two), base=into if has_base else None, clock_off_ns=clock_off(client.clock))


def _roots(client: "Client", sites: set[str]) -> dict[str, list[bytes]]:
    found = (client.site(site.id) for site in client.sites() if site.name in sites)
    return {site.name: [root.encode() for root in site.roots or ()] for site in found}


def _named(said: str, known: "list[Fileset]") -> "Fileset":
    site, _, name = said.partition(":")
    found = next((each for each in known if (each.site, each.name) == (site, name)), None)
    if found is None:
        raise NotFound(f"the hub knows no fileset {said}: see `argosy fileset list`")
    return found


def _known(fileset: "Fileset", known: "list[Fileset]", roots: list[bytes]) -> Place:
    path = _path(fileset)
    if not os.path.isdir(path):
        raise NotFound(
            f"{fileset.site}:{fileset.name}: {fileset.path} is not on this machine: plan where the trees of both are"
        )
    others = tuple(_path(each) for each in known if each.site == fileset.site and each.id != fileset.id)
    return Place(
        name=fileset.site,
        path=path,
        root=next((root for root in roots if below(path, root)), path),
        registered=True,
        others=others,
        guard=Guard(fileset.mass_change_percent, fileset.mass_change_count, fileset.mass_change_top),
    )


def _path(fileset: "Fileset") -> bytes:
    return from_json(fileset.path, fileset.path_b64)
