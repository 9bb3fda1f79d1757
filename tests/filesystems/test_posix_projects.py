"""Directories that hand down a quota project: what comes into them counts to it."""

import os
import subprocess
from pathlib import Path

import pytest

from argosy.core.entry import Attributes
from argosy.core.errors import Unsupported
from argosy.filesystems.base import Shelf
from argosy.filesystems.posix import Posix
from argosy.linux.projects import handed_down, project
from tests.contracts.filesystem import publish
from tests.filesystems.conftest import DirectoryOn

LIKE = Attributes(mode=0o755, uid=0, gid=0, mtime_ns=10**18)


@pytest.fixture
def tree(directory_on: DirectoryOn) -> Posix:
    """A tree whose directories `five` and `six` hand down the projects of these numbers."""
    top = directory_on("xfs")
    for name, number in (("five", 5), ("six", 6)):
        (top / name).mkdir()
        subprocess.run(["xfs_io", "-c", f"chproj {number}", "-c", "chattr +P", str(top / name)], check=True)
    return Posix(root=os.fsencode(top))


def counted(path: bytes) -> int:
    """Return to which project it counts."""
    held = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return project(held)
    finally:
        os.close(held)


def test_what_is_made_there_counts_to_it(tree: Posix) -> None:
    publish(tree, tree.root + b"/five/new/f")
    tree.make_directory(tree.root + b"/five/d", LIKE)
    tree.make_symlink(tree.root + b"/five/link", b"f", LIKE)
    assert [counted(tree.root + b"/five/" + name) for name in (b"new/f", b"new", b"d")] == [5, 5, 5]
    directory = os.open(tree.root + b"/five/new", os.O_RDONLY)
    assert handed_down(directory) == 5
    os.close(directory)
    assert os.readlink(tree.root + b"/five/link") == b"f"


@pytest.mark.parametrize("parked", [False, True])
def test_what_is_moved_there_counts_to_it(tree: Posix, parked: bool) -> None:
    source, target = tree.root + b"/five/f", tree.root + b"/six/f"
    publish(tree, source)
    if parked:
        publish(tree, target)
    tree.move(source, tree.stat(source), target, replacing=tree.stat(target) if parked else None)
    assert counted(target) == 6
    assert len(list(tree.kept(Shelf.VERSIONS))) == parked


def test_what_is_restored_to_another_counts_to_that(tree: Posix) -> None:
    path = tree.root + b"/five/d/f"
    publish(tree, path)
    tree.remove(path, tree.stat(path))
    tree.remove(tree.root + b"/five/d", tree.stat(tree.root + b"/five/d"))
    for kept in list(tree.kept(Shelf.TRASH)):
        tree.restore(kept, kept.entry.path.replace(b"/five/", b"/six/"))
    assert [counted(tree.root + b"/six/" + name) for name in (b"d", b"d/f")] == [6, 6]


def test_a_directory_that_holds_something_is_not_moved_there_and_both_projects_are_named(tree: Posix) -> None:
    source = tree.root + b"/five/d"
    publish(tree, source + b"/f")
    with pytest.raises(Unsupported, match=r"project 6.*to 5"):
        tree.move(source, tree.stat(source), tree.root + b"/six/d")
    with tree.park(source, tree.stat(source)) as parked, pytest.raises(Unsupported, match="project 6"):
        parked.place(tree.root + b"/six/d")
    assert os.path.exists(Path(os.fsdecode(source)) / "f")
