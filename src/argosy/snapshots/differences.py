"""What differs between two index files: created, updated, moved and deleted entries, always in the same order.

What may have been moved to where nobody can look comes first; then deleted entries, what a directory held before it;
then moved ones, then created and updated ones, both in walk order. A new inode under the name of an old one is the same
file, saved by rename: it was updated. An entry that was moved and changed comes twice. What could not be looked at is
neither created nor deleted: see `unseen`.
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from argosy.core.entry import Kind
from argosy.core.phases import REST
from argosy.snapshots import everything
from argosy.snapshots.comparison import Comparison

_CHUNK = 4096
_KINDS = {1: Kind.FILE, 2: Kind.DIRECTORY, 3: Kind.SYMLINK}


class Change(StrEnum):
    """What became of an entry: the documented states of discovery, and one more."""

    CREATED = "created"
    UPDATED = "updated"
    """Content, metadata or inode; not the mtime of a directory. Of a file with another ctime that nothing else explains
    the content counts as changed, unless its hash is known to be what it was."""
    MOVED = "moved"
    DELETED = "deleted"
    UNSEEN = "unseen"
    """It is seen nowhere any more, and may have been moved to where nobody can look: neither moved nor deleted."""


_CHANGES = {change.value: change for change in Change}


class Difference(msgspec.Struct, frozen=True, gc=False):
    """One entry as the newer index has it; of a deleted one, as the older has it. Paths lie below the fileset's top."""

    change: Change
    path: bytes
    source: bytes | None
    """Where it was before it was moved."""
    kind: Kind
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    links: int
    phase: int = REST
    """When it is to be dealt with: see `argosy.core.phases`."""
    was_size: int | None = None
    """Of a moved entry: as the older index has it; so is what comes next."""
    was_mtime_ns: int | None = None
    born_ns: int | None = None


def differences(
    old: Path | None, new: Path, *, condense_moves: bool = True, since_ns: int | None = None
) -> Iterator[Difference]:
    """Yield what differs; of no `old` index, everything below the top is created. The top itself is left out.

    Unless `condense_moves`, what a moved directory holds was moved, too. `since_ns`: what is there and has an older
    ctime is left out. Memory is bounded; what does not fit goes to the system's directory for temporary files.
    """
    if old is None:
        yield from (_difference((Change.CREATED, path, None, *row)) for path, row in everything.below_top(new))
        return
    with Comparison(old, new) as comparison:
        rows = comparison.rows(condense_moves=condense_moves, since_ns=since_ns)
        while some := rows.fetchmany(_CHUNK):
            yield from map(_difference, some)


def unseen(index: Path) -> Iterator[bytes]:
    """Yield the path of what could not be looked at, or listed, when the index was written."""
    if not everything.has_unknown(index):
        return
    with Comparison(index, index) as comparison:
        rows = comparison.unseen()
        while some := rows.fetchmany(_CHUNK):
            yield from (path for (path,) in some)


def _difference(row: tuple[Any, ...]) -> Difference:
    return Difference(_CHANGES[row[0]], row[1], row[2], _KINDS.get(row[3], Kind.OTHER), *row[4:])
