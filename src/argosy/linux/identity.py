"""Which filesystem an open inode lies on, in a way that outlives reboots and mounts."""

import fcntl
import os
import struct
import sys
from typing import Final, NamedTuple

from argosy.linux.statx import Statx, statx


class _Question(NamedTuple):
    """An ioctl, what to hand it, and where in that its answer begins."""

    request: int
    buffer: bytes
    offset: int


_QUESTIONS: Final = (
    _Question(0x80111500, bytes(17), 1),  # FS_IOC_GETFSUUID, Linux 6.9
    _Question(0x8008662C, struct.pack("=II", 16, 0) + bytes(16), 8),  # EXT4_IOC_GETFSUUID, 6.0
    _Question(0x8400941F, bytes(1024), 16),  # BTRFS_IOC_FS_INFO
    _Question(0x80705864, bytes(112), 64),  # XFS_IOC_FSGEOMETRY_V1
)
_SUBVOLUME: Final = _Question(0xD0009412, struct.pack("=QQ", 0, 256) + bytes(4080), 0)  # BTRFS_IOC_INO_LOOKUP

_GENERATION: Final = _Question(0x80087601, bytes(8), 0)  # FS_IOC_GETVERSION; it answers with 4 bytes


def filesystem_id(descriptor: int) -> bytes:
    """Return the filesystem's UUID, 16 bytes; where it has none, what statfs calls it."""
    for question in _QUESTIONS:
        uuid = _ask(descriptor, question)
        if any(uuid):
            return uuid
    return os.fstatvfs(descriptor).f_fsid.to_bytes(16, "big")


def subvolume_id(descriptor: int, known: Statx | None = None) -> int:
    """Return the number of the btrfs subvolume, 0 on other filesystems."""
    found = known or statx(descriptor)
    if found.subvolume:
        return found.subvolume
    return int.from_bytes(_ask(descriptor, _SUBVOLUME)[:8], sys.byteorder)


def generation(descriptor: int) -> int:
    """Return the number that tells an inode from others that had its number before; 0 where there is none."""
    return int.from_bytes(_ask(descriptor, _GENERATION)[:4], sys.byteorder)


def _ask(descriptor: int, question: _Question) -> bytes:
    buffer = bytearray(question.buffer)
    try:
        fcntl.ioctl(descriptor, question.request, buffer)
    except OSError:
        return b""
    return bytes(buffer[question.offset : question.offset + 16])
