"""The root of a tree: how paths are reached beneath it, and where Argosy keeps its own there.

Every verb reaches the parent directory of its path beneath the root without following symlinks and then acts on the
name within that descriptor, so that it does not matter what becomes of the path meanwhile.
"""

import contextlib
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from argosy.core import paths
from argosy.core.errors import Denied
from argosy.core.faults import RootUnserved
from argosy.filesystems._posix import inode, times
from argosy.filesystems._posix.seal import Seal
from argosy.linux import reach
from argosy.linux.openat2 import DIRECTORY, LOOKUP, open_beneath
from argosy.linux.syncing import fsync

STAGING: Final = b"staging"
MOVING: Final = b"moving"
TIMES: Final = b"times"
LOCKS: Final = b"locks"
SYNC: Final = b"sync"


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
    only: tuple[int, int] | None = None
    """Device and inode of the directory that has to lie there, if it has to be a certain one."""
    seal: Seal = field(default_factory=Seal)
    """How attributes of Argosy are written and read in it."""

    def below(self, path: bytes) -> bytes:
        """Return the path below the root, b"" for the root itself.

        Raises:
            Invalid: it does not lie below the root, or is not well formed.
            Denied: it is Argosy's own.
        """
        return _below(self.path, path)

    def top(self, flags: int = LOOKUP) -> "closing":
        """Hold the root open. Its own path may lead through symlinks: an administrator chose it.

        Raises:
            Unavailable: another directory lies there than has to: nothing may be read or written below it.
        """
        return closing(self.open(flags))

    def open(self, flags: int = LOOKUP) -> int:
        """Return a descriptor of the root; see `top`."""
        descriptor = os.open(self.path, flags | os.O_CLOEXEC)
        if self.only is not None:
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != self.only:
                os.close(descriptor)
                raise RootUnserved(
                    f"root {paths.display(self.path)} is not served: another directory lies there than before: mount "
                    "its disk"
                )
        return descriptor

    def opened(self, path: bytes, flags: int) -> "closing":
        """Hold what lies at the path open."""
        return closing(self._beneath(self.below(path), flags))

    def spot(self, path: bytes, flags: int = LOOKUP) -> "_Holding":
        """Hold the parent of the path open; the root itself is the name `.` in the root."""
        parent, _, name = self.below(path).rpartition(b"/")
        return _Holding(Spot(self._beneath(parent, flags), name or b"."))

    @property
    def reached(self) -> reach.Top:
        """What names the root to those who begin there in one call."""
        return reach.top(self.path, self.only)

    def _beneath(self, relative: bytes, flags: int) -> int:
        opened = reach.beneath(self.reached, relative, flags)
        if opened is not None:
            return opened
        with self.top() as top:
            return open_beneath(top, relative, flags)

    @contextmanager
    def changing(self, path: bytes) -> Iterator[Spot]:
        """Hold the parent of the path for a change of names in it; its times are afterwards what they were."""
        parent = self.below(path).rpartition(b"/")[0]
        with self.spot(path, DIRECTORY) as spot, self.keeping_times((spot.directory, parent)):
            yield spot

    @contextmanager
    def keeping_times(self, *directories: tuple[int, bytes]) -> Iterator[None]:
        """Give open directories, told with their paths below the root, their times back after a change of names."""
        with closing(self.private(TIMES)) as notes, times.keeping(notes, *directories):
            yield

    def has_private(self) -> bool:
        """Say whether Argosy has ever kept anything here."""
        with self.top() as top:
            try:
                os.stat(paths.PRIVATE, dir_fd=top, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def private(self, name: bytes) -> int:
        """Return a descriptor of `.argosy/name` below the root, mode 0700, made on demand.

        Raises:
            Denied: somebody else made it, or `.argosy`, or may write there.
        """
        with closing(self.home()) as home:
            try:
                directory = open_beneath(home, name, DIRECTORY)
            except FileNotFoundError:
                directory = make_private(home, [name])
        self._refuse_foreign(directory, paths.join(paths.PRIVATE, name), others=0o077)
        return directory

    def home(self) -> int:
        """Return a descriptor of `.argosy`, made on demand.

        Whoever owns the root can put another in its place, but not one of ours.

        Raises:
            Denied: somebody else made it, or may write there.
        """
        with self.top() as top:
            try:
                home = open_beneath(top, paths.PRIVATE, DIRECTORY)
            except FileNotFoundError:
                home = self._make_home()
        self._refuse_foreign(home, paths.PRIVATE, others=0o022)
        return home

    def _make_home(self) -> int:
        with self.top(DIRECTORY) as top:
            before = os.fstat(top)
            try:
                home = make_private(top, [paths.PRIVATE])
                # Where a disk runs full it is by way of this room, made in time, that entries can still be removed.
                with contextlib.suppress(OSError):
                    for name in (MOVING, TIMES):
                        os.close(make_private(home, [name]))
                return home
            finally:
                times.restore(top, before)

    def _refuse_foreign(self, directory: int, relative: bytes, *, others: int) -> None:
        """Close and refuse a directory that is not ours, or one that gives a right of `others`."""
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or found.st_mode & others:
            os.close(directory)
            where = paths.display(paths.join(self.path, relative))
            raise Denied(f"{where}: is not Argosy's own directory of mode 0700: move {where} away")


class closing:  # noqa: N801 - used as a statement; a class, because a generator costs three times as much
    """Hold the descriptor, and close it in the end."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)


class _Holding:
    """Hold the directory of a spot open, and close it in the end."""

    __slots__ = ("_spot",)

    def __init__(self, spot: Spot) -> None:
        self._spot = spot

    def __enter__(self) -> Spot:
        return self._spot

    def __exit__(self, *error: object) -> None:
        os.close(self._spot.directory)


@functools.lru_cache(maxsize=4096)
def _below(root: bytes, path: bytes) -> bytes:
    relative = paths.relative(paths.absolute(path), root)
    if paths.below(relative, paths.PRIVATE):
        raise Denied(f"{paths.display(path)}: belongs to Argosy; name a path of your own")
    return relative


def make_private(
    top: int, names: list[bytes], *, on_new: Callable[[int, list[bytes]], None] = lambda _made, _names: None
) -> int:
    """Return a descriptor of the directory that the names lead to from `top`; those missing are made and synced.

    They are ours alone, whatever a default ACL says. `on_new` is called with each that is new, and its names.
    """
    with contextlib.suppress(FileNotFoundError):  # at once, as nearly always: of a deep tree each name costs a call
        return open_beneath(top, b"/".join(names), DIRECTORY)
    at = os.dup(top)
    try:
        for depth in range(len(names)):
            made = _make_one(at, names[: depth + 1], on_new)
            os.close(at)
            at = made
        return os.dup(at)
    finally:
        os.close(at)


def _make_one(at: int, names: list[bytes], tell: Callable[[int, list[bytes]], None]) -> int:
    name = names[-1]
    with contextlib.suppress(FileNotFoundError):
        return open_beneath(at, name, DIRECTORY)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
        with closing(open_beneath(at, name, DIRECTORY)) as made:
            inode.bare(made)
            tell(made, names)
    fsync(at)
    return open_beneath(at, name, DIRECTORY)


def fresh_name() -> bytes:
    """Return a name nothing in staging has."""
    return secrets.token_hex(16).encode()
