"""`posix` keeps the contract on ext4, XFS and btrfs."""

import os
from pathlib import Path

import pytest

from argosy.filesystems.base import FILESYSTEMS
from argosy.filesystems.posix import Posix
from argosy.linux import reach
from tests.contracts.filesystem import FilesystemContract
from tests.contracts.open_file import OpenFileContract
from tests.filesystems.conftest import DirectoryOn


class TestOnExt4(FilesystemContract, OpenFileContract):
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Posix:
        return made(tmp_path / "root")


class TestWithoutCompiler(FilesystemContract, OpenFileContract):
    @pytest.fixture
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Posix:
        monkeypatch.setattr(reach, "LIBRARY", None)
        return made(tmp_path / "root")


class TestOnXfs(FilesystemContract, OpenFileContract):
    @pytest.fixture
    def tree(self, directory_on: DirectoryOn) -> Posix:
        return made(directory_on("xfs") / "root")


class TestOnBtrfs(FilesystemContract, OpenFileContract):
    @pytest.fixture
    def tree(self, directory_on: DirectoryOn) -> Posix:
        return made(directory_on("btrfs") / "root")


def made(path: Path) -> Posix:
    path.mkdir()
    return Posix(root=os.fsencode(path))


def test_it_is_registered_under_its_name() -> None:
    assert FILESYSTEMS.get("posix") is Posix
    assert [name for name in FILESYSTEMS.names() if name.startswith("_")] == []
