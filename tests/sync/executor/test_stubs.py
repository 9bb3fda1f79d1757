"""Stubs are moved, dressed, replaced and removed as what they stand for; what points to an object goes on doing so."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.filesystems._posix.root import Spot
from argosy.filesystems.base import Shelf
from argosy.hsm.file.state import State
from argosy.sync.executor.staging import Staging
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Act
from tests.sites import Side, close_all
from tests.steps.stubs import CONTENT, good, pointer, state, stub
from tests.sync.executor.dying import survives
from tests.sync.executor.pair import RealPair
from tests.sync.planner.disks import UNASKED


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


def with_a_stub(scratch: Path, names: tuple[bytes, ...] = (b"f",)) -> tuple[RealPair, Side, Path]:
    """Return a pair that agrees on a file, which is a stub on the second side; and that site, and the file."""
    pair = RealPair(scratch, Options(guards=UNASKED), tops=("projects", "projects"), scans=True)
    site = Side(scratch, "two")
    pair.disks[0].create(b"f", CONTENT)
    for name in names[1:]:
        pair.disks[0].link(b"f", name)
    pair.sync()
    file = site.tree / "f"
    good(site.do("migrate", site.entry(file)))
    assert state(site, file) is State.STUB
    assert pair.plan().plan.operations == ()
    return pair, site, file


def test_a_stub_that_is_moved_and_dressed_is_the_stub_that_it_was(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair")
    before = pointer(site, file)
    pair.disks[0].move(b"f", b"g")
    pair.disks[0].chmod(b"g", 0o600)
    assert pair.sync().undone == []
    file = site.tree / "g"
    assert (state(site, file), pointer(site, file)) == (State.STUB, before)
    assert pair.plan().plan.operations == ()
    good(site.do("recall", site.entry(file)))
    assert file.read_bytes() == CONTENT


def test_a_stub_that_gets_another_mtime_is_still_known_to_be_what_it_stands_for(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair")
    pair.disks[0].touch(b"f")
    assert pair.sync().undone == []
    assert state(site, file) is State.STUB
    told = pointer(site, file)
    assert told is not None
    assert told.mtime_ns == file.stat().st_mtime_ns == os.stat(pair.disks[0].path(b"f")).st_mtime_ns
    (entry,) = pair.sides[1].scan().entries
    assert entry.content == told.digest
    assert pair.plan().plan.operations == ()


def test_a_stub_that_is_removed_lies_in_the_trash_and_still_refers_to_its_object(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair")
    needed = site.references()
    pair.disks[0].remove(b"f")
    assert pair.sync().undone == []
    assert not file.exists()
    assert site.references() == needed


def test_a_stub_that_is_replaced_lies_in_the_version_store_and_still_refers_to_its_object(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair")
    needed = site.references()
    assert len(needed) == 1
    pair.disks[0].edit(b"f", b"something else")
    assert pair.sync().undone == []
    assert file.read_bytes() == b"something else"
    assert site.references() == needed
    (kept,) = site.place.tree(bytes(file)).kept(Shelf.VERSIONS)
    site.place.tree(bytes(file)).restore(kept, bytes(site.tree / "back"))
    assert state(site, site.tree / "back") is State.STUB


def test_a_stub_of_which_one_of_two_names_is_removed_comes_back_as_one_that_can_be_recalled(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair", names=(b"f", b"g"))
    pair.disks[0].remove(b"f")
    assert pair.sync().undone == []
    assert pair.plan().plan.operations == ()
    other = site.tree / "g"
    assert state(site, other) is State.STUB
    good(site.do("recall", site.entry(other)))
    other.write_bytes(b"something else")
    (kept,) = site.place.tree(bytes(file)).kept(Shelf.TRASH)
    site.place.tree(bytes(file)).restore(kept)
    assert state(site, file) is State.STUB
    good(site.do("recall", site.entry(file)))
    assert (file.read_bytes(), other.read_bytes()) == (CONTENT, b"something else")


def test_a_stub_that_a_killed_run_had_on_its_way_still_refers_to_its_object(tmp_path: Path) -> None:
    pair, site, file = with_a_stub(tmp_path / "pair")
    needed = site.references()
    pair.disks[0].move(b"f", b"g")
    assert not survives(pair, pair.plan(), "park", 1)
    assert not file.exists()
    assert site.references() == needed
    pair.restart()
    assert state(site, file) is State.STUB


def test_a_stub_that_was_staged_comes_with_the_mtime_that_it_is_to_have(tmp_path: Path) -> None:
    pair, site, _ = with_a_stub(tmp_path / "pair")
    pair.disks[0].create(b"new", CONTENT[::-1])
    made = pair.plan()
    (create,) = [each for each in made.operations[1] if each.act is Act.CREATE]
    made_here = stub(site, "made", CONTENT[::-1])

    def brought() -> None:
        directory = os.open(site.tree, os.O_RDONLY | os.O_DIRECTORY)
        with pair.sides[1].area() as area, Staging(area, "run2") as staged:
            staged.take(create.number, Spot(directory, b"made"))
        os.close(directory)

    pair.between = brought
    assert pair.sync(made).undone == []
    assert not made_here.exists()
    file = site.tree / "new"
    assert state(site, file) is State.STUB
    told = pointer(site, file)
    assert told is not None
    assert told.mtime_ns == file.stat().st_mtime_ns == create.mtime_ns
    assert pair.plan().plan.operations == ()
