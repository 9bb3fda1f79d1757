"""`delete_paths_from_gpfs`."""

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.filesystems._posix import root, shelves, versions
from argosy.filesystems.base import Shelf
from argosy.hsm.tree.listing import Listing
from argosy.linux.libc import LIBC, checked
from tests.contracts.shelves import slip_in
from tests.loop import LoopMount, loop_mount
from tests.sites import Side
from tests.trees import nasty_tree

__all__ = ["loop_mount"]

STEP = "delete_paths_from_gpfs"


def write(path: Path, content: str = "content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def delete(side: Side, *entries: Entry | Path, recursive: bool = False) -> list[Outcome]:
    given = [Entry(path=bytes(entry)) if isinstance(entry, Path) else entry for entry in entries]
    return side.do(STEP, *given, recursive=recursive)


def trash(side: Side) -> list[Path]:
    tree = side.place.tree(bytes(side.tree))
    return [Path(os.fsdecode(kept.entry.path)) for kept in tree.kept(Shelf.TRASH)]


def test_a_directory_that_another_thread_took_along_meanwhile_is_gone_and_not_protected(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = write(london.tree / "d/f").parent

    def overtaken(seen: Entry, *_: object) -> bool:
        shutil.rmtree(seen.path)
        return False

    monkeypatch.setattr("argosy.steps.delete_paths_from_gpfs.remove_tree", overtaken)
    (outcome,) = delete(london, london.entry(top), recursive=True)
    assert (outcome.state, outcome.reason) == (FileState.SKIPPED, "is gone already")


@pytest.mark.feature("HUB-STEP-024")
def test_files_and_empty_directories_go_and_whole_trees_with_recursive(london: Side) -> None:
    file, empty = write(london.tree / "f"), london.tree / "empty"
    empty.mkdir()
    inside = write(london.tree / "d/e/g")
    outcomes = delete(london, london.entry(file), london.entry(empty), london.entry(london.tree / "d"))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED, FileState.PROCESSED, FileState.FAILED]
    assert "set recursive" in outcomes[2].reason
    assert inside.exists()
    (outcome,) = delete(london, london.entry(london.tree / "d"), recursive=True)
    assert outcome.state is FileState.PROCESSED
    assert list(london.tree.iterdir()) == []
    assert set(trash(london)) == {file, empty, inside, inside.parent, inside.parent.parent}


def test_a_tree_with_everything_in_it_goes(london: Side) -> None:
    nasty_tree(london.tree / "nasty")
    (outcome,) = delete(london, london.tree / "nasty", recursive=True)
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert list(london.tree.iterdir()) == []


@pytest.mark.feature("HUB-STEP-026")
def test_what_is_gone_already_is_skipped(london: Side) -> None:
    file = write(london.tree / "f")
    seen = london.entry(file)
    file.unlink()
    for given in (seen, file, london.tree / "no/such"):
        (outcome,) = delete(london, given)
        assert (outcome.state, outcome.reason) == (FileState.SKIPPED, "is gone already")


@pytest.mark.feature("HUB-STEP-040")
@pytest.mark.parametrize("change", ["content", "mtime", "another file"])
def test_a_file_changed_after_it_was_listed_stays(london: Side, change: str) -> None:
    file = write(london.tree / "f", "old")
    seen = london.entry(file)
    if change == "content":
        file.write_text("longer")
    elif change == "mtime":
        os.utime(file, ns=(1, 1))
    else:
        file.unlink()
        write(london.tree / "spare")  # takes the inode, if that is given out again
        write(file, "old")
        os.utime(file, ns=(seen.mtime_ns, seen.mtime_ns))
    (outcome,) = delete(london, seen)
    assert outcome.state is FileState.ABORTED
    assert file.exists()
    assert trash(london) == []


def test_what_changes_or_comes_during_a_recursive_delete_stays(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, gone = write(london.tree / "d/changed"), write(london.tree / "d/gone")
    new = london.tree / "d/sub/new"
    new.parent.mkdir()

    def meanwhile() -> None:
        changed.write_text("changed meanwhile")
        new.write_text("new")

    slip_in(monkeypatch, Listing, "backward", meanwhile)
    (outcome,) = delete(london, london.tree / "d", recursive=True)
    assert outcome.state is FileState.ABORTED
    assert "1 more" in outcome.reason
    assert (changed.read_text(), new.read_text()) == ("changed meanwhile", "new")
    assert not gone.exists()


@pytest.mark.feature("HUB-STEP-025")
def test_filesets_and_what_is_protected_stay_silently(london: Side, tmp_path: Path) -> None:
    top, gone = london.tree / "d", write(london.tree / "d/sub/gone")
    fixed, mounted = write(top / "sub/fixed"), write(tmp_path / "elsewhere/inside")
    (top / "point").mkdir()
    subprocess.run(["chattr", "+i", fixed], check=True)
    subprocess.run(["mount", "--bind", mounted.parent, top / "point"], check=True)
    try:
        (outcome,) = delete(london, london.entry(top), recursive=True)
        (again,) = delete(london, london.entry(top / "point"), recursive=True)
    finally:
        subprocess.run(["umount", top / "point"], check=True)
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert (outcome.state, outcome.reason) == (FileState.PROCESSED, "")
    assert again.state is FileState.SKIPPED
    assert sorted(path for path in top.rglob("*")) == [top / "point", top / "sub", fixed]
    assert mounted.exists()
    assert not gone.exists()


def test_subvolumes_stay_with_all_they_hold(loop_mount: LoopMount, tmp_path: Path) -> None:
    side = Side(loop_mount("btrfs") / tmp_path.name, "london", store=tmp_path)
    subvolume, gone = side.tree / "d/subvolume", write(side.tree / "d/gone")
    subprocess.run(["btrfs", "-q", "subvolume", "create", subvolume], check=True)
    inside = write(subvolume / "deep/inside")
    try:
        (outcome,) = delete(side, side.entry(side.tree / "d"), recursive=True)
        assert (outcome.state, outcome.reason) == (FileState.PROCESSED, "")
        assert inside.exists()
        assert not gone.exists()
    finally:
        subprocess.run(["btrfs", "-q", "subvolume", "delete", subvolume], check=True)
        side.place.close()


def test_a_root_is_not_emptied(london: Side) -> None:
    file = write(london.tree / "f")
    (outcome,) = delete(london, london.root, recursive=True)
    assert outcome.state is FileState.SKIPPED
    assert file.exists()


def test_what_cannot_be_removed_fails_and_the_rest_goes(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    write(london.tree / "d/a")
    write(london.tree / "d/b")
    from argosy.filesystems._posix import versions

    def refuse() -> None:
        raise OSError(5, "Input/output error")

    slip_in(monkeypatch, versions, "noreplace", refuse)
    (outcome,) = delete(london, london.tree / "d", recursive=True)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "disk_broken")
    assert [path.name for path in (london.tree / "d").iterdir()] == ["b"]


@pytest.mark.parametrize("now", ["directory", "file"])
def test_what_is_not_the_directory_that_was_listed_stays(london: Side, now: str) -> None:
    top = write(london.tree / "d/old").parent
    seen = london.entry(top)
    top.rename(london.tree / "elsewhere")
    new = write(top / "new" if now == "directory" else top)
    (outcome,) = delete(london, seen, recursive=True)
    assert outcome.state is FileState.ABORTED
    assert new.read_text() == "content"
    assert trash(london) == []


def test_what_a_killed_removal_left_goes_under_the_id_it_had(london: Side) -> None:
    top, tree = london.tree / "d", london.place.tree(bytes(london.tree))
    gone, again, _ = (write(top / name) for name in ("gone", "again", "left"))
    name = tree.together(bytes(top), "task", again=False)
    for path in (gone, again):
        tree.remove(bytes(path), london.entry(path), together=name)
    write(again, "came meanwhile")
    london.attempt = 2
    assert delete(london, top, recursive=True)[0].state is FileState.PROCESSED
    names = [(kept.entry.path.rpartition(b"/")[2], kept.id == name) for kept in tree.kept(Shelf.TRASH)]
    assert names == [(b"again", True), (b"gone", True), (b"left", True), (b"again", False), (b"d", False)]


def test_what_went_with_a_path_is_found_under_all_ids_it_has(london: Side) -> None:
    top, tree = london.tree / "d", london.place.tree(bytes(london.tree))
    delete(london, write(top / "before"), write(top / "f"))
    delete(london, top, recursive=True)
    delete(london, write(top / "alone"))
    half = write(top / "half")
    tree.remove(bytes(half), london.entry(half), together=tree.together(bytes(top), "another task", again=False))
    write(top / "rest")
    delete(london, top, recursive=True)
    london.hub.batches.clear()
    london.report("trash", Entry(path=bytes(top)), latest=True)
    found = {entry.path.rpartition(b"/")[2] for batch in london.hub.batches for entry in batch.entries}
    assert found == {b"half", b"rest", b"d"}


def full(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Have the disk be full for so many rooms on a shelf."""
    real, left = shelves.make_private, iter(range(times))

    def make(*arguments: Any, **options: Any) -> int:
        if "on_new" in options and next(left, None) is not None:
            raise OSError(28, "No space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(shelves, "make_private", make)


def test_on_a_full_disk_the_oldest_in_the_trash_goes_first(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, old, young, file = (write(london.tree / name, name[1:]) for name in ("e", "old", "young", "file"))
    for path in (empty, old, young):
        delete(london, path)
    full(monkeypatch, times=1)
    assert delete(london, file)[0].state is FileState.PROCESSED
    assert trash(london) == [empty, young, file]


def test_what_finds_no_room_in_the_trash_fails_and_the_remedy_is_told(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(london.tree / "f")
    full(monkeypatch, times=100)
    (outcome,) = delete(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "disk_full")
    assert "argosy trash purge" in outcome.reason
    assert file.exists()


def test_without_retention_a_full_disk_hinders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = Side(tmp_path, "london", policy=Policy(trash_days=0))
    file, empty = write(side.tree / "d/f"), side.tree / "empty"
    empty.mkdir()
    full(monkeypatch, times=100)
    seen = side.entry(file)
    file.write_text("longer content")
    assert delete(side, seen)[0].state is FileState.ABORTED
    assert file.read_text() == "longer content"
    outcomes = delete(side, empty, file.parent)
    assert [(outcome.state, outcome.error) for outcome in outcomes] == [
        (FileState.PROCESSED, ""),
        (FileState.FAILED, "not_empty"),
    ]
    assert delete(side, file.parent, recursive=True)[0].state is FileState.PROCESSED
    assert list(side.tree.iterdir()) == []


def test_without_retention_nothing_stays_in_the_trash(tmp_path: Path) -> None:
    side = Side(tmp_path, "london", policy=Policy(trash_days=0))
    write(side.tree / "d/f")
    (outcome,) = delete(side, side.tree / "d", recursive=True)
    assert outcome.state is FileState.PROCESSED
    assert trash(side) == []
    assert not (side.tree / "d").exists()


@pytest.mark.parametrize(("of_site", "of_fileset", "kept"), [(30.0, 0.0, 0), (0.0, 30.0, 1), (0.0, None, 0)])
def test_what_a_fileset_settles_counts_before_what_its_site_has(
    tmp_path: Path, of_site: float, of_fileset: float | None, kept: int
) -> None:
    side = Side(tmp_path, "london", policy=Policy(trash_days=of_site), snapshots="index")
    (fileset,) = side.config.filesets
    fileset = msgspec.structs.replace(fileset, trash_days=of_fileset)
    side.config = msgspec.structs.replace(side.config, filesets=(fileset,))
    side.restart()
    (outcome,) = delete(side, write(side.tree / "f"))
    assert outcome.state is FileState.PROCESSED
    assert len(trash(side)) == kept


def test_symlinks_go_and_not_what_they_point_to(london: Side, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/f")
    (london.tree / "d").mkdir()
    (london.tree / "d/link").symlink_to(outside.parent)
    (outcome,) = delete(london, london.tree / "d", recursive=True)
    assert outcome.state is FileState.PROCESSED
    assert outside.exists()


def test_a_listing_is_read_backward_however_long_it_is() -> None:
    entries = [Entry(path=b"/%d" % number, inode=number) for number in range(100_000)]
    with Listing() as listing:
        for entry in entries:
            listing.add(entry)
        assert list(listing.backward()) == entries[::-1]


def test_a_stub_goes_to_the_trash_with_its_location(london: Side) -> None:
    file = write(london.tree / "f", "x" * 100_000)
    os.utime(file, ns=(10**18, 10**18))
    (migrated,) = london.do("migrate", london.entry(file))
    assert migrated.state is FileState.PROCESSED, migrated.reason
    uuids = {found.pointer.uuid for found in london.place.tree(bytes(file)).every_pointer()}
    (outcome,) = delete(london, msgspec.structs.replace(migrated.entry, state="removed"))
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert {found.pointer.uuid for found in london.place.tree(bytes(file)).every_pointer()} == uuids != set()


def anew(side: Side, listed: Entry) -> Path:
    """Make a directory in the place of one that is gone, by the number it had: ext4 gives that again at once."""
    path = Path(os.fsdecode(listed.path))
    for number in range(1000):
        path.mkdir()
        if path.stat().st_ino == listed.inode:
            return write(path / "new", "new work")
        path.rename(path.with_name(f"other-{number}"))
    raise AssertionError("the number was not given again")


@pytest.fixture
def on_ext4(loop_mount: LoopMount, tmp_path: Path) -> Side:
    return Side(loop_mount("ext4") / tmp_path.name, "london", store=tmp_path)


@pytest.mark.parametrize("recursive", [False, True])
def test_what_got_the_number_of_what_was_listed_stays(on_ext4: Side, recursive: bool) -> None:
    (on_ext4.tree / "d").mkdir()
    listed = on_ext4.entry(on_ext4.tree / "d")
    (on_ext4.tree / "d").rmdir()
    work = anew(on_ext4, listed)
    if not recursive:
        work.unlink()
    (outcome,) = delete(on_ext4, listed, recursive=recursive)
    assert outcome.state is FileState.ABORTED
    assert work.parent.is_dir()
    assert work.exists() is recursive


def test_a_second_attempt_leaves_what_was_made_since_the_first(london: Side) -> None:
    file, held = write(london.tree / "f"), write(london.tree / "d/old")
    assert delete(london, file)[0].state is FileState.PROCESSED
    write(file, "made anew")
    write(london.tree / "d/new")
    london.attempt = 2
    outcomes = delete(london, file, held.parent, recursive=True)
    assert [outcome.state for outcome in outcomes] == [FileState.ABORTED, FileState.ABORTED]
    assert file.read_text() == "made anew"
    assert [path.name for path in held.parent.iterdir()] == ["new"]


@pytest.mark.parametrize("days", [0, 30])
def test_what_takes_the_place_of_a_file_twice_is_beside_it_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    side = Side(tmp_path, "london", policy=Policy(trash_days=days))
    file, live = write(side.tree / "f", "old"), write(side.tree / "live", "live work")

    def replaced() -> None:
        live.rename(file)
        slip_in(monkeypatch, versions, "noreplace", lambda: write(file, "newer"))

    slip_in(monkeypatch, versions, "noreplace", replaced)
    (outcome,) = delete(side, side.entry(file))
    beside = file.with_name("f.moved-conflict")
    assert outcome.state is FileState.ABORTED
    assert f"is now {beside}" in outcome.reason
    assert (file.read_text(), beside.read_text()) == ("newer", "live work")
    assert trash(side) == []


def test_who_has_a_removed_directory_open_puts_nothing_into_the_trash(london: Side) -> None:
    (london.tree / "d").mkdir(0o750)
    held = os.open(london.tree / "d", os.O_RDONLY)
    try:
        assert delete(london, london.tree / "d")[0].state is FileState.PROCESSED
        with pytest.raises(FileNotFoundError):
            os.open("later", os.O_CREAT | os.O_WRONLY, dir_fd=held)
    finally:
        os.close(held)
    assert trash(london) == [london.tree / "d"]


@pytest.mark.parametrize("days", [0, 30])
def test_a_directory_that_gets_something_as_it_goes_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    side = Side(tmp_path, "london", policy=Policy(trash_days=days))
    (side.tree / "d").mkdir()
    held = os.open(side.tree / "d", os.O_RDONLY)
    real = os.rmdir

    def late(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(os, "rmdir", real)
        os.close(os.open("work", os.O_CREAT | os.O_WRONLY, dir_fd=held))
        real(*arguments, **options)

    monkeypatch.setattr(os, "rmdir", late)
    (outcome,) = delete(side, side.entry(side.tree / "d"), recursive=True)
    os.close(held)
    assert outcome.state is FileState.ABORTED
    assert (side.tree / "d/work").exists()
    assert trash(side) == []


def test_a_limit_that_no_room_helps_against_empties_no_shelf(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    old, file = write(london.tree / "old"), write(london.tree / "f")
    delete(london, old)
    real = shelves.make_private

    def make(*arguments: Any, **options: Any) -> int:
        if "on_new" in options:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(*arguments, **options)

    monkeypatch.setattr(shelves, "make_private", make)
    assert delete(london, file)[0].error == "limit"
    assert trash(london) == [old]
    assert file.exists()


def test_what_makes_room_in_vain_stops(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        (london.tree / "big").write_bytes(b"x" * (6 << 20))
        delete(london, london.tree / "big")
    file = write(london.tree / "f")
    full(monkeypatch, times=100)
    assert delete(london, file)[0].error == "disk_full"
    assert len(trash(london)) == 1


def test_what_a_user_mounted_for_himself_alone_stays_and_the_rest_goes(london: Side) -> None:
    point, gone = london.tree / "d/mine", write(london.tree / "d/gone")
    point.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=4001,group_id=4001" % device
    checked(LIBC.mount(b"fuse", os.fsencode(point), b"fuse", 6, options))
    try:
        with pytest.raises(PermissionError):
            os.listdir(point)
        (outcome,) = delete(london, london.tree / "d", recursive=True)
    finally:
        checked(LIBC.umount2(os.fsencode(point), 2))
        os.close(device)
    assert (outcome.state, outcome.reason) == (FileState.PROCESSED, "")
    assert (point.is_dir(), gone.exists()) == (True, False)


def test_what_a_directory_costs_does_not_grow_with_its_depth(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = root._make_one
    monkeypatch.setattr(root, "_make_one", lambda *given: opened.append(1) or real(*given))
    for depth in (20, 80):
        opened.clear()
        (london.tree / "d").mkdir()
        (london.tree / "/".join("d" * depth)).mkdir(parents=True, exist_ok=True)
        assert delete(london, london.tree / "d", recursive=True)[0].state is FileState.PROCESSED
        assert len(opened) < 3 * depth
