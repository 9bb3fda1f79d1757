"""`posix` keeps the contract of the shelves on ext4, XFS and btrfs."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from argosy.core.errors import Denied, Protected
from argosy.filesystems.base import Shelf
from argosy.filesystems.posix import Posix
from tests.argosy_up import until
from tests.contracts.filesystem import content_of, names_below, publish, versions
from tests.contracts.shelves import ShelvesContract, moving, point, remove_tree, trash, uuids
from tests.filesystems.conftest import DirectoryOn
from tests.filesystems.nobody import NOBODY, as_nobody
from tests.loop import LoopMount, settle


class TestOnExt4(ShelvesContract):
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Posix:
        return made(tmp_path / "root")


class TestOnXfs(ShelvesContract):
    @pytest.fixture
    def tree(self, directory_on: DirectoryOn) -> Posix:
        return made(directory_on("xfs") / "root")


class TestOnBtrfs(ShelvesContract):
    @pytest.fixture
    def tree(self, directory_on: DirectoryOn) -> Posix:
        return made(directory_on("btrfs") / "root")


def made(path: Path) -> Posix:
    path.mkdir()
    return Posix(root=os.fsencode(path))


@pytest.fixture
def tree(tmp_path: Path) -> Posix:
    return made(tmp_path / "root")


def test_a_subvolume_is_neither_removed_nor_moved_nor_entered(directory_on: DirectoryOn) -> None:
    tree = made(directory_on("btrfs") / "root")
    path = tree.root + b"/subvolume"
    subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
    with open(path + b"/f", "wb") as file:
        file.write(b"inside")
    try:
        with pytest.raises(Protected, match="subvolume"):
            tree.remove(path, tree.stat(path))
        with pytest.raises(Protected, match="make that a root"):
            tree.remove(path + b"/f", tree.stat(path + b"/f"))
        with pytest.raises(Protected):
            tree.move(path + b"/f", tree.stat(path + b"/f"), tree.root + b"/f")
        assert content_of(path + b"/f") == b"inside"
        uuid = point(tree, path + b"/f")
        assert uuids(tree) == {uuid: path + b"/f"}
    finally:
        subprocess.run(["btrfs", "-q", "subvolume", "delete", path], check=True)


def test_pointers_below_a_mount_point_are_told(tree: Posix, tmp_path: Path) -> None:
    mounted = Posix(root=os.fsencode(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    publish(mounted, mounted.root + b"/f")
    uuid = point(mounted, mounted.root + b"/f")
    os.mkdir(tree.root + b"/point")
    subprocess.run(["mount", "--bind", mounted.root, tree.root + b"/point"], check=True)
    try:
        assert uuids(tree) == {uuid: tree.root + b"/point/f"}
    finally:
        subprocess.run(["umount", tree.root + b"/point"], check=True)


# kills

CODE = """
import sys, os
from argosy.filesystems.posix import Posix
tree = Posix(root=os.fsencode(sys.argv[1]))
one, two, three = (tree.root + b"/d/" + name for name in (b"one", b"two", b"three"))
verb = sys.argv[2]
if verb == "remove":
    tree.remove(one, tree.stat(one))
elif verb == "remove directory":
    tree.remove(tree.root + b"/empty", tree.stat(tree.root + b"/empty"))
elif verb == "move":
    tree.move(one, tree.stat(one), three)
elif verb == "replace":
    tree.move(one, tree.stat(one), two, replacing=tree.stat(two))
elif verb == "directory":
    with tree.park(one, tree.stat(one)) as inner, tree.park(tree.root + b"/d", tree.stat(tree.root + b"/d")) as outer:
        outer.place(tree.root + b"/e")
        inner.place(tree.root + b"/f")
