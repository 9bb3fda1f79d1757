"""Every pointer is told, whatever people rename meanwhile."""

import ctypes
import os
import time
from collections.abc import Iterator

import pytest

from argosy.core.errors import Changed
from argosy.filesystems._posix import pointers
from argosy.filesystems.posix import Posix
from argosy.linux.libc import LIBC, checked
from tests.contracts.filesystem import publish
from tests.contracts.shelves import point

EXCHANGE = 2


@pytest.fixture
def tree(tmp_path) -> Posix:
    (tmp_path / "tree").mkdir()
    return Posix(root=bytes(tmp_path / "tree"))


def pointing(tree: Posix, *names: str) -> set[bytes]:
    """Make files that point somewhere; return the uuids."""
    for name in names:
        publish(tree, tree.root + b"/" + name.encode())
    return {point(tree, tree.root + b"/" + name.encode()) for name in names}


def exchange(tree: Posix, one: str, other: str) -> None:
    first, second = (ctypes.c_char_p(tree.root + b"/" + name.encode()) for name in (one, other))
    checked(LIBC.renameat2(-100, first, -100, second, EXCHANGE))


def told(found: Iterator[tuple[bytes, object]]) -> set[bytes]:
    return {said.uuid for _, said in found}


def test_directories_that_change_places_lose_nothing(tree: Posix) -> None:
    expected = pointing(tree, "live/d/1", "live/d/2", "standby/d/1", "standby/d/2")
    found = tree.every_pointer()
    _, first = next(found)
    exchange(tree, "live", "standby")
    assert {first.uuid} | told(found) == expected


def test_a_file_that_goes_where_the_walk_has_been_is_told(tree: Posix) -> None:
    expected = pointing(tree, "a/1", "b/1")
    found = tree.every_pointer()
    path, first = next(found)
    here, there = (b"a", b"b") if b"/a/" in path else (b"b", b"a")
    os.rename(tree.root + b"/" + there + b"/1", tree.root + b"/" + here + b"/2")
    assert {first.uuid} | told(found) == expected


def test_times_that_are_set_back_hide_nothing(tree: Posix) -> None:
    expected = pointing(tree, "live/1", "standby/1")
    found = tree.every_pointer()
    _, first = next(found)
    exchange(tree, "live", "standby")
    for name in (b"", b"/live", b"/standby"):
        os.utime(tree.root + name, (1e9, 1e9))
    assert {first.uuid} | told(found) == expected


def test_a_tree_that_never_rests_is_not_told_of_as_if_it_did(tree: Posix, monkeypatch) -> None:
    pointing(tree, "live/1", "standby/1")
    monkeypatch.setattr(pointers, "PASSES", 3)
    found = (exchange(tree, "live", "standby") for _ in tree.every_pointer())
    with pytest.raises(Changed, match="changes too fast"):
        list(found)


def test_a_tree_that_rests_is_told_of_once(tree: Posix) -> None:
    expected = pointing(tree, "a/1", "b/2")
    deadline = time.monotonic() + 10
    while len(found := [said.uuid for _, said in tree.every_pointer()]) > len(expected):
        assert time.monotonic() < deadline
    assert set(found) == expected
