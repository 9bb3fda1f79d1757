"""Index files: written beside and renamed, read whole or by columns."""

import os
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from argosy.core.errors import NotFound, Unsupported
from argosy.core.faults import IndexDamaged
from argosy.core.paths import display
from argosy.filesystems._posix.errors import ours
from argosy.linux.syncing import fsync
from argosy.snapshots.prints import prints
from argosy.snapshots.schema import FILE, METADATA_KEY, ROW_GROUP, SCHEMA, VERSION, WRITTEN, About
from argosy.snapshots.wholeness import UNWRITTEN, is_whole, stamp

REMEDY: Final = (
    "remove it, and the last-snap file below .rotate where that names it: then the next run begins anew with everything"
)
"""What to do about an index that is of no use."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class IndexWriter:
    """An index file that is there, whole and on the disk, as soon as `finish` returns, and not before.

    One of the same path is replaced then. Left without `finish`, or killed, it leaves at most a `*.part` beside, which
    the next one of that path replaces.
    """

    def __init__(self, path: bytes) -> None:
        self._path, self._part = path, path + b".part"
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._held = 0

    def __enter__(self) -> Self:
        """Begin the file."""
        self._file = open(self._part, "w+b")
        os.fchmod(self._file.fileno(), 0o600)
        self._writer = pq.ParquetWriter(self._file, FILE, **WRITTEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not finished."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()
            os.unlink(self._part)

    @property
    def rows(self) -> int:
        """Rows that were added so far."""
        return self._rows + self._held

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows, in the order of the walk; their columns are those of `SCHEMA`."""
        self._waiting.append(batch)
        self._held += batch.num_rows
        while self._held >= ROW_GROUP:
            self._write(ROW_GROUP)

    def finish(self, about: About) -> About:
        """Complete the file and put it in its place; return what it says of itself."""
        self._write(self._held)
        about = msgspec.structs.replace(about, v=VERSION, rows=self._rows, digest=UNWRITTEN)
        self._writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(about)})
        self._writer.close()
        self._file.flush()
        about = msgspec.structs.replace(about, digest=stamp(self._file.fileno()))
        fsync(self._file.fileno())
        self._file.close()
        os.rename(self._part, self._path)
        _sync_parent(self._path)
        return about

    def _write(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, SCHEMA)
        for batch in table.slice(0, rows).combine_chunks().to_batches():
            columns = [*batch.columns, prints(batch)]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=FILE), row_group_size=ROW_GROUP)
        self._waiting = table.slice(rows).to_batches()
        self._rows += rows
        self._held -= rows


class IndexFile:
    """An index file that is there, held open: who removes or replaces it meanwhile changes nothing about this."""

    def __init__(self, path: bytes) -> None:
        """Open it and make sure that its bytes are those that were written; they are read once for that.

        Raises:
            NotFound: there is none.
            IndexDamaged: it is none, or not whole.
            Unsupported: another version of Argosy wrote it.
        """
        self._path = path
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound(f"{self.name}: there is no such index file: take a snapshot first") from error
        except OSError as error:
            raise ours(os.path.realpath(path), error) from error
        self.place = f"/proc/{os.getpid()}/fd/{file}"
        """Where others may open it as long as this is held: its name may hold what they take for a pattern."""
        weakref.finalize(self, os.close, file)
        self._parquet, self.about = self._opened(file)

    @property
    def name(self) -> str:
        """Return where it lies, for people."""
        return display(os.path.realpath(self._path))

    def batches(self, columns: Sequence[str] | None = None, rows: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, so many at a time; of all columns unless some are named."""
        yield from self._parquet.iter_batches(batch_size=rows, columns=list(columns or SCHEMA.names))

    def has_any(self, column: str) -> bool:
        """Say whether any row has a value in the column; nothing is read for that but the footer."""
        return any(said is None or said.null_count < rows for rows, said in self._statistics(column))

    def has_above(self, column: str, value: int) -> bool:
        """Say whether any row may have more than that in the column; nothing is read for that but the footer."""
        told = [said for _, said in self._statistics(column)]
        return any(said is None or not said.has_min_max or said.max > value for said in told)

    def _statistics(self, column: str) -> list[tuple[int, pq.Statistics | None]]:
        """Return of each row group how many rows it has, and what it says of the column."""
        metadata, at = self._parquet.metadata, SCHEMA.get_field_index(column)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        return [(group.num_rows, group.column(at).statistics) for group in groups]

    def _opened(self, file: int) -> tuple[pq.ParquetFile, About]:
        try:
            whole = is_whole(file)
            if whole is False:
                raise IndexDamaged(f"{self.name}: is damaged, its digest is not what it was: {REMEDY}")
            parquet = pq.ParquetFile(pa.OSFile(self.place))
            said = (parquet.metadata.metadata or {}).get(METADATA_KEY, b"")
            self._refuse_others(msgspec.json.decode(said, type=_Version).v)
            if not whole:
                raise IndexDamaged(f"{self.name}: says no digest: {REMEDY}")
            return parquet, msgspec.json.decode(said, type=About)
        except (pa.ArrowException, OSError, MemoryError, msgspec.DecodeError) as error:
            raise IndexDamaged(f"{self.name}: is not a whole index file: {REMEDY}") from error

    def _refuse_others(self, version: int) -> None:
        if version > VERSION:
            raise Unsupported(f"{self.name}: is of version {version}, and this Argosy reads {VERSION}: update Argosy")
        if version < VERSION:
            raise Unsupported(f"{self.name}: is of version {version}, and this Argosy reads {VERSION}: {REMEDY}")


class _Version(msgspec.Struct):
    v: int


def _sync_parent(path: bytes) -> None:
    directory = os.open(os.path.dirname(path) or b".", _DIRECTORY)
    try:
        fsync(directory)
    finally:
        os.close(directory)
