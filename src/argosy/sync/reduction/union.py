"""Two trees that never agreed on anything, or no longer know on what: what both have alike becomes the base.

What is left is then a matter of `reducing`. Both index files are in walk order, so they are gone through side by side,
cut where both have the same directory: memory is bounded by the largest piece between two such directories.
"""

from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from argosy.sync.planner.options import Policy
from argosy.sync.reduction import pieces
from argosy.sync.reduction.base import SCHEMA, About, Base, BaseWriter, mint
from argosy.sync.reduction.engine import USUAL, Engine, Room, engine
from argosy.sync.reduction.sides import Scanned, place_of

_TYPES: Final = {"inode": pa.uint64(), "known": pa.uint8()}
OPEN: Final = pa.schema(
    [
        ("path", pa.binary()),
        ("size", pa.int64()),
        *(
            (f"{side}_{name}", _TYPES.get(name, pa.int64()))
            for side in ("one", "two")
            for name in ("row", "known", "inode", "mtime_ns", "ctime_ns")
        ),
    ]
)
"""Files that may be alike: under the same path, of the same size, of hashes that are not known. `row` is the number of
the row of the index file, `known` says whether that has a hash."""


class Union(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides have alike, and what they may have alike."""

    base: Base
    """What both have alike."""
    sides: tuple[Scanned, Scanned]
    """Both, without what may be alike."""
    open: Path
    """That, as `OPEN`, in walk order: hashes must tell before anything is done with it."""
    files: int
    """How many those are."""
    unread: tuple[int, int]
    """How many files of both sides must be hashed to tell, and how many bytes those have."""

    @property
    def alike(self) -> int:
        """How many names both have alike, directories included."""
        return self.base.rows


def unite(sides: tuple[Scanned, Scanned], folder: Path, *, policy: Policy = Policy.NEWEST, room: Room = USUAL) -> Union:
    """Write to a folder what both sides have alike: of the same kind, content and metadata under the same path.

    Contents are alike where their hashes are; times prove nothing. A directory that both have is alike; where its
    metadata differ, those of the side that loses by the policy count as agreed on, so that the other's win.

    Raises:
        NotFound, Corrupt, Unsupported: an index file is missing, broken or of a newer Argosy.
    """
    one, two = (side.about for side in sides)
    about = About(pair=f"{one.fileset} {two.fileset}", generation=1, sides=(place_of(one), place_of(two)))
    names, files, size = folder / "open", 0, 0
    with engine(room) as db, BaseWriter(folder / "alike", about) as alike, _opened(names) as maybe:
        db.view("one", [sides[0].index])
        db.view("two", [sides[1].index])
        _directories(db, alike, loser="one" if policy is Policy.IGNORE else "two")
        for piece in pieces.both(db, sides):
            more = _piece(db, piece, alike, maybe)
            files, size = files + more[0], size + more[1]
        alike.finish()
    count = pq.read_metadata(names).num_rows
    left = [msgspec.structs.replace(side, without=names if count else None) for side in sides]
    return Union(
        base=Base.open([folder / "alike"]), sides=(left[0], left[1]), open=names, files=count, unread=(files, size)
    )


def _opened(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, OPEN, compression="zstd", compression_level=1)


def _directories(db: Engine, alike: BaseWriter, *, loser: str) -> None:
    """Find which directories both have, as table `pairs`, and write them."""
    db.run(*pieces.PAIRS)
    db.take("ids", pa.table({"id": mint(db.number("SELECT count(*) FROM met"))}))
    db.run(*pieces.NAME_PAIRS)
    for batch in db.stream(pieces.directories(loser)):
        _add(alike, pa.Table.from_batches([batch]))


def _piece(db: Engine, piece: pieces.Piece, alike: BaseWriter, maybe: pq.ParquetWriter) -> tuple[int, int]:
    """Write what is, and what may be, alike in a piece of both trees; return how many files and bytes tell which."""
    found = pieces.alike(db, piece)
    known, unsure = (found.filter(pc.equal(found["maybe"], value)) for value in (0, 1))
    _add(alike, known.append_column(SCHEMA.field("id"), mint(known.num_rows)))
    maybe.write_table(unsure.select(OPEN.names).cast(OPEN))
    files = pc.subtract(2, pc.add(unsure["one_known"], unsure["two_known"]))
    sizes = unsure["size"].cast(pa.float64())  # a few sparse files have more bytes than an integer counts
    return _sum(files), _sum(pc.multiply(files, sizes))


def _sum(numbers: pa.ChunkedArray) -> int:
    return int(pc.sum(numbers, min_count=0).as_py())


def _add(writer: BaseWriter, rows: pa.Table) -> None:
    if rows.num_rows:
        writer.add(rows.select(SCHEMA.names), _sum(rows["at_top"]))
