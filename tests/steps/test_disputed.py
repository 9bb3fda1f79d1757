"""Attribute and index that tell of different objects: what is needed, what comes back, and what stays known."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import pytest

from argosy.agent.index import name_of
from argosy.core.outcome import Outcome
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.site import Note
from tests.sites import Side, close_all
from tests.steps.stubs import CONTENT, attribute, good, made, object_of, pointer, repoint, state, stub

ATTRIBUTE = "trusted.argosy"
OTHER = CONTENT[::-1]
OLD, NEW = 0, 1


@pytest.fixture
def london(tmp_path: Path) -> Iterator[Side]:
    yield Side(tmp_path, "london")
    close_all()


class Twice:
    """A file that is a stub of its second object; both objects are there, and what the inode said of the first."""

    def __init__(self, side: Side, name: str, *, same: bool) -> None:
        self.side, self.same = side, same
        self.path = stub(side, f"{name}.first")
        self.whole = self._said(state=StubState.PREMIGRATED)
        first = self._pointer
        if same:
            self._move(side.tree / name)
        else:
            self._edit()
        self.pointers = (first, self._pointer)
        self.uuids = tuple(each.uuid for each in self.pointers)
        assert self.uuids[OLD] != self.uuids[NEW]
        self.binding = first.binding
        self.mtime_ns = self.path.stat().st_mtime_ns

    @property
    def _pointer(self) -> Pointer:
        found = pointer(self.side, self.path)
        assert found is not None
        return found

    def _said(self, **fields: object) -> bytes:
        return msgspec.structs.replace(self._pointer, **fields).encode()  # type: ignore[arg-type]

    def _move(self, to: Path) -> None:
        source, self.path = bytes(self.path), self.path.rename(to)
        good(self.side.do("move_in_cloud", msgspec.structs.replace(self.side.entry(self.path), source=source)))

    def _edit(self) -> None:
        good(self.side.do("recall", self.side.entry(self.path)))
        later = self.path.stat().st_mtime_ns + 10**9
        self.path.write_bytes(OTHER)
        os.utime(self.path, ns=(later, later))
        good(self.side.do("migrate", self.side.entry(self.path)))

    def tell(self, attribute: str) -> None:
        """Have the inode say what a backup might have brought back; nothing of that touches mtime or blocks."""
        if attribute == "none":
            os.removexattr(self.path, ATTRIBUTE)
            return
        which = self.pointers[NEW if attribute.startswith("new") else OLD]
        if attribute.endswith("of another"):
            which = msgspec.structs.replace(which, binding=_other(self.binding))
        value = self.whole if attribute == "old, whole" else which.encode()
        os.setxattr(self.path, ATTRIBUTE, value)

    def note(self, noted: int | None) -> None:
        """Have the index know the file as a stub of one of its objects, or not at all."""
        index = self.side.place.index
        index.flush()
        if noted is None:
            index._db.execute("DELETE FROM inode WHERE binding = ?", (name_of(self.binding),))
        else:
            index.note(self.binding, Note(self.uuids[noted], 0, stub=True))

    def lose(self, which: int) -> None:
        key = self.side.place.index.key_of(self.uuids[which])
        assert key is not None
        (self.side.store / key).unlink()

    def noted(self) -> tuple[bytes, bool] | None:
        found = self.side.place.index.noted(self.binding)
        return None if found is None else (found.uuid, found.stub)

    def content(self, which: int) -> bytes:
        return CONTENT if self.same or which == OLD else OTHER


def _other(binding: Binding) -> Binding:
    return msgspec.structs.replace(binding, inode=binding.inode + 1)


def do(side: Side, step: str, path: Path, **options: object) -> Outcome:
    (outcome,) = side.do(step, side.entry(path), **options)
    return outcome


# The table

ATTRIBUTES = ["old", "old, whole", "new", "none", "old, of another", "new, of another"]
NOTES = [None, OLD, NEW]
THERE = [{OLD, NEW}, {OLD}, {NEW}, set()]


def told_by(attribute: str) -> int | None:
    return None if attribute == "none" else NEW if attribute.startswith("new") else OLD


def brought(attribute: str, noted: int | None, there: set[int], *, same: bool) -> int | None:
    """Which object a recall brings, at last; None where it fails. The file has the mtime of its second object."""
    told = told_by(attribute)
    if told is None or attribute.endswith("of another"):
        return None
    if noted in {None, told}:
        return told if told in there else None
    if same:
        return next((which for which in (told, noted) if which in there), None)
    return NEW if NEW in there else None


@pytest.mark.parametrize("same", [True, False], ids=["same bytes", "other bytes"])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_what_attribute_and_index_tell_of_is_needed_and_comes_back_or_stays(
    london: Side, attribute: str, same: bool
) -> None:
    cases = [(Twice(london, f"f{number}", same=same), *case) for number, case in enumerate(product(NOTES, THERE))]
    needed: set[bytes] = set()
    for file, noted, there in cases:
        file.tell(attribute)
        file.note(noted)
        needed |= {file.uuids[which] for which in (told_by(attribute), noted) if which is not None}
        for which in {OLD, NEW} - there:
            file.lose(which)
    assert london.references() == needed
    for file, noted, there in cases:
        case = f"{noted=} {there=}"
        expected = brought(attribute, noted, there, same=same)
        if attribute == "none" and noted is None:  # nobody knows that it ever was a stub
            assert state(london, file.path) is State.RESIDENT, case
        elif expected is None:
            assert {do(london, "recall", file.path).state for _ in range(2)} == {FileState.FAILED}, case
            assert file.path.stat().st_blocks * 512 <= 4096, case
            assert noted is None or file.noted() == (file.uuids[noted], True), case
        else:
            do(london, "recall", file.path)  # it may be put in order first
            assert do(london, "recall", file.path).state.goes_on, case
            assert file.path.read_bytes() == file.content(expected), case
            known = pointer(london, file.path)
            assert known is not None, case
            assert known.uuid == file.uuids[expected], case
            assert file.noted() == (known.uuid, False), case
            needed -= {*file.uuids} - {known.uuid}
    assert london.references() == needed


# What people are told


def test_a_disputed_stub_names_both_objects(london: Side) -> None:
    file = Twice(london, "f", same=False)
    file.tell("old")
    assert state(london, file.path) is State.DISPUTED
    reason = do(london, "verify", file.path).reason
    for uuid in file.uuids:
        key = london.place.index.key_of(uuid)
        assert f"object {key} of datastore cloud" in reason


@pytest.mark.parametrize("wanted", [OLD, NEW])
@pytest.mark.parametrize("step", ["recall", "premigrate", "verify"])
def test_where_nothing_tells_a_person_gives_the_file_the_time_of_the_right_one(
    london: Side, step: str, wanted: int
) -> None:
    file = Twice(london, "f", same=False)
    file.tell("old")
    os.utime(file.path, ns=(5, 5))
    options: dict[str, object] = {"repair": True} if step == "verify" else {}
    (step, more) = ("migrate", {"premigrate": True}) if step == "premigrate" else (step, {})
    refused = do(london, step, file.path, **options, **more)
    assert refused.state is FileState.FAILED
    assert "touch -m -d @" in refused.reason
    assert {*file.uuids} <= london.references()
    os.utime(file.path, ns=(5, file.pointers[wanted].mtime_ns))
    assert do(london, step, file.path, **options, **more).state.goes_on
    if step != "recall":
        good(london.do("recall", london.entry(file.path)))
    assert file.path.read_bytes() == file.content(wanted)


def test_a_disputed_stub_that_somebody_wrote_to_is_settled_and_what_he_wrote_is_kept(london: Side) -> None:
    file = Twice(london, "f", same=True)
    file.tell("old")
    file.lose(OLD)
    with file.path.open("r+b") as opened:
        opened.write(b"scribble")
    assert "was written to while it was a stub" in do(london, "recall", file.path).reason
    (beside,) = london.tree.glob("*.hsm-conflict")
    assert beside.read_bytes().startswith(b"scribble")
    good(london.do("recall", london.entry(file.path)))
    assert file.path.read_bytes() == CONTENT


def test_all_bytes_that_the_attribute_tells_of_are_the_file_whatever_the_index_says(london: Side) -> None:
    """So it is after a power cut, when what was noted of a recall and of what followed it was not on the disk."""
    file = Twice(london, "f", same=False)
    good(london.do("recall", london.entry(file.path)))
    file.note(OLD)
    file.lose(OLD)
    file.lose(NEW)
    with file.path.open("r+b") as opened:
        opened.truncate(file.path.stat().st_size)
    repoint(london, file.path, state=StubState.RELEASING)
    assert state(london, file.path) is State.DISPUTED
    assert do(london, "recall", file.path).state is FileState.SKIPPED
    assert (state(london, file.path), file.path.read_bytes()) == (State.PREMIGRATED, OTHER)


def test_a_stub_without_its_attribute_tells_of_which_object_it_was(london: Side) -> None:
    file = stub(london, "f")
    os.removexattr(file, ATTRIBUTE)
    for step, options in (("recall", {}), ("migrate", {}), ("verify", {})):
        assert "left it as a stub of object projects/f of datastore cloud" in do(london, step, file, **options).reason


def test_an_object_that_has_not_the_bytes_that_the_attribute_tells_of_is_no_party(london: Side) -> None:
    file, others = stub(london, "f"), stub(london, "others", OTHER)
    told, theirs = pointer(london, file), pointer(london, others)
    assert told is not None
    assert theirs is not None
    repoint(london, file, uuid=theirs.uuid, etag=theirs.etag)
    good(london.do("recall", london.entry(file)))
    assert file.read_bytes() == CONTENT
    found = pointer(london, file)
    assert found is not None
    assert found.uuid == told.uuid


# Verbs that meet one


@pytest.mark.parametrize("there", [OLD, NEW])
def test_a_copy_that_took_the_place_of_a_stub_is_adopted_as_what_is_there(london: Side, there: int) -> None:
    file = Twice(london, "f", same=True)
    file.tell("old, of another")
    assert "left it as a stub of object" in do(london, "recall", file.path).reason
    file.lose(NEW if there == OLD else OLD)
    good(london.do("adopt", london.entry(file.path)))
    good(london.do("recall", london.entry(file.path)))
    assert file.path.read_bytes() == CONTENT


def test_a_move_in_the_cloud_that_the_index_does_not_know_of_is_not_made_again(london: Side) -> None:
    file = Twice(london, "f", same=True)
    file.note(OLD)  # killed before the index was written
    entry = msgspec.structs.replace(london.entry(file.path), source=bytes(london.tree / "f.first"))
    (outcome,) = london.do("move_in_cloud", entry)
    assert (outcome.state, outcome.reason) == (FileState.SKIPPED, "was moved already")
    assert file.noted() == (file.uuids[NEW], True)


def test_a_disputed_stub_keeps_its_location(london: Side) -> None:
    file = Twice(london, "f", same=False)
    file.tell("old")
    assert do(london, "remove_from_cloud", file.path).state is FileState.FAILED
    do(london, "remove_location_xattrs_for_moved", file.path)
    assert attribute(file.path) is not None
    assert {*file.uuids} <= london.references()


def test_what_was_written_into_a_stub_stays_in_its_place_where_the_object_is_gone(london: Side) -> None:
    file = stub(london, "f")
    object_of(london, file).unlink()
    with file.open("r+b") as opened:
        opened.write(b"scribble")
    seen = file.read_bytes()
    assert "lost" in do(london, "recall", file).reason
    assert (file.read_bytes(), list(london.tree.iterdir())) == (seen, [file])


# Times that people give


@pytest.mark.parametrize("step", ["migrate", "verify", "recall"])
def test_a_touch_is_not_undone_because_the_index_is_behind(london: Side, step: str) -> None:
    file = made(london, "f", CONTENT + bytes(200_000))
    good(london.do("migrate", london.entry(file), premigrate=True))
    os.truncate(file, len(CONTENT))
    os.truncate(file, len(CONTENT) + 200_000)
    known = pointer(london, file)
    assert known is not None
    london.place.index.note(known.binding, Note(known.uuid, 0, stub=True))
    os.utime(file, ns=(5, 10**18))
    options = {"migrate": {"premigrate": True}, "verify": {"repair": True}, "recall": {}}[step]
    do(london, step, file, **options)
    assert (state(london, file), file.stat().st_mtime_ns) == (State.PREMIGRATED, 10**18)


def test_a_touch_of_a_stub_stays_when_its_old_attribute_is_found_out(london: Side) -> None:
    file = made(london, "f")
    good(london.do("migrate", london.entry(file), premigrate=True))
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file)))
    os.setxattr(file, ATTRIBUTE, old)
    os.utime(file, ns=(5, 10**18))
    do(london, "verify", file, repair=True)
    assert (state(london, file), file.stat().st_mtime_ns) == (State.STUB, 10**18)
