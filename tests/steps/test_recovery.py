"""What killed verbs leave, and what attributes that are older than their files would have one believe."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from argosy.core import wire
from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.site import Note
from argosy.stores.posix import PosixStore
from tests.loop import LoopMount, loop_mount
from tests.sites import STUBS, Side
from tests.steps.stubs import (
    CONTENT,
    attribute,
    copy,
    good,
    object_of,
    pointer,
    premigrated,
    recall,
    repoint,
    state,
    stub,
)

__all__ = ["loop_mount"]

LEFT = [StubState.RELEASING, StubState.RECALLING]
ATTRIBUTE = "trusted.argosy"
VERBS: list[tuple[str, dict[str, object]]] = [
    ("recall", {}),
    ("recall", {"delete_remote": True}),
    ("migrate", {}),
    ("migrate", {"premigrate": True}),
    ("verify", {"repair": True}),
    ("adopt", {}),
]
SPARSE = CONTENT + bytes(200_000) + CONTENT + bytes(100_000)


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def side(request: pytest.FixtureRequest, loop_mount: LoopMount, tmp_path: Path) -> Iterator[Side]:
    """A site on a filesystem of each kind."""
    top = loop_mount(request.param) / tmp_path.name
    top.mkdir()
    side = Side(top, "london")
    yield side
    side.place.close()
    shutil.rmtree(top)


def do(site: Side, step: str, path: Path, **options: object) -> Outcome:
    (outcome,) = site.do(step, site.entry(path), **options)
    return outcome


def forget_inodes(site: Side) -> None:
    """Have the index forget what it knows of inodes."""
    site.place.index.flush()
    site.place.index._db.execute("DELETE FROM inode")


def sparse(site: Side, name: str, content: bytes = SPARSE) -> Path:
    """A premigrated file whose zeros are holes."""
    file = premigrated(site, name, content)
    subprocess.run(["fallocate", "--dig-holes", file], check=True)
    then = pointer(site, file)
    assert then is not None
    os.utime(file, ns=(then.mtime_ns, then.mtime_ns))
    return file


def rot(path: Path) -> None:
    found = path.stat()
    with path.open("r+b") as file:
        file.write(b"ROT")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


# Whole files


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize(("step", "options"), VERBS)
@pytest.mark.parametrize("harm", [os.unlink, rot])
def test_what_a_killed_verb_left_whole_keeps_its_bytes_whatever_became_of_the_object(
    london: Side, left: StubState, step: str, options: dict[str, object], harm: Callable[[Path], None]
) -> None:
    premigrated(london, "other")
    file = premigrated(london, "f")
    repoint(london, file, state=left)
    harm(object_of(london, file))
    releases = (step, options) == ("migrate", {})
    outcome = do(london, step, file, **options)
    if releases and harm is rot:  # the store still calls it the object that was verified
        return
    assert outcome.state in {FileState.PROCESSED, FileState.SKIPPED}, outcome.reason
    assert file.read_bytes() == CONTENT or (releases and recall(london, file) == CONTENT)


@pytest.mark.parametrize("content", [CONTENT, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("left", LEFT)
def test_what_a_killed_verb_left_whole_is_premigrated_and_can_be_released(
    side: Side, left: StubState, content: bytes
) -> None:
    file = sparse(side, "f", content)
    stamp = file.stat().st_mtime_ns
    repoint(side, file, state=left)
    os.utime(file, ns=(5, 5))  # as writing does
    assert do(side, "recall", file).state is FileState.SKIPPED
    assert (state(side, file), file.read_bytes(), file.stat().st_mtime_ns) == (State.PREMIGRATED, content, stamp)
    repoint(side, file, state=left)
    assert do(side, "migrate", file).moved == 0
    assert state(side, file) is State.STUB
    assert recall(side, file) == content


@pytest.mark.parametrize(("step", "options"), VERBS[3:])
def test_no_stub_is_made_of_a_whole_file_where_there_may_be_none(
    london: Side, step: str, options: dict[str, object]
) -> None:
    file = premigrated(london, "f")
    repoint(london, file, state=StubState.RELEASING)
    london.policy = msgspec.structs.replace(STUBS, unguarded_stubs=False)
    do(london, step, file, **options)
    assert (state(london, file), file.read_bytes()) == (State.PREMIGRATED, CONTENT)


def test_a_stub_into_which_its_own_bytes_were_restored_is_whole(london: Side) -> None:
    file = stub(london, "f")
    file.write_bytes(CONTENT)
    assert do(london, "recall", file).state is FileState.SKIPPED
    assert state(london, file) is State.PREMIGRATED
    assert list(london.tree.iterdir()) == [file]


def test_what_is_left_is_not_freed_because_a_shortened_object_begins_alike(london: Side) -> None:
    file = stub(london, "f")
    with file.open("r+b") as opened:
        opened.write(CONTENT[:98_304])
    repoint(london, file, state=StubState.RELEASING)

    class Short(PosixStore):
        """A store that has lost the end of its objects."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            yield next(super().get(key, **pinned))[:50_000]  # type: ignore[arg-type]

    london.place._stores[wire.dump(london.access)] = Short(path=str(london.store))
    assert do(london, "recall", file).error == "stub_written"
    (beside,) = london.tree.glob("*.hsm-conflict")
    assert beside.read_bytes()[:98_304] == CONTENT[:98_304]


