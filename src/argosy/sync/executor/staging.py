"""Contents and attributes that wait, out of sight, to be applied: made, compared and on the disk beforehand.

A content is known by the number of the operation that it is for, attributes by their digest. Nothing here is trusted
after a crash: what belongs to a run that is over goes.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Final, Self

from blake3 import blake3

from argosy.core.errors import Corrupt, Invalid
from argosy.core.failpoints import failpoint
from argosy.filesystems._posix.root import Spot, closing, make_private
from argosy.linux.openat2 import open_beneath
from argosy.linux.syncing import fsync
from argosy.snapshots.attributes import digest
from argosy.sync.executor import seeing
from argosy.sync.executor.area import Area
from argosy.sync.executor.attached import Attached, packed, unpacked

_MAKING: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PART: Final = b".part"
_ATTACHED: Final = b"attached"


class NotStaged(Invalid):
    """What an operation needs was not brought here."""

    code = "not_staged"


class Staging:
    """What is staged for one run. Close it; it is a context manager."""

    def __init__(self, area: Area, run: str) -> None:
        """Open it; what was staged for the run already is there."""
        with contextlib.ExitStack() as held:
            self.directory = held.enter_context(closing(area.staged(run)))
            self._attached = held.enter_context(closing(make_private(self.directory, [_ATTACHED])))
            self._held = held.pop_all()

    def put(self, number: int, chunks: Iterable[bytes], *, content: bytes | None = None) -> bytes:
        """Have the content of an operation, whole and on the disk; return its BLAKE3.

        The name is on the disk as soon as `sync` returns. One that is there already gives way.

        Raises:
            Corrupt: it is not the `content` that it should be; nothing is staged.
            OSError: the disk or a quota is full.
        """
        part, whole = self.spot(number).name + _PART, blake3()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=self.directory)
        with closing(os.open(part, _MAKING, 0o600, dir_fd=self.directory)) as file:
            for chunk in chunks:
                whole.update(chunk)
                _write(file, chunk)
            if content is not None and whole.digest() != content:
                os.unlink(part, dir_fd=self.directory)
                raise Corrupt("what came is not what was to be sent: it was changed meanwhile, or on its way")
            fsync(file)
        self.take(number, Spot(self.directory, part))
        return whole.digest()

    def take(self, number: int, made: Spot) -> None:
        """Have as the content of an operation a file that was made elsewhere on this filesystem, and is synced.

        It keeps its inode: a stub stays what it is.
        """
        os.rename(made.name, self.spot(number).name, src_dir_fd=made.directory, dst_dir_fd=self.directory)
        failpoint("sync:stage")

    def attach(self, attached: Attached) -> None:
        """Have these attributes, whole and on the disk."""
        known_as = digest(attached)
        if known_as is None:
            return
        name = known_as.hex().encode()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name + _PART, dir_fd=self._attached)
        with closing(os.open(name + _PART, _MAKING, 0o600, dir_fd=self._attached)) as file:
            _write(file, packed(attached))
            fsync(file)
        os.rename(name + _PART, name, src_dir_fd=self._attached, dst_dir_fd=self._attached)

    def attached(self, known_as: bytes) -> Attached:
        """Return the attributes of that digest.

        Raises:
            NotStaged: nobody brought them.
            Corrupt: they are not those.
        """
        try:
            with open(open_beneath(self._attached, known_as.hex().encode(), os.O_RDONLY), "rb") as file:
                return unpacked(file.read(), known_as)
        except FileNotFoundError as error:
            raise NotStaged("its attributes were not staged: run the sync again") from error

    def spot(self, number: int) -> Spot:
        """Return where the content of an operation is, or comes to be."""
        return Spot(self.directory, b"%d" % number)

    def sync(self) -> None:
        """Return when the names of all that was staged are on the disk."""
        fsync(self._attached)
        fsync(self.directory)

    def close(self) -> None:
        """Let go; what is staged stays."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def discard(area: Area, run: str) -> None:
    """Remove what was staged for a run."""
    with closing(make_private(area.home, [b"staged"])) as runs:
        _clear(runs, run.encode())


def discard_all(area: Area, *, but: frozenset[str]) -> None:
    """Remove what was staged for runs that are over: all but these."""
    with closing(make_private(area.home, [b"staged"])) as runs:
        for name in seeing.names(runs):
            if os.fsdecode(name) not in but:
                _clear(runs, name)


def _clear(above: int, name: bytes) -> None:
    """Remove a directory of ours and what was made in it; everything there is of our own making."""
    try:
        directory = open_beneath(above, name, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    with closing(directory):
        for inner in seeing.names(directory):
            try:
                os.unlink(inner, dir_fd=directory)
            except IsADirectoryError:
                _clear(directory, inner)
    os.rmdir(name, dir_fd=above)
