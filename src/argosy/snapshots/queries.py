# ruff: noqa: S608 - names of tables and columns, all of them ours
"""The statements of a comparison, in DuckDB's SQL. Views `o` and `n` hold the older and the newer file.

Kinds are those of index files: 1 file, 2 directory, 3 symlink, 4 other, 5 boundary; `unknown` 1: only its name is
known, 2: a directory whose names are not all known.
"""

from typing import Final

_PRINT: Final = """hash(born_ns, parent_inode, parent_born_ns, name, kind, unknown, size,
    CASE kind WHEN 2 THEN 0 ELSE mtime_ns END, mode, uid, gid, attributes, target, hash)"""
_NAME: Final = "parent_inode, parent_born_ns, name"

WINDOW: Final = 491_520
"""Rows of both files that are compared at once, four row groups: what is looked up among them stays in the caches."""

_KEYS: Final = f"SELECT inode, {_PRINT} AS print, file_row_number AS row FROM {{}}"
_DIFFER: Final = """
SELECT l.inode AS inode, l.print AS print, l.row AS row,
       r.inode AS old_inode, r.print AS old_print, r.row AS old_row
FROM ({}) l FULL JOIN ({}) r ON l.print = r.print AND l.inode = r.inode WHERE l.row IS NULL OR r.row IS NULL"""
_SLICE: Final = " WHERE file_row_number >= ${0}_from AND file_row_number < ${0}_to"

BEGIN: Final = (
    """CREATE TEMP TABLE near(inode UBIGINT, print UBIGINT, row BIGINT, old_inode UBIGINT, old_print UBIGINT,
    old_row BIGINT)""",
)
NEAR: Final = "INSERT INTO near " + _DIFFER.format(
    _KEYS.format("n") + _SLICE.format("n"), _KEYS.format("o") + _SLICE.format("o")
)
"""Rows of a window of the one file that are not so in one of the other, by and large the same part of the tree."""

_APART: Final = "CREATE TEMP TABLE apart AS " + _DIFFER.format(
    "SELECT inode, print, row FROM near WHERE row IS NOT NULL",
    "SELECT old_inode AS inode, old_print AS print, old_row AS row FROM near WHERE old_row IS NOT NULL",
)
"""Rows that the other file has not so anywhere."""

_DIRECTORY: Final = "inode, born_ns, parent_inode, parent_born_ns, name, unknown"
_SIDES: Final = (
    """CREATE TEMP TABLE read AS SELECT *, file_row_number AS row FROM n
    WHERE kind = 2 OR file_row_number IN (SELECT row FROM apart WHERE row IS NOT NULL)""",
    """CREATE TEMP TABLE late AS SELECT * FROM read
    WHERE kind <> 5 AND unknown <> 1 AND row IN (SELECT row FROM apart WHERE row IS NOT NULL)""",
    f"CREATE TEMP TABLE ndirs AS SELECT {_DIRECTORY}, row FROM read WHERE kind = 2",
    "DROP TABLE read",
    """CREATE TEMP TABLE early AS SELECT *, file_row_number AS row FROM o
    WHERE kind <> 5 AND file_row_number IN (SELECT old_row FROM apart WHERE old_row IS NOT NULL)""",
    "DROP TABLE near",
    "DROP TABLE apart",
)

_ODIRS: Final = f"""
CREATE TEMP TABLE odirs AS SELECT * FROM ndirs WHERE unknown <> 1 AND row NOT IN (SELECT row FROM late)
UNION ALL SELECT {_DIRECTORY}, row FROM early WHERE kind = 2
"""
"""Directories of the older file: those of the newer that are in both, and its own."""

_CHANGED: Final = """CASE WHEN e.unknown = 1 THEN true
    ELSE e.mode <> l.mode OR e.uid <> l.uid OR e.gid <> l.gid OR e.attributes IS DISTINCT FROM l.attributes
    OR (l.kind <> 2 AND (e.size <> l.size OR e.mtime_ns <> l.mtime_ns OR e.target IS DISTINCT FROM l.target
                         OR e.hash <> l.hash IS TRUE)) END"""

_STAYED: Final = f"""
CREATE TEMP TABLE pairs AS
SELECT l.row AS row, e.row AS old_row, false AS moved, {_CHANGED} AS changed FROM late l JOIN early e USING ({_NAME})
WHERE e.unknown = 1 OR (e.inode = l.inode AND e.born_ns = l.born_ns AND e.kind = l.kind)
"""
"""The same object under the same name. Of what could not be looked at before, the name is all that is known."""

_REPLACED: Final = f"""
INSERT INTO pairs
SELECT l.row, e.row, false, true FROM late l JOIN early e USING ({_NAME}, kind)
WHERE kind IN (1, 3) AND l.row NOT IN (SELECT row FROM pairs) AND e.row NOT IN (SELECT old_row FROM pairs)
  AND NOT EXISTS (SELECT 1 FROM early was WHERE was.inode = l.inode AND was.born_ns = l.born_ns AND was.kind = l.kind)
"""
"""Another object under the same name, which was nowhere else."""

