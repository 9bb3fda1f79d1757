"""Disks that take each other's place: the kernel calls the next one as it called the last."""

import os
from pathlib import Path

from argosy.core.pointer import Binding
from argosy.filesystems._posix.entry import binding_of
from argosy.linux.identity import filesystem_id
from tests.loop import mounted, unmounted


def made_on_a_new_disk(directory: Path) -> tuple[int, Binding, bytes]:
    """Return a device number, a file's binding, and the filesystem's own UUID."""
    directory.mkdir()
    point = mounted("ext4", directory)
    try:
        (point / "f").touch()
        descriptor = os.open(point / "f", os.O_RDONLY)
        try:
            return os.fstat(descriptor).st_dev, binding_of(descriptor), filesystem_id(descriptor)
        finally:
            os.close(descriptor)
    finally:
        unmounted(point)


def test_a_disk_that_has_the_number_of_the_one_before_it_is_not_taken_for_it(tmp_path: Path) -> None:
    devices = []
    for number in range(8):
        device, binding, own = made_on_a_new_disk(tmp_path / str(number))
        assert binding.filesystem == own
        devices.append(device)
        if len(set(devices)) < len(devices):
            return
    raise AssertionError("no device number was given twice")
