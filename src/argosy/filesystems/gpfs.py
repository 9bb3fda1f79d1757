"""`gpfs`: filesets that are independent filesets of GPFS (IBM Storage Scale), held still by its own snapshots.

Written from IBM's documentation alone and never run against such a filesystem: the pages "mmcrsnapshot command",
"mmdelsnapshot command", "mmlssnapshot command", "mmlsfileset command" and "mmsnapdir command" of the Command reference,
Storage Scale 5.2. What it relies on: `-j` names the fileset of a snapshot; with `-Y` fields stand between colons, their
names in a line marked HEADER, characters that would not do as %xx; the snapshots of a fileset appear in `.snapshots` at
its top, where `mmsnapdir` was not told otherwise.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from argosy.core.errors import NotFound, Unavailable, Unsupported
from argosy.core.fileset import Fileset
from argosy.core.paths import display, join
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import closing
from argosy.filesystems._posix.snapshots import opened_top
from argosy.filesystems.base import SNAPSHOTS
from argosy.linux.mounts import source_of
from argosy.linux.openat2 import DIRECTORY, open_beneath

_COMMANDS: Final = "/usr/lpp/mmfs/bin"
_SHELF: Final = b".snapshots"
_LONGEST: Final = 600.0
"""Seconds a command may take: others wait for a snapshot that is being made or deleted."""

Row = dict[str, str]


@SNAPSHOTS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Gpfs:
    """A fileset that is, of GPFS too, an independent fileset, linked where its top is."""

    fileset: Fileset

    def check(self) -> None:
        """Return where the commands of GPFS are installed; what they say of the fileset they are asked by a run only.

        Raises:
            Unsupported: they are not.
        """
        _command("mmcrsnapshot")

    def create(self, name: str) -> None:
        """Have GPFS make a snapshot of the fileset.

        Raises:
            Unsupported: no independent fileset of GPFS is linked there.
            Unavailable: the command failed.
        """
        if name not in self.names():
            self._run("mmcrsnapshot", name, "-j", self._linked())

    def names(self) -> Sequence[str]:
        """Return the names of the fileset's snapshots that can be read."""
        rows = self._rows("mmlssnapshot", "-j", self._linked(), "-Y")
        return sorted(row["directory"] for row in rows if row.get("status", "") == "Valid")

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Hold the top of the snapshot open."""
        path = join(self.fileset.path, join(_SHELF, name.encode()).lstrip(b"/"))
        with translated(path), opened_top(self.fileset) as top:
            frozen = open_beneath(top, _SHELF + b"/" + name.encode(), DIRECTORY)
        with closing(frozen):
            yield frozen

    def delete(self, name: str) -> None:
        """Have GPFS delete the snapshot.

        Raises:
            Unavailable: the command failed.
        """
        linked = self._linked()
        if any(row["directory"] == name for row in self._rows("mmlssnapshot", "-j", linked, "-Y")):
            self._run("mmdelsnapshot", name, "-j", linked)

    def _linked(self) -> str:
        """Return what GPFS calls the independent fileset that is linked at the top.

        Raises:
            Unsupported: there is none.
        """
        for row in self._rows("mmlsfileset", "-L", "-Y"):
            if unquote_to_bytes(row.get("path", "")) == self.fileset.path and row.get("status") == "Linked":
                if row.get("isInodeSpaceOwner") != "1":
                    break
                return row["filesetName"]
        raise Unsupported(
            f"{display(self.fileset.path)} is no independent fileset of GPFS: make one (`mmcrfileset --inode-space "
            'new`) and link it there, or have the fileset say snapshots = "index"'
        )

    def _rows(self, command: str, *words: str) -> list[Row]:
        lines = [line.split(":") for line in self._run(command, *words).splitlines() if line.startswith(command)]
        header = next((line for line in lines if len(line) > 2 and line[2] == "HEADER"), None)
        if header is None:
            return []
        return [dict(zip(header, line, strict=False)) for line in lines if line[2] != "HEADER"]

    def _run(self, command: str, *words: str) -> str:
        """Return what a command says; its first word is the device.

        Raises:
            Unsupported: it is not installed.
            NotFound: the fileset is gone.
            Unavailable: it failed, or took too long.
        """
        found = _command(command)
        with translated(self.fileset.path), opened_top(self.fileset) as top:
            device = source_of(top)
        if device is None:
            raise NotFound(f"{display(self.fileset.path)}: nothing says on which filesystem it lies: is it mounted?")
        try:
            done = subprocess.run(
                [found, device, *words], capture_output=True, text=True, errors="surrogateescape", timeout=_LONGEST,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{command} {device} took longer than {_LONGEST:.0f} seconds: look at GPFS") from error
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
            raise Unavailable(f"{command} {device} {' '.join(words)}: {said[-500:]}")
        return done.stdout


def _command(name: str) -> str:
    """Return where a command of GPFS is.

    Raises:
        Unsupported: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=_COMMANDS)
    if found is None:
        raise Unsupported(f"{name} is not installed on this machine: GPFS keeps it in {_COMMANDS}")
    return found
