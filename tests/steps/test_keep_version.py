"""Settling a conflict at one site: nothing is lost, and nothing is done to what is not what it was."""

import os
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from argosy.core.entry import Entry, Kind
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.filesystems.base import Shelf
from tests.sites import Side

COPY = "notes.conflict-dublin-0123456789ab.txt"
TEXTS = {"notes.txt": b"of london", COPY: b"of dublin, which lost"}


@pytest.fixture(autouse=True)
def _both(london: Side) -> None:
    for name, text in TEXTS.items():
        (london.tree / name).write_bytes(text)


def seen(side: Side, name: str) -> dict[str, Any]:
    """Return a version as the hub tells it."""
    path = side.tree / name
    entry = side.entry(path)
    content = os.fsencode(os.readlink(path)) if path.is_symlink() else blake3(path.read_bytes()).digest()
    return {
        "kind": entry.kind,
        "inode": entry.inode,
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "ctime_ns": entry.ctime_ns,
        "content": content,
    }


def chosen(side: Side, keeps: str) -> dict[str, Any]:
    """Return the options of a choice between what is there now."""
    name = bytes(side.tree / "notes.txt")
    return {"keeps": keeps, "name": name, "this": seen(side, "notes.txt"), "other": seen(side, COPY)}


def settled(side: Side, options: dict[str, Any]) -> Outcome:
    (outcome,) = side.do("keep_version", Entry(path=bytes(side.tree / COPY)), **options)
    return outcome


def texts(side: Side) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in side.tree.iterdir()}


def kept(side: Side, shelf: Shelf) -> list[bytes]:
    return [each.entry.path for each in side.place.trees[0].kept(shelf)]


def test_this_version_stays_and_the_copy_goes_to_the_trash(london: Side) -> None:
    options = chosen(london, "this")
    assert settled(london, options).state == "processed"
    assert texts(london) == {"notes.txt": TEXTS["notes.txt"]}
    assert kept(london, Shelf.TRASH) == [bytes(london.tree / COPY)]
    assert settled(london, options).state == "skipped"


def test_the_other_version_gets_the_name_and_what_had_it_goes_to_the_version_store(london: Side) -> None:
    options = chosen(london, "other")
    assert settled(london, options).state == "processed"
    assert texts(london) == {"notes.txt": TEXTS[COPY]}
    assert kept(london, Shelf.VERSIONS) == [bytes(london.tree / "notes.txt")]
    assert settled(london, options).state == "skipped"
    assert kept(london, Shelf.VERSIONS) == [bytes(london.tree / "notes.txt")]


@pytest.mark.parametrize("keeps", ["this", "other"])
@pytest.mark.parametrize("name", list(TEXTS))
def test_a_version_that_was_changed_or_is_gone_is_left_alone_with_the_other(
    london: Side, keeps: str, name: str
) -> None:
    options = chosen(london, keeps)
    path = london.tree / name
    path.write_bytes(path.read_bytes().upper())
    was = texts(london)
    refused = settled(london, options)
    assert (refused.state, refused.error) == ("aborted", "changed")
    assert f"{path}: changed since it was synced; nothing was done" in refused.reason
    assert texts(london) == was
    path.unlink()
    is_as_wanted = keeps == "this" and name == COPY
    assert ("is so already" if is_as_wanted else "is gone") in settled(london, options).reason
    assert kept(london, Shelf.TRASH) == kept(london, Shelf.VERSIONS) == []


def test_a_version_that_only_looks_like_it_was_is_told_by_what_it_holds(london: Side) -> None:
    options = chosen(london, "this")
    path = london.tree / "notes.txt"
    time = path.stat().st_mtime_ns
    _replace(path, TEXTS["notes.txt"].upper(), time)
    assert settled(london, options).state == "aborted"
    _replace(path, TEXTS["notes.txt"], time)
    assert settled(london, options).state == "processed"


def _replace(path: Path, text: bytes, time: int) -> None:
    other = path.with_name("new")
    other.write_bytes(text)
    os.utime(other, ns=(time, time))
    other.replace(path)


def test_stubs_are_told_by_what_they_stand_for_and_are_not_recalled(london: Side) -> None:
    for name, text in TEXTS.items():
        (london.tree / name).write_bytes(text * 10_000)
    options = chosen(london, "other")
    for name in TEXTS:
        (outcome,) = london.do("migrate", london.entry(london.tree / name))
        assert outcome.state == "processed"
    assert settled(london, options).state == "processed"
    assert (london.tree / "notes.txt").stat().st_blocks < 16
    (outcome,) = london.do("recall", london.entry(london.tree / "notes.txt"))
    assert texts(london) == {"notes.txt": TEXTS[COPY] * 10_000}


def test_symlinks_are_versions_as_well(london: Side) -> None:
    (london.tree / COPY).unlink()
    (london.tree / COPY).symlink_to("elsewhere")
    options = chosen(london, "other")
    assert options["other"]["kind"] is Kind.SYMLINK
    (london.tree / COPY).unlink()
    (london.tree / COPY).symlink_to("anywhere!")
    assert settled(london, options | {"other": seen(london, COPY) | {"inode": 1, "content": b"elsewhere"}}).error
    assert settled(london, chosen(london, "other")).state == "processed"
    assert os.readlink(london.tree / "notes.txt") == "anywhere!"


def test_where_no_trash_is_kept_nothing_is_done(london: Side) -> None:
    london.policy = Policy(unguarded_stubs=True, trash_days=0)
    refused = settled(london, chosen(london, "this"))
    assert "keeps no trash" in refused.reason
    assert texts(london) == TEXTS
