"""All that an index holds, with paths: what a fileset is that nothing was known of before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from argosy.core.faults import IndexDamaged
from argosy.snapshots.index import IndexFile

COLUMNS = ("kind", "inode", "size", "mtime_ns", "ctime_ns", "mode", "uid", "gid", "links")
_PLACE = ("born_ns", "parent_inode", "parent_born_ns", "name", "unknown")
_UNKNOWN = "unknown"
_ROWS = 16_384
_DIRECTORY, _BOUNDARY, _UNSEEN = 2, 5, 1


def below_top(index: Path) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    """Yield path and `COLUMNS` of each row in walk order, but for the top, boundaries, and what could not be looked at.

    Rows come depth first, so that the directories above one are all that is remembered.

    Raises:
        Corrupt: they do not.
    """
    above: list[tuple[int, int, bytes]] = []
    file = IndexFile(bytes(index))
    for batch in file.batches([*COLUMNS, *_PLACE], _ROWS):
        columns = [batch.column(name).to_pylist() for name in (*COLUMNS, *_PLACE)]
        for *row, born, parent, parent_born, name, unknown in zip(*columns, strict=True):
            if not above:
                above.append((row[1], born, b""))
                continue
            while above[-1][:2] != (parent, parent_born):
                above.pop()
                if not above:
                    raise IndexDamaged(f"{file.name}: rows are not in the order of a walk: take the snapshot anew")
            path = above[-1][2] + name
            if row[0] == _DIRECTORY:
                above.append((row[1], born, path + b"/"))
            if unknown != _UNSEEN and row[0] != _BOUNDARY:
                yield path, tuple(row)


def has_unknown(index: Path) -> bool:
    """Say whether the index may have rows of what could not be looked at or listed; only its footer is read."""
    return IndexFile(bytes(index)).has_above(_UNKNOWN, 0)
