"""Filesystems of all kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loop import LoopMount, loop_mount

__all__ = ["directory_on", "loop_mount"]


@pytest.fixture
def directory_on(loop_mount: LoopMount, tmp_path: Path) -> Iterator["DirectoryOn"]:
    """A function from a kind of filesystem to an empty directory on one, removed after the test."""
    used: list[Path] = []

    def make(kind: str) -> Path:
        path = loop_mount(kind) / tmp_path.name
        path.mkdir()
        used.append(path)
        return path

    yield make
    for path in used:
        shutil.rmtree(path)


class DirectoryOn:
    def __call__(self, kind: str) -> Path: ...
