"""The base of a pair as files: one row for each object that both sides agree on, in compressed Parquet chunks.

A row says by which inode, below which inode and in which version each side has the object, so that it can be compared
with an index file row by row, without finding out about parents. Chunks are never changed: a newer generation of the
base has other chunks in place of some.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from argosy.core.errors import Corrupt, Invalid, NotFound, Unsupported
from argosy.linux.syncing import fsync

VERSION: Final = 1
METADATA_KEY: Final = b"argosy"
ROW_GROUP: Final = 122_880
TOP_ID: Final = bytes(16)
"""Stands in `parent` for the top directory."""


def _of_side(side: str) -> list[pa.Field]:
    return [
        pa.field(f"{side}_inode", pa.uint64(), nullable=False),
        pa.field(f"{side}_born_ns", pa.int64(), nullable=False),
        pa.field(f"{side}_parent_inode", pa.uint64(), nullable=False),
        pa.field(f"{side}_parent_born_ns", pa.int64(), nullable=False),
        pa.field(f"{side}_mtime_ns", pa.int64(), nullable=False),
        pa.field(f"{side}_ctime_ns", pa.int64(), nullable=False),
    ]


SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.uuid(), nullable=False),
        pa.field("parent", pa.uuid(), nullable=False),
        pa.field("name", pa.binary(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("content", pa.binary(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("mode", pa.uint16(), nullable=False),
        pa.field("uid", pa.uint32(), nullable=False),
        pa.field("gid", pa.uint32(), nullable=False),
        pa.field("attributes", pa.binary(16)),
        *_of_side("one"),
        *_of_side("two"),
    ]
)
"""`id`: a ULID. Kinds are those of index files. `content`: the BLAKE3 of a file, the target of a symlink, else empty.
The version of a side's data is `size` with the side's own times."""


class Place(msgspec.Struct, frozen=True):
    """The filesystem that one side of the pair lies on."""

    filesystem: str
    """Its UUID, 32 hex digits."""
    subvolume: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk says of itself."""

    v: int = VERSION
    pair: str
    """Which two filesets, by their ids and in their order."""
    generation: int
    """Of the base for which it was written."""
    sides: tuple[Place, Place]
    rows: int = 0
    roots: int = 0
    """How many of its objects lie at the top."""


class BaseWriter:
    """A chunk that is there, whole and on the disk, as soon as `finish` returns, and not before."""

    def __init__(self, path: Path, about: About) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._about = about
        self._rows = self._roots = 0

    def __enter__(self) -> Self:
        """Begin the file."""
        self._file = self._part.open("wb")
        os.fchmod(self._file.fileno(), 0o600)
        self._writer = pq.ParquetWriter(
            self._file, SCHEMA, compression="zstd", compression_level=1, use_dictionary=["uid", "gid", "mode"]
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not finished."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()
            self._part.unlink()

    def add(self, rows: pa.Table, roots: int) -> None:
        """Append rows, so many of which lie at the top."""
        self._writer.write_table(rows.cast(SCHEMA), row_group_size=ROW_GROUP)
        self._rows += rows.num_rows
        self._roots += roots

    def finish(self) -> About:
        """Complete the file and put it in its place; return what it says of itself."""
        about = msgspec.structs.replace(self._about, rows=self._rows, roots=self._roots)
        self._writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(about)})
        self._writer.close()
        self._file.flush()
        fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fsync(directory)
        finally:
            os.close(directory)
        return about


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """The chunks of one pair's base."""

    chunks: tuple[Path, ...]
    pair: str
    generation: int
    sides: tuple[Place, Place]
    rows: int
    roots: int

    @classmethod
    def open(cls, chunks: Sequence[Path]) -> Self:
        """Read what the chunks say of themselves.

        Raises:
            Invalid: there are none, or they are not of one pair.
            NotFound: there is no such file.
            Corrupt: one is no chunk, or not whole.
            Unsupported: a newer Argosy wrote one.
        """
        told = [about(chunk) for chunk in chunks]
        if len({(each.pair, each.sides) for each in told}) != 1:
            raise Invalid(f"{', '.join(map(str, chunks)) or 'base'}: name the chunks of one pair's base, all of them")
        return cls(
            chunks=tuple(chunks),
            pair=told[0].pair,
            generation=max(each.generation for each in told),
            sides=told[0].sides,
            rows=sum(each.rows for each in told),
            roots=sum(each.roots for each in told),
        )


def about(chunk: Path) -> About:
    """Return what the chunk says of itself.

    Raises:
        NotFound, Corrupt, Unsupported: as `Base.open`.
    """
    try:
        said = (pq.read_metadata(chunk).metadata or {}).get(METADATA_KEY, b"")
        told = msgspec.json.decode(said)
        if isinstance(told, dict) and isinstance(told.get("v"), int) and told["v"] > VERSION:
            raise Unsupported(f"{chunk}: is of version {told['v']}: this Argosy reads {VERSION}")
        return msgspec.convert(told, About)
    except FileNotFoundError as error:
        raise NotFound(f"{chunk}: there is no such base") from error
    except (pa.ArrowInvalid, OSError, msgspec.MsgspecError) as error:
        raise Corrupt(f"{chunk}: is no base, or not a whole one: sync without it, as for the first time") from error


def mint(count: int) -> pa.Array:
    """Return so many new ids: ULIDs, the time in milliseconds and 80 random bits each."""
    ids = bytearray(os.urandom(16 * count))
    for place, byte in enumerate((time.time_ns() // 1_000_000).to_bytes(6)):
        ids[place::16] = bytes([byte]) * count
    stored = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(bytes(ids))])
    return pa.ExtensionArray.from_storage(pa.uuid(), stored)
