"""Copies of stubs, on the filesystems that stubs are used on."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from argosy.stores import keys
from tests.loop import LoopMount, loop_mount
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

__all__ = ["loop_mount"]

ADOPT = """
import sys
from pathlib import Path
from tests.sites import Side
side = Side(Path(sys.argv[1]), "london")
side.do("adopt", side.entry(Path(sys.argv[2])))
"""


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def side(request: pytest.FixtureRequest, loop_mount: LoopMount, tmp_path: Path) -> Iterator[Side]:
    """A site on a filesystem of each kind."""
    top = loop_mount(request.param) / tmp_path.name
    top.mkdir()
    side = Side(top, "london")
    yield side
    side.place.close()
    shutil.rmtree(top)


def adopt(site: Side, *paths: Path) -> list[Outcome]:
    return site.do("adopt", *map(site.entry, paths))


def unwell(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.reason


@pytest.mark.parametrize("sparse", [True, False])
def test_a_restored_backup_of_stubs_is_adopted(side: Side, sparse: bool) -> None:
    files = [stub(side, f"d/{name}", CONTENT + name.encode()) for name in ("one", "two")]
    archive = side.root.parent / "backup.tar"
    flags = ["--format=posix", "--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", "-cf", archive, *flags, *(["-S"] if sparse else []), "-C", side.tree, "d"], check=True)
    times = [file.stat().st_mtime_ns for file in files]
    shutil.rmtree(side.tree / "d")
    subprocess.run(["tar", "-xf", archive, *flags, "-C", side.tree], check=True)
    assert [state(side, file) for file in files] == [State.UNBOUND] * 2
    assert [outcome.state for outcome in adopt(side, *files)] == [FileState.PROCESSED] * 2
    assert [state(side, file) for file in files] == [State.STUB] * 2
    assert [file.stat().st_mtime_ns for file in files] == times
    assert [recall(side, file) for file in files] == [CONTENT + b"one", CONTENT + b"two"]


@pytest.mark.parametrize("point", ["hsm:mark", "hsm:punch"])
def test_an_adoption_that_is_killed_loses_nothing(side: Side, point: str) -> None:
    original = stub(side, "f")
    twin = copy(original, side.tree / "twin", "--sparse=never", "--reflink=never")
    assert data(twin) >= len(CONTENT)
    side.close()  # an index is one process's alone
    killed = subprocess.run(
        [sys.executable, "-c", ADOPT, side.root.parent, twin],
        env=os.environ | {"ARGOSY_FAILPOINTS": f"{point}=kill", "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    side = Side(side.root.parent, side.name)
    assert state(side, twin) is State.RECALLING
    assert recall(side, twin) == CONTENT
    assert recall(side, original) == CONTENT


def test_a_copy_is_one_more_reference_to_the_object(side: Side) -> None:
    original = stub(side, "f")
    twin = copy(original, side.tree / "twin")
    outcome = good(adopt(side, twin))
    assert outcome.entry.facts.stored is not None
    assert outcome.entry.facts.stored.key == "projects/f"
    assert [outcome.state for outcome in adopt(side, twin, original)] == [FileState.SKIPPED] * 2
    assert (recall(side, twin), recall(side, original)) == (CONTENT, CONTENT)


def test_a_copy_that_keeps_the_head_of_its_stub_is_adopted_with_it(side: Side) -> None:
    original = stub(side, "f", stub_size=8192)
    twin = copy(original, side.tree / "twin")
    assert 0 < data(twin) < 20_000
    assert state(side, twin) is State.UNBOUND
    good(adopt(side, twin))
    assert state(side, twin) is State.STUB
    assert twin.read_bytes()[:8192] == CONTENT[:8192]
    assert recall(side, twin) == CONTENT


def test_a_copy_whose_head_was_written_to_is_left_alone(side: Side) -> None:
    twin = copy(stub(side, "f", stub_size=8192), side.tree / "twin")
    with twin.open("r+b") as file:
        file.write(b"other")
    before = attribute(twin)
    became, reason = unwell(adopt(side, twin))
    assert became is FileState.FAILED
    assert "has bytes that its object has not" in reason
    assert (attribute(twin), twin.read_bytes()[:5]) == (before, b"other")


@pytest.mark.parametrize("left", [StubState.RELEASING, StubState.RECALLING])
def test_a_copy_of_a_stub_that_was_on_its_way_is_adopted(side: Side, left: StubState) -> None:
    original = stub(side, "f")
    repoint(side, original, state=left)
    twin = copy(original, side.tree / "twin")
    good(adopt(side, twin))
    assert recall(side, twin) == CONTENT


@pytest.mark.parametrize("left", [StubState.RELEASING, StubState.RECALLING, StubState.STUB])
def test_a_copy_of_a_file_that_was_half_filled_is_not_taken_for_whole(side: Side, left: StubState) -> None:
    original = stub(side, "f")
    half = len(CONTENT) // 2
    with original.open("r+b") as file:
        file.write(CONTENT[:half])
    repoint(side, original, state=left)
    twin = copy(original, side.tree / "twin")
    assert state(side, twin) is State.UNBOUND
    became, reason = unwell(side.do("migrate", side.entry(twin)))
    assert became is FileState.FAILED
    assert "adopt" in reason
    good(adopt(side, twin))
    assert state(side, twin) is State.STUB
    assert recall(side, twin) == CONTENT


def test_a_copy_of_a_stub_with_other_bytes_keeps_them_and_its_attribute(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    other = CONTENT[::-1]
    with twin.open("r+b") as file:
        file.write(other)
    before = attribute(twin)
    became, reason = unwell(adopt(side, twin))
    assert became is FileState.FAILED
    assert (twin.read_bytes(), attribute(twin), state(side, twin)) == (other, before, State.UNBOUND)
    command = reason.split("`")[1].split()
    subprocess.run(command, check=True)
    assert state(side, twin) is State.RESIDENT
    good(side.do("migrate", side.entry(twin), premigrate=True))


def test_a_copy_is_not_adopted_while_its_object_is_about_to_be_removed(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    noted = pointer(side, side.tree / "f")
    assert noted is not None
    mark = keys.doomed("projects/f", noted.uuid)
    side.site().store("cloud").put(mark, Bytes(b""), metadata={})
    became, reason = unwell(adopt(side, twin))
    assert became is FileState.ABORTED
    assert "is being removed" in reason
    side.site().store("cloud").delete(mark)
    good(adopt(side, twin))


def test_a_copy_with_bytes_of_its_own_becomes_a_plain_file(side: Side) -> None:
    original = stub(side, "f")
    twin = copy(original, side.tree / "twin")
    twin.write_bytes(b"bytes of its own")
    outcome = good(adopt(side, twin))
    assert "bytes of its own" in outcome.reason
    assert attribute(twin) is None
    assert twin.read_bytes() == b"bytes of its own"
    assert unwell(adopt(side, twin)) == (FileState.SKIPPED, "all its bytes are here")


def test_a_copy_of_a_premigrated_file_becomes_a_plain_file(side: Side) -> None:
    original = premigrated(side, "f")
    twin = copy(original, side.tree / "twin")
    good(adopt(side, twin))
    assert attribute(twin) is None
    assert twin.read_bytes() == CONTENT
    assert state(side, original) is State.PREMIGRATED


def test_what_is_no_copy_of_a_stub_is_skipped_and_left_alone(side: Side) -> None:
    directory, plain, whole, original = side.tree / "d", made(side, "plain"), premigrated(side, "p"), stub(side, "s")
    directory.mkdir()
    before = [attribute(path) for path in (plain, whole, original)]
    outcomes = adopt(side, directory, plain, whole, original)
    assert [outcome.reason for outcome in outcomes] == [
        "is no file",
        "all its bytes are here",
        "is no copy of a stub: it is premigrated itself",
        "is no copy of a stub: it is stub itself",
    ]
    assert [attribute(path) for path in (plain, whole, original)] == before


@pytest.mark.parametrize("fate", ["gone", "another"])
def test_a_copy_whose_object_is_not_there_is_left_as_it_is(side: Side, fate: str) -> None:
    original = stub(side, "f")
    twin = copy(original, side.tree / "twin")
    before = attribute(twin)
    object_of(side, original).unlink()
    if fate == "another":
        os.rename(original, side.tree / "away")
        premigrated(side, "f", b"another")
    became, reason = unwell(adopt(side, twin))
    assert became is FileState.FAILED
    assert "object projects/f of datastore cloud is gone, or others replaced it" in reason
    assert attribute(twin) == before
    assert state(side, twin) is State.UNBOUND


def test_a_copy_that_was_cut_is_left_as_it_is(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    os.truncate(twin, 1000)
    before = attribute(twin)
    became, reason = unwell(adopt(side, twin))
    assert became is FileState.FAILED
    assert f"copy of a stub of {len(CONTENT)} bytes and was cut" in reason
    assert attribute(twin) == before


def test_a_copy_that_somebody_has_open_waits_for_a_later_run(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    with twin.open("rb"):
        became, reason = unwell(adopt(side, twin))
        assert became is FileState.ABORTED
        assert "somebody has it open" in reason
    good(adopt(side, twin))


def test_both_names_of_a_copy_are_adopted_in_one_batch(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    os.link(twin, side.tree / "other")
    states = sorted(outcome.state for outcome in adopt(side, twin, side.tree / "other"))
    assert states == [FileState.PROCESSED, FileState.SKIPPED]
    assert recall(side, twin) == CONTENT


def test_an_adopted_copy_has_its_own_time(side: Side) -> None:
    twin = copy(stub(side, "f"), side.tree / "twin")
    os.utime(twin, ns=(5, 10**18))
    good(adopt(side, twin))
    assert twin.stat().st_mtime_ns == 10**18
    assert recall(side, twin) == CONTENT
    assert twin.stat().st_mtime_ns == 10**18
    found = pointer(side, twin)
    assert found is not None
    assert found.binding.inode == twin.stat().st_ino
