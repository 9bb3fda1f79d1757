"""Disks of other kinds, and disks whose power can be cut; all of them in memory.

What a disk does is proved by filesystems, not by waiting for it: those of which power cuts are proved keep their
journals, and lose what was not synced, wherever their bytes are. Everything else is done on an ext4 without a journal.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loop import loop_mount, mounted, unmounted
from tests.verbs.disks import disk

__all__ = ["disk", "loop_mount"]

MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
"""Of memory for disks, of which a run fills a small part."""


class InMemory:
    """What makes temporary directories as pytest does; on the disk where there is no room in memory."""

    def __init__(self, usual: pytest.TempPathFactory) -> None:
        found = shutil.disk_usage(MEMORY).free if MEMORY.is_dir() else 0
        self.top = Path(tempfile.mkdtemp(dir=MEMORY if found >= ENOUGH else usual.getbasetemp()))

    def mktemp(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.top))


@pytest.fixture(scope="session")
def tmp_path_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InMemory]:
    made = InMemory(tmp_path_factory)
    yield made
    shutil.rmtree(made.top)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: InMemory) -> Iterator[Path]:
    """Where an ext4 is mounted that never waits."""
    point = mounted("ext4", tmp_path_factory.mktemp("quick"), 256 << 20, make=("-O", "^has_journal"))
    yield point
    unmounted(point)


@pytest.fixture
def tmp_path(quick: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=quick))
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)
