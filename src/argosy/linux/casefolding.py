"""Directories in which names differ by more than case: ext4, f2fs and tmpfs let each directory choose."""

import contextlib
import fcntl
from typing import Final

_FLAGS: Final = 0x80086601  # FS_IOC_GETFLAGS
_CASEFOLD: Final = 0x40000000  # FS_CASEFOLD_FL


def folds_case(directory: int) -> bool:
    """Say whether the directory is marked as one in which case, and how a letter is composed, do not tell names apart.

    Filesystems that are so as a whole mark none.
    """
    with contextlib.suppress(OSError):
        flags = fcntl.ioctl(directory, _FLAGS, bytes(8))
        return bool(int.from_bytes(flags[:4], "little") & _CASEFOLD)
    return False
