"""What differs between two indexes (first argument: entries, 1,000,000 unless told), beside DuckDB's plain join.

Usage: bench/diff.py [ROWS] [DIRECTORY]   A B A B, each in a process of its own. Indexes are made below DIRECTORY (the
system's directory for temporary files unless told) and removed in the end. Of each kind of change there is 1 %:
created, deleted, written, renamed; and one directory in a hundred moved to another.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import alone, show

PER_DIRECTORY, DIRECTORIES = 50, 20
EPOCH = 1_700_000_000_000_000_000
_TREE = f"""
WITH walk AS (SELECT range AS i, range % {PER_DIRECTORY} = 0 AS is_top, range // {PER_DIRECTORY} AS d,
              hash(range) % 1000 AS lot, hash(range // {PER_DIRECTORY}) % 1000 AS dlot FROM range(?)),
placed AS (SELECT *, CASE WHEN i = 0 THEN 0 WHEN NOT is_top THEN d WHEN d % {DIRECTORIES} = 0 THEN 0
           ELSE d // {DIRECTORIES} * {DIRECTORIES} END * {PER_DIRECTORY} AS up FROM walk)
SELECT (CASE WHEN new AND NOT is_top AND lot BETWEEN 10 AND 19 THEN i + 1000000000 ELSE i END + 256)::UBIGINT AS inode,
       {EPOCH} + i AS born_ns, (up + 256)::UBIGINT AS parent_inode, {EPOCH} + up AS parent_born_ns,
       CASE WHEN i = 0 THEN '' WHEN new AND NOT is_top AND lot BETWEEN 10 AND 19 THEN 'made-' || i
            WHEN new AND (CASE WHEN is_top THEN d % {DIRECTORIES} <> 0 AND dlot < 10 ELSE lot BETWEEN 20 AND 29 END)
            THEN 'name-' || i ELSE 'file-' || lpad(i::VARCHAR, 8, '0') || '.dat' END::BLOB AS name,
       CASE WHEN is_top THEN 2 ELSE 1 END::UTINYINT AS kind, 0::UTINYINT AS unknown,
       CASE WHEN is_top THEN 0 ELSE (hash(i, 1) % 1048576)::BIGINT END AS size,
       (EPOCH + i * 7 + CASE WHEN new AND lot < 10 THEN 1000000 ELSE 0 END) AS mtime_ns,
       mtime_ns + 5 AS ctime_ns, 420::USMALLINT AS mode, 1000::UINTEGER AS uid, 1000::UINTEGER AS gid,
       1::UINTEGER AS links, NULL::BLOB AS attributes, NULL::BLOB AS target, NULL::BLOB AS hash,
       NULL::BLOB AS pointer
FROM placed, (SELECT ? AS new, {EPOCH}::BIGINT AS EPOCH) WHERE NOT (new AND NOT is_top AND lot BETWEEN 30 AND 39)
"""
_PLAIN = """
SELECT count(*) FROM read_parquet(?) o FULL JOIN read_parquet(?) n ON o.inode = n.inode AND o.born_ns = n.born_ns
WHERE o.inode IS NULL OR n.inode IS NULL OR o.parent_inode <> n.parent_inode OR o.name <> n.name OR o.size <> n.size
   OR (n.kind <> 2 AND o.mtime_ns <> n.mtime_ns) OR o.mode <> n.mode OR o.uid <> n.uid OR o.gid <> n.gid
   OR o.attributes IS DISTINCT FROM n.attributes OR o.target IS DISTINCT FROM n.target
"""


def main() -> None:
    """Make the indexes, measure, and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    top = tempfile.mkdtemp(prefix="argosy-diff-", dir=sys.argv[2] if len(sys.argv) > 2 else None)
    try:
        make(Path(top, "old"), rows, new=False)
        make(Path(top, "new"), rows, new=True)
        runs = [(alone(ours, top), alone(plain, top)) for _ in range(2)]
    finally:
        shutil.rmtree(top)
    print(f"{rows} entries, 1 % of each kind of change; {os.cpu_count()} processors")
    for one, other in runs:
        show("argosy diff", one)
        show("plain join", other)


def make(path: Path, rows: int, *, new: bool) -> None:
    """Write an index of so many entries."""
    from argosy.snapshots.index import IndexWriter
    from argosy.snapshots.schema import SCHEMA, About

    con = duckdb.connect()
    none = dict.fromkeys(("fileset", "name", "snapshot", "filesystem", "host"), "")
    with IndexWriter(bytes(path)) as writer:
        for batch in con.sql(_TREE, params=[rows, new]).to_arrow_reader(122_880):
            writer.add(batch.cast(SCHEMA))
        writer.finish(About(**none, subvolume=0, began_ns=EPOCH + new, complete=True))


def ours(top: str) -> int:
    """Go through what differs."""
    from argosy.snapshots.differences import differences

    return sum(1 for _ in differences(Path(top, "old"), Path(top, "new")))


def plain(top: str) -> int:
    """Join both files and count what differs: no paths, no moves, no order."""
    con = duckdb.connect()
    row = con.execute(_PLAIN, [f"{top}/old", f"{top}/new"]).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
