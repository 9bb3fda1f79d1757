"""What the kernel calls an inode for as long as that exists, whatever its names become: file handles.

What is returned as a handle is its type and its bytes, without the mount on which it was taken.
"""

import ctypes
import errno
import os
import struct
import time
from typing import Final

from argosy.linux.libc import LIBC, checked

_EMPTY_PATH: Final = 0x1000
_MOST: Final = 128
_HEAD: Final = struct.Struct("=Ii")
_ASKED: Final = _HEAD.pack(_MOST, 0) + bytes(_MOST)
_TYPE: Final = struct.Struct("=l")
_STATFS_SIZE: Final = 256
_TRIES: Final = 100
_PAUSE: Final = 0.001
_LASTING: Final = frozenset(
    {
        0xEF53,  # ext4
        0x58465342,  # xfs
        0x9123683E,  # btrfs
        0xF2F52010,  # f2fs
        0x01021994,  # tmpfs
    }
)


def handle_of(descriptor: int) -> bytes:
    """Return the handle of an open inode, b"" where the filesystem has none; O_PATH will do."""
    into, mount = ctypes.create_string_buffer(_ASKED, len(_ASKED)), ctypes.c_int()
    if LIBC.name_to_handle_at(descriptor, b"", into, ctypes.byref(mount), _EMPTY_PATH) == -1:
        return b""
    size, _ = _HEAD.unpack_from(into)
    return into.raw[4 : _HEAD.size + size]


def open_handle(handle: bytes, beside: int, flags: int) -> int:
    """Return a descriptor of the inode; `beside`: anything open on its filesystem, not with O_PATH.

    Raises:
        OSError: ESTALE: there is no such inode any more. EPERM: we are without CAP_DAC_READ_SEARCH.
    """
    asked = struct.pack("=I", len(handle) - 4) + handle
    for _ in range(_TRIES):
        opened = int(LIBC.open_by_handle_at(beside, asked, flags | os.O_CLOEXEC))
        if opened != -1 or ctypes.get_errno() != errno.ENOMEM:
            break
        time.sleep(_PAUSE)  # ext4 says so of an inode that is being removed, too
    return checked(opened)


def are_lasting(descriptor: int) -> bool:
    """Say whether a handle of this filesystem opens its inode until that is removed: also after a reboot.

    Others, of FUSE say, have handles that are forgotten with their caches.
    """
    into = ctypes.create_string_buffer(_STATFS_SIZE)
    checked(LIBC.fstatfs(descriptor, into))
    (kind,) = _TYPE.unpack_from(into)
    return (kind & 0xFFFFFFFF) in _LASTING
