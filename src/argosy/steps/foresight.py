"""What steps look at to say what they would do. Nothing here changes, locks or reads the content of anything."""

from array import array
from collections.abc import Callable
from typing import Final, NamedTuple

import blake3

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import ArgosyError, Busy, Exists, Unsupported
from argosy.core.faults import DiskFull, NotAdopted, NotPermitted, PointerGone, PointerUnreadable, StubWritten
from argosy.core.foreseen import Cost
from argosy.core.paths import PRIVATE, below, display, join
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.file.local import present
from argosy.hsm.file.state import Seen, State
from argosy.hsm.object.stored import same_object
from argosy.site import Site

HOLLOW: Final = {State.STUB, State.RELEASING, State.RECALLING}
"""States in which the bytes are the object's."""
WHOLE: Final = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}
"""States in which all bytes are on disk."""
_NOBODY_KNOWS: Final = {State.STUB_DIRTY, State.UNBOUND, State.LOST, State.DISPUTED}
_PART: Final = 64 << 20
"""Bytes of one request of an upload, about."""


class Held(NamedTuple):
    """What lies in a directory."""

    entries: int
    size: int
    digest: bytes
    """BLAKE3 of the listing: of paths, kinds, inodes, sizes and times of change."""


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
        return NotAdopted(f"{path} is a copy of a stub and has no bytes of its own: adopt it with `argosy adopt`")
    if state is State.STUB_DIRTY:
        return StubWritten(f"{path} was written to while it was a stub: what was written would be kept beside it")
    if state is State.DISPUTED:
        return PointerUnreadable(
            f"{path} is disputed: its attribute tells of one object, and the site left it as a stub of another: which "
            "it is would be found out, if anything tells"
        )
    return PointerGone(f"lost: {path} was left as a stub, and nothing on it says where its bytes are")


def refuse_fixed(file: File, path: bytes) -> None:
    """Return where something can be noted on the file.

    Raises:
        NotPermitted: it is marked so that nothing can.
    """
    if file.is_fixed():
        raise NotPermitted(f"{display(path)}: not permitted: it is immutable or append-only: see lsattr and chattr")


def expect_parents(path: bytes, tree: Filesystem) -> None:
    """Return where all that is there of the directories above the path are directories.

    Raises:
        Exists: something among them is none.
    """
    while (path := path.rpartition(b"/")[0]) and below(path, tree.root):
        there = present(tree, path)
        if there is not None:
            if there.kind is not Kind.DIRECTORY:
                raise Exists(f"{display(path)}: is no directory, and something was to come into it: move it away")
            return


def expect_room(size: int, path: bytes, site: Site) -> None:
    """Return where the disk has room for one file; that it has room for all of them nobody can say before.

    Raises:
        DiskFull: it has not.
    """
    free, _ = site.tree(path).free()
    if size > free:
        raise DiskFull(f"{display(path)}: the disk is full: {size} bytes would come, and {free} are free")


def has_content(file: File, seen: Seen, stored: Stored) -> bool | None:
    """Say whether the file has the content that was stored; None where only its bytes would tell."""
    if file.size != stored.size or seen.state in _NOBODY_KNOWS:
        return False
    if seen.pointer is not None and stored.uuid and seen.state in HOLLOW | {State.PREMIGRATED}:
        return same_object(seen.pointer, stored)
    return None


def is_kept(entry: Entry, site: Site) -> bool:
    """Say whether the entry comes from a trash or version store."""
    if entry.source is None:
        return False
    return below(entry.source, join(site.tree(entry.source).root, PRIVATE))


def sending(size: int) -> Cost:
    """Return what it takes to send so many bytes."""
    parts = -(-size // _PART)
    return Cost(bytes=size, requests=1 if parts <= 1 else parts + 2)


def holds_something(path: bytes, tree: Filesystem) -> bool:
    """Say whether a directory holds anything, were it only a mount point."""
    beneath: list[bytes] = []
    for entry in tree.scan(path, on_error=lambda met, _: beneath.append(met)):
        if entry.path != path:
            return True
    return any(met != path for met in beneath)


def held_by(
    path: bytes,
    tree: Filesystem,
    *,
    each: "array[int] | None" = None,
    changed: Callable[[Entry], int] | None = None,
) -> Held:
    """Return what lies beneath a directory now. `each`: gets 64 bits for every entry of it, as it is.

    `changed`: says of each entry when it is to be taken for last changed; without it, what its ctime says.

    Raises:
        ArgosyError: something in it cannot be looked at.
    """
    entries = size = 0
    hasher = blake3.blake3()
    for entry in tree.scan(path, on_error=_raise):
        entries += 1
        size += entry.size if entry.kind is Kind.FILE else 0
        known = (entry.kind.value, entry.inode, *_version(entry, changed(entry) if changed else entry.ctime_ns))
        line = entry.path + b"\0" + repr(known).encode() + b"\0"
        hasher.update(line)
        if each is not None:
            each.append(int.from_bytes(blake3.blake3(line).digest(8)))
    return Held(entries, size, hasher.digest())


def _version(entry: Entry, changed_ns: int) -> tuple[int, ...]:
    """Return what changes with an entry; of a directory nothing, since what it holds is listed itself."""
    return () if entry.kind is Kind.DIRECTORY else (entry.size, entry.mtime_ns, changed_ns)


def _raise(_path: bytes, error: ArgosyError) -> None:
    if not isinstance(error, Unsupported):  # a mount point, which stays
        raise error
