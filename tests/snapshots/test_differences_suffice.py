"""What differs between two trees is enough to make the one of the other."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

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
    """Return the older tree with the differences done to it: deletions, moves by way of a place apart, then the rest.

    A directory is moved with what it holds, after what has to leave it; content comes from the newer tree.
    """
    tree = dict(old)
    for one in found:
        if one.change == "deleted":
            tree.pop(one.path.decode())
    moves = [(one.source.decode(), one.path.decode()) for one in found if one.source is not None]
    taken = {}
    for source, target in sorted(moves, key=lambda move: -move[0].count("/")):
        along = [path for path in tree if path == source or path.startswith(f"{source}/")]
        taken[target] = {path.removeprefix(source): tree.pop(path) for path in along}
    for target in sorted(taken, key=lambda path: path.count("/")):
        tree |= {target + rest: row for rest, row in taken[target].items()}
    for one in found:
        if one.change in {"created", "updated"}:
            assert (one.change == "updated") == (one.path.decode() in tree)
            tree[one.path.decode()] = new[one.path.decode()]
    return tree


def content(tree: Tree) -> dict[str, tuple[Any, ...]]:
    """Return what rules see of a tree: directories have no content, and which inode one is does not matter."""
    return {path: (row["kind"], row["kind"] == 2 or (row["inode"], row["size"])) for path, row in tree.items()}


def is_elsewhere(path: str, old: Tree, new: Tree) -> bool:
    """Say whether the directory that had the path lives on elsewhere: what the path named goes along with that.

    The path is told as updated then, which is the gap that the decision about differences tells of.
    """
    above = path.rpartition("/")[0]
    was, now = old.get(above), new.get(above)
    if was is None or now is None or was["inode"] == now["inode"]:
        return False
    return any(row["kind"] == now["kind"] and row["inode"] == was["inode"] for row in new.values())


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(old=trees(), new=trees())
def test_the_differences_between_any_two_trees_make_the_one_of_the_other(old: Tree, new: Tree) -> None:
    assume(not any(is_elsewhere(path, old, new) for path in old.keys() & new.keys()))
    with TemporaryDirectory() as scratch:
        found = between(Path(scratch), old, new)
    assert content(applied(old, new, found)) == content(new)
