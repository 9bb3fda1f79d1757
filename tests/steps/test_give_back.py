"""`give_back`."""

import os
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from argosy.core.entry import Entry, Facts, Kind, Left
from argosy.core.states import FileState
from argosy.filesystems._posix import restoring
from argosy.filesystems.base import Kept, Shelf
from tests.contracts.shelves import slip_in
from tests.sites import Side

OLD, NEW = "what was there", "what the sync brought"


def left_at(side: Side, path: Path) -> Left:
    """Return what a sync would note of what it left."""
    found, seen = path.lstat(), side.entry(path)
    content = os.fsencode(os.readlink(path)) if path.is_symlink() else blake3(path.read_bytes()).digest()
    return Left(
        kind=seen.kind,
        inode=seen.inode,
        size=seen.size,
        mtime_ns=seen.mtime_ns,
        ctime_ns=seen.ctime_ns,
        mode=found.st_mode & 0o7777,
        uid=found.st_uid,
        gid=found.st_gid,
        content=content,
    )


def replaced(side: Side, path: Path, *, by: str = NEW) -> Entry:
    """Have a sync replace what is at the path; return what an undo finds of that."""
    tree = side.place.tree(bytes(path))
    tree.put_aside(bytes(path), side.entry(path))
    (kept,) = tree.kept(Shelf.VERSIONS, bytes(path))
    if kept.entry.kind is Kind.SYMLINK:
        path.symlink_to(by)
    else:
        path.write_text(by)
    lay = msgspec.structs.replace(kept.entry, source=kept.place(bytes(side.root)))
    return msgspec.structs.replace(lay, facts=Facts(left=left_at(side, path)))


@pytest.fixture
def file(london: Side) -> Path:
    path = london.tree / "f"
    path.write_text(OLD)
    return path


def versions(side: Side, path: Path) -> list[Kept]:
    return list(side.place.tree(bytes(path)).kept(Shelf.VERSIONS, bytes(path)))


def test_it_comes_back_as_it_was_and_what_gives_way_is_a_version_of_its_own(london: Side, file: Path) -> None:
    inode, taken = file.stat().st_ino, replaced(london, file)
    came = file.stat().st_ino
    (planned,) = london.planned("give_back", taken)
    assert (planned.state, file.read_text()) == (FileState.PROCESSED, NEW)
    assert planned.reason.endswith("which the version store keeps")
    (outcome,) = london.do("give_back", taken)
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert (file.stat().st_ino, file.read_text()) == (inode, OLD)
    (kept,) = versions(london, file)
    assert kept.entry.inode == came
    assert kept.place(bytes(london.root)) != taken.source
    (again,) = london.do("give_back", taken)
    assert (again.state, again.reason) == (FileState.SKIPPED, "was given back already")


def test_a_symlink_comes_back_as_well(london: Side) -> None:
    path = london.tree / "link"
    path.symlink_to("before")
    (outcome,) = london.do("give_back", replaced(london, path, by="after"))
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert os.readlink(path) == "before"


def test_what_only_its_ctime_tells_of_gives_way_if_it_is_the_same(london: Side, file: Path) -> None:
    taken = replaced(london, file)
    os.link(file, london.tree / "further")
    (planned,) = london.planned("give_back", taken)
    assert planned.reason.endswith("if that was not changed")
    (outcome,) = london.do("give_back", taken)
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert (london.tree / "further").read_text() == NEW


def edited_in_place(path: Path) -> None:
    before = path.stat()
    path.write_text(NEW.upper())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def saved_anew(path: Path) -> None:
    path.unlink()
    path.write_text("saved by somebody")


CHANGES = [
    edited_in_place,
    saved_anew,
    Path.unlink,
    lambda path: path.write_text("longer than it was"),
    lambda path: path.chmod(0o600),
    lambda path: (path.unlink(), path.mkdir()),
]


