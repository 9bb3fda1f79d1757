"""An index file with more hashes than a scan knew."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from argosy.snapshots.index import IndexFile, IndexWriter
from argosy.snapshots.schema import SCHEMA


def with_hashes(index: Path, hashes: Iterable[tuple[int, bytes]], new: Path) -> None:
    """Write the index file anew, with the hashes of rows, by their numbers in ascending order.

    Raises:
        NotFound, Corrupt, Unsupported: as `IndexFile`.
    """
    old = IndexFile(bytes(index))
    given = _Given(hashes)
    with IndexWriter(bytes(new)) as writer:
        for batch in old.batches():
            writer.add(_filled(batch, given.before(writer.rows + batch.num_rows), writer.rows))
        writer.finish(msgspec.structs.replace(old.about))


class _Given:
    """Hashes as they come, each looked at once."""

    def __init__(self, hashes: Iterable[tuple[int, bytes]]) -> None:
        self._hashes = iter(hashes)
        self._next = next(self._hashes, None)

    def before(self, row: int) -> Iterator[tuple[int, bytes]]:
        """Yield those of earlier rows."""
        while self._next is not None and self._next[0] < row:
            yield self._next
            self._next = next(self._hashes, None)


def _filled(batch: pa.RecordBatch, given: Iterator[tuple[int, bytes]], first: int) -> pa.RecordBatch:
    known = dict(given)
    if not known:
        return batch
    column = batch["hash"].to_pylist()
    if min(known) < first:
        raise ValueError("hashes are told out of order")  # else another file would get them
    for row, value in known.items():
        column[row - first] = value
    place = SCHEMA.get_field_index("hash")
    return batch.set_column(place, SCHEMA.field("hash"), pa.array(column, SCHEMA.field("hash").type))
