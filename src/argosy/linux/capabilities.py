"""What this thread may do that others may not."""

import contextlib
import ctypes
import functools
import os
import struct
from collections.abc import Iterator
from typing import Final

from argosy.linux.libc import LIBC, checked

CHOWN: Final = 0
SETUID: Final = 7
SYS_ADMIN: Final = 21
SYS_RESOURCE: Final = 24

_HEADER: Final = struct.pack("=Ii", 0x20080522, 0)
_DATA: Final = struct.Struct("=6I")
_FIRST_USER_NAMESPACE: Final = 0xEFFFFFFD


def effective(capability: int) -> bool:
    """Say whether the capability holds on the whole machine, not just within a user namespace."""
    return _holds(_sets(), capability) and _whole_machine()


@contextlib.contextmanager
def within_limits_of(uid: int) -> Iterator[None]:
    """Take disk space as the user would: his quota holds, and what is kept for root is left to root.

    Of this thread only, and of nothing else it may do. A quota is overstepped by CAP_SYS_RESOURCE; the blocks that
    ext4 keeps for root are given to that as well, and to whoever acts as root in filesystem matters.
    """
    sets = _sets()
    if not _holds(sets, SYS_RESOURCE) and not _holds(sets, SETUID):
        yield
        return
    before = LIBC.setfsuid(uid)
    try:
        # Not to act as root takes the rights over files, too; among them the one to write and leave set-uid alone.
        _give((sets[0] & ~(1 << SYS_RESOURCE), *sets[1:]))
        yield
    finally:
        LIBC.setfsuid(before)
        _give(sets)


def _holds(sets: tuple[int, ...], capability: int) -> bool:
    return bool((sets[0] | sets[3] << 32) >> capability & 1)


def _sets() -> tuple[int, ...]:
    """Return effective, permitted and inheritable, the lower halves first."""
    into = ctypes.create_string_buffer(_DATA.size)
    checked(LIBC.capget(ctypes.c_char_p(_HEADER), into))
    return _DATA.unpack(into.raw)


def _give(sets: tuple[int, ...]) -> None:
    checked(LIBC.capset(ctypes.c_char_p(_HEADER), ctypes.c_char_p(_DATA.pack(*sets))))


@functools.cache
def _whole_machine() -> bool:
    try:
        return os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE
    except OSError:
        return True
