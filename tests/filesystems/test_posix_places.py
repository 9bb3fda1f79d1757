"""`posix` on full disks, across mounts and subvolumes, and after its agent was killed."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.errors import ArgosyError, Denied, Exhausted, Unavailable, Unsupported
from argosy.core.faults import OtherFilesystem
from argosy.filesystems._posix.errors import ours
from argosy.filesystems.posix import Posix
from tests.contracts.filesystem import PLAIN, content_of, publish, replace, staging, versions
from tests.filesystems.conftest import DirectoryOn
from tests.loop import LoopMount, another_subvolume

MiB = 1 << 20


@pytest.fixture
def tree(tmp_path: Path) -> Posix:
    return Posix(root=os.fsencode(tmp_path))


@pytest.fixture
def mount_point(tmp_path: Path, directory_on: DirectoryOn) -> Iterator[bytes]:
    point = tmp_path / "mnt"
    point.mkdir()
    elsewhere = directory_on("xfs")
    (elsewhere / "there").write_bytes(b"elsewhere")
    subprocess.run(["mount", "--bind", elsewhere, point], check=True)
    yield os.fsencode(point)
    subprocess.run(["umount", point], check=True)


# full disks


def test_a_full_disk_is_said_to_be_full_and_nothing_is_visible(loop_mount: LoopMount) -> None:
    tree = Posix(root=os.fsencode(loop_mount("ext4", size=8 * MiB)))
    publish(tree, tree.root + b"/before", b"old")
    with pytest.raises(Exhausted, match=r"/f: the disk is full"):
        publish(tree, tree.root + b"/f", b"x" * 16 * MiB)
    assert [entry.path for entry in tree.scan(tree.root, on_error=print)] == [tree.root, tree.root + b"/before"]
    assert content_of(tree.root + b"/before") == b"old"
    assert staging(tree) == []
    publish(tree, tree.root + b"/after", b"x" * MiB)


def test_errors_of_the_system_are_ours() -> None:
    for number, kind in ((errno.EDQUOT, Exhausted), (errno.EROFS, Denied), (errno.ESTALE, Unavailable)):
        assert isinstance(ours(b"/a/b\xff", OSError(number, "")), kind)
        assert ours(b"/a/b\xff", OSError(number, "")).message.startswith("/a/b\ufffd: ")


# mounts and subvolumes


def test_a_scan_tells_of_a_mount_point_and_stays_outside(tree: Posix, mount_point: bytes) -> None:
    errors: list[tuple[bytes, ArgosyError]] = []
    assert [e.path for e in tree.scan(tree.root, on_error=lambda *error: errors.append(error))] == [tree.root]
    assert [(path, type(error)) for path, error in errors] == [(mount_point, OtherFilesystem)]
    assert "roots" in errors[0][1].message


def test_nothing_is_made_on_another_filesystem(tree: Posix, mount_point: bytes) -> None:
    for path in (b"/f", b"/new/f"):
        with pytest.raises(Unsupported, match="roots"):
            tree.stage(mount_point + path)
    assert os.listdir(mount_point) == [b"there"]


def test_a_mount_of_the_same_filesystem_is_another_place_too(tree: Posix, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "bound").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "real", tmp_path / "bound"], check=True)
    try:
        with pytest.raises(Unsupported):
            tree.stage(tree.root + b"/bound/f")
        errors: list[bytes] = []
        found = [entry.path for entry in tree.scan(tree.root, on_error=lambda path, _: errors.append(path))]
        assert found == [tree.root, tree.root + b"/real"]
        assert errors == [tree.root + b"/bound"]
    finally:
        subprocess.run(["umount", tmp_path / "bound"], check=True)


def test_a_subvolume_is_scanned_but_a_root_of_its_own_to_write_to(directory_on: DirectoryOn) -> None:
    tree = Posix(root=os.fsencode(directory_on("btrfs")))
    subprocess.run(["btrfs", "-q", "subvolume", "create", tree.root + b"/sub"], check=True)
    with open(tree.root + b"/sub/f", "wb") as file:
        file.write(b"content")
    assert len(list(tree.scan(tree.root, on_error=print))) == 3
    with tree.open(tree.root + b"/sub/f") as opened:
        assert opened.binding().subvolume > 5
    with pytest.raises(Unsupported, match="roots"):
        tree.stage(tree.root + b"/sub/g")
    publish(Posix(root=tree.root + b"/sub"), tree.root + b"/sub/g")
    subprocess.run(["btrfs", "-q", "subvolume", "delete", tree.root + b"/sub"], check=True)


def test_a_subvolume_that_has_the_device_number_of_a_removed_one_is_another(directory_on: DirectoryOn) -> None:
    first = directory_on("btrfs") / "sub"
    subprocess.run(["btrfs", "-q", "subvolume", "create", first], check=True)
    numbers = set()
    for subvolume in (lambda: first, lambda: another_subvolume(first)):
        tree = Posix(root=os.fsencode(subvolume()))
        publish(tree, tree.root + b"/f")
        with tree.open(tree.root + b"/f") as file:
            numbers.add(file.binding().subvolume)
    assert len(numbers) == 2


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    tree = Posix(root=os.fsencode(tmp_path / "no"))
    with pytest.raises(ArgosyError, match="no/f"):
        tree.stat(tree.root + b"/f")


# kills

SCRIPT = """
import os, sys
from argosy.filesystems.posix import Posix
from tests.contracts.filesystem import publish, replace
tree = Posix(root=os.fsencode(sys.argv[1]))
path = tree.root + b"/d/f"
if sys.argv[2] == "publish":
    publish(tree, path, b"new")
