"""Rows on their way from a walk into an index file: in a file that has no name, and that memory only looks into."""

import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from argosy.linux import tree
from argosy.linux.tree import Asked, Block, Identity

_SMALL: Final = 4096
"""Rows that are not worth a place in the file."""
_ALIGNED: Final = 64
_SPOILT: Final = -1
_BINARY: Final = frozenset({"name", "target", "extra"})
_TYPES: Final = {
    "inode": pa.uint64(),
    "born_ns": pa.int64(),
    "parent_inode": pa.uint64(),
    "parent_born_ns": pa.int64(),
    "name": pa.binary(),
    "kind": pa.uint8(),
    "unknown": pa.uint8(),
    "size": pa.int64(),
    "mtime_ns": pa.int64(),
    "ctime_ns": pa.int64(),
    "mode": pa.uint16(),
    "uid": pa.uint32(),
    "gid": pa.uint32(),
    "links": pa.uint32(),
    "target": pa.binary(),
    "extra": pa.binary(),
    "depth": pa.uint32(),
}
ROWS: Final = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])
"""What a walk tells; see `linux.tree.Block`."""


class Piece(NamedTuple):
    """Rows that follow each other in the index, read by one walk."""

    rows: pa.RecordBatch
    sure_ns: int
    """A directory among them whose ctime is not before may have changed since, and its ctime not."""

    def part(self, begin: int, end: int) -> "Piece":
        """Return some of the rows."""
        return Piece(self.rows.slice(begin, end - begin), self.sure_ns)


class Spill:
    """Where the rows of a scan are until they are written; gone when it ends, or is killed."""

    def __init__(self, directory: bytes, told: Callable[[int], None], rows_at_once: int = tree.ROWS) -> None:
        """Make the file in the directory.

        `told` is called with how many rows there are, now and then.
        """
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed at the end of the block
        self._block = Block(rows_at_once)
        self._told, self._rows, self._end = told, 0, 0
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def __enter__(self) -> Self:
        """Have it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file; rows that somebody still has stay until he has not."""
        self._file.close()

    def read(self, top: int, asked: Asked) -> list[Piece]:
        """Walk the open directory; return what that shows.

        A directory that moved away while it was read has a ctime of -1: it is to be read again.

        Raises:
            OSError: there is no room on the disk, no memory, or no descriptor left.
        """
        walk, pieces, torn, more = tree.walk(top, asked), [], [], True
        try:
            while more:
                more = walk.fill(self._block)
                torn += self._block.torn
                if self._block.rows:
                    pieces.append(Piece(self._kept(), asked.sure_ns))
                    self._rows += self._block.rows
                    self._told(self._rows)
        finally:
            walk.close()
        return [Piece(_spoilt(piece.rows, torn), piece.sure_ns) for piece in pieces] if torn else pieces

    @property
    def descriptor(self) -> int:
        """The file."""
        return self._file.fileno()

    def look_away(self) -> None:
        """Have no page of the file count as memory until it is looked at again."""
        for seen in self._maps:
            seen.madvise(mmap.MADV_DONTNEED)

    def _kept(self) -> pa.RecordBatch:
        parts = [self._block.used(name) for each in _TYPES for name in _buffers(each)]
        small = self._block.rows < _SMALL
        buffers = iter([pa.py_buffer(bytes(part)) for part in parts] if small else self._written(parts))
        arrays = [
            pa.Array.from_buffers(kind, self._block.rows, [None, *(next(buffers) for _ in _buffers(name))])
            for name, kind in _TYPES.items()
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=ROWS)

    def _written(self, parts: list[memoryview]) -> list[pa.Buffer]:
        """Write them behind what is there, and look at them there."""
        begin, places, at = self._end, [], 0
        for part in parts:
            _write(self._file.fileno(), part, begin + at)
            places.append((at, len(part)))
            at += len(part) + -len(part) % _ALIGNED
        self._end += at + -at % mmap.ALLOCATIONGRANULARITY
        os.ftruncate(self._file.fileno(), self._end)
        seen = mmap.mmap(self._file.fileno(), at, prot=mmap.PROT_READ, offset=begin)
        self._maps.add(seen)
        whole = pa.py_buffer(seen)
        return [whole.slice(start, size) for start, size in places]


def _buffers(column: str) -> list[str]:
    return [column + "_ends", column + "s"] if column in _BINARY else [column]


def _write(descriptor: int, part: memoryview, at: int) -> None:
    while part:
        written = os.pwrite(descriptor, part, at)
        part, at = part[written:], at + written


def _spoilt(rows: pa.RecordBatch, torn: list[Identity]) -> pa.RecordBatch:
    """Return the rows, the ctime of those directories being one that nothing has."""
    mask = pc.is_in(rows["inode"], pa.array([inode for inode, _ in torn], pa.uint64()))
    if not pc.any(mask).as_py():
        return rows
    ctimes = pc.if_else(mask, pa.scalar(_SPOILT, pa.int64()), rows["ctime_ns"])
    return rows.set_column(ROWS.get_field_index("ctime_ns"), ROWS.field("ctime_ns"), ctimes)
