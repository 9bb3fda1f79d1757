"""What differs between two index files."""

from pathlib import Path
from typing import Any

import pytest

from argosy.core.entry import Kind
from argosy.linux.scratch import PREFIX
from argosy.snapshots.differences import differences, unseen
from tests.snapshots.indexes import between, boundary, directory, file, symlink, told, unknown, write

Tree = dict[str, dict[str, Any]]
D: Tree = {"d": directory(10), "d/a": file(11), "d/s": directory(12), "d/s/b": file(13)}
LEFT = b"\x80" + bytes(15)
"""A pointer that nothing was done to the file after."""

CASES: dict[str, tuple[Tree, Tree, list[tuple[str, ...]]]] = {
    "nothing": (D, D, []),
    "a new file": ({}, {"a": file(1)}, [("created", "a")]),
    "a new tree, directories first": ({}, D, [("created", path) for path in sorted(D)]),
    "a file that is gone": ({"a": file(1)}, {}, [("deleted", "a")]),
    "a tree that is gone, what a directory held before it": (
        D, {}, [("deleted", path) for path in ("d/s/b", "d/s", "d/a", "d")],
    ),
    "content": ({"a": file(1)}, {"a": file(1, size=2)}, [("updated", "a")]),
    "mtime": ({"a": file(1)}, {"a": file(1, mtime_ns=2)}, [("updated", "a")]),
    "mode": ({"a": file(1)}, {"a": file(1, mode=0o600)}, [("updated", "a")]),
    "attributes": ({"a": file(1)}, {"a": file(1, attributes=bytes(16))}, [("updated", "a")]),
    "hash": ({"a": file(1, hash=bytes(32))}, {"a": file(1, hash=b"1" * 32)}, [("updated", "a")]),
    "a hash that is known now": ({"a": file(1)}, {"a": file(1, hash=bytes(32))}, []),
    "a write that kept size and mtime": ({"a": file(1)}, {"a": file(1, ctime_ns=2)}, [("updated", "a")]),
    "the same, where the hash is known after it": ({"a": file(1)}, {"a": file(1, ctime_ns=2, hash=bytes(32))}, [
        ("updated", "a")]),
    "another ctime of what has the hash it had": (
        {"a": file(1, hash=bytes(32))}, {"a": file(1, ctime_ns=2, hash=bytes(32))}, []),
    "a write that kept size and mtime under two names": (
        {"a": file(1), "b": file(1)}, {"a": file(1, ctime_ns=2), "b": file(1, ctime_ns=2)},
        [("updated", "a"), ("updated", "b")]),
    "a further name, which gives another ctime": ({"a": file(1)}, {"a": file(1, ctime_ns=2, links=2)}, []),
    "a rename, which gives another ctime": ({"a": file(1)}, {"b": file(1, ctime_ns=2)}, [("moved", "b", "a")]),
    "a rename of one of two names": (
        {"a": file(1, links=2), "b": file(1, links=2)},
        {"a": file(1, links=2, ctime_ns=2), "c": file(1, links=2, ctime_ns=2)}, [("moved", "c", "b")]),
    "what Argosy attached, which gives another ctime": ({"a": file(1)}, {"a": file(1, ctime_ns=2, pointer=LEFT)}, []),
    "a write that kept size and mtime after that": (
        {"a": file(1)}, {"a": file(1, ctime_ns=2, pointer=bytes(16))}, [("updated", "a")]),
    "a stub that Argosy made since": (
        {"a": file(1, pointer=LEFT)}, {"a": file(1, ctime_ns=2, pointer=bytes(16), hash=bytes(32))}, []),
    "a pointer that is gone": ({"a": file(1, pointer=LEFT)}, {"a": file(1, ctime_ns=2)}, [("updated", "a")]),
    "a write that kept size and mtime of what has a copy": (
        {"a": file(1, pointer=bytes(16))}, {"a": file(1, ctime_ns=2, pointer=bytes(16))}, [("updated", "a")]),
    "the ctime of a directory, a symlink": (
        {"d": directory(1), "l": symlink(2, b"x")},
        {"d": directory(1, ctime_ns=2), "l": symlink(2, b"x") | {"ctime_ns": 2}}, []),
    "the mtime of a directory": ({"d": directory(1)}, {"d": directory(1, mtime_ns=2)}, []),
    "the mode of a directory": ({"d": directory(1)}, {"d": directory(1, mode=0o700)}, [("updated", "d")]),
    "a save by rename": ({"a": file(1)}, {"a": file(2)}, [("updated", "a")]),
    "a backup and a new file": ({"f": file(1)}, {"f": file(2), "f~": file(1)}, [("updated", "f"), ("created", "f~")]),
    "another target": ({"l": symlink(1, b"x")}, {"l": symlink(2, b"y")}, [("updated", "l")]),
    "a rename": ({"a": file(1)}, {"b": file(1)}, [("moved", "b", "a")]),
    "a rename and a change": ({"a": file(1)}, {"b": file(1, size=2)}, [("moved", "b", "a"), ("updated", "b")]),
    "a swap": ({"a": file(1), "b": file(2)}, {"a": file(2), "b": file(1)}, [("moved", "a", "b"), ("moved", "b", "a")]),
    "a rename over another": ({"a": file(1), "b": file(2)}, {"b": file(1)}, [("moved", "b", "a")]),
    "an inode used again": ({"a": file(1, born_ns=5)}, {"b": file(1, born_ns=6)}, [("deleted", "a"), ("created", "b")]),
    "an inode used again by another kind": ({"a": file(1)}, {"b": directory(1)}, [("deleted", "a"), ("created", "b")]),
    "a file that is a directory now": (
        {"a": file(1)}, {"a": directory(2), "a/b": file(3)}, [("deleted", "a"), ("created", "a"), ("created", "a/b")],
    ),
    "a second name": ({"a": file(1)}, {"a": file(1, links=2), "b": file(1, links=2)}, [("created", "b")]),
    "a second name that is gone": ({"a": file(1), "b": file(1)}, {"a": file(1)}, [("deleted", "b")]),
    "a second name that was renamed": (
        {"a": file(1), "b": file(1)}, {"a": file(1), "c": file(1)}, [("moved", "c", "b")],
    ),
    "both names renamed": (
        {"a": file(1), "b": file(1)}, {"c": file(1), "d": file(1)}, [("moved", "c", "a"), ("moved", "d", "b")],
    ),
    "a write under two names": (
        {"a": file(1), "b": file(1)}, {"a": file(1, size=2), "b": file(1, size=2)},
        [("updated", "a"), ("updated", "b")],
    ),
    "a directory that moved": (
        D, {"e": directory(10), "e/a": file(11), "e/s": directory(12), "e/s/b": file(13)}, [("moved", "e", "d")],
    ),
    "what changed in a directory that moved": (
        D, {"e": directory(10), "e/a": file(19), "e/n": file(14), "e/s": directory(12)},
        [("deleted", "d/s/b"), ("moved", "e", "d"), ("updated", "e/a"), ("created", "e/n")],
    ),
    "a file over another in a directory that moved": (
        {"x": file(1), "d": directory(2), "d/b": file(3)}, {"e": directory(2), "e/b": file(1)},
        [("deleted", "d/b"), ("moved", "e", "d"), ("moved", "e/b", "x")],
    ),
    "a file over another in a directory that moved with both": (
        {"d": directory(2), "d/x": file(1), "d/y": file(3)}, {"e": directory(2), "e/y": file(1)},
        [("deleted", "d/y"), ("moved", "e", "d"), ("moved", "e/y", "d/x")],
    ),
    "the same, and another file has the old name": (
        {"d": directory(2), "d/x": file(1), "d/y": file(3)},
        {"d": directory(4), "d/y": file(5), "e": directory(2), "e/y": file(1)},
        [("deleted", "d/y"), ("moved", "e", "d"), ("moved", "e/y", "d/x"), ("created", "d"), ("created", "d/y")],
    ),
    "a directory in one of its name, of which a part was moved and mounted over": (
        D, {"d": directory(20), "d/x": directory(10), "d/x/a": file(11), "m": boundary(99)},
        [("unseen", "d/s"), ("deleted", "d/a"), ("created", "d"), ("created", "d/x"), ("created", "d/x/a")],
    ),
    "a directory in one of its name, and nobody can list it": (
        D, {"d": directory(20), "d/x": directory(10, unknown=2, ctime_ns=2)}, [("moved", "d/x", "d"), ("created", "d")],
    ),
    "a directory in one of its name, and nobody can list what moved out of it": (
        D, {"d": directory(20), "d/x": directory(10), "d/x/a": file(11), "t": directory(12, unknown=2, ctime_ns=2)},
        [("moved", "d/x", "d"), ("moved", "t", "d/s"), ("created", "d")],
    ),
    "a directory made anew": (
        D, {"d": directory(20), "d/a": file(21), "d/s": directory(22), "d/s/b": file(13)},
        [("updated", "d/a"), ("updated", "d/s/b")],
    ),
    "what was in a directory that has another name now": (
        D, {"e": directory(10), "e/s": directory(12), "e/s/b": file(13), "d": directory(20), "d/a": file(21)},
        [("deleted", "d/a"), ("moved", "e", "d"), ("created", "d"), ("created", "d/a")],
    ),
    "a directory that something moved out of": (
        D, {"c": file(13)}, [("deleted", "d/a"), ("moved", "c", "d/s/b"), ("deleted", "d/s"), ("deleted", "d")],
    ),
    "a directory in itself": (
        {"d": directory(1), "d/a": file(2)}, {"d": directory(3), "d/x": directory(1), "d/x/a": file(2)},
        [("deleted", "d/a"), ("deleted", "d"), ("created", "d"), ("created", "d/x"), ("created", "d/x/a")],
    ),
    "an entry that could not be looked at": ({"a": file(1), "d": directory(2), "d/b": file(3)}, {
        "a": unknown(), "d": unknown()}, []),
    "a new entry that could not be looked at": ({}, {"a": unknown()}, []),
    "an entry that can be looked at again": ({"a": unknown()}, {"a": file(1)}, [("updated", "a")]),
    "an entry that could not be looked at and is gone": ({"a": unknown()}, {}, []),
    "a directory that could not be listed": (D, {"d": directory(10, unknown=2), "d/a": file(11)}, []),
    "a directory that never could": (
        {"d": directory(1, unknown=2), "d/a": file(2)}, {"d": directory(1, unknown=2)}, [],
    ),
    "what moved out of a directory that cannot be listed": (
        D, {"d": directory(10, unknown=2), "t": directory(12), "c": file(11)}, [
            ("unseen", "d/s/b"), ("moved", "c", "d/a"), ("moved", "t", "d/s")],
    ),
    "what cannot be seen in a directory made anew": (
        D | {"d/c": file(14)}, {"d": directory(20), "d/a": unknown(), "d/s": directory(22, unknown=2)},
        [("unseen", "d/c")],
    ),
    "what may have moved to where nobody can look, its top alone": (
        D | {"f": file(1)}, {"x": directory(10, unknown=2)}, [("unseen", "f"), ("moved", "x", "d")],
    ),
    "what may have moved to where somebody mounted": (D | {"f": file(1)}, {"x": boundary(99)}, [
        ("unseen", "d"), ("unseen", "f")]),
    "what could not be listed and can be now": (
        {"d": directory(10, unknown=2)}, {"d": directory(10), "d/f": file(1)}, [("updated", "d"), ("created", "d/f")]),
    "what may be what could not be looked at": ({"f": file(1)}, {"x": unknown()}, [("unseen", "f")]),
    "what may have moved into a directory that never could be listed": (
        {"d": directory(1, unknown=2), "f": file(2)}, {"d": directory(1, unknown=2, ctime_ns=2)}, [("unseen", "f")],
    ),
    "what is gone beside a directory that never could be listed, and a mount point": (
        {"d": directory(1, unknown=2), "m": boundary(98), "p": unknown(), "f": file(2)},
        {"d": directory(1, unknown=2), "m": boundary(99), "p": unknown()}, [("deleted", "f")],
    ),
    "a name of a file that was removed beside a new mount point": (
        {"a": file(1, links=2), "b": file(1, links=2)}, {"a": file(1, ctime_ns=2), "m": boundary(99)},
        [("deleted", "b")],
    ),
    "a name of a file that may have moved to where somebody mounted": (
        {"a": file(1, links=2), "b": file(1, links=2)}, {"a": file(1, links=2, ctime_ns=2), "m": boundary(99)},
        [("unseen", "b"), ("updated", "a")],
    ),
    "a save by rename beside a new mount point": ({"a": file(1)}, {"a": file(2), "m": boundary(99)}, [
        ("updated", "a")]),
    "a mount over a directory": (D, {"d": boundary(99)}, []),
    "a mount point": ({}, {"m": boundary(99)}, []),
    "a mount point that is gone": ({"m": boundary(99)}, {}, []),
    "what is not UTF-8 nor harmless": ({}, {"a\n'\"*": file(1)}, [("created", "a\n'\"*")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_two_indexes_differ_in(case: str, tmp_path: Path) -> None:
    old, new, expected = CASES[case]
    assert told(between(tmp_path, old, new)) == expected


@pytest.mark.feature("HUB-SYNC-018")
def test_a_move_of_a_directory_can_be_spelled_out_for_all_it_holds(tmp_path: Path) -> None:
    new = {"e": directory(10), "e/a": file(11, size=2), "e/n": file(14), "e/t": directory(12), "e/t/b": file(13)}
    assert told(between(tmp_path, D, new, condense_moves=False)) == [
        ("moved", "e", "d"),
        ("moved", "e/t", "d/s"),
        ("moved", "e/a", "d/a"),
        ("moved", "e/t/b", "d/s/b"),
        ("updated", "e/a"),
        ("created", "e/n"),
    ]
    assert told(between(tmp_path, D, new)) == [
        ("moved", "e", "d"),
        ("moved", "e/t", "d/s"),
        ("updated", "e/a"),
        ("created", "e/n"),
    ]


def test_without_an_older_index_all_below_the_top_was_created(tmp_path: Path) -> None:
    new = D | {"l": symlink(3, b"x"), "m": boundary(99), "p": unknown(), "f": {"kind": 4, "inode": 5}}
    found = between(tmp_path, None, new)
    assert told(found) == [("created", path) for path in ("d", "d/a", "d/s", "d/s/b", "f", "l")]
    assert [one.kind for one in found][2:] == [Kind.DIRECTORY, Kind.FILE, Kind.OTHER, Kind.SYMLINK]


def test_what_was_changed_before_the_older_index_can_be_left_out(tmp_path: Path) -> None:
    old = {"a": file(1), "b": file(2), "c": file(3), "g": file(9)}
    new = {"a": file(1, size=2, ctime_ns=50), "b": file(2, size=2, ctime_ns=49), "d": file(3, ctime_ns=49)}
    new |= {"e": file(4, ctime_ns=49), "f": file(5, ctime_ns=50)}
    assert told(between(tmp_path, old, new, since_ns=50)) == [("deleted", "g"), ("updated", "a"), ("created", "f")]


def test_nothing_is_gone_where_the_newer_index_may_have_missed_something(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", D), write(tmp_path / "new", {"n": file(11)}, complete=False)
    assert told(differences(old, new)) == [("moved", "n", "d/a")]


def test_a_difference_says_what_the_index_knows(tmp_path: Path) -> None:
    row = file(7, size=5, mtime_ns=8, ctime_ns=9, mode=0o640, uid=3, gid=4, links=2)
    (made,) = between(tmp_path, {}, {"a": row})
    (gone,) = between(tmp_path, {"a": row}, {})
    for one in (made, gone):
        assert (one.kind, one.inode, one.size, one.mtime_ns, one.ctime_ns) == (Kind.FILE, 7, 5, 8, 9)
        assert (one.mode, one.uid, one.gid, one.links) == (0o640, 3, 4, 2)


def test_an_index_says_what_could_not_be_seen(tmp_path: Path) -> None:
    tree = D | {"d/s": directory(12, unknown=2), "p": unknown()}
    assert list(unseen(write(tmp_path / "index", tree))) == [b"d/s", b"p"]


def test_what_a_killed_comparison_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("argosy.linux.scratch._SETTLED_S", -1)
    left = tmp_path / f"{PREFIX}left"
    left.mkdir(mode=0o700)
    (left / "spilled").write_bytes(b"names")
    assert told(between(tmp_path, {}, {"a": file(1)})) == [("created", "a")]
    assert not list(tmp_path.glob(f"{PREFIX}*"))
