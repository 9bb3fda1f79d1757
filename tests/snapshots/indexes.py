"""Index files of trees that exist on paper only."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from argosy.core.paths import walk_key
from argosy.snapshots.differences import Difference, differences
from argosy.snapshots.index import IndexWriter
from argosy.snapshots.schema import SCHEMA, About, RowKind, Unknown

TOP = 256


def file(inode: int, **more: Any) -> dict[str, Any]:
    """Return a row of a file; its birth time tells of its inode unless told otherwise."""
    return {"kind": RowKind.FILE, "inode": inode, "size": 1, **more}


def directory(inode: int, **more: Any) -> dict[str, Any]:
    """Return a row of a directory."""
    return {"kind": RowKind.DIRECTORY, "inode": inode, **more}


def symlink(inode: int, target: bytes) -> dict[str, Any]:
    """Return a row of a symlink."""
    return {"kind": RowKind.SYMLINK, "inode": inode, "size": len(target), "target": target}


def boundary(inode: int) -> dict[str, Any]:
    """Return a row of a mount point."""
    return {"kind": RowKind.BOUNDARY, "inode": inode}


def unknown(**more: Any) -> dict[str, Any]:
    """Return a row of what could not be looked at."""
    return {"kind": RowKind.OTHER, "inode": 0, "born_ns": 0, "unknown": Unknown.ENTRY, **more}


def write(path: Path, tree: dict[str, dict[str, Any]], *, complete: bool = True) -> Path:
    """Write the index of a tree: rows by path below the top, whose parents are there."""
    rows = {b"": _row(b"", directory(TOP), {})}
    for name in sorted(map(str.encode, tree), key=walk_key):
        rows[name] = _row(name, tree[name.decode()], rows)
    with IndexWriter(bytes(path)) as writer:
        writer.add(pa.RecordBatch.from_pylist(list(rows.values()), SCHEMA))
        writer.finish(about(path.name, complete=complete))
    return path


def about(snapshot: str, *, complete: bool) -> About:
    """Return what an index says of itself."""
    none = "0" * 32
    told = {"fileset": none, "filesystem": none, "name": "f", "host": "h", "snapshot": snapshot}
    return About(**told, subvolume=0, began_ns=0, complete=complete)


def _row(path: bytes, told: dict[str, Any], rows: dict[bytes, dict[str, Any]]) -> dict[str, Any]:
    above, _, name = path.rpartition(b"/")
    row = {"unknown": 0, "size": 0, "mtime_ns": 1, "ctime_ns": 1, "mode": 0o644, "uid": 0, "gid": 0, "links": 1}
    row |= {
        "born_ns": told["inode"] * 10,
        "name": name,
        "attributes": None,
        "target": None,
        "hash": None,
        "pointer": None,
    }
    row |= told
    parent = rows[above] if path else row
    return row | {"parent_inode": parent["inode"], "parent_born_ns": parent["born_ns"]}


def between(
    tmp_path: Path, old: dict[str, dict[str, Any]] | None, new: dict[str, dict[str, Any]], **options: Any
) -> list[Difference]:
    """Return what differs between two trees."""
    before = None if old is None else write(tmp_path / "old", old)
    return list(differences(before, write(tmp_path / "new", new), **options))


def told(found: Iterable[Difference]) -> list[tuple[str, ...]]:
    """Return of differences what became of which path, and where moved ones were."""
    return [
        (one.change.value, one.path.decode(), *([] if one.source is None else [one.source.decode()])) for one in found
    ]
