"""The walk of everything below a directory, in memory that no directory can exceed."""

import contextlib
import errno
import heapq
import itertools
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol

from argosy.core.paths import join
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.openat2 import DIRECTORY, open_beneath

_AT_ONCE: Final = 50_000
"""Names of one directory that are kept in mind."""
_PIECE: Final = 1 << 16
_HELD_OPEN: Final = 64

Found = tuple[Spot, bytes, os.stat_result]
"""Where it lies, its path below the top, what it is."""


def upward(top: int, relative: bytes, *, shown: bytes, without: bytes = b"") -> Iterator[Found]:
    """Yield what lies at `relative` below the open directory and beneath, what a directory holds before itself.

    What is mounted below is walked too. What vanishes meanwhile is left out, and nothing else. The top itself is not
    yielded. `without`: a name in the top to leave out. `shown`: the path of the top, for errors.

    Raises:
        ArgosyError: a directory cannot be listed, or something cannot be looked at.
    """
    return _Walk(top, shown, without).entries(relative)


class Watch(Protocol):
    """Told by a walk of directories what speaks against its having come everywhere."""

    def renamed(self, path: bytes) -> None:
        """Take note of a directory in which names changed between its being opened and their being read."""

    def elsewhere(self, path: bytes, what: "Inode") -> None:
        """Take note of a directory that no longer had its name when it was to be opened."""


Inode = tuple[int, int]
"""Number of the device, and number on it."""


class Directory:
    """A directory of a walk, open until the next is asked for."""

    __slots__ = ("_without", "ctime_ns", "descriptor", "inode", "path")

    def __init__(self, descriptor: int, path: bytes, without: bytes) -> None:
        self.descriptor, self.path = descriptor, path
        found = os.fstat(descriptor)
        self.inode = (found.st_dev, found.st_ino)
        self.ctime_ns = found.st_ctime_ns
        """Before any of its names was read."""
        self._without = without

    def files(self) -> Iterator[tuple[bytes, int]]:
        """Yield names and inode numbers of regular files, in no order."""
        with os.scandir(self.descriptor) as found:
            for item in found:
                if item.is_file(follow_symlinks=False):
                    yield os.fsencode(item.name), item.inode()

    def below(self) -> list[tuple[bytes, Inode | None]]:
        """Return names of directories and which they are, in no order; None for one that went just now."""
        with os.scandir(self.descriptor) as found:
            return [
                (name, _inode_of(item))
                for item in found
                if item.is_dir(follow_symlinks=False) and (name := os.fsencode(item.name)) != self._without
            ]

    def has_changed(self) -> bool:
        """Say whether names in it changed since it was opened."""
        return os.fstat(self.descriptor).st_ctime_ns != self.ctime_ns


def _inode_of(item: "os.DirEntry[str]") -> Inode | None:
    try:
        found = item.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def directories(top: int, relative: bytes, watch: Watch, *, shown: bytes, without: bytes = b"") -> Iterator[Directory]:
    """Yield the directory at `relative` below the open one, and every one beneath, what holds others before those.

    What vanishes meanwhile is left out, and nothing else; `watch` is told. Memory grows with the directories in one
    directory, not with its files. The rest is as `upward` says.

    Where `watch` is told nothing, and none of the directories has a ctime from after some moment before, the walk
    yielded every directory that there was at that moment: each was listed as it was then, and what was listed was
    opened.

    Raises:
        ArgosyError: a directory cannot be listed.
    """
    ahead: list[tuple[bytes, Inode | None]] = [(relative, None)]
    while ahead:
        path, listed = ahead.pop()
        with translated(join(shown, path)):
            descriptor = _opened(top, path)
            if descriptor is None:
                if path != relative:
                    watch.elsewhere(path, listed or _UNKNOWN)
                continue
            with closing(descriptor):
                directory = Directory(descriptor, path, b"" if path else without)
                if listed != directory.inode and path != relative:
                    watch.elsewhere(path, listed or _UNKNOWN)
                yield directory
                ahead += [(join(path, name) if path else name, inode) for name, inode in directory.below()]
                if directory.has_changed():
                    watch.renamed(path)


