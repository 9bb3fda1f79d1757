"""A disk on which there is no room left for new bytes, though its filesystem takes it that there is."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loop import MiB, mounted, unmounted


class Worn:
    """An ext4 on a disk that can come to take nothing where nothing was before; its journal it goes on to take."""

    def __init__(self, top: Path) -> None:
        self.below = top / "below"
        self.below.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={40 * MiB}", "none", str(self.below))
        self.image = self.below / "ext4.img"
        self.point = mounted("ext4", self.below, 32 * MiB, make=("-b", "4096"))
        # Blocks and writes of a page: to the loop device a write of which the first half could be done is a whole one.
        device = Path(run("findmnt", "--noheadings", "--output", "SOURCE", str(self.point)).strip())
        Path("/sys/block", device.name, "queue/max_sectors_kb").write_text("4")
        run("fallocate", "--length", str(32 * MiB), str(self.image))

    def wear_out(self) -> None:
        """Have it take no bytes in blocks that are free now."""
        free = os.statvfs(self.point)
        rest = self.point / "rest"
        run("fallocate", "--length", str((free.f_bavail - 64) * free.f_bsize), str(rest))
        run("sync", "-f", str(self.point))
        told = run("filefrag", "-v", str(rest))
        for first, last in re.findall(r"^ *\d+: *\d+\.\. *\d+: *(\d+)\.\. *(\d+):", told, re.MULTILINE):
            offset, length = int(first) * free.f_bsize, (int(last) - int(first) + 1) * free.f_bsize
            run("fallocate", "--punch-hole", "--offset", str(offset), "--length", str(length), str(self.image))
        rest.unlink()
        run("sync", "-f", str(self.point))
        with (self.below / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
            while True:
                others.write(bytes(4096))

    def start_again(self) -> None:
        """What is read afterwards is what the disk has."""
        (self.below / "others").unlink()
        run("umount", str(self.point))
        run("mount", "-o", "loop", str(self.image), str(self.point))

    def end(self) -> None:
        unmounted(self.point)
        unmounted(self.below)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def worn(tmp_path: Path) -> Iterator[Worn]:
    disk = Worn(tmp_path)
    yield disk
    disk.end()
