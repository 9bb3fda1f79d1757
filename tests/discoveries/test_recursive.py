"""`recursive`: what it finds is the same whole or taken up behind any of it."""

import os
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError
from argosy.discoveries.recursive import Recursive
from argosy.filesystems.posix import Posix


class OneTree:
    """A site of a single tree."""

    def __init__(self, root: bytes) -> None:
        self._tree = Posix(root=root)

    def tree(self, path: bytes) -> Posix:
        return self._tree


def found(root: bytes, names: bytes, *, skip_missing: bool, after: bytes | None = None) -> tuple[bytes, bytes]:
    """Return the names of what is found and of what is told to be missing."""
    missing: list[bytes] = []

    def told(path: bytes, error: ArgosyError) -> None:
        missing.append(path[-1:])

    given = [Entry(path=b"%s/%c" % (root, name)) for name in names]
    behind = after and root + b"/" + after
    walk = Recursive(skip_missing=skip_missing).find(given, OneTree(root), on_error=told, after=behind)
    return b"".join(entry.path[-1:] for entry in walk), b"".join(missing)


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    """A directory with the files b and d."""
    (tmp_path / "b").touch()
    (tmp_path / "d").touch()
    return os.fsencode(tmp_path)


def test_a_missing_path_is_told_and_not_found(root: bytes) -> None:
    assert found(root, b"abcde", skip_missing=False) == (b"bd", b"ace")


def test_a_missing_path_that_is_let_through_is_found_and_not_told(root: bytes) -> None:
    assert found(root, b"abcde", skip_missing=True) == (b"abcde", b"")


@pytest.mark.parametrize("after", [b"a", b"b", b"c", b"d", b"e"])
def test_taken_up_behind_any_path_no_missing_path_is_lost_or_found_again(root: bytes, after: bytes) -> None:
    rest = bytes(name for name in b"abcde" if name > after[0])
    assert found(root, b"abcde", skip_missing=True, after=after) == (rest, b"")


@pytest.fixture
def deep(root: bytes) -> bytes:
    """The same, and a directory c that holds f and z."""
    tree = Path(os.fsdecode(root)) / "c"
    tree.mkdir()
    (tree / "f").touch()
    (tree / "z").touch()
    return root


def within(root: bytes, *names: bytes, after: bytes | None = None) -> list[bytes]:
    """Return what is found of these and beneath them, missing ones let through."""
    given = [Entry(path=root + b"/" + name) for name in names]
    behind = after and root + b"/" + after
    walk = Recursive(skip_missing=True).find(given, OneTree(root), on_error=lambda path, _: None, after=behind)
    return [entry.path[len(root) + 1 :] for entry in walk]


GIVEN = (b"c/gone", b"c", b"c/z", b"c/gone/deeper", b"a", b"a/b", b"e")
FOUND = [b"a", b"a/b", b"c", b"c/f", b"c/gone", b"c/gone/deeper", b"c/z", b"e"]


def test_a_missing_path_is_found_although_it_lies_below_another_given_one(deep: bytes) -> None:
    assert within(deep, *GIVEN) == FOUND


@pytest.mark.parametrize("found", range(len(FOUND)))
def test_taken_up_behind_any_path_nothing_below_another_is_lost_or_found_again(deep: bytes, found: int) -> None:
    assert within(deep, *GIVEN, after=FOUND[found]) == FOUND[found + 1 :]
