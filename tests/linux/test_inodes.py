"""What is known of inodes: statx, identity, extents, capabilities."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.pointer import brief, same_filesystem
from argosy.linux import capabilities
from argosy.linux.extents import extents, is_mapped, merged
from argosy.linux.identity import filesystem_id, subvolume_id
from argosy.linux.space import reserve
from argosy.linux.statx import Statx, statx
from argosy.linux.syncing import syncfs
from tests.filesystems.nobody import as_nobody

MiB = 1 << 20
LoopMount = Callable[[str], Path]


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def directory(kind: str, tmp_path: Path, loop_mount: LoopMount) -> Path:
    path = loop_mount(kind) / tmp_path.name
    path.mkdir(exist_ok=True)
    return path


def test_statx_knows_birth_mount_and_inode(directory: Path) -> None:
    with (directory / "file").open("wb") as file:
        os.utime(file.fileno(), ns=(0, 0))
        known = statx(file.fileno())
        found = os.fstat(file.fileno())
        assert known.inode == found.st_ino
        assert known.device == (os.major(found.st_dev), os.minor(found.st_dev))
        assert 0 < known.born_ns <= found.st_ctime_ns
        assert known.lasting or known.mount == int(_mount_of(directory))
    assert known.mount not in {0, _statx_at("/proc").mount}
    assert known.mount == _statx_at(directory).mount


def _statx_at(path: Path | str) -> Statx:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return statx(descriptor)
    finally:
        os.close(descriptor)


def test_a_filesystem_is_known_by_its_uuid(directory: Path, kind: str) -> None:
    device = subprocess.run(
        ["findmnt", "-no", "SOURCE", "-T", directory], capture_output=True, text=True, check=True
    ).stdout.strip()
    uuid = subprocess.run(["blkid", "-o", "value", "-s", "UUID", device], capture_output=True, text=True, check=True)
    with (directory / "file").open("wb") as file:
        assert filesystem_id(file.fileno()).hex() == uuid.stdout.strip().replace("-", "")
        assert (subvolume_id(file.fileno()) == 5) is (kind == "btrfs")


def test_a_filesystem_without_uuid_has_an_identity_too() -> None:
    with Path("/proc/self/status").open("rb") as file:
        assert len(filesystem_id(file.fileno())) == 16


def test_a_subvolume_has_its_number(tmp_path: Path, loop_mount: LoopMount) -> None:
    path = loop_mount("btrfs") / f"{tmp_path.name}-sub"
    subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
    shown = subprocess.run(["btrfs", "subvolume", "show", path], capture_output=True, text=True, check=True).stdout
    number = next(int(line.split()[-1]) for line in shown.splitlines() if "Subvolume ID" in line)
    with (path / "file").open("wb") as file:
        known = statx(file.fileno())
        assert subvolume_id(file.fileno()) == number
        assert subvolume_id(file.fileno(), known._replace(subvolume=0)) == number


def test_extents_of_a_sparse_file_are_its_data(directory: Path) -> None:
    with (directory / "sparse").open("w+b") as file:
        file.truncate(8 * MiB)
        assert extents(file.fileno()) == ()
        os.pwrite(file.fileno(), b"x" * MiB, MiB)
        os.pwrite(file.fileno(), b"x" * MiB, 7 * MiB)
        assert extents(file.fileno()) == ((MiB, MiB), (7 * MiB, MiB))


def test_a_file_full_of_data_has_no_extents_to_tell(directory: Path) -> None:
    with (directory / "full").open("w+b") as file:
        assert extents(file.fileno()) is None
        file.write(b"x" * (MiB + 1))
        file.flush()
        assert extents(file.fileno()) is None


def test_blocks_that_hold_no_data_are_not_taken_for_data(directory: Path) -> None:
    with (directory / "hollow").open("w+b") as file:
        file.truncate(4096)
        assert not is_mapped(file.fileno(), 0)
        reserve(file.fileno(), 4096, MiB)
        os.fsync(file.fileno())
        assert os.fstat(file.fileno()).st_blocks * 512 >= 4096
        assert extents(file.fileno()) == ()
        assert is_mapped(file.fileno(), 4096)
        assert not is_mapped(file.fileno(), 4096 + MiB)


def test_a_ragged_file_has_a_bounded_number_of_extents_that_cover_its_data(tmp_path: Path) -> None:
    with (tmp_path / "ragged").open("w+b") as file:
        offsets = range(0, 12_000 * 8192, 8192)
        for offset in offsets:
            os.pwrite(file.fileno(), b"x", offset)
        os.ftruncate(file.fileno(), 12_001 * 8192)
        found = extents(file.fileno())
    assert found is not None
    assert len(found) <= 10_000
    ends = [start + length for start, length in found]
    assert all(end <= start for end, (start, _) in zip(ends, found[1:], strict=False))
    covered = {offset for start, length in found for offset in range(start, start + length, 4096)}
    assert covered >= set(offsets)


def test_merged_ranges_cover_what_the_ranges_did() -> None:
    assert merged([(0, 1), (4, 1), (8, 2)]) == [(0, 5), (8, 2)]
    assert merged([(0, 1), (4, 1), (8, 2), (20, 5)]) == [(0, 5), (8, 17)]


def test_root_has_capabilities_that_nobody_has() -> None:
    assert capabilities.effective(capabilities.SYS_ADMIN)
    assert capabilities.effective(capabilities.CHOWN)
    as_nobody(_expect_none)


def _expect_none() -> None:
    assert not capabilities.effective(capabilities.SYS_ADMIN)
    assert not capabilities.effective(capabilities.CHOWN)


def _mount_of(directory: Path) -> str:
    shown = subprocess.run(
        ["findmnt", "-no", "TARGET", "-T", directory], capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return next(fields[0] for fields in lines if fields[4] == shown)


def test_what_is_written_is_on_the_disk_after_syncfs_and_a_closed_descriptor_says_so(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    syncfs(directory)
    os.close(directory)
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(directory)


def test_what_older_kernels_call_an_ext4_is_told_by_its_uuid(tmp_path: Path, loop_mount: LoopMount) -> None:
    """Linux before 6.0 does not tell ext4's UUID: bindings were made of what statfs answers."""
    descriptor = os.open(loop_mount("ext4"), os.O_RDONLY)
    try:
        called = os.fstatvfs(descriptor).f_fsid.to_bytes(16, "big")
        assert called == brief(filesystem_id(descriptor))
        assert same_filesystem(called, filesystem_id(descriptor))
        assert not same_filesystem(called, os.urandom(16))
    finally:
        os.close(descriptor)
