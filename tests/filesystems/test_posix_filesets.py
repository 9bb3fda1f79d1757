"""The marker of a fileset, on every kind of filesystem, with and without privileges."""

import os
import struct
from pathlib import Path

import pytest

from argosy.core.errors import Changed, Corrupt, NotFound, Unsupported
from argosy.filesystems._posix.fileset import Mark
from argosy.filesystems._posix.seal import Forged
from argosy.filesystems.posix import Posix
from tests.filesystems.nobody import NOBODY, as_nobody
from tests.loop import LoopMount

KEY = bytes(range(32))
TRUSTED, SEALED = "trusted.argosy.fileset", "user.argosy.fileset"


def marked(tree: Posix, path: bytes) -> Mark:
    mark = Mark("ab" * 16, 7, tree.fileset_at(path).binding)
    tree.mark_fileset(path, mark)
    return mark


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_marker_is_read_as_it_was_written_and_its_directory_found_where_it_was_moved(
    loop_mount: LoopMount, kind: str
) -> None:
    top = loop_mount(kind) / "filesets"
    (top / "a").mkdir(parents=True)
    (top / "b").mkdir()
    tree = Posix(root=bytes(top))
    assert tree.fileset_at(bytes(top / "a")).mark is None
    mark = marked(tree, bytes(top / "a"))
    assert tree.fileset_at(bytes(top / "a")).mark == mark
    (top / "a").rename(top / "b/c")
    found = tree.fileset_at(bytes(top / "b/c"))
    assert (found.mark, found.binding) == (mark, mark.binding)
    assert tree.fileset_now(found.handle, found.binding) == bytes(top / "b/c")
    assert tree.fileset_now(tree.fileset_at(bytes(top)).handle, found.binding) is None
    held = os.open(top / "b/c", os.O_RDONLY)
    (top / "b/c").rmdir()
    assert tree.fileset_now(found.handle, found.binding) is None
    os.close(held)
    assert tree.fileset_now(found.handle, found.binding) is None


def test_what_lies_outside_the_root_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "root/a").mkdir(parents=True)
    tree = Posix(root=bytes(tmp_path / "root"))
    found = tree.fileset_at(bytes(tmp_path / "root/a"))
    (tmp_path / "root/a").rename(tmp_path / "a")
    assert tree.fileset_now(found.handle, found.binding) is None


def test_a_copy_of_a_directory_has_the_marker_and_another_binding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tree = Posix(root=bytes(tmp_path))
    mark = marked(tree, bytes(tmp_path / "a"))
    os.setxattr(tmp_path / "b", TRUSTED, os.getxattr(tmp_path / "a", TRUSTED))
    found = tree.fileset_at(bytes(tmp_path / "b"))
    assert found.mark == mark
    assert found.binding != mark.binding


def test_another_directory_than_was_looked_at_gets_no_marker(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    tree = Posix(root=bytes(tmp_path))
    mark = Mark("ab" * 16, 7, tree.fileset_at(bytes(tmp_path / "a")).binding)
    (tmp_path / "a").rename(tmp_path / "old")
    (tmp_path / "a").mkdir()
    with pytest.raises(Changed):
        tree.mark_fileset(bytes(tmp_path / "a"), mark)
    assert not os.listxattr(tmp_path / "a")


def test_a_symlink_to_a_directory_is_no_top(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(Exception, match="symlink"):
        Posix(root=bytes(tmp_path)).fileset_at(bytes(tmp_path / "b"))
    with pytest.raises(NotFound):
        Posix(root=bytes(tmp_path)).fileset_at(bytes(tmp_path / "c"))


@pytest.mark.parametrize(
    ("value", "error"),
    [(b"", Corrupt), (bytes([1]) + bytes(20), Corrupt), (bytes([2]) + bytes(60), Unsupported)],
    ids=["empty", "cut", "newer"],
)
def test_a_marker_that_cannot_be_read_is_told(tmp_path: Path, value: bytes, error: type[Exception]) -> None:
    os.setxattr(tmp_path, TRUSTED, value)
    with pytest.raises(error):
        Posix(root=bytes(tmp_path)).fileset_at(bytes(tmp_path))


def test_the_layout_of_a_marker_is_for_good(tmp_path: Path) -> None:
    tree = Posix(root=bytes(tmp_path))
    bound = marked(tree, bytes(tmp_path)).binding
    place = (bound.filesystem, bound.subvolume, bound.inode, bound.born_ns)
    known = struct.pack(">B16sI16sQQq", 1, b"\xab" * 16, 7, *place)
    assert os.getxattr(tmp_path, TRUSTED) == known


def test_an_agent_without_privileges_seals_its_marker_and_believes_no_other(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o055)
    top = tmp_path / "top"
    top.mkdir()
    os.chown(top, NOBODY, NOBODY)

    def mark() -> None:
        tree = Posix(root=bytes(top), key=KEY)
        mark = marked(tree, bytes(top))
        assert tree.fileset_at(bytes(top)).mark == mark
        value = os.getxattr(top, SEALED)
        with pytest.raises(Forged):
            Posix(root=bytes(top), key=KEY[::-1]).fileset_at(bytes(top))
        os.setxattr(top, SEALED, value[:8] + bytes([value[8] ^ 1]) + value[9:])
        with pytest.raises(Forged):
            tree.fileset_at(bytes(top))
        os.setxattr(top, SEALED, value)

    as_nobody(mark)
    privileged = Posix(root=bytes(top), key=KEY)
    left = privileged.fileset_at(bytes(top)).mark
    assert left is not None
    assert Posix(root=bytes(top), key=KEY[::-1]).fileset_at(bytes(top)).mark is None
    privileged.mark_fileset(bytes(top), left)
    assert sorted(os.listxattr(top)) == [TRUSTED]


def test_the_seal_of_a_pointer_is_none_of_a_marker(tmp_path: Path) -> None:
    """Else whoever can read the attribute of a file could write it to a directory, under the name of a marker."""
    top = tmp_path / "top"
    top.mkdir()
    os.setxattr(top, SEALED, b"x")
    from argosy.filesystems._posix.seal import Seal

    value = b"\x01" + bytes(60)
    os.setxattr(top, SEALED, value + Seal(KEY)._mac(value))
    assert Posix(root=bytes(top), key=KEY).fileset_at(bytes(top)).mark is None


def test_a_marker_is_no_attribute_that_a_copy_is_given(tmp_path: Path) -> None:
    tree = Posix(root=bytes(tmp_path))
    (tmp_path / "a").mkdir()
    marked(tree, bytes(tmp_path / "a"))
    os.setxattr(tmp_path / "a", SEALED, b"x")
    assert tree.attributes(bytes(tmp_path / "a")).xattrs == ()
