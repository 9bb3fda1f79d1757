"""`restore_kept`."""

import os
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.states import FileState
from argosy.filesystems._posix import shelves
from argosy.filesystems.base import Kept, Shelf
from tests.contracts.shelves import slip_in
from tests.sites import Side


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
    file, directory = removed(london, top)
    tree = london.place.tree(bytes(top))
    slip_in(monkeypatch, shelves.seal, "mark_made", lambda: tree.restore(file))
    (outcome,) = london.do("restore_kept", lying(london, directory))
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert (top / "f").read_text() == "content"
    assert os.listdir(london.root / ".argosy/trash") == []
