"""Where syncs note what they took from names: `.argosy/sync/FILESET/undo`, a file for each round, named by it."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from argosy.core.ready import ready
from argosy.filesystems._posix import lines
from argosy.filesystems._posix.root import SYNC, Root, closing, make_private
from argosy.filesystems.undoing import Record
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.syncing import fsync

_UNDO: Final = b"undo"
_SUFFIX: Final = b".log"
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_DAY: Final = 86_400


class Undoing:
    """What is noted of one round, open for more. It is made with the first that there is; a context manager."""

    def __init__(self, home: int, run: str) -> None:
        """`home`: where all is kept for the syncs of the fileset."""
        self._home, self._name = home, _name(run)
        self._file: int | None = None

    def note(self, records: Iterable[Record]) -> None:
        """Return when these are on the disk."""
        some = list(records)
        if some:
            lines.append(self._opened(), some)
            fsync(self._opened())

    def _opened(self) -> int:
        if self._file is None:
            with closing(make_private(self._home, [_UNDO])) as directory:
                self._file = os.open(self._name, _FLAGS, 0o600, dir_fd=directory)
                lines.cut(self._file)
                fsync(directory)
        return self._file

    def noted(self) -> Iterator[Record]:
        """Yield what is noted already."""
        yield from _read(self._home, _UNDO, self._name)

    def close(self) -> None:
        """Close the file; what is noted stays."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def noted(root: Root, fileset: str, run: str) -> Iterator[Record]:
    """Yield what was noted of a round; nothing, where it took nothing, or that is long ago."""
    if root.has_private():
        with closing(root.private(SYNC)) as filesets:
            yield from _read(filesets, b"/".join((fileset.encode(), _UNDO)), _name(run))


def forget(home: int, *, days: float) -> None:
    """Remove what was noted so many days ago, and later not: what it tells of has gone from its shelf."""
    before = time.time() - days * _DAY
    with contextlib.suppress(FileNotFoundError), closing(open_beneath(home, _UNDO, DIRECTORY)) as directory:
        with closing(os.open(b".", DIRECTORY | os.O_CLOEXEC, dir_fd=directory)) as listed:
            names = os.listdir(listed)
        for name in names:
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < before:
                os.unlink(name, dir_fd=directory)


def _read(above: int, where: bytes, name: bytes) -> Iterator[Record]:
    decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(ready(Record))  # type: ignore[arg-type]
    with contextlib.suppress(FileNotFoundError), closing(open_beneath(above, where, DIRECTORY)) as directory:
        yield from lines.read(directory, name, decoder)


def _name(run: str) -> bytes:
    return run.encode() + _SUFFIX
