"""What lies where below the data directory, and who may go there.

Agents stay privileged and trust what they find in `agent`, so the hub's user must be able neither to write there nor
to put something else in its place: the top belongs to root and only `hub` to that user.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from argosy.core.errors import ArgosyError, Denied, Invalid

PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory."""

    top: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.top / "lock"

    @property
    def hub(self) -> Path:
        """What the hub process may write: database, keys, temporaries."""
        return self.top / "hub"

    @property
    def temporary(self) -> Path:
        """Where the hub process puts temporaries."""
        return self.hub / "tmp"

    @property
    def agents(self) -> Path:
        """Spool and index of the agents."""
        return self.top / "agent"

    @property
    def run(self) -> Path:
        """What lives as long as the processes do."""
        return self.top / "run"

    @property
    def user(self) -> Path:
        """The number of the user that was chosen for the hub; root's."""
        return self.top / "hub.uid"

    @property
    def children(self) -> Path:
        """Held by hub and agents as long as one of them lives."""
        return self.run / "lock"

    @property
    def socket(self) -> Path:
        """Where the hub listens for agents."""
        return self.run / "hub.sock"

    @property
    def confinement(self) -> Path:
        """How the hub process is confined, for `argosy doctor`."""
        return self.run / "confinement.json"

    def make(self) -> None:
        """Make what the supervisor needs.

        Raises:
            Denied: the directory cannot be made or written.
            Invalid: its name is taken by something else.
        """
        try:
            self.top.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            self.run.mkdir(mode=PRIVATE, exist_ok=True)
        except OSError as error:
            raise unusable(self.top, error) from error

    def take_over(self) -> None:
        """As root: make the top root's, so that the hub's user reaches its part and can replace none."""
        os.chown(self.top, 0, 0)
        self.top.chmod(0o711)

    def give_hub(self, uid: int, gid: int) -> None:
        """Make `hub` with all it holds the user's own. A file with a second name is left: it may be another's."""
        self.temporary.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.hub.chmod(PRIVATE)
        if os.geteuid() == 0:
            _give(self.hub, uid, gid)


def unusable(top: Path, error: OSError) -> ArgosyError:
    """Say why a data directory cannot be used, and what to do."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return Invalid(f"data directory {top} is not a directory: choose another with --data-dir")
    return Denied(f"data directory {top} cannot be used ({error.strerror}): choose another with --data-dir")


def _give(top: Path, uid: int, gid: int) -> None:
    for _, directories, files, descriptor in os.fwalk(top, follow_symlinks=False):
        os.chown(descriptor, uid, gid)
        for name in (*directories, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if found.st_uid != uid and (name in directories or found.st_nlink == 1):
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
