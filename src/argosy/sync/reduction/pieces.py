"""Both trees side by side, in pieces between directories that both have.

A directory that both have is at the same place in the order of both walks: what lies before it in one tree can only
have its counterpart before it in the other.
"""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from argosy.snapshots.index import IndexFile
from argosy.snapshots.schema import SCHEMA
from argosy.sync.reduction.engine import Engine
from argosy.sync.reduction.sides import Scanned

Piece = tuple[pa.Table, pa.Table]

_ROWS: Final = 400_000
"""Of a piece, both sides together, as far as there are directories to cut at."""
_NIL: Final = "'00000000-0000-0000-0000-000000000000'::UUID"
_NOTHING: Final = blake3(b"").digest()
_EMPTY: Final = f"unhex('{_NOTHING.hex()}')"
_SIDES: Final = ("one", "two")


def _of(side: str) -> str:
    return f"""CREATE TEMP TABLE {side}_dirs AS
        SELECT inode, born_ns, parent_inode, parent_born_ns, name, mode, uid, gid,
        attributes, mtime_ns, ctime_ns, row FROM {side} WHERE kind = 2 AND unknown <> 1"""


PAIRS: Final = (
    *(_of(side) for side in _SIDES),
    """CREATE TEMP TABLE met AS
    WITH RECURSIVE met(one_row, two_row, up, one_inode, one_born_ns, two_inode, two_born_ns, path) AS (
        SELECT o.row, t.row, -1::BIGINT, o.inode, o.born_ns, t.inode, t.born_ns, ''::BLOB
        FROM one_dirs o, two_dirs t WHERE o.row = 0 AND t.row = 0
        UNION ALL
        SELECT o.row, t.row, m.one_row, o.inode, o.born_ns, t.inode, t.born_ns, m.path || o.name || '/'::BLOB
        FROM met m
        JOIN one_dirs o ON o.parent_inode = m.one_inode AND o.parent_born_ns = m.one_born_ns AND o.row > 0
        JOIN two_dirs t ON t.parent_inode = m.two_inode AND t.parent_born_ns = m.two_born_ns AND t.row > 0
            AND t.name = o.name)
    SELECT * FROM met""",
)
"""Directories that both have under the same path, from the top downward, the tops among them."""

NAME_PAIRS: Final = (
    f"""CREATE TEMP TABLE pairs AS SELECT m.*, CASE m.one_row WHEN 0 THEN {_NIL} ELSE i.id END AS id
    FROM (SELECT *, row_number() OVER (ORDER BY one_row) AS nth FROM met) m
    JOIN (SELECT id, row_number() OVER () AS nth FROM ids) i USING (nth)""",
    "DROP TABLE met",
)

_BOTH: Final = """o.inode AS one_inode, o.born_ns AS one_born_ns, o.parent_inode AS one_parent_inode,
    o.parent_born_ns AS one_parent_born_ns, o.mtime_ns AS one_mtime_ns, o.ctime_ns AS one_ctime_ns,
    t.inode AS two_inode, t.born_ns AS two_born_ns, t.parent_inode AS two_parent_inode,
    t.parent_born_ns AS two_parent_born_ns, t.mtime_ns AS two_mtime_ns, t.ctime_ns AS two_ctime_ns"""


def directories(loser: str) -> str:
    """Return the query for the rows that the base has of directories that both have."""
    of = loser[0]
    return f"""SELECT p.id, u.id AS parent, o.name, 2 AS kind, ''::BLOB AS content, 0 AS size, o.mtime_ns,
        {of}.mode, {of}.uid, {of}.gid, {of}.attributes, {_BOTH}, (p.up = 0)::UTINYINT AS at_top
    FROM pairs p JOIN pairs u ON p.up = u.one_row
    JOIN one_dirs o ON o.row = p.one_row JOIN two_dirs t ON t.row = p.two_row
    ORDER BY p.one_row"""


