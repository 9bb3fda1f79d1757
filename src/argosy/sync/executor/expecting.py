"""Comparing before swapping: an operation is done to what the scan saw, and to nothing else.

Inode, size and mtime tell whether it still is that. Where its ctime alone has changed somebody may have done anything
to it, or nothing: then metadata and bytes are compared, too. What this run itself did to it before is no change.
"""

import os
from typing import Final

from blake3 import blake3

from argosy.core.errors import ArgosyError, Changed
from argosy.core.moments import moment
from argosy.core.paths import display
from argosy.core.pointer import StubState
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.opening import regular
from argosy.filesystems._posix.root import Spot, closing
from argosy.filesystems._posix.seal import Seal
from argosy.sync.executor import seeing
from argosy.sync.executor.seeing import Found
from argosy.sync.planner.trees import Entry, Kind

_CHUNK: Final = 1 << 20


class Expecting:
    """Compares what is there with what a scan saw."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._own: dict[int, int] = {}

    def note(self, found: Found, *, again: bool = False) -> None:
        """Take note that this run did what shows in its ctime, if an operation to come may meet it.

        `again`: one may, though it has no other name.
        """
        if found.kind is not Kind.DIRECTORY and (again or found.stat.st_nlink > 1):
            self._own[found.stat.st_ino] = found.stat.st_ctime_ns

    def expect(self, spot: Spot, seen: Entry, path: bytes, *, only_moves: bool = False) -> Found:
        """Return what the name stands for, if that is what the scan saw.

        `only_moves`: nothing is done to it but that its name changes, so that it may have got other metadata.

        Raises:
            Changed: it is not.
        """
        try:
            found = seeing.look(spot)
        except FileNotFoundError as error:
            raise Changed(f"{display(path)}: is gone since it was scanned") from error
        if not is_inode(found, seen):
            raise Changed(f"{display(path)}: is another than when it was scanned")
        if found.kind is Kind.DIRECTORY:
            self._expect_metadata(spot, found, seen, path, only_moves=only_moves)
        else:
            self._expect_version(spot, found, seen, path, only_moves=only_moves)
        return found

    def _expect_version(self, spot: Spot, found: Found, seen: Entry, path: bytes, *, only_moves: bool) -> None:
        if found.version[:2] != seen.version[:2]:
            raise Changed(f"{display(path)}: was written to since it was scanned")
        if found.version.ctime_ns in {seen.version.ctime_ns, self._own.get(found.stat.st_ino)}:
            return
        self._expect_metadata(spot, found, seen, path, only_moves=only_moves)
        if not only_moves and self._content(spot, found, path) != seen.content:
            raise Changed(f"{display(path)}: was touched since it was scanned, and may hold something else")

    def _expect_metadata(self, spot: Spot, found: Found, seen: Entry, path: bytes, *, only_moves: bool) -> None:
        same_time = found.version.ctime_ns == seen.version.ctime_ns
        if not (same_time or only_moves) and seeing.metadata(spot, found) != seen.metadata:
            raise Changed(f"{display(path)}: got other metadata since it was scanned")

    def _content(self, spot: Spot, found: Found, path: bytes) -> bytes | None:
        """Return what it holds; None where it is a stub of which that is not certain."""
        if found.kind is Kind.SYMLINK:
            return os.readlink(spot.name, dir_fd=spot.directory)
        with closing(regular(spot, path, os.O_RDONLY)) as file:
            known = _told(self._seal, file, found)
            return _hash(file) if known is None else known or None


def is_inode(found: Found, seen: Entry) -> bool:
    """Say whether it is the inode that the scan saw."""
    return (found.kind, *found.inode) == (seen.kind, seen.binding.inode, seen.binding.born_ns)


def _told(seal: Seal, file: int, found: Found) -> bytes | None:
    """Return the content that a stub stands for, b"" where that is not certain; None of what is no stub."""
    try:
        pointer = seal.said(file)
    except ArgosyError:
        return b""
    if pointer is None or not pointer.state.is_stub:
        return None
    certain = pointer.state is StubState.STUB and pointer.clean and any(pointer.digest)
    same = (pointer.size, moment(pointer.mtime_ns), pointer.binding) == (*found.version[:2], binding_of(file))
    return pointer.digest if certain and same else b""


def _hash(file: int) -> bytes:
    whole = blake3()
    while chunk := os.read(file, _CHUNK):
        whole.update(chunk)
    return whole.digest()
