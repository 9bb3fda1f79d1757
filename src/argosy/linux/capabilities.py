"""What this thread may do that others may not."""

import ctypes
import functools
import os
import struct
import threading
from typing import Final

from argosy.linux.libc import LIBC, checked

CHOWN: Final = 0
FSETID: Final = 4
DAC_READ_SEARCH: Final = 2
SETUID: Final = 7
SYS_ADMIN: Final = 21
SYS_RESOURCE: Final = 24

_HEADER: Final = struct.pack("=Ii", 0x20080522, 0)
_DATA: Final = struct.Struct("=6I")
_AMBIENT: Final = 47
_AMBIENT_RAISE: Final = 2
_FIRST_USER_NAMESPACE: Final = 0xEFFFFFFD


def effective(capability: int) -> bool:
    """Say whether the capability holds on the whole machine, not just within a user namespace."""
    return _holds(_sets(), capability) and _whole_machine()


def make_heritable(capability: int) -> None:
    """Have this thread be able to hand a capability that it has to programs which it runs: see `hand_down`."""
    sets = list(_sets())
    sets[2 + 3 * (capability // 32)] |= 1 << capability % 32
    _give(tuple(sets))


def hand_down(capability: int) -> None:
    """Have the programs that this thread runs from now on keep a capability, if it has it and may hand it down."""
    sets = _sets()
    heritable = sets[2] | sets[5] << 32
    if _holds(sets, capability) and heritable >> capability & 1:
        checked(LIBC.prctl(_AMBIENT, *map(ctypes.c_ulong, (_AMBIENT_RAISE, capability, 0, 0))))


class within_limits_of:  # noqa: N801 - used as a statement; a class, because a generator costs three times as much
    """Take disk space as the user would: his quota holds, and what is kept for root is left to root.

    Of this thread only, and of nothing else it may do. A quota is overstepped by CAP_SYS_RESOURCE; the blocks that
    ext4 keeps for root are given to that as well, and to whoever acts as root in filesystem matters.
    """

    __slots__ = ("_before", "_sets", "_uid")

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self._sets: tuple[int, ...] = ()

    def __enter__(self) -> None:
        sets = _sets()
        if not _holds(sets, SYS_RESOURCE) and not _holds(sets, SETUID):
            return
        self._sets = sets
        self._before = LIBC.setfsuid(self._uid)
        try:
            # Not to act as root takes the rights over files, too; among them the one to write and leave set-uid alone.
            _give((sets[0] & ~(1 << SYS_RESOURCE), *sets[1:]))
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        if self._sets:
            LIBC.setfsuid(self._before)
            _give(self._sets)


class _Known(threading.local):
    """The sets of this thread, as it last asked for them or was given them, and who it was then."""

    euid = -1
    sets: tuple[int, ...] = ()

    def forget(self) -> None:
        self.euid = -1


_known = _Known()
os.register_at_fork(after_in_child=_known.forget)


def _holds(sets: tuple[int, ...], capability: int) -> bool:
    return bool((sets[0] | sets[3] << 32) >> capability & 1)


def _sets() -> tuple[int, ...]:
    """Return effective, permitted and inheritable, the lower halves first.

    The kernel is asked once a thread and user: a thread's sets change by its own doing only, here or with its user.
    """
    euid = os.geteuid()
    if _known.euid != euid:
        into = ctypes.create_string_buffer(_DATA.size)
        checked(LIBC.capget(ctypes.c_char_p(_HEADER), into))
        _known.sets, _known.euid = _DATA.unpack(into.raw), euid
    return _known.sets


def _give(sets: tuple[int, ...]) -> None:
    checked(LIBC.capset(ctypes.c_char_p(_HEADER), ctypes.c_char_p(_DATA.pack(*sets))))
    _known.sets, _known.euid = sets, os.geteuid()


@functools.cache
def _whole_machine() -> bool:
    try:
        return os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE
    except OSError:
        return True
