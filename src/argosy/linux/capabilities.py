"""What this thread may do that others may not."""

import ctypes
import functools
import os
import struct
from typing import Final

from argosy.linux.libc import LIBC, checked

SYS_ADMIN: Final = 21
CHOWN: Final = 0

_HEADER: Final = struct.pack("=Ii", 0x20080522, 0)
_DATA: Final = struct.Struct("=6I")
_FIRST_USER_NAMESPACE: Final = 0xEFFFFFFD


def effective(capability: int) -> bool:
    """Say whether the capability holds on the whole machine, not just within a user namespace."""
    into = ctypes.create_string_buffer(_DATA.size)
    checked(LIBC.capget(ctypes.c_char_p(_HEADER), into))
    bits = _DATA.unpack(into.raw)
    return bool((bits[0] | bits[3] << 32) >> capability & 1) and _whole_machine()


@functools.cache
def _whole_machine() -> bool:
    try:
        return os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE
    except OSError:
        return True
