"""Two index files side by side: their rows joined in DuckDB, object by object, name by name.

A row is a name; an object is a binding, (inode, birth time). Most rows are alike in both files and drop out in the
first join, by inode and a hash of all that counts. What is left is matched in this order: the same object under the
same name; another object under the same name, of the same kind, which nothing brought there from elsewhere (path
continuity); the same object under another name (moved; of several names, each new one takes an old one). What is left
of the newer file was created, and of the older deleted, unless its directory could not be seen.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import duckdb

from argosy.snapshots import queries
from argosy.snapshots.index import IndexFile

_MEMORY: Final = "900MB"
"""What DuckDB keeps in memory before it writes to temporary files."""


class Comparison:
    """Both files, opened; a context manager."""

    def __init__(self, old: Path, new: Path) -> None:
        self._held = ExitStack()
        scratch = self._held.enter_context(tempfile.TemporaryDirectory(prefix="argosy-diff-"))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": scratch,
            "preserve_insertion_order": False,
        }
        self._con = self._held.enter_context(duckdb.connect(config=settings))
        self._open("o", old)
        self._open("n", new)
        told = {"o": IndexFile(bytes(old)).about, "n": IndexFile(bytes(new)).about}
        self._rows = {name: about.rows for name, about in told.items()}
        self._is_complete = told["n"].complete

    def _open(self, name: str, index: Path) -> None:
        """Make the rows of a file known; by its descriptor, since names that hold * would mean several files."""
        file = self._held.enter_context(index.open("rb"))
        fd = file.fileno()
        self._con.read_parquet(f"/proc/{os.getpid()}/fd/{fd}", file_row_number=True).create_view(name)

    def rows(self, *, condense_moves: bool, since_ns: int | None) -> duckdb.DuckDBPyConnection:
        """Return a cursor over state, path, source and what is known of each entry that differs."""
        self._drop_alike()
        for statement in queries.MATCH:
            self._con.execute(statement)
        if not self._is_complete:
            self._con.execute(queries.NONE_GONE)
        for statement in () if condense_moves else queries.SPELL_OUT:
            self._con.execute(statement)
        for statement in queries.LOCATE:
            self._con.execute(statement)
        return self._con.execute(queries.TOLD, {"since": since_ns})

    def _drop_alike(self) -> None:
        """Leave rows that are not alike in the same part of both files: window by window, as far into each."""
        for statement in queries.BEGIN:
            self._con.execute(statement)
        windows = max(1, max(self._rows.values()) // queries.WINDOW)
        for number in range(windows):
            edges = {
                f"{name}_{edge}": rows * (number + step) // windows
                for name, rows in self._rows.items()
                for edge, step in (("from", 0), ("to", 1))
            }
            self._con.execute(queries.NEAR, edges)

    def unseen(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor over the paths of what could not be looked at, or listed, in the newer file."""
        for statement in queries.UNSEEN:
            self._con.execute(statement)
        return self._con.execute(queries.UNSEEN_PATHS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()