# Old attributes


@pytest.mark.parametrize("index", ["with", "without"])
@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize(("step", "options"), VERBS[:1] + VERBS[2:])
def test_an_old_attribute_makes_no_whole_file_of_a_stub(
    london: Side, step: str, options: dict[str, object], touched: bool, index: str
) -> None:
    file = premigrated(london, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file)))
    os.setxattr(file, ATTRIBUTE, old)  # as a backup program does that finds size and mtime unchanged
    if index == "without":
        forget_inodes(london)
    if touched:
        os.utime(file, ns=(5, 10**18))
    assert state(london, file) in {State.RELEASING, State.STUB_DIRTY}
    for each, chosen in ((step, options), ("recall", {}), ("recall", {})):
        do(london, each, file, **chosen)
    assert (state(london, file), file.read_bytes()) == (State.PREMIGRATED, CONTENT)
    kept = [path.read_bytes() for path in london.store.rglob("*") if path.is_file()]
    assert bytes(len(CONTENT)) not in kept


def test_an_old_attribute_of_a_stub_with_a_head_is_not_believed(side: Side) -> None:
    file = premigrated(side, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(side.do("migrate", side.entry(file), stub_size=8192))
    os.setxattr(file, ATTRIBUTE, old)
    assert state(side, file) is State.RELEASING
    good(side.do("migrate", side.entry(file), overwrite=True))
    assert (state(side, file), recall(side, file)) == (State.STUB, CONTENT)


def test_what_was_written_into_a_stub_with_an_old_attribute_is_kept_beside_it(london: Side) -> None:
    file = premigrated(london, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file)))
    os.setxattr(file, ATTRIBUTE, old)
    with file.open("ab") as opened:
        opened.write(b"one more line")
    assert state(london, file) is State.STUB_DIRTY
    assert do(london, "migrate", file, premigrate=True, overwrite=True).error == "stub_written"
    (beside,) = london.tree.glob("*.hsm-conflict")
    assert beside.read_bytes() == bytes(len(CONTENT)) + b"one more line"
    assert recall(london, file) == CONTENT


@pytest.mark.parametrize("step", ["remove_location_xattrs_for_moved", "remove_from_cloud"])
def test_a_stub_with_an_old_attribute_keeps_its_location(london: Side, step: str) -> None:
    file = premigrated(london, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file)))
    os.setxattr(file, ATTRIBUTE, old)
    moved = file.rename(london.tree / "moved")
    do(london, step, moved)
    assert attribute(moved) is not None
    assert recall(london, moved) == CONTENT


def test_a_rebuilt_index_does_not_take_an_old_attribute_for_news(london: Side) -> None:
    file = premigrated(london, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file), stub_size=8192))
    os.setxattr(file, ATTRIBUTE, old)
    london.report("rebuild", london.entry(london.tree))
    assert state(london, file) is State.RELEASING


@pytest.mark.parametrize("index", ["with", "without"])
def test_a_premigrated_file_of_nothing_but_holes_is_what_it_says(london: Side, index: str) -> None:
    file = sparse(london, "f", bytes(200_000))
    if index == "without":
        forget_inodes(london)
    assert file.stat().st_blocks * 512 <= 4096
    assert state(london, file) is State.PREMIGRATED
    os.utime(file, ns=(5, 10**18))
    assert state(london, file) is State.DIRTY


