"""Two index files side by side: their rows joined in DuckDB, object by object, name by name.

A row is a name; an object is a binding, (inode, birth time). Most rows are alike in both files and drop out in the
first join, by inode and a hash of all that counts. What is left is matched in this order: the same object under the
same name; another object under the same name, of the same kind, which nothing brought there from elsewhere (path
continuity); the same object under another name (moved; of several names, each new one takes an old one). What is left
of the newer file was created, and of the older deleted, unless its directory could not be seen.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import duckdb
import pyarrow as pa

from argosy.core.errors import Exhausted
from argosy.core.renames import Rename, arranged
from argosy.linux.scratch import scratch
from argosy.snapshots import queries
from argosy.snapshots.index import IndexFile

_MEMORY: Final = "900MB"
"""What DuckDB keeps in memory before it writes to temporary files."""


class Comparison:
    """Both files, opened; a context manager."""

    def __init__(self, old: Path, new: Path) -> None:
        self._files = {"o": IndexFile(bytes(old)), "n": IndexFile(bytes(new))}
        self._held = ExitStack()
        folder = self._held.enter_context(scratch(None))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": str(folder),
            "preserve_insertion_order": False,
        }
        self._con = self._held.enter_context(duckdb.connect(config=settings))
        for name, file in self._files.items():
            self._con.read_parquet(file.place, file_row_number=True).create_view(name)

    def rows(self, *, condense_moves: bool, since_ns: int | None) -> duckdb.DuckDBPyConnection:
        """Return a cursor over state, path, source and what is known of each entry that differs."""
        self._drop_alike()
        for statement in queries.MATCH:
            self._con.execute(statement)
        if not self._files["n"].about.complete:
            for statement in queries.NONE_GONE:
                self._con.execute(statement)
        for statement in () if condense_moves else queries.SPELL_OUT:
            self._con.execute(statement)
        for statement in (*queries.LOCATE, *queries.WITHHOLD, *queries.RENAMES, queries.ARRANGED):
            self._con.execute(statement)
        self._arrange()
        return self._con.execute(queries.TOLD, {"since": since_ns})

    def _arrange(self) -> None:
        """Settle in which order renames come that have to do with each other, and which are told otherwise."""
        rows = self._con.execute(queries.RELATED).fetchall()
        hopeless = {row for (row,) in self._con.execute(queries.HOPELESS).fetchall()}
        order = arranged(
            [Rename(source, path) for _, source, path in rows],
            [number for number, (row, _, _) in enumerate(rows) if row in hopeless],
        )
        places = [(rows[number][0], at, False) for at, level in enumerate(order.levels) for number in level]
        places += [(rows[number][0], len(order.levels), True) for number in sorted(order.stuck)]
        if places:
            row, level, stuck = zip(*places, strict=True)
            told = pa.table({"row": row, "level": level, "place": range(len(places)), "stuck": stuck})
            self._con.from_arrow(told).insert_into("arranged")
        for statement in (*queries.TAKE_APART, *queries.LET_OUT):
            self._con.execute(statement)

    def _drop_alike(self) -> None:
        """Leave rows that are not alike in the same part of both files: window by window, as far into each."""
        for statement in queries.BEGIN:
            self._con.execute(statement)
        counts = {name: file.about.rows for name, file in self._files.items()}
        windows = max(1, max(counts.values()) // queries.WINDOW)
        for number in range(windows):
            edges = {
                f"{name}_{edge}": rows * (number + step) // windows
                for name, rows in counts.items()
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

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Let go of all.

        Raises:
            Exhausted: there was no room for it; both files are whole, so that it is nothing else.
        """
        self._held.close()
        if isinstance(error, duckdb.Error):
            where, said = self._files["n"].name, str(error).partition("\n")[0]
            remedy = f"make room in memory, or below {tempfile.gettempdir()}"
            raise Exhausted(f"{where}: could not be compared with the snapshot before: {said}: {remedy}") from error
