"""What a killed release or recall left on the disk: whether somebody else wrote to it shows when the object is read.

A release freed whole blocks in one call, from what is kept to the end, of a file that was its object to the last byte;
where a machine fell into that call, filesystems have freed from the end backwards. So up to the last of the data every
byte must be the object's, zeros and holes as well: those before it are somebody's. Only the hole behind it is ours. (A
filesystem that frees forwards leaves a file there that is put beside itself once: better that than to lose zeros.)

A recall reserved space and wrote what it got where it belongs, so that zeros may stand anywhere: they are no bytes.
"""

from collections.abc import Iterator

from argosy.core.entry import Stored
from argosy.filesystems.base import File
from argosy.hsm.object.content import CHUNK
from argosy.hsm.object.stored import pinned
from argosy.stores.base import Store

BLOCK = 512
"""What is compared by itself: no filesystem has smaller blocks, so that none is half data and half hole."""


def is_released(file: File, store: Store, stored: Stored, kept: int) -> bool:
    """Say whether the file is what a release leaves: the bytes of its object up to some block, and then none.

    Raises:
        NotFound: the object is gone.
        Changed: the file has become shorter.
    """
    data = file.data()
    end = min(max(kept, sum(data[-1])) if data else kept, file.size)
    offset = 0
    for theirs in pinned(store, stored, length=end) if end else ():
        if file.read(offset, len(theirs)) != theirs:
            return False
        offset += len(theirs)
    return offset == end  # an object that was cut short proves nothing of the rest


def is_whole(file: File, store: Store, stored: Stored) -> bool:
    """Say whether no block of the file was freed: where it has holes, the object has zeros, or is shorter.

    Raises:
        NotFound: the object is gone.
    """
    return all(_is_zeros(store, stored, start, end) for start, end in _holes(file, stored.size))


def lacks_bytes(file: File, store: Store, stored: Stored) -> bool:
    """Say whether the file reads as zeros, block by block, where the object has bytes.

    So it is with a copy of a stub that was cut, lengthened or written to, however its holes were copied.

    Raises:
        NotFound: the object is gone.
        Changed: the file has become shorter.
    """
    _, ours = file.version()
    end = min(ours, stored.size)
    for start in range(0, end, CHUNK):
        chunk = file.read(start, min(CHUNK, end - start))
        blank = [at for at in range(0, len(chunk), BLOCK) if not chunk[at : at + BLOCK].strip(b"\0")]
        if not blank:
            continue
        theirs = b"".join(pinned(store, stored, offset=start, length=len(chunk)))
        if len(theirs) < len(chunk) or any(theirs[at : at + BLOCK].strip(b"\0") for at in blank):
            return True
    return False


def _is_zeros(store: Store, stored: Stored, start: int, end: int) -> bool:
    done = start
    for chunk in pinned(store, stored, offset=start, length=end - start):
        if chunk.count(0) != len(chunk):
            return False
        done += len(chunk)
    return done == end


def _holes(file: File, size: int) -> Iterator[tuple[int, int]]:
    """Yield beginning and end of what is not on the disk, of as much as both have."""
    _, ours = file.version()
    size, done = min(ours, size), 0
    for offset, length in (*file.data(), (size, 0)):
        if done < min(offset, size):
            yield done, min(offset, size)
        done = offset + length


def differs(file: File, store: Store, stored: Stored, kept: int) -> bool:
    """Say whether a file that a recall left has bytes that its object has not.

    Behind `kept` zeros up to the end of a block are no bytes: whoever freed, reserved or filled the space left them.

    Raises:
        NotFound: the object is gone.
        Changed: the file has become shorter.
    """
    for offset, length in _pieces(file):
        ours, theirs = file.read(offset, length), b"".join(pinned(store, stored, offset=offset, length=length))
        if holds_other(ours, theirs, kept - offset):
            return True
    return False


def holds_other(ours: bytes, theirs: bytes, head: int = 0) -> bool:
    """Say whether what is on the disk has bytes that the object has not; the first `head` bytes must be the same."""
    blocks = range(0, len(ours), BLOCK)
    return ours != theirs and any(
        _is_other(ours[at : at + BLOCK], theirs[at : at + BLOCK], is_head=at < head) for at in blocks
    )


def _pieces(file: File) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the file's data, in whole blocks and no more than a chunk at once."""
    done = 0
    for offset, length in file.data():
        start = max(done, offset // BLOCK * BLOCK)
        done = min(-(-(offset + length) // BLOCK) * BLOCK, file.size)
        for piece in range(start, done, CHUNK):
            yield piece, min(CHUNK, done - piece)


def _is_other(ours: bytes, theirs: bytes, *, is_head: bool) -> bool:
    """Say whether these are other bytes; a block may have been written up to somewhere, and be zeros from there."""
    return ours != theirs if is_head else not theirs.startswith(ours.rstrip(b"\0"))
