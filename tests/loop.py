"""Filesystems in a file: `loop_mount(kind)` gives an empty one, mounted for as long as the tests run."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

MiB = 1 << 20

_MAKE = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-m", "0"], 64 * MiB, "e2fsprogs"),
    "xfs": (["mkfs.xfs", "-q", "-f"], 512 * MiB, "xfsprogs"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], 512 * MiB, "btrfs-progs"),
}

LoopMount = Callable[..., Path]


def mounted(
    kind: str, directory: Path, size: int | None = None, *, make: Sequence[str] = (), options: str = "loop"
) -> Path:
    """Make a filesystem in a sparse file, with further arguments of its maker, and mount it; return where."""
    command, usual, package = _MAKE[kind]
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: apt-get install {package} (see tools/debian-packages.txt)")
    image, point = directory / f"{kind}.img", directory / kind
    with image.open("wb") as file:
        file.truncate(size or usual)
    point.mkdir()
    _run([*command, *make, str(image)])
    _run(["mount", "-o", options, str(image), str(point)])
    if (point / "lost+found").is_dir():
        (point / "lost+found").rmdir()
    return point


def unmounted(point: Path) -> None:
    """Unmount, even while something still has a file of it open."""
    if subprocess.run(["umount", str(point)], capture_output=True, check=False).returncode:
        _run(["umount", "--lazy", str(point)])


def settle(point: Path) -> None:
    """Have all of one filesystem on its disk, and nothing of others: their tests may be about to cut the power."""
    subprocess.run(["sync", "-f", str(point)], check=True)


def another_subvolume(subvolume: Path) -> Path:
    """Remove a subvolume of a btrfs, and make one beside it that has its device number."""
    number = subvolume.stat().st_dev
    _run(["btrfs", "-q", "subvolume", "delete", str(subvolume)])
    for attempt in range(20):
        new = subvolume.with_name(f"{subvolume.name}-{attempt}")
        _run(["btrfs", "-q", "subvolume", "create", str(new)])
        if new.stat().st_dev == number:
            return new
    pytest.fail(f"no other subvolume got the number of {subvolume}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


@pytest.fixture(scope="session")
def loop_mount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopMount]:
    """A function from a kind ("ext4", "xfs", "btrfs") to where such a filesystem is mounted.

    One is shared by all who ask; whoever gives a size has one of his own. All are unmounted in the end.
    """
    shared: dict[str, Path] = {}
    points: list[Path] = []

    def mount(kind: str, *, size: int | None = None) -> Path:
        if size is None and kind in shared:
            return shared[kind]
        point = mounted(kind, tmp_path_factory.mktemp(f"loop-{kind}"), size)
        points.append(point)
        if size is None:
            shared[kind] = point
        return point

    try:
        yield mount
    finally:
        for point in points:
            unmounted(point)
