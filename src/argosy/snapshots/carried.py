"""What an earlier index knows of what has not changed since: hashes of contents, and that nothing is attached."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from argosy.linux.tree import Known
from argosy.snapshots.clock import slack_of
from argosy.snapshots.index import IndexFile
from argosy.snapshots.schema import RowKind, Unknown
from argosy.snapshots.spill import Piece

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY: Final = "256MB"
_INODE: Final = ("inode", "born_ns", "ctime_ns")
_KEYS: Final = ("inode", "born_ns", "size", "mtime_ns", "ctime_ns")
_WANTED: Final = (*_KEYS, "kind", "unknown")
_MANY: Final = 65_536
_CARRIED: Final = f"""
SELECT here.row, earlier.hash FROM here JOIN earlier USING ({", ".join(_KEYS)})
WHERE here.kind = {RowKind.FILE:d} AND here.unknown = {Unknown.NOTHING:d} AND earlier.hash IS NOT NULL
  AND earlier.kind = {RowKind.FILE:d} AND earlier.ctime_ns < $sure
ORDER BY here.row
"""  # noqa: S608 - names of columns
"""A ctime from just before the earlier scan would be the same if the file had changed just after."""


class Carried:
    """Row numbers and hashes, in order. To be closed in the end."""

    def __init__(self, earlier: IndexFile | None, pieces: Sequence[Piece], scratch: bytes) -> None:
        """Look them up; `scratch`: a directory for what finds no room in memory."""
        self._base = 0
        self._database: DuckDBPyConnection | None = None
        self._found: Iterator[tuple[int, bytes]] = iter(())
        if earlier is not None and earlier.has_any("hash"):
            self._found = self._looked_up(earlier, pieces, scratch)
        self._next = next(self._found, None)

    def close(self) -> None:
        """Let go of the look-up."""
        if self._database is not None:
            self._database.close()

    def for_rows(self, count: int) -> list[bytes | None] | None:
        """Return the hashes of the next so many rows; None where none is known."""
        end = self._base + count
        told: list[bytes | None] = [None] * count if self._next is not None and self._next[0] < end else []
        while self._next is not None and self._next[0] < end:
            told[self._next[0] - self._base] = self._next[1]
            self._next = next(self._found, None)
        self._base = end
        return told or None

    def _looked_up(self, earlier: IndexFile, pieces: Sequence[Piece], scratch: bytes) -> Iterator[tuple[int, bytes]]:
        import duckdb  # most scans need none, and it is slow to come

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "threads": 1,
            "temp_directory": os.fsdecode(scratch),
        }
        self._database = database = duckdb.connect(config=settings)
        database.read_parquet(earlier.place).create_view("earlier")
        database.register("here", _numbered(pieces))
        reader: pa.RecordBatchReader = database.sql(_CARRIED, params={"sure": sure_ns(earlier)}).to_arrow_reader(_MANY)
        for batch in reader:
            yield from zip(batch["row"].to_pylist(), batch["hash"].to_pylist(), strict=True)


def known_bare(earlier: IndexFile) -> Known:
    """Return what the earlier index knows to have nothing attached.

    Raises:
        OSError: there is no memory.
    """
    known, sure = Known(earlier.about.rows), pa.scalar(sure_ns(earlier), pa.int64())
    for rows in earlier.batches([*_INODE, "kind", "unknown", "attributes", "pointer"]):
        told = pc.and_(pc.equal(rows["unknown"], int(Unknown.NOTHING)), pc.is_null(rows["attributes"]))
        told = pc.and_(told, pc.is_null(rows["pointer"]))
        told = pc.and_(told, pc.less(rows["kind"], int(RowKind.BOUNDARY)))
        told = pc.and_(told, pc.not_equal(rows["kind"], int(RowKind.SYMLINK)))
        these = rows.select(_INODE).filter(pc.and_(told, pc.less(rows["ctime_ns"], sure)))
        inode, born, ctime = (memoryview(column.buffers()[1]).cast("B") for column in these.columns)
        many = these.num_rows
        known.add(inode.cast("Q")[:many], born.cast("q")[:many], ctime.cast("q")[:many])
    return known


def sure_ns(earlier: IndexFile) -> int:
    """Return from which ctime on an entry may have changed since the earlier index was begun."""
    return earlier.about.began_ns - slack_of(earlier.about.began_ns)


def _numbered(pieces: Sequence[Piece]) -> pa.RecordBatchReader:
    schema = pa.schema([*(pieces[0].rows.schema.field(name) for name in _WANTED), pa.field("row", pa.int64())])
    return pa.RecordBatchReader.from_batches(schema, _with_numbers(pieces, schema))


def _with_numbers(pieces: Sequence[Piece], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    base = 0
    for piece in pieces:
        numbers = pa.array(range(base, base + piece.rows.num_rows), pa.int64())
        base += piece.rows.num_rows
        yield pa.RecordBatch.from_arrays([*(piece.rows[name] for name in _WANTED), numbers], schema=schema)