"""


def killed(tree: Posix, directory: Path, verb: str, point: str, number: int = 1) -> None:
    """Do something in a process that dies at a failpoint, and clear up after it."""
    kill(tree, directory, verb, point, number)
    tree.sweep()
    assert moving(tree) == []


def kill(tree: Posix, directory: Path, verb: str, point: str, number: int = 1) -> None:
    env = os.environ | {"ARGOSY_FAILPOINTS": f"{point}=kill#{number}", "ARGOSY_FAILPOINTS_DIR": str(directory)}
    done = subprocess.run([sys.executable, "-c", CODE, tree.root, verb], env=env, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert (directory / f"{point}.hit").exists()


@pytest.fixture
def two(tree: Posix) -> Posix:
    publish(tree, tree.root + b"/d/one", b"1")
    publish(tree, tree.root + b"/d/two", b"2")
    os.mkdir(tree.root + b"/empty")
    return tree


def contents(tree: Posix) -> dict[bytes, bytes]:
    top = len(tree.root) + 1
    return {path[top:]: content_of(path) for path in names_below(tree) if not os.path.isdir(path)}


def test_a_remove_that_is_killed_has_removed(two: Posix, tmp_path: Path) -> None:
    killed(two, tmp_path, "remove", "hsm:trash")
    assert contents(two) == {b"d/two": b"2"}
    assert [path for path, _ in trash(two)] == [two.root + b"/d/one"]


def test_a_directory_whose_removal_is_killed_is_there_or_in_the_trash(two: Posix, tmp_path: Path) -> None:
    killed(two, tmp_path, "remove directory", "hsm:stage")
    assert os.path.isdir(two.root + b"/empty")
    assert trash(two) == []
    killed(two, tmp_path, "remove directory", "hsm:trash")
    assert not os.path.exists(two.root + b"/empty")
    assert [path for path, _ in trash(two)] == [two.root + b"/empty"]


def test_a_move_that_is_killed_has_moved(two: Posix, tmp_path: Path) -> None:
    killed(two, tmp_path, "move", "hsm:publish")
    assert contents(two) == {b"d/three": b"1", b"d/two": b"2"}


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("hsm:stage", {b"d/one": b"1", b"d/two": b"2"}),
        ("hsm:publish", {b"d/two": b"1"}),
        ("hsm:trash", {b"d/two": b"1"}),
    ],
)
def test_a_replacing_move_that_is_killed_loses_neither(
    two: Posix, tmp_path: Path, point: str, expected: dict[bytes, bytes]
) -> None:
    killed(two, tmp_path, "replace", point)
    assert contents(two) == expected
    assert versions(two) == ({} if point == "hsm:stage" else {b"d/two": b"2"})


@pytest.mark.parametrize(
    ("point", "number", "expected"),
    [
        ("hsm:stage", 1, {b"d/one": b"1", b"d/two": b"2"}),
        ("hsm:stage", 2, {b"d/one": b"1", b"d/two": b"2"}),
        ("hsm:publish", 2, {b"e/two": b"2", b"f": b"1"}),
    ],
)
def test_a_directory_and_what_it_held_go_back_after_a_kill(
    two: Posix, tmp_path: Path, point: str, number: int, expected: dict[bytes, bytes]
) -> None:
    killed(two, tmp_path, "directory", point, number)
    assert contents(two) == expected
    assert versions(two) == {}


def test_what_is_left_without_a_note_goes_to_the_version_store(two: Posix) -> None:
    parked = two.park(two.root + b"/d/one", two.stat(two.root + b"/d/one"))
    for name in moving(two):
        if name.endswith(b".note"):
            os.unlink(two.root + b"/.argosy/moving/" + name)
    two.sweep()
    assert list(versions(two).values()) == [b"1"]
    parked.put_back()
    assert contents(two) == {b"d/two": b"2"}


# while others act


@contextmanager
def paused(tree: Posix, directory: Path, verb: str, point: str) -> Iterator[None]:
    """Do something in a process that waits at a failpoint until the block has ended, and ends then."""
    env = os.environ | {"ARGOSY_FAILPOINTS": f"{point}=pause", "ARGOSY_FAILPOINTS_DIR": str(directory)}
    command = [sys.executable, "-c", CODE, tree.root, verb]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        until((directory / f"{point}.hit").exists, seconds=20)
        yield
        (directory / f"{point}.go").touch()
        assert process.stderr is not None
        (directory / "said").write_text(process.stderr.read())


def test_who_takes_the_name_of_what_is_being_removed_keeps_it(two: Posix, tmp_path: Path) -> None:
    with paused(two, tmp_path, "remove", "hsm:trash"):
        publish(two, two.root + b"/d/one", b"new")
    assert (tmp_path / "said").read_text() == ""
    assert contents(two) == {b"d/one": b"new", b"d/two": b"2"}
    assert [path for path, _ in trash(two)] == [two.root + b"/d/one"]


def test_who_writes_to_what_is_being_removed_has_it_back(two: Posix, tmp_path: Path) -> None:
    with (
        open(two.root + b"/d/one", "ab") as writer,
        paused(two, tmp_path, "remove", "hsm:trash"),
    ):
        writer.write(b" and more")
        writer.flush()
    assert "Changed" in (tmp_path / "said").read_text()
    assert contents(two) == {b"d/one": b"1 and more", b"d/two": b"2"}
    assert trash(two) == []


def test_who_writes_and_takes_the_name_too_loses_nothing(two: Posix, tmp_path: Path) -> None:
    with (
        open(two.root + b"/d/one", "ab") as writer,
        paused(two, tmp_path, "remove", "hsm:trash"),
    ):
        writer.write(b" and more")
        writer.flush()
        publish(two, two.root + b"/d/one", b"new")
    assert contents(two) == {b"d/one": b"new", b"d/one.moved-conflict": b"1 and more", b"d/two": b"2"}
    assert "is now " + os.fsdecode(two.root) + "/d/one.moved-conflict" in (tmp_path / "said").read_text()
    assert trash(two) == []


def test_who_takes_the_name_a_move_comes_from_or_goes_to_keeps_it(two: Posix, tmp_path: Path) -> None:
    with paused(two, tmp_path, "replace", "hsm:stage"):
        publish(two, two.root + b"/d/one", b"new")
        os.unlink(two.root + b"/d/two")
    said = (tmp_path / "said").read_text()
    assert "Changed" in said
    assert "d/one.moved-conflict" in said
    assert contents(two) == {b"d/one": b"new", b"d/one.moved-conflict": b"1"}
    assert versions(two) == {}
    assert moving(two) == []


# power cuts


def cut(point: Path) -> None:
    """Have the filesystem forget what was not synced, as a power cut does, and mount it anew."""
    subprocess.run(["xfs_io", "-x", "-c", "shutdown", point], check=True)
    subprocess.run(["umount", point], check=True)
    subprocess.run(["mount", "-o", "loop", point.parent / f"{point.name}.img", point], check=True)


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, loop_mount: LoopMount) -> Path:
    return loop_mount(request.param, size={"ext4": 64 << 20, "xfs": 512 << 20}[request.param])


def test_what_was_done_is_done_after_a_power_cut(disk: Path) -> None:
    tree = made(disk / "root")
    for name in (b"removed", b"moved", b"new", b"old", b"back"):
        publish(tree, tree.root + b"/d/" + name, name)
    os.mkdir(tree.root + b"/empty")
    paths = {name: tree.root + b"/d/" + name for name in (b"removed", b"moved", b"new", b"old", b"back")}
    tree.remove(paths[b"back"], tree.stat(paths[b"back"]))
    settle(disk)
    tree.restore(next(tree.kept(Shelf.TRASH)))
    tree.remove(paths[b"removed"], tree.stat(paths[b"removed"]))
    tree.remove(tree.root + b"/empty", tree.stat(tree.root + b"/empty"))
    tree.move(paths[b"moved"], tree.stat(paths[b"moved"]), tree.root + b"/e/moved")
    tree.move(paths[b"new"], tree.stat(paths[b"new"]), paths[b"old"], replacing=tree.stat(paths[b"old"]))
    cut(disk)
    tree.sweep()
    assert contents(tree) == {b"d/back": b"back", b"d/old": b"new", b"e/moved": b"moved"}
    assert not os.path.exists(tree.root + b"/empty")
    assert {path for path, _ in trash(tree)} == {paths[b"removed"], tree.root + b"/empty"}
    assert versions(tree) == {b"d/old": b"old"}


@pytest.mark.parametrize("synced", [False, True])
def test_what_was_parked_goes_back_after_a_power_cut(disk: Path, tmp_path: Path, synced: bool) -> None:
    tree = made(disk / "root")
    publish(tree, tree.root + b"/d/one", b"1")
    publish(tree, tree.root + b"/d/two", b"2")
    settle(disk)
    kill(tree, tmp_path, "replace", "hsm:stage")
    if synced:
        subprocess.run(["sync", "-f", disk], check=True)
    cut(disk)
    tree.sweep()
    assert contents(tree) == {b"d/one": b"1", b"d/two": b"2"}
    assert moving(tree) == []
    assert versions(tree) == {}


# an agent that is not root


@pytest.fixture
def theirs() -> Iterator[Posix]:
    root = tempfile.mkdtemp(prefix="argosy-nobody-").encode()
    os.chown(root, NOBODY, NOBODY)
    os.chmod(root, 0o755)
    yield Posix(root=root, key=bytes(range(32)))
    subprocess.run(["rm", "-rf", root], check=True)


def test_without_rights_a_tree_is_removed_and_restored_too(theirs: Posix) -> None:
    def check() -> None:
        publish(theirs, theirs.root + b"/d/e/f", b"precious")
        os.chmod(theirs.root + b"/d/e", 0o711)
        remove_tree(theirs, theirs.root + b"/d")
        assert names_below(theirs) == [theirs.root]
        for kept in list(theirs.kept(Shelf.TRASH)):
            theirs.restore(kept)
        assert content_of(theirs.root + b"/d/e/f") == b"precious"
        assert os.stat(theirs.root + b"/d/e").st_mode & 0o777 == 0o711

    as_nobody(check)


def test_what_the_agent_may_not_remove_stays(theirs: Posix) -> None:
    os.mkdir(theirs.root + b"/roots")
    with open(theirs.root + b"/roots/f", "wb") as file:
        file.write(b"root's")

    def check() -> None:
        path = theirs.root + b"/roots/f"
        with pytest.raises(Denied):
            theirs.remove(path, theirs.stat(path))
        assert content_of(path) == b"root's"

    as_nobody(check)


def test_pointers_are_not_told_where_some_cannot_be_read(theirs: Posix) -> None:
    os.mkdir(theirs.root + b"/closed", 0o700)

    def check() -> None:
        with pytest.raises(Denied, match="/closed"):
            list(theirs.every_pointer())

    as_nobody(check)
