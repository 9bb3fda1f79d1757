"""A plan with 1 % changed on each side, and a first sync of equal trees, beside DuckDB's plain join of the files.

Usage: bench/sync_plan.py [ROWS] [DIRECTORY]   1,000,000 rows unless told; each run in a process of its own, A B A B.
Files are made below DIRECTORY (the system's directory for temporary files unless told) and removed in the end. What
changed on a side: written, chmodded, created, deleted, renamed, directories moved and removed; together about 1 %.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import alone, show

PER_DIRECTORY, DIRECTORIES = 50, 20
EPOCH = 1_700_000_000_000_000_000
_WALK = f"""
walk AS (SELECT range AS i, range % {PER_DIRECTORY} = 0 AS is_dir, range // {PER_DIRECTORY} AS d,
         CASE WHEN range % {PER_DIRECTORY} = 0 THEN (CASE WHEN range // {PER_DIRECTORY} % {DIRECTORIES} = 0 THEN 0
              ELSE range // {PER_DIRECTORY} // {DIRECTORIES} * {DIRECTORIES} END) ELSE range // {PER_DIRECTORY} END
         * {PER_DIRECTORY} AS up FROM range($rows))
"""
_INDEX = f"""
WITH {_WALK},
lots AS (SELECT *, CASE WHEN $side = 0 OR $equal THEN 9999 ELSE hash(i, $side) % 2000 END AS lot,
         CASE WHEN $equal THEN 9999 ELSE hash(d, $side, 7) % 2000 END AS dlot,
         CASE WHEN $equal THEN 9999 ELSE hash(up // {PER_DIRECTORY}, $side, 7) % 2000 END AS ulot FROM walk)
SELECT (CASE WHEN lot BETWEEN 8 AND 11 AND NOT is_dir THEN i + 500000000 ELSE i END
        + 256 + $side * 1000000000)::UBIGINT AS inode,
       {EPOCH} + i AS born_ns,
       (CASE WHEN is_dir AND i > 0 AND dlot < 2 THEN 0 ELSE up END + 256 + $side * 1000000000)::UBIGINT AS parent_inode,
       {EPOCH} + CASE WHEN is_dir AND i > 0 AND dlot < 2 THEN 0 ELSE up END AS parent_born_ns,
       CASE WHEN i = 0 THEN '' WHEN NOT is_dir AND lot BETWEEN 8 AND 11 THEN 'made-' || $side || '-' || i
            WHEN NOT is_dir AND lot BETWEEN 12 AND 14 THEN 'name-' || $side || '-' || i
            ELSE 'file-' || lpad(i::VARCHAR, 8, '0') || '.dat' END::BLOB AS name,
       CASE WHEN is_dir THEN 2 ELSE 1 END::UTINYINT AS kind, 0::UTINYINT AS unknown,
       CASE WHEN is_dir THEN 0 ELSE (hash(i, 1) % 1048576)::BIGINT + (lot < 6)::INT END AS size,
       {EPOCH} + i * 7 + CASE WHEN lot < 6 THEN 1000000 ELSE 0 END AS mtime_ns,
       {EPOCH} + i * 7 + 5 + CASE WHEN lot < 8 OR lot BETWEEN 12 AND 14 THEN 2000000 ELSE 0 END AS ctime_ns,
       CASE WHEN lot IN (6, 7) THEN 384 ELSE 420 END::USMALLINT AS mode, 1000::UINTEGER AS uid, 1000::UINTEGER AS gid,
       1::UINTEGER AS links, NULL::BLOB AS attributes, NULL::BLOB AS target,
       CASE WHEN NOT is_dir AND ($equal OR lot < 15)
            THEN unhex(sha256(CASE WHEN lot < 6 OR lot BETWEEN 8 AND 11 THEN $side || '-' || i ELSE i::VARCHAR END))
            END AS hash, NULL::BLOB AS pointer
FROM lots WHERE is_dir AND NOT (dlot = 9 AND d % {DIRECTORIES} > 0)
             OR (NOT is_dir AND lot NOT BETWEEN 15 AND 18 AND ulot <> 9)
ORDER BY i
"""
_BASE = f"""
WITH {_WALK}
SELECT md5(i::VARCHAR) AS id, CASE up WHEN 0 THEN repeat('0', 32) ELSE md5(up::VARCHAR) END AS parent,
       ('file-' || lpad(i::VARCHAR, 8, '0') || '.dat')::BLOB AS name,
       CASE WHEN is_dir THEN 2 ELSE 1 END::UTINYINT AS kind,
       CASE WHEN is_dir THEN ''::BLOB ELSE unhex(sha256(i::VARCHAR)) END AS content,
       CASE WHEN is_dir THEN 0 ELSE (hash(i, 1) % 1048576)::BIGINT END AS size, {EPOCH} + i * 7 AS mtime_ns,
       420::USMALLINT AS mode, 1000::UINTEGER AS uid, 1000::UINTEGER AS gid, NULL::BLOB AS attributes,
       {
    ", ".join(
        f'''(i + 256 + {side} * 1000000000)::UBIGINT AS {name}_inode, {EPOCH} + i AS {name}_born_ns,
           (up + 256 + {side} * 1000000000)::UBIGINT AS {name}_parent_inode, {EPOCH} + up AS {name}_parent_born_ns,
           {EPOCH} + i * 7 AS {name}_mtime_ns, {EPOCH} + i * 7 + 5 AS {name}_ctime_ns'''
        for side, name in ((1, "one"), (2, "two"))
    )
}
FROM walk WHERE i > 0 ORDER BY i
"""
_PLAIN = """
SELECT count(*) FROM read_parquet(?) b
FULL JOIN read_parquet(?) o ON b.one_inode = o.inode AND b.one_born_ns = o.born_ns
FULL JOIN read_parquet(?) t ON b.two_inode = t.inode AND b.two_born_ns = t.born_ns
WHERE b.id IS NULL OR o.inode IS NULL OR t.inode IS NULL OR b.name <> o.name OR b.name <> t.name
   OR b.one_parent_inode <> o.parent_inode OR b.two_parent_inode <> t.parent_inode
   OR b.size <> o.size OR b.size <> t.size
   OR b.mode <> o.mode OR b.mode <> t.mode OR b.one_ctime_ns <> o.ctime_ns OR b.two_ctime_ns <> t.ctime_ns
"""
_PLAIN_UNION = """
SELECT count(*) FROM read_parquet(?) o FULL JOIN read_parquet(?) t
ON o.name = t.name AND o.parent_born_ns = t.parent_born_ns
WHERE o.inode IS NULL OR t.inode IS NULL OR o.hash <> t.hash OR o.mode <> t.mode OR o.mtime_ns <> t.mtime_ns
"""


def main() -> None:
    """Make the files, measure, and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    top = tempfile.mkdtemp(prefix="argosy-sync-", dir=sys.argv[2] if len(sys.argv) > 2 else None)
    times = 1 if rows > 2_000_000 else 2
    try:
        print(f"{rows} names; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
        for side, name in ((1, "one"), (2, "two")):
            index(Path(top, name), rows, side, equal=False)
        base(Path(top, "base"), rows)
        for _ in range(times):
            show("plan, 1 % changed", alone(changed, top))
            show("plain join of three", alone(plain, top))
        for side, name in ((1, "one"), (2, "two")):
            index(Path(top, name), rows, side, equal=True)
        for _ in range(times):
            show("first sync, equal", alone(first, top))
            show("plain join of two", alone(plain_union, top))
    finally:
        shutil.rmtree(top)


def index(path: Path, rows: int, side: int, *, equal: bool) -> None:
    """Write the index of a side."""
    from argosy.snapshots.index import IndexWriter
    from argosy.snapshots.schema import SCHEMA, About

    about = About(
        fileset=f"{side:032x}", name="f", snapshot="s", filesystem=f"{side:032x}", subvolume=0, host="h", began_ns=1,
        complete=True,
    )  # fmt: skip
    with IndexWriter(bytes(path)) as writer:
        for batch in _generated(_INDEX, {"rows": rows, "side": side, "equal": equal}):
            writer.add(batch.cast(SCHEMA))
        writer.finish(about)


def base(path: Path, rows: int) -> None:
    """Write the base of both sides."""
    from argosy.sync.reduction.base import About, BaseWriter, Place

    about = About(pair="one two", generation=1, sides=(Place(f"{1:032x}", 0), Place(f"{2:032x}", 0)))
    with BaseWriter(path, about) as writer:
        for batch in _generated(_BASE, {"rows": rows}):
            table = pa.Table.from_batches([batch])
            for place, name in enumerate(("id", "parent")):
                ids = pa.array(map(bytes.fromhex, table[name].to_pylist()), pa.binary(16))
                table = table.set_column(place, name, pa.ExtensionArray.from_storage(pa.uuid(), ids))
            writer.add(table, 0)
        writer.finish()


def _generated(query: str, given: dict[str, object]) -> pa.RecordBatchReader:
    con = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": tempfile.gettempdir()})
    return con.sql(query, params=given).to_arrow_reader(122_880)


def changed(top: str) -> str:
    """Plan a sync of what changed."""
    from argosy.sync.planner.options import Guard, Options
    from argosy.sync.planner.planning import plan
    from argosy.sync.reduction.base import Base
    from argosy.sync.reduction.reducing import reduce

    began = time.perf_counter()
    trees = reduce(Base.open([Path(top, "base")]), _sides(top))
    told = len(trees.base), len(trees.sides[0].entries), len(trees.sides[1].entries)
    picked = time.perf_counter() - began
    made = plan(trees, Options(guard=Guard()))
    spent = time.perf_counter() - began - picked
    found = f"{len(made.operations)} operations, {len(made.needs)} needs"
    return f"told {told}, picked in {picked:.1f} s, planned in {spent:.1f} s: {found}"


def first(top: str) -> str:
    """Plan a first sync."""
    from argosy.sync.planner.options import Options
    from argosy.sync.planner.planning import plan
    from argosy.sync.reduction.reducing import reduce
    from argosy.sync.reduction.union import unite

    began = time.perf_counter()
    found = unite(_sides(top), Path(top))
    spent = time.perf_counter() - began
    made = plan(reduce(found.base, found.sides), Options())
    return f"{found.alike} alike in {spent:.1f} s, {len(made.operations)} operations"


def _sides(top: str) -> tuple:
    from argosy.sync.reduction.sides import Scanned

    return Scanned(index=Path(top, "one")), Scanned(index=Path(top, "two"))


def plain(top: str) -> str:
    """Join three files and count what differs: nothing that a plan needs, and no plan."""
    row = (
        duckdb.connect(config={"temp_directory": top})
        .execute(_PLAIN, [f"{top}/{name}" for name in ("base", "one", "two")])
        .fetchall()
    )
    return f"{row[0][0]} differ"


def plain_union(top: str) -> str:
    """Join two files by the parent's birth time and the name, and count what differs."""
    row = (
        duckdb.connect(config={"temp_directory": top})
        .execute(_PLAIN_UNION, [f"{top}/{name}" for name in ("one", "two")])
        .fetchall()
    )
    return f"{row[0][0]} differ"


if __name__ == "__main__":
    main()
