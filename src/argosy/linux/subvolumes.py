"""Subvolumes of btrfs: what they are told by, snapshots of them. All raise OSError."""

import fcntl
import os
import struct
from typing import Final

_SNAPSHOT: Final = 0x50009417  # BTRFS_IOC_SNAP_CREATE_V2
_DESTROY: Final = 0x5000940F  # BTRFS_IOC_SNAP_DESTROY
_INFO: Final = 0x8400941F  # BTRFS_IOC_FS_INFO
_READ_ONLY: Final = 2
_TOP: Final = 256
"""Number of the inode at the top of every subvolume."""


def is_subvolume(directory: int) -> bool:
    """Say whether the open directory is the top of a subvolume of btrfs."""
    if os.fstat(directory).st_ino != _TOP:
        return False
    try:
        fcntl.ioctl(directory, _INFO, bytearray(1024))
    except OSError:
        return False
    return True


def snapshot(subvolume: int, directory: int, name: bytes) -> None:
    """Have a read-only snapshot of the subvolume under the name in the open directory; it is on the disk then."""
    fcntl.ioctl(directory, _SNAPSHOT, bytearray(struct.pack("=qQQ32s4040s", subvolume, 0, _READ_ONLY, b"", name)))


def destroy(directory: int, name: bytes) -> None:
    """Remove the subvolume of that name from the open directory."""
    fcntl.ioctl(directory, _DESTROY, bytearray(struct.pack("=q4088s", 0, name)))
