"""What `verify` says of files and their objects, and what `repair` does about it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.hsm.repair.verification import TURN_DAYS
from argosy.stores import keys
from tests.sites import Side
from tests.steps.stubs import (
    CONTENT,
    attribute,
    copy,
    data,
    good,
    made,
    object_of,
    pointer,
    premigrated,
    recall,
    repoint,
    state,
    stub,
)

GiB = 1 << 30


def verify(site: Side, *paths: Path, **options: object) -> list[Outcome]:
    return site.do("verify", *map(site.entry, paths), **options)


def unwell(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.reason


def damage(path: Path) -> None:
    """Change a byte and nothing that the store tells of the object."""
    found = path.stat()
    with path.open("r+b") as file:
        file.write(b"\0")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_files_whose_objects_are_there_are_well(london: Side) -> None:
    files = stub(london, "s"), premigrated(london, "p")
    before = [(attribute(file), file.stat()) for file in files]
    outcomes = verify(london, *files, content=True)
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [(FileState.PROCESSED, "")] * 2
    assert [outcome.moved for outcome in outcomes] == [len(CONTENT)] * 2
    assert [outcome.entry.facts.stored.key for outcome in outcomes if outcome.entry.facts.stored] == [
        "projects/s",
        "projects/p",
    ]
    assert [(attribute(file), file.stat()) for file in files] == before


def test_nothing_is_read_where_content_is_not_asked_for(london: Side) -> None:
    file = stub(london, "s")
    damage(object_of(london, file))
    assert good(verify(london, file)).moved == 0


def test_what_has_no_copy_is_skipped(london: Side) -> None:
    directory = london.tree / "d"
    directory.mkdir()
    dirty = premigrated(london, "dirty")
    dirty.write_bytes(b"newer")
    outcomes = verify(london, directory, made(london, "plain"), dirty)
    assert [outcome.state for outcome in outcomes] == [FileState.SKIPPED] * 3
    assert [outcome.reason.partition(":")[0] for outcome in outcomes] == ["is no file", "has no copy", "dirty"]


@pytest.mark.parametrize("repair", [False, True])
def test_a_stub_whose_object_is_gone_is_lost_and_stays_as_it_is(london: Side, repair: bool) -> None:
    file = stub(london, "s")
    object_of(london, file).unlink()
    before = attribute(file)
    became, reason = unwell(verify(london, file, repair=repair))
    assert became is FileState.FAILED
    assert reason.startswith(f"lost: the only bytes of {file} are an object that is gone")
    assert "projects/s" in reason
    assert (attribute(file), state(london, file)) == (before, State.STUB)


def test_a_stub_whose_object_was_replaced_is_lost(london: Side) -> None:
    file = stub(london, "s")
    target = object_of(london, file)
    target.unlink()
    os.rename(file, london.tree / "away")
    premigrated(london, "s", b"another")
    became, reason = unwell(verify(london, london.tree / "away"))
    assert (became, reason[:5]) == (FileState.FAILED, "lost:")


@pytest.mark.parametrize("repair", [False, True])
def test_a_stub_whose_object_is_damaged_is_lost_and_stays_as_it_is(london: Side, repair: bool) -> None:
    file = stub(london, "s")
    damage(object_of(london, file))
    became, reason = unwell(verify(london, file, content=True, repair=repair))
    assert became is FileState.FAILED
    assert reason.startswith(f"lost: the only bytes of {file} are damaged")
    assert state(london, file) is State.STUB


def test_no_file_forgets_its_copy_because_a_datastore_is_empty(london: Side) -> None:
    file = premigrated(london, "p")
    os.unlink(object_of(london, file))
    report = london.report("verify", london.entry(file), repair=True)
    assert report.error == "store_down"
    assert "datastore cloud is empty" in report.reason
    assert attribute(file) is not None


@pytest.mark.parametrize("harm", [os.unlink, damage])
def test_a_whole_file_whose_copy_is_bad_forgets_it_when_repaired_and_is_copied_again(
    london: Side, harm: Callable[[Path], None]
) -> None:
    premigrated(london, "other")
    file = premigrated(london, "p")
    harm(object_of(london, file))
    became, reason = unwell(verify(london, file, content=True))
    assert became is FileState.FAILED
    assert "All its bytes are here" in reason
    assert attribute(file) is not None
    outcome = good(verify(london, file, content=True, repair=True))
    assert "forgot its copy" in outcome.reason
    assert (attribute(file), file.read_bytes()) == (None, CONTENT)
    good(london.do("migrate", london.entry(file), premigrate=True))
    good(verify(london, file, content=True))


@pytest.mark.parametrize("left", [StubState.RELEASING, StubState.RECALLING])
def test_what_a_killed_verb_left_is_named_and_finished_when_repaired(london: Side, left: StubState) -> None:
    file = premigrated(london, "f")
    repoint(london, file, state=left)
    became, reason = unwell(verify(london, file))
    assert became is FileState.FAILED
    assert left.name.lower() in reason
    assert data(file) >= len(CONTENT)
    good(verify(london, file, repair=True))
    assert (state(london, file), file.read_bytes()) == (State.PREMIGRATED, CONTENT)
    half = stub(london, "half")
    with half.open("r+b") as opened:
        opened.write(CONTENT[:98_304])  # blocks are freed whole
    repoint(london, half, state=left)
    good(verify(london, half, repair=True))
    assert state(london, half) is State.STUB
    assert data(half) <= 4096
    assert recall(london, half) == CONTENT


@pytest.mark.parametrize("repair", [False, True])
def test_a_stub_that_somebody_wrote_to_is_named_and_its_bytes_are_left(london: Side, repair: bool) -> None:
    file = stub(london, "s")
    with file.open("r+b") as opened:
        opened.seek(5000)
        opened.write(b"got past")
    content = file.read_bytes()
    became, reason = unwell(verify(london, file, repair=repair))
    assert became is FileState.FAILED
    assert "stub-dirty" in reason
    assert file.read_bytes() == content
    assert object_of(london, file).read_bytes() == CONTENT


def test_a_file_that_lost_its_attribute_is_named(london: Side) -> None:
    file = stub(london, "s")
    os.removexattr(file, "trusted.argosy")
    became, reason = unwell(verify(london, file, repair=True))
    assert became is FileState.FAILED
    assert "lost: it was left as a stub, and nothing on it says where its bytes are" in reason


@pytest.mark.parametrize("sparse", ["always", "never"])
def test_a_copy_of_a_stub_is_named_and_waits_to_be_adopted(london: Side, sparse: str) -> None:
    twin = copy(stub(london, "s"), london.tree / "twin", f"--sparse={sparse}", "--reflink=never")
    before = attribute(twin)
    became, reason = unwell(verify(london, twin, repair=True))
    assert became is FileState.FAILED
    assert "unbound stub" in reason
    assert attribute(twin) == before


def test_a_copy_with_bytes_of_its_own_forgets_whose_it_was_when_repaired(london: Side) -> None:
    twin = copy(premigrated(london, "p"), london.tree / "twin")
    became, reason = unwell(verify(london, twin))
    assert (became, "says it is another file" in reason) == (FileState.SKIPPED, True)
    assert attribute(twin) is not None
    good(verify(london, twin, repair=True))
    assert (attribute(twin), twin.read_bytes()) == (None, CONTENT)


def test_an_object_that_was_replaced_is_found_under_its_uuid_and_remembered_when_repaired(london: Side) -> None:
    file = stub(london, "s")
    found = pointer(london, file)
    assert found is not None
    os.rename(file, london.tree / "moved")
    good(london.do("migrate", london.entry(made(london, "s", b"newer")), premigrate=True, overwrite=True))
    moved = london.tree / "moved"
    good(verify(london, moved))
    assert london.place.index.key_of(found.uuid) == "projects/s"
    good(verify(london, moved, repair=True, content=True))
    assert london.place.index.key_of(found.uuid) == keys.version_key(found.uuid)
    assert recall(london, moved) == CONTENT


def test_an_object_that_went_where_its_file_went_is_found_there(london: Side) -> None:
    file = stub(london, "s")
    found = pointer(london, file)
    assert found is not None
    moved = london.tree / "moved"
    object_of(london, file).rename(object_of(london, moved))
    file.rename(moved)
    good(verify(london, moved, repair=True, content=True))
    assert london.place.index.key_of(found.uuid) == "projects/moved"
    assert recall(london, moved) == CONTENT


def test_what_the_index_has_forgotten_is_noted_again(london: Side) -> None:
    file = stub(london, "s")
    found = pointer(london, file)
    assert found is not None
    for table in ("object", "inode"):
        london.place.index.flush()
        london.place.index._db.execute(f"DELETE FROM {table}")
    good(verify(london, file, repair=True))
    assert london.place.index.key_of(found.uuid) == "projects/s"
    noted = london.place.index.noted(found.binding)
    assert noted is not None
    assert noted.stub
    os.removexattr(file, "trusted.argosy")
    assert state(london, file) is State.LOST


def test_runs_with_a_budget_take_turns(london: Side) -> None:
    files = [stub(london, name) for name in "abcd"]

    def run() -> dict[bytes, Outcome]:
        london.job += 1
        outcomes = verify(london, *files, content=True, budget_gb=2.5 * len(CONTENT) / GiB)
        return {outcome.entry.path: outcome for outcome in outcomes}

    first, second, third = run(), run(), run()
    assert sorted(outcome.state for outcome in first.values()) == [FileState.PROCESSED] * 2 + [FileState.SKIPPED] * 2
    left = "its content was not read: the budget of this run is used up"
    assert {outcome.reason for outcome in first.values()} == {"", left}
    assert all((outcome.moved > 0) is (second[path].moved == 0) for path, outcome in first.items())
    assert all("its content was read on 2" in outcome.reason for outcome in third.values())


def test_content_is_read_again_when_its_turn_comes(london: Side) -> None:
    file = stub(london, "a")
    good(verify(london, file, content=True))
    assert unwell(verify(london, file, content=True, budget_gb=1))[0] is FileState.SKIPPED
    london.place.index.flush()
    london.place.index._db.execute("UPDATE content SET read_ns = read_ns - ?", (TURN_DAYS * 86_400 * 10**9,))
    good(verify(london, file, content=True, budget_gb=1))


def test_what_is_larger_than_the_budget_is_read_where_it_is_the_first(london: Side) -> None:
    file = stub(london, "a")
    assert good(verify(london, file, content=True, budget_gb=1 / GiB)).moved == len(CONTENT)


def test_content_that_is_damaged_was_never_read_well(london: Side) -> None:
    file = stub(london, "a")
    damage(object_of(london, file))
    for _ in range(2):
        assert unwell(verify(london, file, content=True, budget_gb=1))[0] is FileState.FAILED
