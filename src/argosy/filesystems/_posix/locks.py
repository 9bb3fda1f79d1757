"""One verb of Argosy at a time on each inode: byte-range locks on `<root>/.argosy/locks/inodes`, a byte an inode.

They are locks of the kernel on open file descriptions: they hold across threads and processes, and end with whoever is
killed. Whoever is only stopped keeps his, so nobody waits for ever. Where a filesystem has none (NFS without its lock
service, say), a lock of this process would look like one and not hold against the next agent; so that is an error.
"""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argosy.core.errors import Denied, Unsupported
from argosy.core.faults import Occupied
from argosy.core.paths import PRIVATE, display, join
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import LOCKS, Root, closing
from argosy.linux.openat2 import open_beneath
from argosy.linux.reach import Taken, lock

PATIENCE = 45.0
"""Seconds that a verb waits for another one."""
_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.25

_NAME: Final = b"inodes"
_WHERE: Final = join(join(PRIVATE, LOCKS), _NAME)
_MAKING: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK: Final = struct.Struct("@hhqqi0q")
"""Type, whence, start, length, and the number of a process, which is to be 0."""
_OFFSETS: Final = (1 << 63) - 1
_HELD: Final = {errno.EAGAIN, errno.EACCES}
_ABSENT: Final = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def locked(root: Root, path: bytes) -> Iterator[int]:
    """Hold the lock on the inode that the path names, and yield its number.

    Two inodes that have the same number, of two subvolumes, share a lock.

    Raises:
        Occupied: another verb works on the inode and has not done for `PATIENCE` seconds.
        Unsupported: the filesystem has no such locks.
    """
    locks, inode = _at_once(root, path) or _waited_for(root, path)
    with closing(locks):
        try:
            yield inode
        finally:
            _set(locks, fcntl.F_UNLCK, inode)


def _at_once(root: Root, path: bytes) -> Taken | None:
    """Take the lock where nobody has it and nothing else is in the way."""
    parent, _, name = root.below(path).rpartition(b"/")
    return lock(root.reached, _WHERE, parent, name or b".")


def _waited_for(root: Root, path: bytes) -> Taken:
    locks = _opened(root, path)
    try:
        return Taken(locks, _acquire(root, path, locks))
    except BaseException:
        os.close(locks)
        raise


def _opened(root: Root, path: bytes) -> int:
    """Return a descriptor of its own of the file with the locks, which is made at first need."""
    with translated(path):
        try:
            with root.top() as top:
                locks = open_beneath(top, _WHERE, os.O_RDWR | os.O_NONBLOCK)
        except FileNotFoundError:
            with closing(root.private(LOCKS)) as directory:
                return os.open(_NAME, _MAKING, 0o600, dir_fd=directory)
        _refuse_foreign(root, locks)
        return locks


def _refuse_foreign(root: Root, locks: int) -> None:
    """Close and refuse a file on which others could hold up every verb."""
    found = os.fstat(locks)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(locks)
        where = display(join(root.path, PRIVATE))
        raise Denied(f"{where}: is not Argosy's own directory of mode 0700: move {where} away")


def _acquire(root: Root, path: bytes, locks: int) -> int:
    """Wait for the lock of whichever inode has the name by then."""
    with translated(path), root.spot(path) as spot:
        inode = spot.stat().st_ino
        while True:
            _wait(root, path, locks, inode)
            found = spot.stat().st_ino
            if found == inode:
                return inode
            _set(locks, fcntl.F_UNLCK, inode)
            inode = found


def _wait(root: Root, path: bytes, locks: int, inode: int) -> None:
    deadline, pause = time.monotonic() + PATIENCE, _PAUSE
    while not _taken(root, locks, inode):
        if time.monotonic() >= deadline:
            raise Occupied(
                f"{display(path)}: another task works on it, or an agent that was stopped: it was left as it is; run "
                "it again when that one has done"
            )
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _taken(root: Root, locks: int, inode: int) -> bool:
    """Take the lock, unless somebody has it."""
    try:
        _set(locks, fcntl.F_WRLCK, inode)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _ABSENT:
            raise
        where = display(join(root.path, _WHERE))
        raise Unsupported(
            f"{where}: the filesystem has no byte-range locks, without which two agents could work on one file: "
            "mount it with them"
        ) from error
    return True


def _set(locks: int, kind: int, inode: int) -> None:
    fcntl.fcntl(locks, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, inode & _OFFSETS, 1, 0))
