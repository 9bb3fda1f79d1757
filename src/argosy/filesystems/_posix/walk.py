"""The walk of everything below a directory, in memory that no directory can exceed."""

import contextlib
import errno
import heapq
import os
import stat
from collections.abc import Callable, Iterator
from typing import Final

from argosy.core.paths import join
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.openat2 import DIRECTORY, open_beneath

_AT_ONCE: Final = 50_000
"""Names of one directory that are kept in mind; for more the directory is read again."""
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


class Directory:
    """A directory of a walk, open until the next is asked for. Who walks says what is known of it to those below."""

    __slots__ = ("_without", "above", "ctime_ns", "descriptor", "due", "path")

    def __init__(self, descriptor: int, path: bytes, above: "Directory | None", without: bytes) -> None:
        self.descriptor, self.path, self.above = descriptor, path, above
        self.ctime_ns = os.fstat(descriptor).st_ctime_ns
        """Before any of its names was read."""
        self.due = False
        self._without = without

    def files(self) -> Iterator[bytes]:
        """Yield the names of regular files, in no order."""
        with os.scandir(self.descriptor) as found:
            for item in found:
                if item.is_file(follow_symlinks=False):
                    yield os.fsencode(item.name)

    def below(self) -> list[bytes]:
        """Return the names of directories, in no order."""
        with os.scandir(self.descriptor) as found:
            return [
                name
                for item in found
                if item.is_dir(follow_symlinks=False) and (name := os.fsencode(item.name)) != self._without
            ]


def directories(top: int, relative: bytes, *, shown: bytes, without: bytes = b"") -> Iterator[Directory]:
    """Yield the directory at `relative` below the open one, and every one beneath, what holds others before those.

    What vanishes meanwhile is left out, and nothing else. Memory grows with the directories in one directory, not with
    its files. The rest is as `upward` says.

    Raises:
        ArgosyError: a directory cannot be listed.
    """
    ahead: list[tuple[bytes, Directory | None]] = [(relative, None)]
    while ahead:
        path, above = ahead.pop()
        with translated(join(shown, path)), _gone_left_out(), closing(open_beneath(top, path, DIRECTORY)) as descriptor:
            directory = Directory(descriptor, path, above, b"" if path else without)
            yield directory
            ahead += [(join(path, name) if path else name, directory) for name in directory.below()]


@contextlib.contextmanager
def _gone_left_out() -> Iterator[None]:
    """Pass over a directory that went, or made room for something else, since its name was read."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise


def in_order(directory: Callable[[], int]) -> Iterator[bytes]:
    """Yield the names in a directory, sorted; `directory` is asked for a descriptor whenever it has to be read."""
    last = b""
    while True:
        some = heapq.nsmallest(_AT_ONCE, _behind(directory(), last))
        yield from some
        if len(some) < _AT_ONCE:
            return
        last = some[-1]


def _behind(directory: int, last: bytes) -> Iterator[bytes]:
    with os.scandir(directory) as found:
        for item in found:
            name = os.fsencode(item.name)
            if name > last:
                yield name


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
