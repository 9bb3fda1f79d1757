"""The journal of a run: what it is about to take from a name, on the disk before it is taken.

Lines of JSON, each with its own sum. What was cut off at the end had not been done yet.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from argosy.core.ready import ready
from argosy.filesystems._posix import lines
from argosy.linux.syncing import fsync
from argosy.sync.executor import seeing

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_SUFFIX: Final = ".log"


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """The run."""

    run: str
    shelf_id: str
    """The id under which it keeps what it replaces or removes."""


class Parking(msgspec.Struct, frozen=True, kw_only=True, tag="parking"):
    """Something is taken from its name, and comes to lie among what is parked."""

    number: int
    object: str
    parked: bytes
    """Its name there."""
    path: bytes
    """Where it was, below the top."""
    target: bytes
    """Where it is to be."""
    inode: int
    born_ns: int
    directory: tuple[int, int]
    """Inode and birth time of the directory that it was in, ..."""
    handle: bytes = b""
    """... and what opens that, whatever its path becomes."""


class Trashing(msgspec.Struct, frozen=True, kw_only=True, tag="trashing"):
    """Something else than a directory goes from its name to the trash."""

    number: int
    path: bytes
    inode: int
    born_ns: int
    version: tuple[int, int] | None = None
    """Its size and mtime, which a copy of it has as well: of what has other names one is kept."""


class Displacing(msgspec.Struct, frozen=True, kw_only=True, tag="displacing"):
    """Something gets another's place, which comes to lie among what is displaced, and then in the version store."""

    number: int
    path: bytes
    inode: int
    born_ns: int
    came: tuple[int, int, int] | None = None
    """Inode, size and mtime of what gets it; None: it has another name already."""
    version: tuple[int, int] | None = None
    """As in `Trashing`."""


Record = Begun | Parking | Trashing | Displacing


class Journal:
    """The journal of one run, open."""

    def __init__(self, directory: int, begun: Begun) -> None:
        """Begin it, durably."""
        self._directory, self._name = directory, begun.run + _SUFFIX
        self._file = os.open(self._name, _FLAGS, 0o600, dir_fd=directory)
        try:
            self.write([begun])
            fsync(directory)
        except BaseException:
            self.close()
            raise

    def write(self, records: Iterable[Record]) -> None:
        """Return when these are on the disk."""
        if lines.append(self._file, records):
            fsync(self._file)

    def parkings(self) -> Iterator[Parking]:
        """Yield what it says was to be parked."""
        return (each for each in read(self._directory, self._name) if isinstance(each, Parking))

    def end(self) -> None:
        """Forget the run: nothing of it is on its way any more."""
        forget(self._directory, self._name)

    def close(self) -> None:
        """Close the file; the journal stays."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def names(directory: int) -> list[str]:
    """Return the names of journals of runs that are not over, in the order in which they began."""
    found = [name for name in map(os.fsdecode, seeing.names(directory)) if name.endswith(_SUFFIX)]
    return sorted(found, key=lambda name: os.stat(name, dir_fd=directory).st_mtime_ns)


def forget(directory: int, name: str) -> None:
    """Remove a journal, durably."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    fsync(directory)


def read(directory: int, name: str) -> Iterator[Record]:
    """Yield what a journal says, up to where it was cut off."""
    decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(ready(Record))  # type: ignore[arg-type]
    yield from lines.read(directory, os.fsencode(name), decoder)
