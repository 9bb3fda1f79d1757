"""Many small things brought to the disk at once: they are there after the power failed, or nobody says so."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from argosy.core.entry import Attributes
from argosy.core.errors import ArgosyError
from argosy.core.faults import DiskFull
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.posix import Posix
from argosy.linux import syncing
from argosy.linux.libc import LIBC
from tests.filesystems.conftest import DirectoryOn
from tests.verbs.disks import Disk, disk, power_fails
from tests.worn import Worn, worn

__all__ = ["disk", "worn"]

PLAIN = Attributes(mode=0o644, uid=0, gid=0, mtime_ns=10**18)
NAMES = (b"a", b"b", b"c")


def cut(on: Disk) -> None:
    """Have the power fail, and the machine start again."""
    power_fails(on)
    on.start_again()


def noted(tree: Posix) -> list[StubState | None]:
    """Return what each file says of itself."""
    said = []
    for name in NAMES:
        with tree.open(tree.root + b"/" + name) as file:
            pointer = file.pointer()
            said.append(None if pointer is None else pointer.state)
    return said


def left(tree: Posix) -> list[Any]:
    """Return files that were noted to be premigrated, and left."""
    files = []
    for name in NAMES:
        file = tree.open(tree.root + b"/" + name)
        file.point(
            Pointer(
                state=StubState.PREMIGRATED, datastore=1, uuid=bytes(16), size=0, mtime_ns=0, digest=bytes(32),
                binding=file.binding(),
            )
        )  # fmt: skip
        file.leave()
        files.append(file)
    return files


def closed(some: Sequence[Any]) -> None:
    for one in some:
        one.close()


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little waits to be written, whatever else the machine does."""
    monkeypatch.setattr(syncing, "LITTLE", float("inf"))


@pytest.fixture(params=["ext4", "xfs"])
def on(request: pytest.FixtureRequest, disk: Callable[[str], Disk]) -> Disk:
    return disk(request.param)


@pytest.fixture
def tree(on: Disk) -> Posix:
    room = on.room("one")
    for name in NAMES:
        (room / os.fsdecode(name)).touch()
    on.settle()
    return Posix(root=bytes(room))


@pytest.mark.usefixtures("calm")
def test_what_was_noted_in_files_is_on_the_disk_of_all(on: Disk, tree: Posix) -> None:
    first, *others = files = left(tree)
    assert first.sync_with(others)
    closed(files)
    cut(on)
    assert noted(tree) == [StubState.PREMIGRATED] * 3


@pytest.mark.usefixtures("calm")
def test_staged_files_and_then_their_names_are_on_the_disk(on: Disk, tree: Posix) -> None:
    paths = [tree.root + b"/new" + name for name in NAMES]
    staged = [tree.stage(path) for path in paths]
    for one in staged:
        one.write(0, b"content" * 1000)
        one.dress(PLAIN)
    assert staged[0].sync_with(staged[1:])
    for one, path in zip(staged, paths, strict=True):
        one.publish(path)
    first, *others = map(tree.name, paths)
    assert first.sync_with(others)
    cut(on)
    assert [Path(os.fsdecode(path)).read_bytes() for path in paths] == [b"content" * 1000] * 3


@pytest.mark.usefixtures("calm")
def test_a_name_that_is_gone_is_not_said_to_be_on_the_disk(tree: Posix) -> None:
    assert not tree.name(tree.root + b"/a").sync_with([tree.name(tree.root + b"/gone")])


@pytest.mark.usefixtures("calm")
def test_files_of_two_disks_are_synced_one_by_one(tree: Posix, tmp_path: Path) -> None:
    other = Posix(root=bytes(tmp_path))
    for name in NAMES:
        (tmp_path / os.fsdecode(name)).touch()
    files = [*left(tree), *left(other)]
    assert not files[0].sync_with(files[1:])
    closed(files)


@pytest.mark.usefixtures("calm")
def test_where_it_was_not_measured_to_be_better_files_are_synced_one_by_one(directory_on: DirectoryOn) -> None:
    room = directory_on("btrfs")
    for name in NAMES:
        (room / os.fsdecode(name)).touch()
    first, *others = files = left(Posix(root=bytes(room)))
    assert not first.sync_with(others)
    closed(files)


def test_while_much_waits_to_be_written_files_are_synced_one_by_one(
    tree: Posix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "LITTLE", -1)
    first, *others = files = left(tree)
    assert not first.sync_with(others)
    closed(files)


@pytest.mark.parametrize("release", ["5.16.0-generic", "4.18.0-513.el8.x86_64", "unheard of"])
@pytest.mark.usefixtures("calm")
def test_where_the_kernel_may_not_say_what_went_wrong_files_are_synced_one_by_one(
    tree: Posix, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    first, *others = files = left(tree)
    assert not first.sync_with(others)
    closed(files)


@pytest.mark.usefixtures("calm")
def test_a_file_that_is_open_is_not_one_that_was_left(tree: Posix) -> None:
    files = left(tree)
    with tree.open(tree.root + b"/a") as file:
        assert not file.sync_with(files)
    closed(files)


@pytest.mark.usefixtures("calm")
def test_a_disk_that_failed_is_not_said_to_have_anything(on: Disk, tree: Posix) -> None:
    first, *others = files = left(tree)
    power_fails(on)
    try:
        assert not first.sync_with(others)
    finally:
        closed(files)
        on.start_again()
    assert noted(tree) == [None] * 3


@pytest.mark.usefixtures("calm")
def test_of_a_staged_file_it_is_said_that_its_bytes_were_not_taken_whoever_was_told_before(
    worn: Worn, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Posix(root=bytes(worn.point))
    staged = [tree.stage(tree.root + b"/" + name) for name in NAMES]
    worn.wear_out()
    real = LIBC.syncfs
    monkeypatch.setattr(LIBC, "syncfs", lambda descriptor: 0 * real(descriptor))
    for one in staged[1:]:
        one.write(0, os.urandom(300_000))
    assert staged[0].sync_with(staged[1:])
    staged[0].sync()
    staged[0].expect_written()
    for one in staged[1:]:
        with pytest.raises(DiskFull):
            one.expect_written()
    for one in staged:
        one.discard()


def test_what_cannot_be_discarded_on_a_disk_that_failed_is_not_held_open(on: Disk, tree: Posix) -> None:
    staged = tree.stage(tree.root + b"/new")
    power_fails(on)
    with pytest.raises(ArgosyError):
        staged.discard()
    on.start_again()  # which takes that nobody has anything open there
    tree.sweep()
    assert os.listdir(tree.root + b"/.argosy/staging") == []