def _entries(side: str) -> str:
    return f"""(SELECT e.* REPLACE (CASE WHEN e.kind = 1 AND e.size = 0 THEN {_EMPTY} ELSE e.hash END AS hash),
            p.one_row AS pair, p.id AS parent, p.path FROM {side}_piece e
        JOIN pairs p ON e.parent_inode = p.{side}_inode AND e.parent_born_ns = p.{side}_born_ns
        WHERE e.kind IN (1, 3) AND e.unknown = 0)"""


_ALIKE: Final = f"""SELECT (o.kind = 1 AND (o.hash IS NULL OR t.hash IS NULL))::UTINYINT AS maybe, o.row AS one_row,
    t.row AS two_row, o.parent, (o.pair = 0)::UTINYINT AS at_top,
    (o.hash IS NOT NULL)::UTINYINT AS one_known, (t.hash IS NOT NULL)::UTINYINT AS two_known,
    CASE maybe WHEN 1 THEN o.path || o.name END AS path
FROM {_entries("one")} o JOIN {_entries("two")} t ON o.pair = t.pair AND o.name = t.name AND o.kind = t.kind
WHERE o.size = t.size AND (maybe = 1 OR (
    o.mode = t.mode AND o.uid = t.uid AND o.gid = t.gid AND o.attributes IS NOT DISTINCT FROM t.attributes
    AND (o.kind = 3 OR (o.hash = t.hash AND o.mtime_ns = t.mtime_ns)) AND o.target IS NOT DISTINCT FROM t.target))
ORDER BY one_row"""
_OF_ONE: Final = ("name", "kind", "size", "mtime_ns", "mode", "uid", "gid", "attributes")
_OF_EACH: Final = ("inode", "born_ns", "parent_inode", "parent_born_ns", "mtime_ns", "ctime_ns")


def alike(db: Engine, piece: Piece) -> pa.Table:
    """Return what both have alike in a piece, in walk order, and what may be alike: `maybe`.

    Columns: those of a base but for `id`, and `path` of what may be alike.
    """
    with db.given({"one_piece": piece[0], "two_piece": piece[1]}):
        found = db.table(_ALIKE)
    rows = [_rows(side, found[f"{name}_row"]) for name, side in zip(_SIDES, piece, strict=True)]
    for name in _OF_ONE:
        found = found.append_column(name, rows[0][name])
    for side, table in zip(_SIDES, rows, strict=True):
        for name in _OF_EACH:
            found = found.append_column(f"{side}_{name}", table[name])
    return found.append_column("content", pc.coalesce(rows[0]["target"], rows[0]["hash"].cast(pa.binary()), _NOTHING))


def _rows(piece: pa.Table, numbers: pa.ChunkedArray) -> pa.Table:
    """Return these rows of a piece."""
    first = piece["row"][0].as_py() if piece.num_rows else 0
    return piece.take(pc.subtract(numbers, first))


def both(db: Engine, sides: tuple[Scanned, Scanned]) -> Iterator[Piece]:
    """Yield the rows of both sides, piece by piece; `row` numbers them."""
    cuts = db.con.execute(f"""SELECT min(one_row), min(two_row) FROM pairs WHERE one_row > 0
        GROUP BY (one_row + two_row) // {_ROWS} ORDER BY ALL""").fetchall()
    walks = [_Walk(side) for side in sides]
    for one, two in cuts:
        yield walks[0].until(one), walks[1].until(two)
    yield walks[0].until(None), walks[1].until(None)


class _Walk:
    """The rows of one index file, in their order."""

    def __init__(self, side: Scanned) -> None:
        self._batches = IndexFile(bytes(side.index)).batches()
        self._held = pa.Table.from_batches([], SCHEMA)
        self._at = 0

    def until(self, row: int | None) -> pa.Table:
        """Return the rows up to that one, which is not among them; None: all that are left."""
        parts = [self._held]
        rows = self._held.num_rows
        while (row is None or self._at + rows < row) and (batch := next(self._batches, None)) is not None:
            parts.append(pa.Table.from_batches([batch]))
            rows += batch.num_rows
        table = pa.concat_tables(parts)
        count = rows if row is None else row - self._at
        self._held = table.slice(count)
        found = table.slice(0, count)
        numbers = pa.array(range(self._at, self._at + count), pa.int64())
        self._at += count
        return found.append_column("row", numbers)
