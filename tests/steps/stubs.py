"""Stubs, and what becomes of them, for tests of what deals with stubs."""

import os
import subprocess
from pathlib import Path

import msgspec

from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer
from argosy.core.states import FileState
from argosy.hsm.file.state import State, look
from tests.sites import Side

CONTENT = bytes(range(1, 256)) * 1200
"""No block of it is zeros."""
HOUR = 3600 * 10**9


def made(site: Side, name: str, content: bytes = CONTENT) -> Path:
    """A file that was written an hour ago."""
    file = site.tree / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    then = file.stat().st_mtime_ns - HOUR
    os.utime(file, ns=(then, then))
    return file


def premigrated(site: Side, name: str, content: bytes = CONTENT) -> Path:
    file = made(site, name, content)
    good(site.do("migrate", site.entry(file), premigrate=True))
    return file


def stub(site: Side, name: str, content: bytes = CONTENT, **options: object) -> Path:
    file = made(site, name, content)
    good(site.do("migrate", site.entry(file), **options))
    assert state(site, file) is State.STUB
    return file


def good(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    assert outcome.state is FileState.PROCESSED, outcome
    return outcome


def state(site: Side, path: Path) -> State:
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        return look(file, site.site()).state


def pointer(site: Side, path: Path) -> Pointer | None:
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        return file.pointer()


def repoint(site: Side, path: Path, **fields: object) -> None:
    """Have the inode say something else, as a killed agent might have left it."""
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        found = file.pointer()
        assert found is not None
        file.point(msgspec.structs.replace(found, **fields))  # type: ignore[arg-type]


def attribute(path: Path) -> bytes | None:
    return os.getxattr(path, "trusted.argosy") if "trusted.argosy" in os.listxattr(path) else None


def data(path: Path) -> int:
    """How many bytes the file occupies."""
    return path.stat().st_blocks * 512


def object_of(site: Side, path: Path) -> Path:
    """Where the store keeps the object of a file of the site."""
    return site.store / "projects" / path.relative_to(site.tree)


def copy(path: Path, to: Path, *options: str) -> Path:
    subprocess.run(["cp", "-a", "--preserve=xattr", *options, path, to], check=True)
    return to


def recall(site: Side, path: Path) -> bytes:
    good(site.do("recall", site.entry(path)))
    return path.read_bytes()
