"""Scans of trees in tests: what is asked for, and what an index file says, by path."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argosy.linux.openat2 import DIRECTORY
from argosy.snapshots.index import IndexFile
from argosy.snapshots.scan import Scan
from argosy.snapshots.schema import About

ABOUT = About(
    fileset="5" * 32, name="work", snapshot="first", filesystem="f" * 32, subvolume=0, host="here", began_ns=0
)


def scanned(tree: Path, index: Path, **asked: Any) -> About:
    """Scan the tree into an index file."""
    top = os.open(tree, DIRECTORY)
    try:
        return Scan(about=asked.pop("about", ABOUT), **asked).write(top, os.fsencode(index))
    finally:
        os.close(top)


def rows_of(index: Path) -> list[dict[str, Any]]:
    """Return the rows, in order."""
    return [row for batch in IndexFile(os.fsencode(index)).batches() for row in batch.to_pylist()]


def by_path(index: Path) -> dict[bytes, dict[str, Any]]:
    """Return the rows by path below the top, in order; that each parent comes before what it holds is checked."""
    found: dict[bytes, dict[str, Any]] = {}
    paths: dict[tuple[int, int], bytes] = {}
    for row in rows_of(index):
        above = paths[row["parent_inode"], row["parent_born_ns"]] + b"/" if found else b""
        path = (above + row["name"]).lstrip(b"/")
        assert path not in found
        found[path] = row
        if row["kind"] == 2:
            paths[row["inode"], row["born_ns"]] = path
    return found


def at(step: int, act: Callable[[], object]) -> Callable[[int], None]:
    """Return what a scan is to call when it reads row by row: it acts when that many rows have been read."""
    done: list[int] = []

    def told(rows: int) -> None:
        if rows >= step and not done:
            done.append(rows)
            act()

    return told
