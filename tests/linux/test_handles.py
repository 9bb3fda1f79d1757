import errno
import os
from pathlib import Path

import pytest

from argosy.linux.handles import are_lasting, handle_of, open_handle
from tests.loop import loop_mount

__all__ = ["loop_mount"]


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_handle_opens_an_inode_under_any_name_until_it_is_removed(loop_mount, kind) -> None:
    disk: Path = loop_mount(kind)
    (disk / "a").write_text("a")
    (disk / "below").mkdir()
    file, beside = os.open(disk / "a", os.O_PATH), os.open(disk / "below", os.O_RDONLY)
    try:
        handle, inode = handle_of(file), os.fstat(file).st_ino
        assert are_lasting(beside)
        (disk / "a").rename(disk / "below" / "b")
        opened = open_handle(handle, beside, os.O_PATH)
        assert os.fstat(opened).st_ino == inode
        for descriptor in (opened, file):
            os.close(descriptor)
        (disk / "below" / "b").unlink()
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            open_handle(handle, beside, os.O_PATH)
    finally:
        os.close(beside)


def test_what_has_no_handles_gives_none() -> None:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert not are_lasting(descriptor)
        assert handle_of(descriptor) == b""
    finally:
        os.close(descriptor)
