"""The times of directories, which stay as they were whatever Argosy gives a name in them.

So a directory that is being received keeps the mtime it was given, in whatever order its entries arrive. For one
killed between a change of names and the repair of the times, a note in `<root>/.argosy/times` says what they were.
"""

import contextlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argosy.linux.openat2 import DIRECTORY, open_beneath

_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
_within = threading.local()
_NOTE: Final = struct.Struct("=qqqI")
"""When it was written, atime and mtime of the directory, length of its path, which follows."""
_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NEAR: Final = 2_000_000_000


@contextmanager
def keeping(notes: int, *directories: tuple[int, bytes]) -> Iterator[None]:
    """Give the directories, each told with its path below the root, their times back after a change of names in them.

    One such change at a time in this process. Not to be nested: two directories may share a lock.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(_alone())
        for slot in sorted({_slot(directory) for directory, _ in directories}):
            held.enter_context(_LOCKS[slot])
        for number, (directory, path) in enumerate(directories):
            held.enter_context(_kept(directory, notes, path, b"%d-%d-%d" % (os.getpid(), _slot(directory), number)))
        yield


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse to nest: of directories whose numbers happen to share a lock, a thread would wait for itself for ever."""
    assert not getattr(_within, "one", False), "a change of names within another"
    _within.one = True
    try:
        yield
    finally:
        _within.one = False


@contextmanager
def _kept(directory: int, notes: int, path: bytes, name: bytes) -> Iterator[None]:
    found = os.fstat(directory)
    _write(notes, name, _NOTE.pack(time.time_ns(), found.st_atime_ns, found.st_mtime_ns, len(path)) + path)
    try:
        yield
    finally:
        restore(directory, found)
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=notes)


def times_lock(directory: int) -> threading.Lock:
    """Return the lock under which this process gives the directory its times."""
    return _LOCKS[_slot(directory)]


def _slot(directory: int) -> int:
    found = os.fstat(directory)
    return hash((found.st_dev, found.st_ino)) % len(_LOCKS)


def restore(directory: int, found: os.stat_result) -> None:
    """Give the directory the times it had; one that belongs to others keeps what the change made of them."""
    with contextlib.suppress(PermissionError):
        os.utime(directory, ns=(found.st_atime_ns, found.st_mtime_ns))


def repair(top: int, notes: int) -> None:
    """Give directories the times that killed agents owe them, unless somebody else changed them since."""
    for name in os.listdir(notes):
        data = _read(notes, name)
        if len(data) >= _NOTE.size:
            written, atime, mtime, length = _NOTE.unpack_from(data)
            _repair_one(top, data[_NOTE.size : _NOTE.size + length], written, (atime, mtime))
        with contextlib.suppress(IsADirectoryError):
            os.unlink(name, dir_fd=notes)


def _read(notes: int, name: str) -> bytes:
    """Return what the note says; nothing where it is none of ours."""
    try:
        with open(os.open(name, _READING, dir_fd=notes), "rb") as note:
            return note.read()
    except OSError:
        return b""


def _repair_one(top: int, path: bytes, written: int, times: tuple[int, int]) -> None:
    with contextlib.suppress(OSError):
        directory = open_beneath(top, path, DIRECTORY)
        try:
            if abs(os.fstat(directory).st_mtime_ns - written) < _NEAR:
                os.utime(directory, ns=times)
        finally:
            os.close(directory)


def _write(notes: int, name: bytes, data: bytes) -> None:
    """Write a note, or none: a full disk must not keep what needs no room on it from happening."""
    with contextlib.suppress(OSError):
        note = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600, dir_fd=notes)
        try:
            os.pwrite(note, data, 0)
        finally:
            os.close(note)
