"""Copies of open files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.linux import cloning
from argosy.linux.extents import data

BLOCK = 1 << 16


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A file with data, a hole and data, its end within a block, and an empty one."""
    one, other = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("one", "other"))
    os.pwrite(one, b"a" * BLOCK, 0)
    os.pwrite(one, b"b" * 5, 8 * BLOCK)
    yield one, other
    os.close(one)
    os.close(other)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_copy_has_the_bytes_and_the_holes(
    files: tuple[int, int], monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    def cannot(*_: object) -> int:
        raise OSError(next(iter(cloning._CANNOT)), "cannot")

    if by_hand:
        monkeypatch.setattr(os, "copy_file_range", cannot)
        monkeypatch.setattr(cloning.fcntl, "ioctl", cannot)
    one, other = files
    cloning.fill(one, other)
    size = os.fstat(one).st_size
    assert os.pread(other, size + 1, 0) == os.pread(one, size + 1, 0)
    assert data(other) == data(one)


def test_what_holds_the_same_is_the_same_whether_zeros_are_written_or_not(files: tuple[int, int]) -> None:
    one, other = files
    cloning.fill(one, other)
    assert cloning.same_bytes(one, other)
    os.pwrite(other, bytes(BLOCK), 4 * BLOCK)
    assert cloning.same_bytes(one, other)
    assert cloning.same_bytes(other, one)
    os.pwrite(other, b"x", 5 * BLOCK - 1)
    assert not cloning.same_bytes(one, other)
    assert not cloning.same_bytes(other, one)


def test_what_is_longer_is_not_the_same(files: tuple[int, int]) -> None:
    one, other = files
    cloning.fill(one, other)
    os.ftruncate(other, 9 * BLOCK)
    assert not cloning.same_bytes(one, other)
