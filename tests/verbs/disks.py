"""Disks whose power can be cut: filesystems in files, mounted again afterwards as after a start of the machine."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.argosy_up import until
from tests.loop import mounted, settle, unmounted

OPTIONS = {"ext4": "loop,commit=300", "xfs": "loop"}
"""So long that nothing gets to the disk in passing."""


class Disk:
    """One filesystem."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.point = mounted(kind, directory, 512 << 20)
        self.start_again()

    def room(self, name: str) -> Path:
        """Return a new directory on it."""
        room = self.point / name
        room.mkdir()
        return room

    def settle(self) -> None:
        """Have everything on the disk."""
        settle(self.point)

    def start_again(self) -> None:
        """Unmount, even after a cut, and mount again: journals are replayed."""
        until(self._unmounted, what=f"{self.point} is unmounted")
        image = self.point.with_suffix(".img")
        subprocess.run(["mount", "-o", OPTIONS[self.kind], str(image), str(self.point)], check=True)

    def _unmounted(self) -> bool:
        """Say whether it could be unmounted: whoever happens to look at it keeps it for a moment."""
        return subprocess.run(["umount", str(self.point)], capture_output=True, check=False).returncode == 0

    def clear(self) -> None:
        """Remove everything from it."""
        subprocess.run(["find", str(self.point), "-mindepth", "1", "-delete"], check=True)


def power_fails(on: Disk) -> None:
    """Have the disk get nothing more, and what it did not get lost, until it is started again."""
    subprocess.run(["xfs_io", "-x", "-c", "shutdown", str(on.point)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Disk]]:
    """A function from a kind to its disk, which is empty."""
    disks: dict[str, Disk] = {}

    def cleared(kind: str) -> Disk:
        if kind not in disks:
            disks[kind] = Disk(kind, tmp_path_factory.mktemp(f"disk-{kind}"))
        disks[kind].clear()
        return disks[kind]

    yield cleared
    for one in disks.values():
        unmounted(one.point)