_MOVED: Final = f"""
INSERT INTO pairs
WITH
l AS (SELECT *, row_number() OVER (PARTITION BY inode, born_ns, kind ORDER BY row) AS nth FROM late
      WHERE row NOT IN (SELECT row FROM pairs)),
e AS (SELECT *, row_number() OVER (PARTITION BY inode, born_ns, kind ORDER BY row) AS nth FROM early
      WHERE unknown <> 1 AND row NOT IN (SELECT old_row FROM pairs))
SELECT l.row, e.row, true, {_CHANGED} FROM l JOIN e USING (inode, born_ns, kind, nth)
"""

_LEFT: Final = (
    "CREATE TEMP TABLE made AS SELECT row FROM late WHERE row NOT IN (SELECT row FROM pairs)",
    """CREATE TEMP TABLE gone AS SELECT row, inode, born_ns, parent_inode, parent_born_ns, name, kind FROM early
    WHERE unknown <> 1 AND row NOT IN (SELECT old_row FROM pairs)""",
)

_COVERED: Final = f"""
DELETE FROM gone WHERE row IN (SELECT gone.row FROM gone JOIN late l USING ({_NAME}) JOIN pairs ON pairs.row = l.row)
"""
"""A name that something else was moved to is not gone."""

_UNSURE: Final = (
    f"""CREATE TEMP TABLE veiled AS
    SELECT inode, born_ns, {_NAME}, kind, unknown, file_row_number AS row FROM n WHERE unknown <> 0
    UNION ALL SELECT inode, born_ns, {_NAME}, kind, unknown, file_row_number FROM n WHERE kind = 5""",
    f"""DELETE FROM gone WHERE row IN
    (SELECT gone.row FROM gone JOIN veiled v USING ({_NAME}) WHERE v.unknown = 1 OR v.kind = 5)""",
    f"""CREATE TEMP TABLE unsure AS
    WITH RECURSIVE hidden(inode, born_ns) AS (
        (SELECT inode, born_ns FROM veiled WHERE kind = 2 AND unknown = 2
         UNION SELECT d.inode, d.born_ns FROM odirs d JOIN veiled v USING ({_NAME}) WHERE v.unknown = 1 OR v.kind = 5)
        UNION SELECT d.inode, d.born_ns FROM hidden h
        JOIN odirs d ON d.parent_inode = h.inode AND d.parent_born_ns = h.born_ns AND d.row <> 0
        WHERE NOT EXISTS (SELECT 1 FROM ndirs s WHERE s.inode = d.inode AND s.born_ns = d.born_ns)
    ) SELECT * FROM hidden""",
    """DELETE FROM gone WHERE EXISTS
    (SELECT 1 FROM unsure u WHERE u.inode = gone.parent_inode AND u.born_ns = gone.parent_born_ns)""",
)
"""What was in a directory that is hidden now may still be there: nothing of it counts as gone."""

MATCH: Final = (_APART, *_SIDES, _ODIRS, _STAYED, _REPLACED, _MOVED, *_LEFT, _COVERED, *_UNSURE)

SPELL_OUT: Final = (
    """CREATE TEMP TABLE along AS
    WITH RECURSIVE below(inode, born_ns) AS (
        SELECT l.inode, l.born_ns FROM pairs JOIN late l USING (row) WHERE moved AND l.kind = 2
        UNION SELECT d.inode, d.born_ns FROM below b
        JOIN ndirs d ON d.parent_inode = b.inode AND d.parent_born_ns = b.born_ns AND d.row <> 0
    ) SELECT * FROM below""",
    """CREATE TEMP TABLE carried AS SELECT n.*, n.file_row_number AS row FROM n
    JOIN along a ON n.parent_inode = a.inode AND n.parent_born_ns = a.born_ns
    WHERE n.unknown <> 1 AND n.kind <> 5 AND n.file_row_number NOT IN (SELECT row FROM made)
      AND n.file_row_number NOT IN (SELECT row FROM pairs WHERE moved)""",
)
"""What lies in moved directories and did not move in them."""


def _paths(table: str, directories: str, needed: str) -> str:
    """Return what fills a table with the paths of directories that are needed."""
    return f"""
    CREATE TEMP TABLE {table} AS
    WITH RECURSIVE
    up(inode, born_ns) AS (
        {needed}
        UNION SELECT d.parent_inode, d.parent_born_ns FROM up JOIN {directories} d USING (inode, born_ns)),
    above AS (SELECT * FROM {directories} SEMI JOIN up USING (inode, born_ns)),
    down(inode, born_ns, path) AS (
        SELECT inode, born_ns, ''::BLOB FROM above WHERE row = 0
        UNION ALL SELECT d.inode, d.born_ns, down.path || d.name || '/'::BLOB
        FROM down JOIN above d ON d.parent_inode = down.inode AND d.parent_born_ns = down.born_ns WHERE d.row <> 0)
    SELECT * FROM down"""


_UP: Final = "SELECT parent_inode, parent_born_ns FROM {}"

NONE_GONE: Final = "DELETE FROM gone"
"""Of a newer index in which something may have been missed."""

