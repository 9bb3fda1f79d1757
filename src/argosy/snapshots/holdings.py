"""What is held of a fileset's past, in `.argosy/snapshots/ID` below its root: index files, and notes beside them.

`NAME.parquet` is the index of a snapshot. `NAME.rotates` says that a discovery made the snapshot, which therefore
goes when nothing needs it any more: those that people made have no such note. `TASK.found` says from which snapshot
to which a discovery finds what changed, until its job has ended.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from argosy.core.errors import Corrupt
from argosy.core.fileset import Fileset
from argosy.core.paths import display
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.snapshots import shelf, shelf_path
from argosy.linux.syncing import fsync

_INDEX: Final = ".parquet"
_ROTATES: Final = ".rotates"
_FOUND: Final = ".found"
_PART: Final = ".part"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Between which snapshots a discovery finds what changed."""

    since: str | None
    """None: all that is there is new."""
    until: str


class Holdings:
    """The directory, held open: a context manager."""

    def __init__(self, fileset: Fileset) -> None:
        self._fileset = fileset

    def __enter__(self) -> Self:
        with translated(shelf_path(self._fileset, "")):
            self._directory = shelf(self._fileset)
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._directory)

    def index(self, name: str) -> bytes:
        """Return the path of the index of a snapshot, whether it is there or not; good as long as this is held open."""
        return b"/proc/self/fd/%d/" % self._directory + (name + _INDEX).encode()

    def has_index(self, name: str) -> bool:
        """Say whether the snapshot has an index."""
        return self._names(_INDEX).count(name) > 0

    def indexed(self) -> Sequence[str]:
        """Return the names of the snapshots that have an index, sorted."""
        return sorted(self._names(_INDEX))

    def held(self) -> Sequence[str]:
        """Return the names of the snapshots of which there is anything: an index, a note, a frozen tree beside them."""
        with translated(shelf_path(self._fileset, "")), os.scandir(self._directory) as entries:
            frozen = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        return sorted(frozen.union(self._names(_INDEX), self._names(_INDEX + _PART), self._names(_ROTATES)))

    def size(self, name: str) -> int:
        """Return the bytes of the index of a snapshot; 0 where it has none."""
        with translated(shelf_path(self._fileset, name)), contextlib.suppress(FileNotFoundError):
            return os.stat(name + _INDEX, dir_fd=self._directory, follow_symlinks=False).st_size
        return 0

    def rotating(self) -> Sequence[str]:
        """Return the names of the snapshots that discoveries made, whole or not."""
        return sorted(self._names(_ROTATES))

    def begin(self, task: str, found: Found) -> None:
        """Note, durably, that a discovery makes a snapshot, and what it is for; harmless when repeated.

        In this order: of what `rotating` tells, `needed`, asked later, says whether it is.
        """
        self._write(task + _FOUND, msgspec.json.encode(found))
        self._write(found.until + _ROTATES, b"")

    def found(self, task: str) -> Found | None:
        """Return what a discovery noted; None where it noted nothing, or has ended.

        Raises:
            Corrupt: it cannot be read.
        """
        with translated(shelf_path(self._fileset, task)):
            try:
                descriptor = os.open(task + _FOUND, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._directory)
            except FileNotFoundError:
                return None
            with open(descriptor, "rb") as file:
                said = file.read()
        try:
            return msgspec.json.decode(said, type=Found)
        except msgspec.MsgspecError as error:
            where = display(shelf_path(self._fileset, task + _FOUND))
            raise Corrupt(f"{where}: cannot be read: remove it") from error

    def needed(self) -> set[str]:
        """Return the snapshots that discoveries under way compare."""
        noted = [found for task in self._names(_FOUND) if (found := self.found(task)) is not None]
        return {name for found in noted for name in (found.since, found.until) if name is not None}

    def end(self, task: str) -> None:
        """Forget what a discovery noted."""
        self._remove(task + _FOUND)

    def end_others(self, task: str) -> None:
        """Forget what all discoveries noted but this one: no two are under way."""
        for other in self._names(_FOUND):
            if other != task:
                self.end(other)

    def unlist(self, name: str) -> None:
        """Remove the index of a snapshot, and what a kill left of one."""
        self._remove(name + _INDEX)
        self._remove(name + _INDEX + _PART)

    def forget(self, name: str) -> None:
        """Remove the index of a snapshot, and what says that a discovery made it."""
        self.unlist(name)
        self._remove(name + _ROTATES)

    def _names(self, ending: str) -> list[str]:
        with translated(shelf_path(self._fileset, "")), os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
        return [name.removesuffix(ending) for name in names if name.endswith(ending)]

    def _write(self, name: str, content: bytes) -> None:
        part = name + _PART
        with translated(shelf_path(self._fileset, name)):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(os.open(part, flags, 0o600, dir_fd=self._directory), "wb") as file:
                file.write(content)
                file.flush()
                fsync(file.fileno())
            os.rename(part, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            fsync(self._directory)

    def _remove(self, name: str) -> None:
        with translated(shelf_path(self._fileset, name)), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)
            fsync(self._directory)
