"""What steps look at to say what they would do. Nothing here changes, locks or reads the content of anything."""

from typing import Final, NamedTuple

import blake3

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import ArgosyError, Busy, Corrupt, Invalid, NotFound, Unsupported
from argosy.core.outcome import Cost
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import Filesystem
from argosy.hsm.file.local import as_opened
from argosy.hsm.file.state import Seen, State, look
from argosy.site import Site

HOLLOW: Final = {State.STUB, State.RELEASING, State.RECALLING}
"""States in which the bytes are the object's."""
WHOLE: Final = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}
"""States in which all bytes are on disk."""
_PART: Final = 64 << 20
"""Bytes of one request of an upload, about."""


class Held(NamedTuple):
    """What lies in a directory."""

    entries: int
    size: int
    digest: bytes
    """BLAKE3 of the listing: of paths, kinds, inodes, sizes and times of change."""


def seen_at(entry: Entry, site: Site) -> tuple[Seen, Entry, bool]:
    """Return the state of the file at the path, the entry as it is now, and whether somebody writes to it.

    Raises:
        NotFound: there is none.
        Corrupt: what its inode says cannot be read.
    """
    with site.tree(entry.path).open(entry.path) as file:
        return look(file, site), as_opened(entry, file), file.is_being_written()


def refuse_written(entry: Entry, *, written: bool) -> None:
    """Return where nobody has it open for writing.

    Raises:
        Busy: somebody has.
    """
    if written:
        raise Busy(f"{display(entry.path)}: somebody has it open for writing")


def pointer_of(seen: Seen, path: bytes) -> Pointer:
    """Return where the bytes of a file are that are not here.

    Raises:
        Invalid: it is a copy of a stub.
        NotFound: nothing says where they are.
        Corrupt: somebody wrote to the stub.
    """
    if seen.state in HOLLOW and seen.pointer is not None:
        return seen.pointer
    raise _refusal(seen.state, display(path))


def _refusal(state: State, path: str) -> ArgosyError:
    if state is State.UNBOUND:
        return Invalid(f"{path} is a copy of a stub and has no bytes of its own: adopt it with `argosy adopt`")
    if state is State.STUB_DIRTY:
        return Corrupt(f"{path} was written to while it was a stub: what was written would be kept beside it")
    return NotFound(f"lost: {path} was left as a stub, and nothing on it says where its bytes are")


def expect_bytes(stored: Stored, path: bytes, site: Site) -> None:
    """Return where the store has the object.

    Raises:
        NotFound: it has not.
    """
    try:
        site.store(stored.datastore).head(stored.key)
    except NotFound as error:
        raise NotFound(
            f"lost: the bytes of {display(path)} are object {stored.key} of datastore {stored.datastore}, which is gone"
        ) from error


def sending(size: int) -> Cost:
    """Return what it takes to send so many bytes."""
    parts = -(-size // _PART)
    return Cost(bytes=size, requests=1 if parts <= 1 else parts + 2)


def held_by(path: bytes, tree: Filesystem) -> Held:
    """Return what lies beneath a directory now.

    Raises:
        ArgosyError: something in it cannot be looked at.
    """
    entries = size = 0
    hasher = blake3.blake3()
    for entry in tree.scan(path, on_error=_raise):
        entries += 1
        size += entry.size if entry.kind is Kind.FILE else 0
        known = (entry.kind.value, entry.inode, *_version(entry))
        hasher.update(entry.path + b"\0" + repr(known).encode() + b"\0")
    return Held(entries, size, hasher.digest())


def _version(entry: Entry) -> tuple[int, ...]:
    """Return what changes with an entry; of a directory nothing, since what it holds is listed itself."""
    return () if entry.kind is Kind.DIRECTORY else (entry.size, entry.mtime_ns, entry.ctime_ns)


def _raise(_path: bytes, error: ArgosyError) -> None:
    if not isinstance(error, Unsupported):  # a mount point, which stays
        raise error