LOCATE: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS carried AS SELECT *, file_row_number AS row FROM n LIMIT 0",
    _paths("npaths", "ndirs", " UNION ".join(map(_UP.format, ("late", "carried", "veiled")))),
    _paths("opaths", "odirs", f"{_UP.format('early')} UNION {_UP.format('carried')}"),
    """CREATE TEMP TABLE here AS SELECT l.row, p.path || l.name AS path FROM late l
    JOIN npaths p ON p.inode = l.parent_inode AND p.born_ns = l.parent_born_ns""",
    """CREATE TEMP TABLE there AS SELECT e.row AS old_row, p.path || e.name AS path FROM early e
    JOIN opaths p ON p.inode = e.parent_inode AND p.born_ns = e.parent_born_ns""",
    f"""CREATE TEMP TABLE renewed AS SELECT l.row, e.row AS old_row, {_CHANGED} OR l.kind <> 2 AS changed
    FROM made JOIN late l USING (row) JOIN here USING (row) JOIN there USING (path)
    JOIN gone ON gone.row = there.old_row JOIN early e ON e.row = gone.row WHERE l.kind = e.kind""",
    """DELETE FROM gone WHERE row IN (SELECT old_row FROM renewed UNION ALL
    SELECT there.old_row FROM there JOIN here USING (path) JOIN pairs USING (row))""",
    "DELETE FROM made WHERE row IN (SELECT row FROM renewed)",
    """CREATE TEMP TABLE strange AS SELECT p.path || v.name AS path, v.unknown FROM veiled v
    JOIN npaths p ON p.inode = v.parent_inode AND p.born_ns = v.parent_born_ns
    WHERE v.row > 0 AND NOT EXISTS (SELECT 1 FROM odirs o WHERE o.inode = p.inode AND o.born_ns = p.born_ns)""",
    "DELETE FROM gone WHERE row IN (SELECT old_row FROM there JOIN strange s USING (path) WHERE s.unknown <> 2)",
    """DELETE FROM gone WHERE row IN (SELECT old_row FROM there JOIN strange s
    ON there.path > s.path || '/'::BLOB AND there.path < s.path || '0'::BLOB)""",
)
"""Paths, and what they tell: a name in a directory that was made anew is the same file's; one that has another object
now is not gone, nor is one that cannot be seen in a directory that was made anew."""

_VALUES: Final = "kind, inode, size, mtime_ns, ctime_ns, mode, uid, gid, links"
_CARRIED: Final = "c." + _VALUES.replace(", ", ", c.")
_RECENT: Final = "($since IS NULL OR ctime_ns >= $since)"

TOLD: Final = f"""
SELECT change, path, source, {_VALUES} FROM (
    SELECT 0 AS part, -row AS place, 'deleted' AS change, path, NULL::BLOB AS source, {_VALUES}
    FROM (SELECT row FROM gone) JOIN early USING (row) JOIN there ON there.old_row = row
  UNION ALL
    SELECT 1, row, 'moved', here.path, there.path, {_VALUES} FROM pairs JOIN late USING (row) JOIN here USING (row)
    JOIN there USING (old_row) WHERE moved AND here.path <> there.path AND {_RECENT}
  UNION ALL
    SELECT 1, row, 'moved', p.path || name, q.path || name, {_CARRIED} FROM carried c
    JOIN npaths p ON p.inode = c.parent_inode AND p.born_ns = c.parent_born_ns
    JOIN opaths q ON q.inode = c.parent_inode AND q.born_ns = c.parent_born_ns
    WHERE p.path <> q.path AND {_RECENT}
  UNION ALL
    SELECT 2, row, 'created', path, NULL, {_VALUES} FROM made JOIN late USING (row) JOIN here USING (row)
    WHERE {_RECENT}
  UNION ALL
    SELECT 2, row, 'updated', path, NULL, {_VALUES} FROM renewed JOIN late USING (row) JOIN here USING (row)
    WHERE changed AND {_RECENT}
  UNION ALL
    SELECT 2, row, 'updated', here.path, NULL, {_VALUES} FROM pairs JOIN late USING (row) JOIN here USING (row)
    JOIN there USING (old_row) WHERE (changed OR (moved AND here.path = there.path)) AND {_RECENT}
) WHERE octet_length(path) > 0 ORDER BY part, place, change
"""
"""All that differs, in its order; `since`: the oldest ctime that counts, or NULL."""

UNSEEN: Final = (
    f"CREATE TEMP TABLE ndirs AS SELECT {_DIRECTORY}, file_row_number AS row FROM n WHERE kind = 2",
    f"CREATE TEMP TABLE veiled AS SELECT {_NAME}, file_row_number AS row FROM n WHERE unknown <> 0",
    _paths("npaths", "ndirs", _UP.format("veiled")),
)
UNSEEN_PATHS: Final = """
SELECT p.path || v.name FROM veiled v
JOIN npaths p ON p.inode = v.parent_inode AND p.born_ns = v.parent_born_ns ORDER BY v.row
"""
"""What could not be looked at, or listed."""
