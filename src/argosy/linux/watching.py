"""Being told what names come into directories and go from them. All raise OSError."""

import ctypes
import os
import struct
from typing import Final, NamedTuple

from argosy.linux.libc import LIBC, checked

MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
OVERFLOW: Final = 0x4000
"""More happened than the kernel kept."""
IS_DIRECTORY: Final = 0x40000000

_WANTED: Final = MOVED_FROM | MOVED_TO | CREATE
_ONLY_DIRECTORIES: Final = 0x01000000
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_HEAD: Final = struct.Struct("=iIII")
_ROOM: Final = 1 << 16


class Event(NamedTuple):
    """Something that happened in a watched directory."""

    watch: int
    what: int
    cookie: int
    """Of MOVED_FROM and MOVED_TO the same number, where both happened in watched directories."""
    name: bytes


class Watch:
    """What happens in some directories from now on. To be closed in the end."""

    def __init__(self) -> None:
        self._descriptor = checked(LIBC.inotify_init1(_FLAGS))

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)

    def add(self, directory: int) -> int:
        """Watch an open directory, whatever becomes of its name; return its number, the same for the same one."""
        path = ctypes.c_char_p(b"/proc/self/fd/%d" % directory)
        return checked(LIBC.inotify_add_watch(self._descriptor, path, _WANTED | _ONLY_DIRECTORIES))

    def events(self) -> list[Event]:
        """Return what has happened since this was asked last."""
        found: list[Event] = []
        while True:
            try:
                data = os.read(self._descriptor, _ROOM)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                watch, what, cookie, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size + length
                found.append(Event(watch, what, cookie, data[at - length : at].rstrip(b"\0")))
