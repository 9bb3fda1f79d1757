"""What is referred to, and what a rebuild believes, where attributes are copies', older than their files, or gone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.pointer import Pointer
from argosy.hsm.file.state import State
from argosy.linux.libc import LIBC, checked
from tests.sites import Side, close_all
from tests.steps.stubs import CONTENT, copy, good, pointer, premigrated, repoint, state, stub

ATTRIBUTE = "trusted.argosy"
SPARSE = CONTENT + bytes(500_000)
_KEEP_SIZE_AND_PUNCH = 3


@pytest.fixture
def london(tmp_path: Path) -> Iterator[Side]:
    yield Side(tmp_path, "london")
    close_all()


def rebuild(side: Side) -> None:
    report = side.report("rebuild", Entry(path=bytes(side.root)))
    assert not report.error, report.reason


def uuid_of(side: Side, path: Path) -> bytes:
    found = pointer(side, path)
    assert found is not None
    return found.uuid


def without_index(side: Side, top: Path) -> Side:
    """The same site, of which all that was remembered is gone."""
    side.close()
    for file in (top / "agent-london").glob("index.db*"):
        file.unlink()
    return Side(top, "london")


def forget_handles(side: Side) -> None:
    """Leave the index as on a filesystem without lasting handles."""
    side.place.index.flush()
    side.place.index._db.execute("UPDATE inode SET handle = x''")


def moved_in_cloud(side: Side, file: Path, name: str) -> Path:
    entry = msgspec.structs.replace(side.entry(file.rename(side.tree / name)), source=bytes(file))
    good(side.do("move_in_cloud", entry))
    return side.tree / name


# What the site left as a stub


@pytest.mark.parametrize("handles", ["handles", "no handles"])
def test_a_stub_without_its_attribute_needs_its_object_as_long_as_it_is_there(london: Side, handles: str) -> None:
    file = stub(london, "f")
    uuid = uuid_of(london, file)
    os.removexattr(file, ATTRIBUTE)
    for name in ("f", "moved"):
        file = file.rename(london.tree / name)
        if handles == "no handles":
            forget_handles(london)
        assert london.references() == {uuid}
    if handles == "no handles":
        forget_handles(london)
    file.unlink()
    assert london.references() == set()


@pytest.mark.parametrize("handles", ["handles", "no handles"])
def test_a_stub_with_an_older_attribute_needs_both_objects(london: Side, handles: str) -> None:
    file = stub(london, "f")
    old, attribute = uuid_of(london, file), os.getxattr(file, ATTRIBUTE)
    file = moved_in_cloud(london, file, "g")
    needed = {old, uuid_of(london, file)}
    os.setxattr(file, ATTRIBUTE, attribute)
    if handles == "no handles":
        forget_handles(london)
    assert london.references() == needed
    assert london.references() == needed


def test_what_lies_in_the_trash_without_its_attribute_needs_its_object(london: Side) -> None:
    file = stub(london, "f")
    uuid = uuid_of(london, file)
    os.removexattr(file, ATTRIBUTE)
    london.place.tree(bytes(file)).remove(bytes(file), london.entry(file))
    assert london.references() == {uuid}
    forget_handles(london)
    assert london.references() == {uuid}


def test_a_stub_that_became_a_plain_file_again_needs_nothing(london: Side) -> None:
    file = stub(london, "f", SPARSE)
    good(london.do("recall", london.entry(file), delete_remote=True))
    assert london.references() == set()


# Rebuilds


def test_a_rebuild_takes_a_copy_for_no_news_of_the_file_it_was_made_of(london: Side) -> None:
    file = stub(london, "f", SPARSE)
    twin = copy(file, london.tree / "twin")
    good(london.do("recall", london.entry(file), delete_remote=True))
    rebuild(london)
    assert (state(london, file), state(london, twin)) == (State.RESIDENT, State.UNBOUND)
    good(london.do("migrate", london.entry(file), premigrate=True))
    assert file.read_bytes() == SPARSE


def test_a_rebuild_leaves_a_file_its_newer_bytes_whatever_its_copy_says(london: Side) -> None:
    file = stub(london, "f", SPARSE)
    copy(file, london.tree / "twin")
    good(london.do("recall", london.entry(file)))
    with file.open("r+b") as opened:
        opened.seek(500_000)
        opened.write(b"new")
        checked(LIBC.fallocate(opened.fileno(), _KEEP_SIZE_AND_PUNCH, 0, 8192))
    written = file.read_bytes()
    rebuild(london)
    assert state(london, file) is State.DIRTY
    good(london.do("migrate", london.entry(file), premigrate=True))
    assert file.read_bytes() == written
    assert not list(london.tree.glob("*.hsm-conflict"))


@pytest.mark.parametrize("where", ["projects", ".argosy/trash/20250101T000000000000Z-00000000/projects"])
def test_copies_of_stubs_of_a_disk_that_is_gone_do_not_stop_the_look_for_references(
    london: Side, tmp_path: Path, where: str
) -> None:
    file = stub(london, "f")
    told = pointer(london, file)
    assert told is not None
    gone = msgspec.structs.replace(told.binding, filesystem=bytes(range(16)))
    copied = london.root / where / "restored"
    copied.parent.mkdir(parents=True, exist_ok=True)
    copied.touch()
    os.truncate(copied, told.size)
    os.setxattr(copied, ATTRIBUTE, msgspec.structs.replace(told, binding=gone).encode())
    rebuild(london)
    assert london.references() == {told.uuid}
    london = without_index(london, tmp_path)
    rebuild(london)
    assert london.references() == {told.uuid}


def test_a_rebuild_with_its_index_forgets_no_stub_that_attributes_do_not_tell_of(london: Side) -> None:
    lost = stub(london, "lost")
    older = stub(london, "older")
    attribute = os.getxattr(older, ATTRIBUTE)
    older = moved_in_cloud(london, older, "later")
    whole = stub(london, "whole", SPARSE)
    copy(whole, london.tree / "twin")
    needed = {uuid_of(london, path) for path in (lost, older, whole)} | {Pointer.decode(attribute).uuid}
    good(london.do("recall", london.entry(whole), delete_remote=True))
    os.removexattr(lost, ATTRIBUTE)
    os.setxattr(older, ATTRIBUTE, attribute)
    (london.store / "projects/older").unlink()
    for _ in range(2):
        assert london.references() == needed
        rebuild(london)
    states = [state(london, path) for path in (lost, older, whole)]
    assert states == [State.LOST, State.DISPUTED, State.RESIDENT]
    good(london.do("recall", london.entry(older)))
    assert older.read_bytes() == CONTENT


def test_a_rebuild_after_the_index_was_lost_knows_stubs_and_does_not_know_whole_files_as_such(
    london: Side, tmp_path: Path
) -> None:
    left, whole = stub(london, "left"), premigrated(london, "whole")
    uuid, old = uuid_of(london, left), os.getxattr(whole, ATTRIBUTE)
    good(london.do("migrate", london.entry(whole)))
    os.setxattr(whole, ATTRIBUTE, old)
    os.utime(whole, ns=(5, 10**18))  # by which it looks dirty
    london = without_index(london, tmp_path)
    rebuild(london)
    assert london.references() == {uuid, Pointer.decode(old).uuid}
    assert state(london, whole) is State.STUB_DIRTY
    os.removexattr(left, ATTRIBUTE)
    assert london.references() == {uuid, Pointer.decode(old).uuid}
    assert state(london, left) is State.LOST


def test_a_stub_that_lost_its_object_and_was_given_another_is_noted_as_a_stub_of_that(tmp_path: Path) -> None:
    london, dublin = Side(tmp_path, "london"), Side(tmp_path, "dublin")
    try:
        file = stub(london, "f")
        twin = dublin.tree / "f"
        (sent,) = london.do("migrate", london.entry(file), premigrate=True)
        entry = msgspec.structs.replace(sent.entry, path=bytes(twin))
        good(dublin.do("reverse_stub", entry, hydrate=False))
        repoint(dublin, twin, uuid=b"o" * 16, etag="gone")
        told = pointer(dublin, twin)
        assert told is not None
        dublin.place.index.flush()
        dublin.place.index._db.execute("UPDATE inode SET uuid = ?", (b"o" * 16,))
        good(dublin.do("reverse_stub", entry, hydrate=False))
        assert state(dublin, twin) is State.STUB
        assert dublin.references() == {uuid_of(london, file)}
    finally:
        close_all()
        shutil.rmtree(tmp_path / "dublin")
