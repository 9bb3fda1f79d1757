"""The scan of a fileset: what its tree looks like, as an index file.

A walk puts its rows into a spill; what changed meanwhile is read again (see `settling`); then the rows are written in
order, each with what is attached to it and, where that is known, what it holds. Memory does not grow with the tree,
but for the names in the largest directories.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from argosy.core.pointer import Binding
from argosy.linux import tree
from argosy.linux.tree import Asked, Identity
from argosy.snapshots.attributes import Held, Xattr, content, digest, marked, pointer, unpacked
from argosy.snapshots.carried import Carried, known_bare, sure_ns
from argosy.snapshots.clock import Clock
from argosy.snapshots.index import IndexFile, IndexWriter
from argosy.snapshots.moves import Moves
from argosy.snapshots.schema import SCHEMA, About, RowKind
from argosy.snapshots.settling import Settling
from argosy.snapshots.spill import Piece, Spill

_FOREVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is to be scanned, and for what."""

    about: About
    hidden: Collection[Identity] = ()
    """Directories that are Argosy's own: they have no rows."""
    nested: Collection[Identity] = ()
    """Tops of other filesets: boundaries."""
    earlier: IndexFile | None = None
    """An index of the same fileset, for what it knows of files that have not changed."""
    frozen: bool = False
    """Whether nothing can change below the top: a read-only snapshot."""
    left_at: Callable[[Binding], int] = lambda _binding: 0
    """Returns with which ctime Argosy left a file that it pointed to a copy; 0 where that is not known."""
    told: Callable[[int], None] = lambda _rows: None
    """Called now and then with how many rows there are."""
    rows_at_once: int = tree.ROWS

    def write(self, top: int, path: bytes) -> About:
        """Scan what lies below the open directory and write the index file, whole, under that path.

        Raises:
            OSError: there is no room on the disk, no memory, or no descriptor left. What cannot be read is no error:
                its row says so.
        """
        directory = os.path.dirname(path) or b"."
        with Spill(directory, self.told, self.rows_at_once) as spill, IndexWriter(path) as writer:
            clock = Clock(spill.descriptor)
            about = msgspec.structs.replace(self.about, began_ns=clock.now())
            pieces, complete = self._read(top, spill, clock)
            ended = clock.now()
            for batch in self._finished(pieces, directory):
                writer.add(batch)
            return writer.finish(msgspec.structs.replace(about, ended_ns=ended, complete=complete))

    def _read(self, top: int, spill: Spill, clock: Clock) -> tuple[list[Piece], bool]:
        asked = Asked(
            sure_ns=_FOREVER if self.frozen else clock.sure_ns(),
            hidden=frozenset(self.hidden),
            nested=frozenset(self.nested),
            known=None if self.earlier is None else known_bare(self.earlier),
        )
        began = clock.now()
        pieces = spill.read(top, asked)
        if self.frozen:
            return pieces, True
        with Moves(top, began + clock.slack_ns) as moves:
            return Settling(top, spill, clock, asked, moves).settled(pieces)

    def _finished(self, pieces: list[Piece], scratch: bytes) -> Iterator[pa.RecordBatch]:
        """Yield rows as an index has them; what is written is let go of."""
        carried = Carried(self.earlier, pieces, scratch)
        try:
            pieces.reverse()
            while pieces:
                rows = pieces.pop().rows
                yield self._row_batch(rows, carried.for_rows(rows.num_rows))
        finally:
            carried.close()

    def _row_batch(self, rows: pa.RecordBatch, hashes: list[bytes | None] | None) -> pa.RecordBatch:
        made = {"target": _targets(rows)}
        extras = pc.indices_nonzero(pc.binary_length(rows["extra"])).to_pylist()
        if extras:
            made["attributes"], made["pointer"], hashes = self._attached(rows, extras, hashes)
        made["hash"] = None if hashes is None else pa.array(hashes, SCHEMA.field("hash").type)
        return pa.RecordBatch.from_arrays([_column(rows, made, field) for field in SCHEMA], schema=SCHEMA)

    def _attached(
        self, rows: pa.RecordBatch, places: list[int], hashes: list[bytes | None] | None
    ) -> tuple[pa.Array, pa.Array, list[bytes | None]]:
        digests, pointers = _nothing(rows), _nothing(rows)
        known = hashes or _nothing(rows)
        for place in places:
            xattrs = list(unpacked(rows["extra"][place].as_py()))
            digests[place], pointers[place] = digest(xattrs), self._pointer(xattrs, rows, place)
            if known[place] is None and rows["kind"][place].as_py() == RowKind.FILE:
                known[place] = content(xattrs, self._held(rows, place))
        kind = SCHEMA.field("attributes").type
        return pa.array(digests, kind), pa.array(pointers, kind), known

    def _pointer(self, xattrs: list[Xattr], rows: pa.RecordBatch, place: int) -> bytes | None:
        """Return what stands for the pointer; how it was left is asked of what changed since the earlier index only."""
        ctime_ns, told = rows["ctime_ns"][place].as_py(), pointer(xattrs)
        recent = self.earlier is not None and ctime_ns >= sure_ns(self.earlier)
        left = told is not None and recent and self.left_at(self._held(rows, place).binding) == ctime_ns
        return None if told is None else marked(told, left=left)

    def _held(self, rows: pa.RecordBatch, place: int) -> Held:
        inode, born, size, mtime = (rows[name][place].as_py() for name in ("inode", "born_ns", "size", "mtime_ns"))
        filesystem = bytes.fromhex(self.about.filesystem)
        binding = Binding(filesystem=filesystem, subvolume=self.about.subvolume, inode=inode, born_ns=born)
        return Held(binding, size, mtime)


def _nothing(rows: pa.RecordBatch) -> list[bytes | None]:
    return [None] * rows.num_rows


def _column(rows: pa.RecordBatch, made: dict[str, pa.Array | None], field: pa.Field) -> pa.Array:
    if not field.nullable:
        return rows[field.name]
    column = made.get(field.name)
    return pa.nulls(rows.num_rows, field.type) if column is None else column


def _targets(rows: pa.RecordBatch) -> pa.Array | None:
    known = pc.greater(pc.binary_length(rows["target"]), 0)
    if not pc.any(known).as_py():
        return None
    return pc.if_else(known, rows["target"], pa.scalar(None, pa.binary()))
