"""The base of a pair as files: one row for each object that both sides agree on, in compressed Parquet chunks.

A row says by which inode, below which inode and in which version each side has the object, so that it can be compared
with an index file row by row, without finding out about parents. Chunks are never changed: a newer generation of the
base has other ones. Each says which of how many it is, so that none can be forgotten, named twice, or be an old one.
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
from argosy.snapshots.wholeness import UNWRITTEN, is_whole, stamp, told_columns
from argosy.sync.planner.trees import Binding, Spot

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

    def binding(self, inode: int, born_ns: int) -> Binding:
        """Return which inode of it that is."""
        return Binding(bytes.fromhex(self.filesystem), self.subvolume, inode, born_ns)


class Dark(msgspec.Struct, frozen=True, array_like=True):
    """Where a side could not look when both agreed; see `planner.trees.Spot`."""

    inode: int
    born_ns: int
    name: bytes = b""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk says of itself."""

    v: int = VERSION
    pair: str
    """Which two filesets, by their ids and in their order."""
    generation: int
    """Of the base that it is part of: of one base all chunks have the same."""
    chunk: int = 0
    """Which of the chunks it is, from 0."""
    chunks: int = 1
    """How many there are."""
    sides: tuple[Place, Place]
    dark: tuple[tuple[Dark, ...], tuple[Dark, ...]] = ((), ())
    """By side; what one chunk says holds for all."""
    rows: int = 0
    roots: int = 0
    """How many of its objects lie at the top."""
    digest: str = UNWRITTEN
    """As of an index file."""


class BaseWriter:
    """A chunk that is there, whole and on the disk, as soon as `finish` returns, and not before."""

    def __init__(self, path: Path, about: About) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._about = about
        self._rows = self._roots = 0

    def __enter__(self) -> Self:
        """Begin the file."""
        self._file = self._part.open("w+b")
        os.fchmod(self._file.fileno(), 0o600)
        self._writer = pq.ParquetWriter(
            self._file,
            SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=["uid", "gid", "mode"],
            write_statistics=told_columns(SCHEMA),
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
        about = msgspec.structs.replace(self._about, rows=self._rows, roots=self._roots, digest=UNWRITTEN)
        self._writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(about)})
        self._writer.close()
        self._file.flush()
        about = msgspec.structs.replace(about, digest=stamp(self._file.fileno()))
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
    dark: tuple[tuple[Dark, ...], tuple[Dark, ...]] = ((), ())

    @classmethod
    def open(cls, chunks: Sequence[Path]) -> Self:
        """Read what the chunks say of themselves.

        Raises:
            Invalid: there are none, one is missing or named twice, or they are not of one base.
            NotFound: there is no such file.
            Corrupt: one is no chunk, or not whole.
            Unsupported: a newer Argosy wrote one.
        """
        if not chunks:
            raise Invalid("base: name its chunks, all of them")
        told = [about(chunk) for chunk in chunks]
        _check_one(chunks, told)
        order = sorted(range(len(told)), key=lambda place: told[place].chunk)
        return cls(
            chunks=tuple(chunks[place] for place in order),  # a plan does not hang on how they were named
            pair=told[0].pair,
            generation=told[0].generation,
            sides=told[0].sides,
            rows=sum(each.rows for each in told),
            roots=sum(each.roots for each in told),
            dark=(_dark(told, 0), _dark(told, 1)),
        )

    def spots(self) -> tuple[frozenset[Spot], frozenset[Spot]]:
        """Return where each side could not look when both agreed."""
        one, two = (
            frozenset(Spot(place.binding(each.inode, each.born_ns), each.name) for each in dark)
            for place, dark in zip(self.sides, self.dark, strict=True)
        )
        return one, two


def _dark(told: Sequence[About], side: int) -> tuple[Dark, ...]:
    return tuple(dict.fromkeys(each for about in told for each in about.dark[side]))


def _check_one(chunks: Sequence[Path], told: Sequence[About]) -> None:
    """Return if these are the chunks of one base, all of them, each once."""
    first, begin = chunks[0], told[0]
    seen: dict[int, Path] = {}
    for chunk, each in zip(chunks, told, strict=True):
        if (each.pair, each.sides) != (begin.pair, begin.sides):
            raise Invalid(f"{chunk}: is not of the pair that {first} is of: name the chunks of one pair's base")
        if (each.generation, each.chunks) != (begin.generation, begin.chunks):
            raise Invalid(
                f"{chunk}: is of generation {each.generation} of the base, {first} of {begin.generation}: "
                "name the chunks of one generation, the newest"
            )
        if each.chunk in seen:
            raise Invalid(f"{chunk}: is the same chunk as {seen[each.chunk]}: name each chunk once")
        seen[each.chunk] = chunk
    missing = ", ".join(str(number + 1) for number in range(begin.chunks) if number not in seen)
    if missing:
        raise Invalid(f"{first}: is one of {begin.chunks} chunks, and number {missing} is not named: name them all")


def about(chunk: Path) -> About:
    """Return what the chunk says of itself, after its bytes were found to be those that were written.

    Raises:
        NotFound, Corrupt, Unsupported: as `Base.open`.
    """
    broken = f"{chunk}: is no base, or not a whole one: sync without it, as for the first time"
    try:
        with chunk.open("rb") as file:
            if not is_whole(file.fileno()):
                raise Corrupt(broken)
        said = (pq.read_metadata(chunk).metadata or {}).get(METADATA_KEY, b"")
        told = msgspec.json.decode(said)
        if isinstance(told, dict) and isinstance(told.get("v"), int) and told["v"] > VERSION:
            raise Unsupported(f"{chunk}: is of version {told['v']}: this Argosy reads {VERSION}")
        return msgspec.convert(told, About)
    except FileNotFoundError as error:
        raise NotFound(f"{chunk}: there is no such base") from error
    except (pa.ArrowException, OSError, MemoryError, msgspec.MsgspecError) as error:
        raise Corrupt(broken) from error


def mint(count: int) -> pa.Array:
    """Return so many new ids: ULIDs, the time in milliseconds and 80 random bits each."""
    ids = bytearray(os.urandom(16 * count))
    for place, byte in enumerate((time.time_ns() // 1_000_000).to_bytes(6)):
        ids[place::16] = bytes([byte]) * count
    stored = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(bytes(ids))])
    return pa.ExtensionArray.from_storage(pa.uuid(), stored)
