"""What `stat` does not tell of an open inode: its birth, its mount and its subvolume."""

import ctypes
import struct
from typing import Final, NamedTuple

from argosy.linux.libc import LIBC, checked

_EMPTY_PATH: Final = 0x1000
_BASIC: Final = 0x07FF
_BTIME: Final = 0x0800
_MNT_ID: Final = 0x1000
_MNT_ID_UNIQUE: Final = 0x4000
_SUBVOL: Final = 0x8000
_FIXED: Final = 0x10 | 0x20
_SIZE: Final = 256
_MASK: Final = struct.Struct("=I")
_ATTRIBUTES: Final = struct.Struct("=Q")
_INODE: Final = struct.Struct("=Q")
_TIME: Final = struct.Struct("=qI")
_DEVICE: Final = struct.Struct("=II")


class Statx(NamedTuple):
    """0 stands for what the filesystem or the kernel does not know."""

    inode: int
    born_ns: int
    device: tuple[int, int]
    mount: int
    subvolume: int
    lasting: bool
    """Whether no later mount is called as this one is (Linux 6.8)."""
    fixed: bool
    """Whether it is marked immutable or append-only."""


def statx(descriptor: int) -> Statx:
    """Return what is known of the open inode."""
    into = ctypes.create_string_buffer(_SIZE)
    wanted = _BASIC | _BTIME | _MNT_ID | _MNT_ID_UNIQUE | _SUBVOL
    checked(LIBC.statx(descriptor, b"", _EMPTY_PATH, wanted, into))
    data = into.raw
    (mask,) = _MASK.unpack_from(data, 0)
    seconds, nanoseconds = _TIME.unpack_from(data, 80)
    return Statx(
        inode=_INODE.unpack_from(data, 32)[0],
        born_ns=seconds * 1_000_000_000 + nanoseconds if mask & _BTIME else 0,
        device=_DEVICE.unpack_from(data, 136),
        mount=_INODE.unpack_from(data, 144)[0] if mask & (_MNT_ID | _MNT_ID_UNIQUE) else 0,
        lasting=bool(mask & _MNT_ID_UNIQUE),
        subvolume=_INODE.unpack_from(data, 160)[0] if mask & _SUBVOL else 0,
        fixed=bool(_ATTRIBUTES.unpack_from(data, 8)[0] & _FIXED),
    )