@pytest.mark.parametrize("dirty", [False, True])
def test_a_sparse_file_that_the_index_takes_for_a_stub_keeps_its_bytes(london: Side, dirty: bool) -> None:
    """So it is after a power cut, when what was noted of a recall was not on the disk."""
    file, expected = sparse(london, "f"), SPARSE
    known = pointer(london, file)
    assert known is not None
    if dirty:
        with file.open("r+b") as opened:
            opened.write(b"newer")
        expected = b"newer" + SPARSE[5:]
    london.place.index.note(known.binding, Note(known.uuid, 0, stub=True))
    do(london, "migrate", file, premigrate=True)
    assert state(london, file) is (State.DIRTY if dirty else State.PREMIGRATED)
    assert (file.read_bytes(), list(london.tree.iterdir())) == (expected, [file])
    assert do(london, "migrate", file, premigrate=True).state.goes_on


# No attribute, and that of another


@pytest.mark.parametrize("content", [CONTENT, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("size", [0, 4096])
def test_a_stub_without_its_attribute_is_lost_whatever_it_keeps(side: Side, size: int, content: bytes) -> None:
    file = stub(side, "f", content, stub_size=size)
    os.removexattr(file, ATTRIBUTE)
    for written in (False, True):
        if written:
            with file.open("r+b") as opened:
                opened.seek(50_000)
                opened.write(b"written since")
        assert state(side, file) is State.LOST
        for step, options in (("recall", {}), ("migrate", {"overwrite": True}), ("verify", {"repair": True})):
            assert "lost" in do(side, step, file, **options).reason
    assert object_of(side, file).read_bytes() == content


def test_a_file_without_an_attribute_that_was_written_anew_is_resident(london: Side) -> None:
    file = stub(london, "f")
    os.removexattr(file, ATTRIBUTE)
    file.write_bytes(b"all new")
    assert state(london, file) is State.RESIDENT


def test_a_sparse_file_that_forgot_its_copy_is_resident(london: Side) -> None:
    file = stub(london, "f", SPARSE)
    good(london.do("recall", london.entry(file), delete_remote=True))
    assert (state(london, file), file.read_bytes()) == (State.RESIDENT, SPARSE)
    rows = london.place.index._db.execute("SELECT stub FROM inode").fetchall()
    assert rows == [(0,)], "written before the attribute went, however the agent ends"


@pytest.mark.parametrize("sparse", ["always", "never"])
@pytest.mark.parametrize("change", ["appended to", "cut and written to"])
def test_a_copy_of_a_stub_that_was_changed_keeps_its_attribute(london: Side, sparse: str, change: str) -> None:
    twin = copy(stub(london, "f"), london.tree / "twin", f"--sparse={sparse}", "--reflink=never")
    before = attribute(twin)
    if change == "cut and written to":
        os.truncate(twin, 200_000)
    with twin.open("r+b") as opened:
        opened.seek(0, os.SEEK_END if change == "appended to" else os.SEEK_SET)
        opened.write(b"one more line")
    seen = twin.read_bytes()
    for step, options, error in (
        ("migrate", {"premigrate": True, "overwrite": True}, "not_adopted"),
        ("verify", {"repair": True}, "not_adopted"),
        ("recall", {}, "not_adopted"),
        ("adopt", {}, "invalid"),
    ):
        assert do(london, step, twin, **options).error == error, step
    assert (state(london, twin), attribute(twin), twin.read_bytes()) == (State.UNBOUND, before, seen)


def test_a_copy_that_was_given_all_bytes_and_more_becomes_a_plain_file(london: Side) -> None:
    original = stub(london, "f", SPARSE)
    twin = copy(original, london.tree / "twin")
    twin.write_bytes(SPARSE + b"one more line")
    good(london.do("adopt", london.entry(twin)))
    assert (state(london, twin), attribute(twin)) == (State.RESIDENT, None)


@pytest.mark.parametrize("left", LEFT)
def test_a_copy_that_has_all_its_bytes_is_adopted_with_them(side: Side, left: StubState) -> None:
    original = premigrated(side, "f")
    repoint(side, original, state=left)
    twin = copy(original, side.tree / "twin")
    assert state(side, twin) is State.UNBOUND
    good(side.do("adopt", side.entry(twin)))
    assert (state(side, twin), twin.read_bytes()) == (State.PREMIGRATED, CONTENT)


def test_a_copy_of_a_stub_with_an_old_attribute_is_to_be_adopted(london: Side) -> None:
    file = premigrated(london, "f")
    old = os.getxattr(file, ATTRIBUTE)
    good(london.do("migrate", london.entry(file)))
    os.setxattr(file, ATTRIBUTE, old)
    twin = copy(file, london.tree / "twin", "--sparse=always")
    assert state(london, twin) is State.UNBOUND
    good(london.do("adopt", london.entry(twin)))
    assert recall(london, twin) == CONTENT
