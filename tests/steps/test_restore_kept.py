"""`restore_kept`."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Attributes, Entry
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.filesystems._posix import shelves
from argosy.filesystems.base import Kept, Shelf
from tests.contracts.shelves import slip_in
from tests.sites import Side

RESTORE = """
import os, sys
from argosy.filesystems.base import Shelf
from argosy.filesystems.posix import Posix
tree, path = Posix(root=os.fsencode(sys.argv[1])), os.fsencode(sys.argv[2])
(kept,) = (one for one in tree.kept(Shelf.TRASH, path) if one.entry.path == path)
tree.restore(kept)
"""


def removed(side: Side, path: Path) -> list[Kept]:
    (outcome,) = side.do("delete_paths_from_gpfs", Entry(path=bytes(path)), recursive=True)
    assert outcome.state is FileState.PROCESSED
    return list(side.place.tree(bytes(path)).kept(Shelf.TRASH, bytes(path)))


def lying(side: Side, kept: Kept) -> Entry:
    return msgspec.structs.replace(kept.entry, source=kept.place(bytes(side.root)))


def test_only_what_lay_there_was_restored_already(london: Side) -> None:
    file = london.tree / "f"
    file.write_text("old")
    (kept,) = removed(london, file)
    outcomes = [london.do("restore_kept", lying(london, kept))[0] for _ in range(2)]
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED, FileState.SKIPPED]
    (kept,) = removed(london, file)
    london.place.tree(bytes(file)).purge(kept)
    file.write_text("unrelated")
    (outcome,) = london.do("restore_kept", lying(london, kept))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_found")


def test_a_directory_that_another_empties_on_its_shelf_is_restored(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = london.tree / "d"
    top.mkdir()
    (top / "f").write_text("content")
    _, directory = removed(london, top)
    other = [sys.executable, "-c", RESTORE, london.root, top / "f"]
    slip_in(monkeypatch, shelves.seal, "mark_made", lambda: subprocess.run(other, check=True))
    (outcome,) = london.do("restore_kept", lying(london, directory))
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert (top / "f").read_text() == "content"
    assert os.listdir(london.root / ".argosy/trash") == []


# nobody gets into what was private


ALICE, BOB = 4001, 4002


@pytest.fixture
def alices(london: Side) -> Path:
    """A directory of Alice's, in which Bob has one that is his alone and holds a file that all may read."""
    os.chown(london.tree, ALICE, ALICE)
    private = london.tree / "private"
    private.mkdir()
    (private / "secret").write_text("Bob's")
    for path in (private, private / "secret"):
        os.chown(path, BOB, BOB)
    private.chmod(0o700)
    return private


def rights(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)


def restore(side: Side, kept: Kept, to: Path | None = None) -> Outcome:
    entry = lying(side, kept) if to is None else msgspec.structs.replace(lying(side, kept), path=bytes(to))
    (outcome,) = side.do("restore_kept", entry)
    return outcome


def alice_makes(directory: Path, mode: int = 0o755) -> None:
    directory.mkdir()
    os.chown(directory, ALICE, ALICE)
    directory.chmod(mode)


def test_a_directory_comes_back_with_the_first_file_it_held_and_is_as_private_as_it_was(
    london: Side, alices: Path
) -> None:
    file, directory = removed(london, alices)
    assert restore(london, file).state is FileState.PROCESSED
    assert rights(alices) == (BOB, 0o700)
    assert restore(london, directory).state is FileState.PROCESSED
    assert rights(alices) == (BOB, 0o700)
    assert os.listdir(london.root / ".argosy/trash") == []


def test_a_directory_that_was_removed_after_its_file_is_made_as_it_was(london: Side, alices: Path) -> None:
    (file,) = removed(london, alices / "secret")
    alices.rmdir()
    assert restore(london, file).state is FileState.PROCESSED
    assert rights(alices) == (BOB, 0o700)


def test_a_directory_of_which_nothing_is_known_is_ours_alone_until_it_arrives(london: Side, alices: Path) -> None:
    (file,) = removed(london, alices / "secret")
    alices.rmdir()
    os.setxattr(london.root / f".argosy/trash/{file.id}/projects/private", "trusted.argosy.made", b"")
    assert restore(london, file).state is FileState.PROCESSED
    assert rights(alices) == (0, 0o700)
    bobs = Attributes(mode=0o750, uid=BOB, gid=BOB, mtime_ns=1)
    assert london.place.tree(bytes(alices)).make_directory(bytes(alices), bobs)
    assert rights(alices) == (BOB, 0o750)


@pytest.mark.parametrize("who", ["another", "the same with more rights"])
def test_nothing_comes_back_into_what_others_put_in_its_place(london: Side, alices: Path, who: str) -> None:
    kept = removed(london, alices)
    alice_makes(alices)
    if who != "another":
        os.chown(alices, BOB, BOB)
    outcomes = [restore(london, each) for each in kept]
    assert [outcome.error for outcome in outcomes] == ["exists"] * 2
    assert all(str(alices) in outcome.reason and "another path" in outcome.reason for outcome in outcomes)
    assert os.listdir(alices) == []
    assert len(list(london.place.tree(bytes(alices)).kept(Shelf.TRASH))) == 2
    alices.rename(london.tree / "alices")
    assert [restore(london, each).state for each in kept] == [FileState.PROCESSED] * 2


def test_what_a_restored_directory_held_does_not_come_back_into_another(london: Side, alices: Path) -> None:
    file, directory = removed(london, alices)
    assert restore(london, directory).state is FileState.PROCESSED
    alices.rename(london.tree / "elsewhere")
    alice_makes(alices)
    assert restore(london, file).error == "exists"
    assert os.listdir(alices) == []


def test_a_directory_that_was_there_all_the_time_takes_back_what_it_held(london: Side, alices: Path) -> None:
    (file,) = removed(london, alices / "secret")
    alices.chmod(0o777)
    assert restore(london, file).state is FileState.PROCESSED
    assert rights(alices) == (BOB, 0o777)


def test_under_another_name_a_directory_is_as_private_as_it_was(london: Side, alices: Path) -> None:
    file, directory = removed(london, alices)
    other = london.tree / "found"
    assert restore(london, file, other / "secret").state is FileState.PROCESSED
    assert rights(other) == (BOB, 0o700)
    assert restore(london, directory, other).state is FileState.PROCESSED
    (file, _) = removed(london, other)
    alice_makes(other)
    assert restore(london, file).error == "exists"
    alice_makes(london.tree / "third")
    assert restore(london, file, london.tree / "third/secret").error == "exists"
    (london.tree / "fourth").mkdir(mode=0o755)
    assert restore(london, file, london.tree / "fourth/secret").state is FileState.PROCESSED
