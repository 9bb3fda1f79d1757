"""Where the disk is full, or cannot be written to any more, nothing is lost; as soon as it can, a run does all."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from argosy.core.errors import ArgosyError
from argosy.core.faults import DiskFull, ReadOnly
from argosy.sync.executor import executing
from tests.loop import mounted, unmounted
from tests.sync.executor.conftest import InMemory
from tests.sync.executor.histories import Witness
from tests.sync.executor.test_kills import eventful
from tests.verbs.disks import Disk

MiB = 1 << 20


@pytest.fixture
def small(tmp_path_factory: InMemory) -> Iterator[Path]:
    point = mounted("ext4", tmp_path_factory.mktemp("small"), 16 * MiB, make=("-N", "400"))
    yield point
    unmounted(point)


def filled(point: Path) -> None:
    """Leave neither a block nor an inode."""
    (point / "inodes").mkdir(exist_ok=True)
    with suppress(OSError):
        for number in range(1000):
            (point / "inodes" / str(number)).touch()
    with suppress(OSError), open(point / "inodes" / "0", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def emptied(point: Path) -> None:
    shutil.rmtree(point / "inodes")


@pytest.mark.parametrize("batches", [0, 1, 4, 8, 12])
def test_a_disk_that_runs_full_at_any_time_costs_nothing_but_the_run(
    small: Path, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "AT_ONCE", 2)
    pair, agreed = eventful(small / "pair")
    witness = Witness(pair, agreed)
    told: list[int] = []

    def fill() -> None:
        told.append(1)
        if len(told) == batches:
            filled(small)

    pair.watch = fill
    pair.between = lambda: filled(small) if not batches else None
    with suppress(DiskFull):
        pair.sync()
    pair.watch, pair.between = None, lambda: None
    with suppress(ArgosyError):
        pair.restart()
    witness.nothing_is_lost(on_its_way=True)
    witness.no_file_is_half()
    emptied(small)
    pair.restart()
    witness.nothing_is_lost()
    witness.everything_was_done(pair.sync())
    witness.both_are_equal()
    witness.what_was_new_is_visible()
    witness.nothing_is_left_over()


def test_a_disk_that_becomes_read_only_ends_the_run_and_nothing_is_lost(
    disk: Callable[[str], Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "AT_ONCE", 2)
    on = disk("ext4")
    pair, agreed = eventful(on.room("pair"))
    witness = Witness(pair, agreed)
    on.settle()
    told: list[int] = []

    def watch() -> None:
        told.append(1)
        if len(told) == 3:
            breaks(on.point)

    pair.watch = watch
    with pytest.raises(ReadOnly):
        pair.sync()
    pair.watch = None
    witness.nothing_is_lost(on_its_way=True)
    on.start_again()
    pair.restart()
    witness.nothing_is_lost()
    witness.everything_was_done(pair.sync())
    witness.both_are_equal()
    witness.nothing_is_left_over()


def breaks(point: Path) -> None:
    """Have the kernel find an error, upon which it lets nobody write any more."""
    subprocess.run(["mount", "-o", "remount,errors=remount-ro", str(point)], check=True)
    source = subprocess.run(["findmnt", "-no", "SOURCE", str(point)], check=True, capture_output=True, text=True)
    (Path("/sys/fs/ext4") / Path(source.stdout.strip()).name / "trigger_fs_error").write_text("1")
