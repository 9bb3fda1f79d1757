"""The root of a tree: how paths are reached beneath it, and where Argosy keeps its own there.

Every verb reaches the parent directory of its path beneath the root without following symlinks and then acts on the
name within that descriptor, so that it does not matter what becomes of the path meanwhile.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from argosy.core import paths
from argosy.core.errors import Denied
from argosy.linux.openat2 import DIRECTORY, LOOKUP, open_beneath

STAGING: Final = b"staging"
VERSIONS: Final = b"versions"

_LOCKS: Final = tuple(threading.Lock() for _ in range(64))


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in an open directory."""

    directory: int
    name: bytes

    def stat(self) -> os.stat_result:
        """Return what the name stands for, a symlink as itself."""
        return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class Root:
    """A tree below a directory, which is opened anew for each verb: what is mounted there later is what we see."""

    path: bytes

    def below(self, path: bytes) -> bytes:
        """Return the path below the root, b"" for the root itself.

        Raises:
            Invalid: it does not lie below the root, or is not well formed.
            Denied: it is Argosy's own.
        """
        relative = paths.relative(paths.absolute(path), self.path)
        if paths.below(relative, paths.PRIVATE):
            raise Denied(f"{paths.display(path)}: belongs to Argosy; name a path of your own")
        return relative

    @contextmanager
    def top(self, flags: int = LOOKUP) -> Iterator[int]:
        """Hold the root open. Its own path may lead through symlinks: an administrator chose it."""
        with closing(os.open(self.path, flags | os.O_CLOEXEC)) as top:
            yield top

    @contextmanager
    def opened(self, path: bytes, flags: int) -> Iterator[int]:
        """Hold what lies at the path open."""
        relative = self.below(path)
        with self.top() as top, closing(open_beneath(top, relative, flags)) as descriptor:
            yield descriptor

    @contextmanager
    def spot(self, path: bytes, flags: int = LOOKUP) -> Iterator[Spot]:
        """Hold the parent of the path open; the root itself is the name `.` in the root."""
        parent, _, name = self.below(path).rpartition(b"/")
        with self.top() as top, closing(open_beneath(top, parent, flags)) as directory:
            yield Spot(directory, name or b".")

    @contextmanager
    def changing(self, path: bytes) -> Iterator[Spot]:
        """Hold the parent of the path for a change of names in it; its times are afterwards what they were."""
        with self.spot(path, DIRECTORY) as spot, keeping_times(spot.directory):
            yield spot

    def private(self, name: bytes) -> int:
        """Return a descriptor of `.argosy/name` below the root, mode 0700, made on demand.

        Raises:
            Denied: somebody else made it, or may write to it.
        """
        with self.top() as top:
            try:
                directory = open_beneath(top, paths.join(paths.PRIVATE, name), DIRECTORY)
            except FileNotFoundError:
                with closing(open_beneath(top, b"", DIRECTORY)) as parent, keeping_times(parent):
                    directory = make_private(parent, [paths.PRIVATE, name])
        self._refuse_foreign(directory, name)
        return directory

    def _refuse_foreign(self, directory: int, name: bytes) -> None:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            os.close(directory)
            where = paths.display(paths.join(self.path, paths.join(paths.PRIVATE, name)))
            raise Denied(f"{where}: is not Argosy's own directory of mode 0700: move {where} away")


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close the descriptor in the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def keeping_times(directory: int) -> Iterator[None]:
    """Give the directory its times back after a change of names in it; one such change at a time in this process.

    So a directory that is being received keeps the mtime it was given, in whatever order its entries arrive. Not to be
    nested: two directories may share a lock.
    """
    with times_lock(directory):
        found = os.fstat(directory)
        try:
            yield
        finally:
            with contextlib.suppress(PermissionError):  # a directory of others keeps what the change made of it
                os.utime(directory, ns=(found.st_atime_ns, found.st_mtime_ns))


def times_lock(directory: int) -> threading.Lock:
    """Return the lock under which this process gives the directory its times."""
    found = os.fstat(directory)
    return _LOCKS[hash((found.st_dev, found.st_ino)) % len(_LOCKS)]


def make_private(top: int, names: list[bytes]) -> int:
    """Return a descriptor of the directory that the names lead to from `top`; those missing are made and synced."""
    at = os.dup(top)
    try:
        for name in names:
            made = _make_one(at, name)
            os.close(at)
            at = made
        return os.dup(at)
    finally:
        os.close(at)


def _make_one(at: int, name: bytes) -> int:
    with contextlib.suppress(FileNotFoundError):
        return open_beneath(at, name, DIRECTORY)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
    os.fsync(at)
    return open_beneath(at, name, DIRECTORY)


def fresh_name() -> bytes:
    """Return a name nothing in staging has."""
    return secrets.token_hex(16).encode()
