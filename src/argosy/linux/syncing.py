"""Waiting for the disk; others have the turn meanwhile."""

import ctypes
import os
import re
from typing import Final

from argosy.core.turns import left
from argosy.linux.libc import LIBC, checked
from argosy.linux.mounts import mounted

LITTLE: Final = 64 << 20
"""Bytes that may wait to be written on this machine where a whole filesystem is synced for the sake of a few files."""
TELLS_SINCE: Final = (5, 17)
"""The Linux from which on syncfs says that a journal could not be written; of bytes it does since 5.8."""
_MEMORY: Final = "/proc/meminfo"
_WAITING: Final = (b"Dirty:", b"Writeback:")
_FIT: Final = {b"ext4", b"xfs"}
"""Where it was measured, and syncfs is known to wait."""
_APART: Final = b"rtdev="
"""A disk of xfs for the bytes of some files only, whose memory the sync of another file does not empty."""
_WAIT_BEFORE: Final = 1


def fsync(descriptor: int) -> None:
    """Return when what was written to an open file, or the names in an open directory, are on the disk.

    Raises:
        OSError: not all of it could be written.
    """
    with left():
        os.fsync(descriptor)


def syncfs(descriptor: int) -> None:
    """Return when all that was written to the filesystem of an open directory or file is on its disk.

    Raises:
        OSError: not all of it could be written. An older Linux than `TELLS_SINCE` does not say that of every disk, and
            none sees to what a disk still keeps in a memory of its own: a sync of a file does both.
    """
    with left():
        checked(LIBC.syncfs(descriptor))


def is_better_at_once(descriptor: int) -> bool:
    """Say whether to sync the whole filesystem takes less than to sync some small files of it one by one.

    Where much waits to be written, the files would wait for the bytes of others.
    """
    if _kernel() < TELLS_SINCE:
        return False
    kind, _, options = mounted(descriptor) or (b"", b"", b"")
    return kind in _FIT and _APART not in options and _unwritten() <= LITTLE


def expect_written(descriptor: int) -> None:
    """Return where all bytes of an open file could be written that were sent to its disk.

    Raises:
        OSError: not all could. That is told once to whoever has it open: a sync by the same descriptor may not tell.
    """
    checked(LIBC.sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _WAIT_BEFORE))


def _kernel() -> tuple[int, ...]:
    """Return which Linux this is, (0,) where it does not tell."""
    told = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (0,) if told is None else tuple(map(int, told.groups()))


def _unwritten() -> float:
    """Return how many bytes wait on this machine to be written to disks."""
    try:
        with open(_MEMORY, "rb", buffering=0) as told:
            lines = told.read().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_WAITING))
    except (OSError, ValueError, IndexError):
        return float("inf")
