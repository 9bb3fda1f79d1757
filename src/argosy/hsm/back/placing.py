"""The bytes of a recall, put where they belong in the file; never over what somebody else wrote.

A file that is seized is ours, until the kernel has kept somebody waiting for it too long: bytes are written as they
come, and where there is not time enough, the recall ends. Where nothing can be seized (a filesystem without leases, a
file of somebody else) we look before each stretch is written or freed whether it is empty, or has those bytes already
(a recall that failed may have left them). Between that look and the write nothing keeps a writer out: the stretches are
short.
"""

import time
from typing import Final

import blake3

from argosy.core.errors import Busy
from argosy.core.paths import display
from argosy.filesystems.base import File
from argosy.hsm.object.content import CHUNK
from argosy.hsm.repair.leftovers import holds_other
from argosy.linux import leases

STRETCH: Final = 64 << 10
"""At most so much is written or freed after one look."""
SAFE: Final = 0.5
"""Which part of the kernel's patience with us is used; the rest is for a disk that is slow."""


class Placing:
    """What of one file has been placed; `alone`: it was seized."""

    def __init__(self, file: File, path: bytes, *, size: int, kept: int, alone: bool) -> None:
        """`kept`: what is before it stays as it is."""
        self._file = file
        self._path = path
        self._size = size
        self._kept = kept
        self._alone = alone
        self._seized_at = time.monotonic()
        self._placed = blake3.blake3()
        self._end = kept
        self._last = b""
        """What was placed last, at the end; perhaps not all of it."""

    def is_alone(self, part: float = SAFE) -> bool:
        """Say whether nobody else can have written, or will within the rest of the time that the kernel gives us.

        Whoever waits for the file came after it was last seen seized, and waits at least for the kernel's patience.
        """
        if not self._alone:
            return False
        now = time.monotonic()
        if self._file.is_seized():
            self._seized_at = now
            return True
        return now - self._seized_at < part * leases.patience()

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`.

        Raises:
            Busy: somebody wrote there, or cut the file, or has waited for it as long as he can be made to wait.
        """
        start = max(offset, self._kept)
        if self._alone:
            self._expect_alone()
            if start < offset + len(data):
                self._file.write(start, data[start - offset :])
            return
        for at in range(start, offset + len(data), STRETCH):
            piece = data[at - offset : at - offset + STRETCH]
            if not self._has(at, piece):
                self._file.write(at, piece)

    def free(self, start: int, end: int) -> None:
        """Make a hole from `start` to `end`.

        Raises:
            Busy: as `write`.
        """
        start = max(start, self._kept)
        if self._alone:
            self._expect_alone()
            self._file.punch(start, upto=end)
            return
        for at in range(start, end, STRETCH):
            zeros = bytes(min(STRETCH, end - at))
            self._has(at, zeros)
            self._file.punch(at, upto=at + len(zeros))

    def _expect_alone(self) -> None:
        if not self.is_alone():
            raise Busy(
                f"{display(self._path)}: somebody wants to open it, and there is more to bring than he can be kept "
                "waiting for; it is left as it was: close what opens it, and run it again"
            )

    def _has(self, offset: int, piece: bytes) -> bool:
        """Say whether the file has these bytes already; what it may have else is nothing."""
        self._placed.update(self._last)
        self._end, self._last = offset, piece
        if self._file.version()[1] != self._size:
            raise written_to(self._path)
        ours = self._file.read(offset, len(piece))
        if holds_other(ours, piece):
            raise written_to(self._path)
        return ours == piece

    def is_all_ours(self) -> bool:
        """Say whether, behind what is kept, the file has what was placed, and nothing else."""
        before = self._file.version()
        if self._alone or before[1] != self._size:
            return False
        hasher = blake3.blake3()
        for start in range(self._kept, self._end, CHUNK):
            hasher.update(self._file.read(start, min(CHUNK, self._end - start)))
        last = self._file.read(self._end, len(self._last))
        ours = hasher.digest() == self._placed.digest() and not holds_other(last, self._last)
        return ours and self._is_empty_from(self._end + len(self._last)) and self._file.version() == before

    def _is_empty_from(self, beginning: int) -> bool:
        pieces = ((max(offset, beginning), offset + length) for offset, length in self._file.data())
        return not any(
            any(self._file.read(at, min(CHUNK, end - at))) for start, end in pieces for at in range(start, end, CHUNK)
        )


def written_to(path: bytes) -> Busy:
    """Return the error that says that somebody got past us, and that the next run sees to it."""
    return Busy(
        f"{display(path)}: somebody writes to it while it is recalled; it was left as it is, and the next run keeps "
        "what is not its object's beside it"
    )
