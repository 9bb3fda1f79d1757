"""Landlock: a process says for itself, for good, what it will read and write from now on."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_QUERY = 1
_PATH_BENEATH = 1
_SCOPES = 0b11
"""Abstract Unix sockets and signals of processes outside."""

_EXECUTE, _WRITE, _READ, _LIST = (1 << bit for bit in range(4))
_CHANGES = (1 << 4 | 1 << 5) | (1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12)
"""Remove directories and files; make directories, files, sockets, fifos and symlinks (no devices)."""
_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many kinds of access each version of the interface knows; 16 from version 5 on."""
_REFER, _TRUNCATE = 1 << 13, 1 << 14

READING = _EXECUTE | _READ | _LIST
WRITING = _READ | _LIST | _WRITE | _CHANGES | _REFER | _TRUNCATE
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def version() -> int:
    """Return the version of the interface, 0 where the kernel has none or it is switched off."""
    found: int = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_QUERY))
    return max(0, found)


def restrict(*, readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Let this thread and all it starts touch only these; return the interface's version, 0: nothing was done.

    Call it before other threads exist, and with no_new_privs set.
    """
    found = version()
    if not found:
        return 0
    handled = (1 << _BITS.get(found, 16)) - 1
    ruleset = _create(found, handled)
    try:
        for path in readable:
            _allow(ruleset, path, READING & handled)
        for path in writable:
            _allow(ruleset, path, WRITING & handled)
        _checked(_libc.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0)), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return found


def _create(found: int, handled: int) -> int:
    fields = (handled,) if found < 4 else (handled, 0) if found < 6 else (handled, 0, _SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    made = _libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    return _checked(made, "landlock_create_ruleset")


def _allow(ruleset: int, path: Path, access: int) -> None:
    """Allow access beneath the path; what does not exist, or cannot be reached, needs no rule."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        rule = struct.pack("=Qi", access, descriptor)
        _checked(
            _libc.syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0)),
            f"landlock_add_rule {path}",
        )
    finally:
        os.close(descriptor)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
