"""Index files: written beside and renamed, read whole or by columns."""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from argosy.core.errors import Corrupt, NotFound, Unsupported
from argosy.core.paths import display
from argosy.linux.syncing import fsync
from argosy.snapshots.schema import METADATA_KEY, ROW_GROUP, SCHEMA, VERSION, About

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
        self._file = open(self._part, "wb")
        os.fchmod(self._file.fileno(), 0o600)
        self._writer = pq.ParquetWriter(
            self._file, SCHEMA, compression="zstd", compression_level=1, use_dictionary=["uid", "gid", "mode", "links"]
        )
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
        about = msgspec.structs.replace(about, rows=self._rows)
        self._writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(about)})
        self._writer.close()
        self._file.flush()
        fsync(self._file.fileno())
        self._file.close()
        os.rename(self._part, self._path)
        _sync_parent(self._path)
        return about

    def _write(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, SCHEMA)
        self._writer.write_table(table.slice(0, rows), row_group_size=ROW_GROUP)
        self._waiting = table.slice(rows).to_batches()
        self._rows += rows
        self._held -= rows


class IndexFile:
    """An index file that is there."""

    def __init__(self, path: bytes) -> None:
        """Read what it says of itself.

        Raises:
            NotFound: there is none.
            Corrupt: it is none, or not whole.
            Unsupported: a newer Argosy wrote it.
        """
        self.path = path
        try:
            self._parquet = pq.ParquetFile(os.fsdecode(path), memory_map=True)
        except FileNotFoundError as error:
            raise NotFound(f"{display(path)}: there is no such index file: take a snapshot first") from error
        except (pa.ArrowInvalid, OSError) as error:
            raise Corrupt(
                f"{display(path)}: is not a whole index file: remove it and take the snapshot anew"
            ) from error
        self.about = self._about()

    def batches(self, columns: Sequence[str] | None = None, rows: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, so many at a time; of all columns unless some are named."""
        yield from self._parquet.iter_batches(batch_size=rows, columns=None if columns is None else list(columns))

    def has_any(self, column: str) -> bool:
        """Say whether any row has a value in the column; nothing is read for that but the footer."""
        metadata = self._parquet.metadata
        at = SCHEMA.get_field_index(column)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        told = [(group.num_rows, group.column(at).statistics) for group in groups]
        return any(said is None or said.null_count < rows for rows, said in told)

    def _about(self) -> About:
        said = (self._parquet.metadata.metadata or {}).get(METADATA_KEY)
        try:
            version = msgspec.json.decode(said or b"", type=_Version).v
            if version > VERSION:
                raise Unsupported(f"{display(self.path)}: is of version {version}: this Argosy reads {VERSION}")
            return msgspec.json.decode(said or b"", type=About)
        except msgspec.DecodeError as error:
            raise Corrupt(f"{display(self.path)}: is not an index file of Argosy") from error


class _Version(msgspec.Struct):
    v: int


def _sync_parent(path: bytes) -> None:
    directory = os.open(os.path.dirname(path) or b".", _DIRECTORY)
    try:
        fsync(directory)
    finally:
        os.close(directory)