@pytest.mark.parametrize("change", CHANGES, ids=["in place", "saved", "removed", "written", "mode", "directory"])
def test_what_people_did_stays_and_says_how_to_have_both(london: Side, file: Path, change) -> None:
    taken = replaced(london, file)
    change(file)
    before = file.lstat() if file.exists() else None
    (outcome,) = london.do("give_back", taken)
    assert outcome.state is FileState.ABORTED
    assert outcome.error == ("changed" if before else "removed")
    assert f"argosy versions restore {file}@" in outcome.reason
    assert "--site london" in outcome.reason
    assert (file.lstat().st_ino if before else None) == (before.st_ino if before else None)
    (kept,) = versions(london, file)
    assert kept.entry.inode == taken.inode


def test_what_was_written_to_on_its_shelf_is_not_told_as_gone_from_there(london: Side, file: Path) -> None:
    taken = replaced(london, file)
    assert taken.source is not None
    Path(os.fsdecode(taken.source)).write_text("written by the name that it shared")
    (planned,) = london.planned("give_back", taken)
    (outcome,) = london.do("give_back", taken)
    assert planned.reason == outcome.reason
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed")
    assert "is not what the sync took any more" in outcome.reason
    assert f"argosy versions restore {file}@" in outcome.reason
    assert file.read_text() == NEW


def test_names_of_one_file_come_back_and_what_gives_way_is_kept_apart_from_them(london: Side, file: Path) -> None:
    further = london.tree / "further"
    os.link(file, further)
    taken = [replaced(london, path) for path in (file, further)]
    further.unlink()
    os.link(file, further)
    taken[1] = msgspec.structs.replace(taken[1], facts=Facts(left=left_at(london, further)))
    for entry in taken:
        (outcome,) = london.do("give_back", entry)
        assert outcome.state is FileState.PROCESSED, outcome.reason
    assert [path.read_text() for path in (file, further)] == [OLD, OLD]
    for path in (file, further):
        path.write_text("written in place")
    for path, entry in zip((file, further), taken, strict=True):
        (kept,) = versions(london, path)
        assert Path(os.fsdecode(kept.place(bytes(london.root)))).read_text() == NEW
        (again,) = london.do("give_back", entry)
        assert again.state is not FileState.PROCESSED


def test_what_somebody_puts_there_in_the_last_moment_has_its_name_again(
    london: Side, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = replaced(london, file)
    slip_in(monkeypatch, restoring, "exchange", lambda: saved_anew(file))
    (outcome,) = london.do("give_back", taken)
    assert outcome.state is FileState.ABORTED, outcome.reason
    assert file.read_text() == "saved by somebody"
    (kept,) = versions(london, file)
    assert kept.entry.inode == taken.inode


def test_what_a_kill_left_where_the_other_lay_becomes_a_version_when_it_is_done_again(
    london: Side, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, came = replaced(london, file), file.stat().st_ino

    def die(point: str) -> None:
        raise KeyboardInterrupt(point)

    tree = london.place.tree(bytes(file))
    lay = Kept.at(taken.source or b"", bytes(london.root), taken)
    seen = tree.stat(bytes(file))
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            tree.give_back(lay, bytes(file), replacing=seen)
    assert file.read_text() == OLD
    (kept,) = versions(london, file)
    assert (kept.entry.inode, kept.place(bytes(london.root))) == (came, taken.source)
    (outcome,) = london.do("give_back", taken)
    assert outcome.state is FileState.SKIPPED, outcome.reason
    assert file.read_text() == OLD
    (kept,) = versions(london, file)
    assert kept.entry.inode == came
    assert kept.place(bytes(london.root)) != taken.source


def test_a_name_that_was_given_to_something_else_stays_with_that(london: Side, file: Path) -> None:
    (gone,) = london.do("delete_paths_from_gpfs", Entry(path=bytes(file)), recursive=False)
    assert gone.state is FileState.PROCESSED
    (kept,) = london.place.tree(bytes(file)).kept(Shelf.TRASH, bytes(file))
    taken = msgspec.structs.replace(kept.entry, source=kept.place(bytes(london.root)))
    file.write_text("somebody's")
    (outcome,) = london.do("give_back", taken)
    assert (outcome.state, file.read_text()) == (FileState.ABORTED, "somebody's")
    file.unlink()
    (outcome,) = london.do("give_back", taken)
    assert (outcome.state, file.read_text()) == (FileState.PROCESSED, OLD)
    file.unlink()
    (outcome,) = london.do("give_back", taken)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_found")
