"""On btrfs and XFS as on ext4; and no further than the subvolume of the fileset."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.faults import OtherFilesystem
from argosy.sync.executor.outcomes import Became
from tests.loop import LoopMount, mounted, unmounted
from tests.sync.executor.conftest import InMemory
from tests.sync.executor.histories import History, Witness
from tests.sync.executor.pair import OneSide, RealPair
from tests.sync.executor.test_kills import eventful
from tests.sync.executor.trees import SECOND


def subvolume(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(path)], check=True)


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_everything_is_done_on_other_filesystems(tmp_path: Path, loop_mount: LoopMount, kind: str) -> None:
    pair, agreed = eventful(loop_mount(kind) / tmp_path.name)
    witness = Witness(pair, agreed)
    made = pair.sync()
    witness.everything_was_done(made)
    witness.nothing_is_lost()
    witness.both_are_equal()
    witness.what_was_new_is_visible()
    witness.nothing_is_left_over()
    witness.the_next_run_does_nothing()


@pytest.mark.parametrize("seed", [100, 101])
def test_no_invariant_breaks_on_btrfs(tmp_path: Path, loop_mount: LoopMount, seed: int) -> None:
    History(seed, loop_mount("btrfs") / tmp_path.name).run()


def test_a_subvolume_within_is_a_boundary_that_stays_where_its_directory_goes(
    tmp_path: Path, loop_mount: LoopMount
) -> None:
    scratch = loop_mount("btrfs") / tmp_path.name
    subvolume(scratch / "two" / "data")
    pair = RealPair(scratch, tops=("", "data"), scans=True)
    pair.sides = (pair.sides[0], type(pair.sides[1])(scratch / "two" / "data", "", "two", pair.clock, scratch))
    one, two = pair.disks
    one.mkdir(b"d")
    one.create(b"d/f", b"text")
    pair.sync()
    subvolume(scratch / "two" / "data" / "d" / "inner")
    (scratch / "two" / "data" / "d" / "inner" / "own").write_bytes(b"of nobody else")
    one.move(b"d", b"e")
    one.edit(b"e/f", b"new text")
    pair.sync()
    assert (scratch / "two" / "data" / "e" / "inner" / "own").read_bytes() == b"of nobody else"
    assert two.at(b"e/f").data == b"new text"
    one.remove(b"e")
    made = pair.sync()
    assert (scratch / "two" / "data" / "e" / "inner" / "own").read_bytes() == b"of nobody else"
    assert {each.became for each in made.undone} <= {Became.ABORTED, Became.LEFT}
    assert pair.sides[1].temporaries() == []


@pytest.fixture
def coarse(tmp_path_factory: InMemory) -> Iterator[Path]:
    """Where a filesystem is mounted that keeps whole seconds, and no times of birth."""
    point = mounted("ext4", tmp_path_factory.mktemp("coarse"), make=("-I", "128"))
    yield point
    unmounted(point)


def test_a_filesystem_that_keeps_only_seconds_agrees_nevertheless(tmp_path: Path, coarse: Path) -> None:
    pair = RealPair(tmp_path / "pair")
    pair.sides = (pair.sides[0], OneSide(coarse / "two", "data", "two", pair.clock, tmp_path))
    one, two = pair.disks

    def agreed() -> None:
        made = pair.sync()
        assert made.undone == []
        assert pair.plan().plan.operations == ()
        assert {each.name for each in pair.base.values()} == {path.rpartition(b"/")[2] for path in one.tree()}
        seconds = {path: entry[:-1] for path, entry in one.tree().items()}
        assert {path: entry[:-1] for path, entry in two.tree().items()} == seconds

    one.mkdir(b"d")
    one.create(b"d/f", b"text")
    one.create(b"g", b"more")
    one.link(b"d/f", b"h")
    agreed()
    one.move(b"d/f", b"d/moved")
    agreed()
    one.touch(b"g")
    two.chmod(b"d/moved", 0o600)
    agreed()
    one.edit(b"g", b"other")
    two.edit(b"h", b"another")
    agreed()
    assert {each.mtime_ns % SECOND for each in pair.base.values() if each.name == b"g"} != {0}
    two.edit(b"g", b"of two")
    agreed()
    assert one.at(b"g").data == b"of two"
    assert pair.reduced(tmp_path).plan.operations == ()


def test_a_fileset_on_another_subvolume_than_its_root_is_refused(tmp_path: Path, loop_mount: LoopMount) -> None:
    scratch = loop_mount("btrfs") / tmp_path.name
    subvolume(scratch / "two" / "data")
    pair = RealPair(scratch)
    with pytest.raises(OtherFilesystem, match="have the site's roots name it"):
        pair.sides[1].area()