_UNKNOWN: Final = (0, 0)


def _opened(top: int, path: bytes) -> int | None:
    """Return a descriptor of a directory; None where it went, or made room for something else, since it was listed."""
    try:
        return open_beneath(top, path, DIRECTORY)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise
        return None


def in_order(directory: Callable[[], int]) -> Iterator[bytes]:
    """Yield the names in a directory, sorted; more than are kept in mind wait in a file that has no name."""
    with contextlib.ExitStack() as kept:
        files: list[IO[bytes]] = []
        parts: list[Iterator[bytes]] = []
        with os.scandir(directory()) as found:
            names = (os.fsencode(item.name) for item in found)
            while len(some := sorted(itertools.islice(names, _AT_ONCE))) == _AT_ONCE:
                if not files:
                    files = [kept.enter_context(tempfile.TemporaryFile())]
                parts.append(_read(files[0], *_written(some, files[0])))
        yield from heapq.merge(*parts, some)


def _written(names: list[bytes], file: IO[bytes]) -> tuple[int, int]:
    """Write names behind what is there; return where they begin and end."""
    begin = file.tell()
    file.writelines(name + b"/" for name in names)
    file.flush()
    return begin, file.tell()


def _read(file: IO[bytes], begin: int, end: int) -> Iterator[bytes]:
    """Yield the names that lie there, a few at a time: there may be many such parts."""
    rest = b""
    for at in range(begin, end, _PIECE):
        *names, rest = (rest + os.pread(file.fileno(), min(_PIECE, end - at), at)).split(b"/")
        yield from names


class _Level:
    """One directory on the way down. Its descriptor may be closed meanwhile."""

    __slots__ = ("_descriptor", "_top", "names", "path")

    def __init__(self, top: int, path: bytes, names: Iterator[bytes] | None = None) -> None:
        self._top = top
        self._descriptor = -1
        self.path = path
        self.names = in_order(self.descriptor) if names is None else names

    def descriptor(self) -> int:
        if self._descriptor < 0:
            self._descriptor = open_beneath(self._top, self.path, DIRECTORY)
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Walk:
    def __init__(self, top: int, shown: bytes, without: bytes) -> None:
        self._top = top
        self._shown = shown
        self._without = without
        self._levels: list[_Level] = []

    def entries(self, relative: bytes) -> Iterator[Found]:
        parent, _, name = relative.rpartition(b"/")
        self._levels = [_Level(self._top, parent, iter([name]) if relative else None)]
        try:
            while self._levels:
                found = self._step(self._levels[-1])
                if found is not None:
                    yield found
        finally:
            for level in self._levels:
                level.close()

    def _step(self, level: _Level) -> Found | None:
        """Go one name on; return what is to be yielded, if anything is by that."""
        with translated(join(self._shown, level.path)), contextlib.suppress(FileNotFoundError):
            for name in level.names:
                if name != self._without or level.path:
                    return self._meet(level, name)
        level.close()
        self._levels.pop()
        return self._left(level.path) if self._levels else None

    def _meet(self, level: _Level, name: bytes) -> Found | None:
        """Return what has the name, unless it is a directory, which is entered first."""
        path = join(level.path, name) if level.path else name
        with translated(join(self._shown, path)):
            try:
                spot = Spot(level.descriptor(), name)
                found = spot.stat()
            except FileNotFoundError:
                return None
        if not stat.S_ISDIR(found.st_mode):
            return spot, path, found
        self._levels.append(_Level(self._top, path))
        if len(self._levels) > _HELD_OPEN:
            self._levels[-1 - _HELD_OPEN].close()
        return None

    def _left(self, path: bytes) -> Found | None:
        """Return the directory whose all has been yielded, as it is by now."""
        above = self._levels[-1]
        with translated(join(self._shown, path)):
            try:
                spot = Spot(above.descriptor(), path.rpartition(b"/")[2])
                return spot, path, spot.stat()
            except FileNotFoundError:
                return None
