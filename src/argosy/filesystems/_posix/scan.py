"""The walk of a tree: depth first, siblings in byte order, a directory before what it holds."""

import errno
import os
import stat
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError
from argosy.core.faults import OtherFilesystem
from argosy.core.paths import PRIVATE, ROTATE, below, display, relative, walk_key
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.errors import ours, translated
from argosy.filesystems._posix.root import Root, Spot
from argosy.filesystems.base import OnError
from argosy.linux.openat2 import DIRECTORY, open_beneath

_HELD_OPEN: Final = 64
"""Directories of a walk that are held open, the deepest; those above are opened again when the walk returns to them."""

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW

_Names = tuple[bytes, ...]


def scan(root: Root, path: bytes, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
    """Yield `path` and all beneath it that comes behind `after`."""
    if after is None or walk_key(path) > walk_key(after):
        return _Walk(root, on_error).entries(path, seen=False, after=())
    if below(after, path):
        rest = relative(after, path)
        return _Walk(root, on_error).entries(path, seen=True, after=tuple(rest.split(b"/")) if rest else ())
    return iter(())


class _Level:
    """One directory on the way down, and its names that are still to come."""

    __slots__ = ("begun", "descriptor", "names", "path", "rest")

    def __init__(self, path: bytes, descriptor: int, names: list[bytes], after: _Names) -> None:
        self.path = path
        self.descriptor = descriptor
        self.names = iter(names[bisect_left(names, after[0]) :] if after else names)
        self.begun = after[0] if after else None
        self.rest = after[1:]

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Walk:
    def __init__(self, root: Root, on_error: OnError) -> None:
        self._root = root
        self._on_error = on_error
        self._levels: list[_Level] = []

    def entries(self, path: bytes, *, seen: bool, after: _Names) -> Iterator[Entry]:
        try:
            with translated(path), self._root.spot(path) as spot:
                found = spot.stat()
                shown = self._enter(spot, path, after) if stat.S_ISDIR(found.st_mode) else True
        except ArgosyError as error:
            self._on_error(path, error)
            return
        try:
            if shown and not seen:
                yield entry_of(path, found)
            while self._levels:
                yield from self._entries_of(self._levels[-1])
        finally:
            for level in self._levels:
                level.close()

    def _entries_of(self, level: _Level) -> Iterator[Entry]:
        """Yield what the directory holds, up to the next directory in it, which is then the deepest level."""
        try:
            descriptor = self._descriptor(level)
        except ArgosyError as error:
            self._on_error(level.path, error)
            self._levels.pop()
            return
        prefix = level.path.rstrip(b"/") + b"/"
        for name in level.names:
            path = prefix + name
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._on_error(path, _mounted(path) if _is_mounted(descriptor, name) else ours(path, error))
                continue
            shown = name != level.begun
            if stat.S_ISDIR(found.st_mode):
                depth = len(self._levels)
                if self._enter(Spot(descriptor, name), path, () if shown else level.rest) and shown:
                    yield entry_of(path, found)
                if len(self._levels) > depth:
                    return
            elif shown:
                yield entry_of(path, found)
        self._levels.pop().close()

    def _enter(self, spot: Spot, path: bytes, after: _Names) -> bool:
        """Make the directory the deepest level, or report why it cannot be; say whether it is there to be shown."""
        try:
            descriptor = open_beneath(spot.directory, spot.name, DIRECTORY, same_mount=True)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._on_error(path, _mounted(path) if error.errno == errno.EXDEV else ours(path, error))
            return isinstance(error, PermissionError)
        try:
            names = self._names(path, descriptor)
        except OSError as error:
            os.close(descriptor)
            self._on_error(path, ours(path, error))
            return True
        self._levels.append(_Level(path, descriptor, names, after))
        if len(self._levels) > _HELD_OPEN:
            self._levels[-1 - _HELD_OPEN].close()
        return True

    def _names(self, path: bytes, descriptor: int) -> list[bytes]:
        names = sorted(map(os.fsencode, os.listdir(descriptor)))
        return [name for name in names if name not in {PRIVATE, ROTATE}] if path == self._root.path else names

    def _descriptor(self, level: _Level) -> int:
        if level.descriptor < 0:
            with translated(level.path), self._root.top() as top:
                level.descriptor = open_beneath(top, self._root.below(level.path), DIRECTORY)
        return level.descriptor


def _mounted(path: bytes) -> OtherFilesystem:
    return OtherFilesystem(f"{display(path)}: another filesystem is mounted here: add it to the site's roots")


def _is_mounted(directory: int, name: bytes) -> bool:
    """Say whether it is a mount point; into what a user mounted by FUSE not even root may look."""
    try:
        os.close(open_beneath(directory, name, _LOOK, same_mount=True))
    except OSError as error:
        return error.errno == errno.EXDEV
    return False
