"""What differs between two trees is enough to make the one of the other."""

from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from argosy.snapshots.schema import RowKind
from tests.snapshots.indexes import Difference, between, directory, file

Tree = dict[str, dict[str, Any]]
NAMES = st.sampled_from("abc")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Return a tree over few names and few inodes: a directory has each inode once, a file may have further names."""
    tree: Tree = {}
    tops, unused = [""], [300, 301, 302]
    for _ in range(draw(st.integers(0, 7))):
        path = f"{draw(st.sampled_from(tops))}{draw(NAMES)}"
        if path in tree:
            continue
        if unused and draw(st.booleans()):
            tree[path] = directory(unused.pop(draw(st.integers(0, len(unused) - 1))))
            tops.append(f"{path}/")
        else:
            inode = draw(st.integers(10, 14))
            sizes = {row["size"] for row in tree.values() if row["inode"] == inode}
            tree[path] = file(inode, size=sizes.pop() if sizes else draw(st.integers(1, 2)))
    return tree


def applied(old: Tree, new: Tree, found: list[Difference]) -> Tree:
    """Return the older tree with the differences done to it, phase by phase: content comes from the newer tree.

    A directory is moved with what it holds; what moves in one phase may have to do with each other only where it comes
    side by side: all else is as good in any order.
    """
    tree = dict(old)
    for _, some in groupby(found, key=lambda one: one.phase):
        differences = list(some)
        move(tree, [(one.source.decode(), one.path.decode()) for one in differences if one.source is not None])
        for one in differences:
            if one.change == "deleted":
                assert not any(path.startswith(f"{one.path.decode()}/") for path in tree), "what it holds comes before"
                tree.pop(one.path.decode())
            elif one.change != "moved":
                assert (one.change == "updated") == (one.path.decode() in tree)
                tree[one.path.decode()] = new[one.path.decode()]
    return tree


def move(tree: Tree, moves: list[tuple[str, str]]) -> None:
    """Move all of it at once: a file that is replaced had that name before any of it moved."""
    taken = {}
    before = {target: tree.get(target) for _, target in moves}
    for source, target in sorted(moves, key=lambda move: -move[0].count("/")):
        along = [path for path in tree if path == source or path.startswith(f"{source}/")]
        assert along, f"{source} is not there"
        taken[target] = {path.removeprefix(source): tree.pop(path) for path in along}
    for target in sorted(taken, key=lambda path: path.count("/")):
        assert not any(path.startswith(f"{target}/") for path in tree), f"{target} holds something"
        came_along = tree.get(target) not in (None, before[target])
        assert not came_along or tree[target]["kind"] == RowKind.DIRECTORY, f"{target} came along, a file"
        tree |= {target + rest: row for rest, row in taken[target].items()}


def content(tree: Tree) -> dict[str, tuple[Any, ...]]:
    """Return what rules see of a tree: directories have no content, and which inode one is does not matter."""
    return {path: (row["kind"], row["kind"] == 2 or (row["inode"], row["size"])) for path, row in tree.items()}


MOVED_ONTO_A_NAME = (
    {"a": file(10, size=1), "c": directory(300), "c/b": file(14, size=2)},
    {"a": file(14, size=1), "c": directory(301), "c/a": directory(300), "c/a/a": file(12, size=2)},
)
"""A file moves onto another's name, out of a directory that moves into what is to have its name: no renames do that."""
UP_OVER_WHAT_HELD_IT = (
    {"a": directory(302), "a/a": file(12), "a/b": directory(300), "a/b/a": file(10)},
    {"a": file(10)},
)
"""A file gets the name of a directory that it lay in, with another between, which has to go before and cannot."""


HELD = {"a": directory(300), "a/b": directory(301), "a/b/a": file(10), "a/b/b": file(11)}
DEEPER = {"a": directory(300), "a/b": directory(301), "a/b/c": directory(304), "a/b/c/a": file(10)}
OTHER = {"c": directory(302), "c/a": file(12)}
MADE_ANEW = (
    (HELD, {"a": directory(302), "b": file(10)}),
    (HELD | {"a/c": file(12)}, {"a": directory(302), "b": file(10), "a/a": file(13)}),
    (DEEPER, {"a": directory(303), "b": file(10)}),
    (DEEPER, {"a": directory(303), "b": file(10), "a/b": file(12)}),
    (DEEPER, {"a": directory(303), "b": file(10), "a/b": directory(305)}),
    (DEEPER, {"a": directory(303), "a/a": directory(304), "a/a/a": file(10)}),
)
"""Directories of which one further below was emptied by a move, and one above it made anew."""
TAKEN_BY_ANOTHER = (
    (HELD | OTHER, {"a": directory(302), "a/a": file(12), "b": file(10)}),
    (HELD | OTHER, {"a": directory(302), "a/a": file(12), "a/c": file(10)}),
    (
        HELD | {"c": directory(302), "c/b": directory(303), "c/b/c": file(12)},
        {"a": directory(302), "a/b": directory(303), "a/b/c": file(12), "b": file(10)},
    ),
)
"""The same, where another directory moves to the name of the one above."""


def test_what_was_emptied_goes_whatever_has_the_name_above_it(tmp_path: Path) -> None:
    for number, (old, new) in enumerate((*MADE_ANEW, *TAKEN_BY_ANOTHER)):
        (tmp_path / str(number)).mkdir()
        found = between(tmp_path / str(number), old, new)
        assert content(applied(old, new, found)) == content(new), number


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.generate))
@example(*MOVED_ONTO_A_NAME)
@example(*UP_OVER_WHAT_HELD_IT)
@given(old=trees(), new=trees())
def test_the_differences_between_any_two_trees_make_the_one_of_the_other(old: Tree, new: Tree) -> None:
    with TemporaryDirectory() as scratch:
        found = between(Path(scratch), old, new)
    assert content(applied(old, new, found)) == content(new)
