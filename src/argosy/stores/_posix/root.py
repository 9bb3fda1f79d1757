"""The directory of a store, opened once for each thing that is asked of the store.

Its path may come to name another directory at any moment: its disk is unmounted, somebody moves it away. A directory
that was opened stays the one it was, so a verb does all it does beneath one descriptor, and reads through that which
directory it is. Names below are walked by descriptors without following symlinks: nothing leads outside.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from argosy.core.errors import ArgosyError, Busy, Denied, Exists
from argosy.core.faults import StoreDown
from argosy.linux.openat2 import open_beneath
from argosy.linux.syncing import fsync

STAGING: Final = (".argosy", "staging")
LOCKS: Final = (".argosy", "locks")
FLAT: Final = (".argosy", "flat")
STORE: Final = (".argosy", "store")
ID: Final = "id"
FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How to open what may be no file: a fifo that somebody put there must not block us."""
NEW: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ID: Final = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENXIO}
_PATIENCE = 10.0
"""Seconds to wait for a lock. All are held for moments only, so who holds one longer hangs, or means no good."""


class Known(Protocol):
    """What somebody knows of which directory a store has to be."""

    def expect(self, found: str, *, writing: bool) -> None:
        """Return where the directory with this id may be read, and written to where that is to be done.

        Raises:
            Unavailable: it is another; `found` is "" where it has no id.
        """


class FileInTheWay(Exists):
    """A file has the name of a directory on the way."""


@dataclass(frozen=True, slots=True)
class Root:
    """A directory that is held open. `path` is what it was called; that may be another by now."""

    path: str
    descriptor: int

    def identity(self) -> str:
        """Return the random id that the directory was given; "" where it has none, or none that we may read."""
        try:
            fd = open_beneath(self.descriptor, os.fsencode("/".join((*STORE, ID))), FILE)
        except OSError as error:
            if error.errno not in _NO_ID:
                raise
            return ""
        with closing(fd):
            return os.read(fd, 64).decode("ascii", "replace").strip()

    def is_gone(self) -> bool:
        """Say whether the directory was removed since it was opened."""
        mine = os.fstat(self.descriptor)
        if mine.st_nlink:
            return False
        try:  # some filesystems in user space count no links
            return not os.path.samestat(mine, os.stat(self.path))
        except FileNotFoundError:
            return True

    @contextmanager
    def directory(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """Yield the descriptor of a directory below. Of those on the way none is kept, however deep it is."""
        fd = self.descriptor
        try:
            for name in names:
                below = _enter(fd, name, make=make)
                self._leave(fd)
                fd = below
            yield fd
        finally:
            self._leave(fd)

    def _leave(self, fd: int) -> None:
        if fd != self.descriptor:
            os.close(fd)

    @contextmanager
    def private(self, names: tuple[str, str]) -> Iterator[int]:
        """Yield the descriptor of a directory of ours, where nobody else can hold locks or exchange files.

        Raises:
            Denied: it is somebody else's.
        """
        with contextlib.suppress(FileNotFoundError):  # first: we might not get it open
            self._check_ours(os.stat(names[0], dir_fd=self.descriptor, follow_symlinks=False), names[0])
        with self.directory(names[:1], make=True) as above:
            self._check_ours(os.fstat(above), names[0])
            with closing(_enter(above, names[1], make=True)) as fd:
                self._check_ours(os.fstat(fd), "/".join(names))
                yield fd

    def _check_ours(self, found: os.stat_result, name: str) -> None:
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Denied(
                f"{os.path.join(self.path, name)} must belong to uid {os.geteuid()} and be writable by nobody else "
                f"(it belongs to uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}): "
                "see who made it, then correct its owner and mode"
            )

    @contextmanager
    def locked(self, name: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold a lock that all agents sharing the directory respect; threads of this process too."""
        with self.private(LOCKS) as directory, closing(os.open(name, NEW, 0o600, dir_fd=directory)) as fd:
            if not _held(fd, how):
                lock = os.path.join(self.path, *LOCKS, name)
                raise Busy(f"lock {lock} is held by somebody else for {_PATIENCE:g} s: see who it is (lslocks)")
            yield

    def prune(self, names: Sequence[str]) -> None:
        """Remove the directory, and those above it, as long as they are empty."""
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for end in range(len(names), 0, -1):
                with self.directory(names[: end - 1]) as above:
                    os.rmdir(names[end - 1], dir_fd=above)


@contextmanager
def opened(path: str) -> Iterator[Root]:
    """Hold the directory at the path open; it may be reached through symlinks: an administrator chose it.

    Raises:
        Unavailable: there is none, or it was removed before all was done that needed it.
    """
    with closing(_opened(path)) as fd:
        root = Root(path, fd)
        try:
            yield root
        except (OSError, ArgosyError) as error:  # what lacks in a directory that is being removed says nothing
            if root.is_gone():
                raise removed(path) from error
            raise


def removed(path: str) -> StoreDown:
    """Return how to say that the directory went while it was in use."""
    return StoreDown(f"the store's directory {path} was removed meanwhile: see who did that, and bring it back")


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise  # this says nothing about the directory
        raise StoreDown(
            f"the store's directory {path} cannot be opened ({error.strerror}): make or mount it"
        ) from error


def _enter(directory: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except NotADirectoryError as error:
        if not make:
            raise
        kind = FileInTheWay if stat.S_ISREG(_mode(directory, name)) else Exists
        raise kind(f"{name} in the store is no directory, so no object can lie below it") from error
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=directory)
        fsync(directory)
    return os.open(name, _DIRECTORY, dir_fd=directory)


def is_directory(directory: int, name: str) -> bool:
    """Say whether the name in an open directory is that of a directory."""
    return stat.S_ISDIR(_mode(directory, name))


def _mode(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _held(fd: int, how: int) -> bool:
    """Take the lock, waiting with patience; say whether that succeeded."""
    end, pause = time.monotonic() + _PATIENCE, 0.001
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


@contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close the descriptor at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)