else:
    replace(tree, path, b"new", tree.stat(path))
print("survived")
"""


def killed(tree: Posix, verb: str, failpoint: str) -> None:
    environment = os.environ | {"ARGOSY_FAILPOINTS": f"{failpoint}=kill"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tree.root, verb], env=environment, capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    assert staging(tree) or failpoint == "hsm:trash" or verb == "publish"


@pytest.mark.parametrize(("failpoint", "visible"), [("hsm:stage", False), ("hsm:publish", True)])
def test_killed_while_publishing_it_is_all_there_or_not_at_all(tree: Posix, failpoint: str, *, visible: bool) -> None:
    os.mkdir(tree.root + b"/d")
    os.utime(tree.root + b"/d", ns=(7, 7))
    killed(tree, "publish", failpoint)
    tree.sweep()
    assert os.listdir(tree.root + b"/d") == ([b"f"] if visible else [])
    assert os.stat(tree.root + b"/d").st_mtime_ns == 7
    assert not visible or content_of(tree.root + b"/d/f") == b"new"
    assert staging(tree) == []


@pytest.mark.parametrize(
    ("failpoint", "content"), [("hsm:stage", b"old"), ("hsm:publish", b"new"), ("hsm:trash", b"new")]
)
def test_killed_while_replacing_old_or_new_is_there_and_the_old_is_kept(
    tree: Posix, failpoint: str, content: bytes
) -> None:
    publish(tree, tree.root + b"/d/f", b"old")
    killed(tree, "replace", failpoint)
    tree.sweep()
    assert content_of(tree.root + b"/d/f") == content
    assert content == b"old" or versions(tree) == {b"d/f": b"old"}
    assert staging(tree) == []
    replace(tree, tree.root + b"/d/f", b"newer", tree.stat(tree.root + b"/d/f"))


def test_sweep_leaves_times_that_somebody_else_set_since(tree: Posix) -> None:
    os.mkdir(tree.root + b"/d")
    os.utime(tree.root + b"/d", ns=(7, 7))
    killed(tree, "publish", "hsm:publish")
    os.utime(tree.root + b"/d", ns=(9, 9))
    tree.sweep()
    assert os.stat(tree.root + b"/d").st_mtime_ns == 9


def test_sweep_of_a_tree_that_argosy_never_touched_leaves_no_trace(tree: Posix) -> None:
    tree.sweep()
    assert os.listdir(tree.root) == []


def test_sweep_keeps_what_a_killed_swap_took_from_somebody_else(tree: Posix) -> None:
    publish(tree, tree.root + b"/f", b"old")
    with tree.stage(tree.root + b"/g") as staged:
        staged.dress(PLAIN)
    foreign = tree.root + b"/.argosy/staging/" + b"0" * 32 + b".%x.%x" % (1, 2)
    os.rename(tree.root + b"/f", foreign)
    tree.sweep()
    assert staging(tree) == []
    assert list(versions(tree).values()) == [b"old"]


def test_sweep_keeps_directories_with_something_in_them_and_what_has_a_foreign_name(tree: Posix) -> None:
    publish(tree, tree.root + b"/f", b"content")
    top = tree.root + b"/.argosy/staging/"
    for name in (b"20260101T000000Z-00000000", b"1" * 32):
        os.mkdir(top + name)
        os.link(tree.root + b"/f", top + name + b"/kept")
    os.link(tree.root + b"/f", top + b"foreign")
    os.mkdir(top + b"2" * 32)
    tree.sweep()
    assert staging(tree) == []
    assert versions(tree) == {
        b"20260101T000000Z-00000000/kept": b"content",
        b"1" * 32 + b"/kept": b"content",
        b"foreign": b"content",
    }
    publish(tree, tree.root + b"/g")


def test_sweep_passes_by_notes_of_times_that_are_none(tree: Posix) -> None:
    publish(tree, tree.root + b"/f")
    notes = tree.root + b"/.argosy/times/"
    os.mkdir(notes + b"d")
    os.mkfifo(notes + b"p")
    os.symlink("/etc/passwd", notes + b"l")
    tree.sweep()
    assert os.listdir(notes) == [b"d"]


def test_no_note_of_times_outlives_its_change(tree: Posix) -> None:
    for name in (b"/f", b"/d/g", b"/d/e/h"):
        publish(tree, tree.root + name)
        replace(tree, tree.root + name, b"newer", tree.stat(tree.root + name))
    assert os.listdir(tree.root + b"/.argosy/times") == []
