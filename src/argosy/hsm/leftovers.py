"""What a killed release or recall left on the disk: whether somebody else wrote to it shows when the object is read."""

from collections.abc import Iterator

from argosy.core.entry import Stored
from argosy.filesystems.base import File
from argosy.hsm.content import CHUNK
from argosy.hsm.located import pinned
from argosy.stores.base import Store

BLOCK = 512
"""What is compared by itself: no filesystem has smaller blocks, so that none is half data and half hole."""


def differs(file: File, store: Store, stored: Stored, kept: int) -> bool:
    """Say whether the file has bytes that its object has not.

    Behind `kept` zeros up to the end of a block are no bytes: whoever freed, reserved or filled the space left them.

    Raises:
        NotFound: the object is gone.
        Changed: the file has become shorter.
    """
    for offset, length in _pieces(file):
        ours, theirs = file.read(offset, length), b"".join(pinned(store, stored, offset=offset, length=length))
        if ours != theirs and _differ(ours, theirs, kept - offset):
            return True
    return False


def _pieces(file: File) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the file's data, in whole blocks and no more than a chunk at once."""
    done = 0
    for offset, length in file.data():
        start = max(done, offset // BLOCK * BLOCK)
        done = min(-(-(offset + length) // BLOCK) * BLOCK, file.size)
        for piece in range(start, done, CHUNK):
            yield piece, min(CHUNK, done - piece)


def _differ(ours: bytes, theirs: bytes, head: int) -> bool:
    blocks = range(0, len(ours), BLOCK)
    return any(_is_other(ours[at : at + BLOCK], theirs[at : at + BLOCK], is_head=at < head) for at in blocks)


def _is_other(ours: bytes, theirs: bytes, *, is_head: bool) -> bool:
    """Say whether these are other bytes; a block may have been written up to somewhere, and be zeros from there."""
    return ours != theirs if is_head else not theirs.startswith(ours.rstrip(b"\0"))
