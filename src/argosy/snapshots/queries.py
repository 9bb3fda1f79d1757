# ruff: noqa: S608 - names of tables and columns, all of them ours
"""The statements of a comparison, in DuckDB's SQL. Views `o` and `n` hold the older and the newer file.

Kinds are those of index files: 1 file, 2 directory, 3 symlink, 4 other, 5 boundary; `unknown` 1: only its name is
known, 2: a directory whose names are not all known.
"""

from typing import Final

from argosy.core.phases import ALONG, DELETED, EMPTIED, MOVED, REST

_NAME: Final = "parent_inode, parent_born_ns, name"

WINDOW: Final = 491_520
"""Rows of both files that are compared at once, four row groups: what is looked up among them stays in the caches."""

_KEYS: Final = "SELECT inode, print, file_row_number AS row FROM {}"
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

_CHANGED: Final = """CASE WHEN e.unknown = 1 OR (e.unknown = 2 AND l.unknown = 0) THEN true
    ELSE e.mode <> l.mode OR e.uid <> l.uid OR e.gid <> l.gid OR e.attributes IS DISTINCT FROM l.attributes
    OR (l.kind <> 2 AND (e.size <> l.size OR e.mtime_ns <> l.mtime_ns OR e.target IS DISTINCT FROM l.target
                         OR e.hash <> l.hash IS TRUE)) END"""

_ATTACHED: Final = r"(l.pointer >= '\x80'::BLOB AND e.pointer IS DISTINCT FROM l.pointer) IS TRUE"
"""Whether its ctime is the one that Argosy left when it pointed to a copy."""
_TOUCHED: Final = f"""l.kind = 1 AND e.unknown = 0 AND e.ctime_ns <> l.ctime_ns AND e.links = l.links
    AND NOT {_ATTACHED} AND (e.pointer IS NOT DISTINCT FROM l.pointer OR l.hash IS NULL)
    AND (e.hash = l.hash) IS NOT TRUE"""
"""Another ctime that nothing that is known explains: what is left is a write that kept size and mtime. Of a stub made
since, whose hash is known, the bytes were looked at then."""

_STAYED: Final = f"""
CREATE TEMP TABLE pairs AS
SELECT l.row AS row, e.row AS old_row, false AS moved, {_CHANGED} AS changed, {_TOUCHED} AS touched
FROM late l JOIN early e USING ({_NAME})
WHERE e.unknown = 1 OR (e.inode = l.inode AND e.born_ns = l.born_ns AND e.kind = l.kind)
"""
"""The same object under the same name. Of what could not be looked at before, the name is all that is known."""

_REPLACED: Final = f"""
INSERT INTO pairs
SELECT l.row, e.row, false, true, false FROM late l JOIN early e USING ({_NAME}, kind)
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
SELECT l.row, e.row, true, {_CHANGED}, false FROM l JOIN e USING (inode, born_ns, kind, nth)
"""

_WRITTEN: Final = """
UPDATE pairs SET changed = true WHERE touched AND row NOT IN
    (SELECT l.row FROM late l JOIN late other USING (inode, born_ns) JOIN pairs m ON m.row = other.row WHERE m.moved)
"""
"""To rename a file gives it another ctime under all its names."""

_LEFT: Final = (
    "CREATE TEMP TABLE made AS SELECT row FROM late WHERE row NOT IN (SELECT row FROM pairs)",
    """CREATE TEMP TABLE gone AS SELECT row, inode, born_ns, parent_inode, parent_born_ns, name, kind FROM early
    WHERE unknown <> 1 AND row NOT IN (SELECT old_row FROM pairs)""",
    "CREATE TEMP TABLE doubted(row BIGINT)",
)
"""`doubted`: what is seen nowhere any more, and may be there all the same."""


def _doubt(which: str) -> tuple[str, str]:
    """Return what has these rows not count as gone."""
    return f"INSERT INTO doubted {which}", "DELETE FROM gone WHERE row IN (SELECT row FROM doubted)"


_COVERED: Final = (
    f"""CREATE TEMP TABLE replaced AS
    SELECT gone.* FROM gone JOIN late l USING ({_NAME}, kind) JOIN pairs ON pairs.row = l.row""",
    "DELETE FROM gone WHERE row IN (SELECT row FROM replaced)",
)
"""A name that something else of its kind was moved to is not gone."""

_VEILED: Final = " UNION ALL ".join(
    f"SELECT inode, born_ns, {_NAME}, kind, unknown, ctime_ns, file_row_number AS row FROM {{0}} WHERE {where}"
    for where in ("unknown <> 0", "kind = 5 AND unknown = 0")
)
"""What nobody can look at, or into."""

_UNSURE: Final = (
    f"CREATE TEMP TABLE veiled AS {_VEILED.format('n')}",
    *_doubt(f"SELECT gone.row FROM gone JOIN veiled v USING ({_NAME}) WHERE v.unknown = 1 OR v.kind = 5"),
    f"""CREATE TEMP TABLE unsure AS
    WITH RECURSIVE hidden(inode, born_ns) AS (
        (SELECT inode, born_ns FROM veiled WHERE kind = 2 AND unknown = 2
         UNION SELECT d.inode, d.born_ns FROM odirs d JOIN veiled v USING ({_NAME}) WHERE v.unknown = 1 OR v.kind = 5)
        UNION SELECT d.inode, d.born_ns FROM hidden h
        JOIN odirs d ON d.parent_inode = h.inode AND d.parent_born_ns = h.born_ns AND d.row <> 0
        WHERE NOT EXISTS (SELECT 1 FROM ndirs s WHERE s.inode = d.inode AND s.born_ns = d.born_ns)
    ) SELECT * FROM hidden""",
    *_doubt("""SELECT row FROM gone
    JOIN unsure u ON u.inode = gone.parent_inode AND u.born_ns = gone.parent_born_ns"""),
)
"""What was in a directory that is hidden now may still be there: nothing of it counts as gone."""

MATCH: Final = (_APART, *_SIDES, _ODIRS, _STAYED, _REPLACED, _MOVED, _WRITTEN, *_LEFT, *_COVERED, *_UNSURE)

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

NONE_GONE: Final = _doubt("SELECT row FROM gone UNION ALL SELECT row FROM replaced")
"""Of a newer index in which something may have been missed."""

LOCATE: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS carried AS SELECT *, file_row_number AS row FROM n LIMIT 0",
    _paths("npaths", "ndirs", " UNION ".join(map(_UP.format, ("late", "carried", "veiled", "early")))),
    _paths("opaths", "odirs", f"{_UP.format('early')} UNION {_UP.format('carried')}"),
    """CREATE TEMP TABLE here AS SELECT l.row, p.path || l.name AS path FROM late l
    JOIN npaths p ON p.inode = l.parent_inode AND p.born_ns = l.parent_born_ns""",
    """CREATE TEMP TABLE there AS SELECT e.row AS old_row, p.path || e.name AS path FROM early e
    JOIN opaths p ON p.inode = e.parent_inode AND p.born_ns = e.parent_born_ns""",
    """CREATE TEMP TABLE adrift AS
    WITH RECURSIVE elsewhere(inode, born_ns) AS (
        (SELECT p.inode, p.born_ns FROM opaths p JOIN npaths q USING (inode, born_ns) WHERE p.path <> q.path
         UNION SELECT inode, born_ns FROM gone JOIN there ON there.old_row = gone.row
         WHERE kind = 2 AND path NOT IN
             (SELECT path FROM made JOIN late USING (row) JOIN here USING (row) WHERE kind = 2)
         UNION SELECT inode, born_ns FROM replaced)
        UNION SELECT d.inode, d.born_ns FROM elsewhere e
        JOIN odirs d ON d.parent_inode = e.inode AND d.parent_born_ns = e.born_ns AND d.row <> 0
        WHERE NOT EXISTS (SELECT 1 FROM ndirs s WHERE s.inode = d.inode AND s.born_ns = d.born_ns)
    )
    SELECT early.row AS old_row FROM early
    JOIN elsewhere e ON e.inode = early.parent_inode AND e.born_ns = early.parent_born_ns""",
    """INSERT INTO gone SELECT * FROM replaced
    WHERE row IN (SELECT old_row FROM adrift) AND row NOT IN (SELECT row FROM doubted)""",
    f"""CREATE TEMP TABLE renewed AS SELECT l.row, e.row AS old_row, {_CHANGED} OR l.kind <> 2 AS changed
    FROM made JOIN late l USING (row) JOIN here USING (row) JOIN there USING (path)
    JOIN gone ON gone.row = there.old_row JOIN early e ON e.row = gone.row
    WHERE l.kind = e.kind AND e.row NOT IN (SELECT old_row FROM adrift)""",
    """DELETE FROM gone WHERE row NOT IN (SELECT old_row FROM adrift) AND row IN (SELECT old_row FROM renewed UNION ALL
    SELECT there.old_row FROM there JOIN here USING (path) JOIN pairs USING (row) JOIN late l USING (row)
    JOIN early e ON e.row = there.old_row WHERE e.kind = l.kind)""",
    "DELETE FROM made WHERE row IN (SELECT row FROM renewed)",
    """CREATE TEMP TABLE strange AS SELECT p.path || v.name AS path, v.unknown FROM veiled v
    JOIN npaths p ON p.inode = v.parent_inode AND p.born_ns = v.parent_born_ns
    WHERE v.row > 0 AND NOT EXISTS (SELECT 1 FROM odirs o WHERE o.inode = p.inode AND o.born_ns = p.born_ns)""",
    *_doubt("""SELECT old_row FROM there JOIN gone ON gone.row = there.old_row
    JOIN strange s USING (path) WHERE s.unknown <> 2"""),
    *_doubt("""SELECT old_row FROM there JOIN gone ON gone.row = there.old_row JOIN strange s
    ON there.path > s.path || '/'::BLOB AND there.path < s.path || '0'::BLOB"""),
)
"""Paths, and what they tell: a name in a directory that was made anew is the same file's; one that has another object
now is not gone, nor is one that cannot be seen in a directory that was made anew. `adrift` is what was in a directory
that has another path now, and would go along, or in one that has to be emptied, since another one takes its place:
under its own path that is gone in any case, whatever has that now, and whatever is to take its place there: whoever
carries out the moves cannot see it there before its directory has moved."""

_IS_ABOVE: Final = "r.source || '/'::BLOB IN (SELECT path FROM dirs) OR r.path || '/'::BLOB IN (SELECT path FROM dirs)"

_OUTERMOST: Final = """
CREATE TEMP TABLE outermost_{name} AS
SELECT * EXCLUDE (covered) FROM (
    SELECT row, {name} || '/'::BLOB AS first, {name} || '0'::BLOB AS past,
        max({name} || '0'::BLOB) OVER (ORDER BY {name} || '/'::BLOB ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        AS covered FROM tops)
WHERE covered IS NULL OR covered <= first
"""
"""From where to where names lie below a directory, but for those that lie in another: whatever has to do with such a
one has to do with the outermost, and no two of these overlap."""

RENAMES: Final = (
    """CREATE TEMP TABLE renames AS SELECT row, pairs.old_row, here.path, there.path AS source, ctime_ns
    FROM pairs JOIN late USING (row) JOIN here USING (row) JOIN there ON there.old_row = pairs.old_row
    WHERE moved AND (here.path <> there.path OR pairs.old_row IN (SELECT old_row FROM adrift))""",
    "CREATE TEMP TABLE dirs AS SELECT path FROM npaths UNION SELECT path FROM opaths",
    f"CREATE TEMP TABLE tops AS SELECT row, path, source FROM renames r WHERE {_IS_ABOVE}",
    *(_OUTERMOST.format(name=name) for name in ("source", "path")),
    """CREATE TEMP TABLE linked AS
    SELECT r.row, x.row AS other FROM renames r JOIN renames x ON x.source = r.path AND x.row <> r.row
    UNION ALL SELECT row, row FROM renames WHERE source = path"""
    + "".join(
        f"""
    UNION ALL SELECT r.row, o.row FROM renames r
    ASOF JOIN outermost_{top} o ON r.{own} >= o.first WHERE r.{own} < o.past"""
        for own in ("source", "path")
        for top in ("source", "path")
    ),
    "CREATE TEMP TABLE related AS SELECT row FROM linked UNION SELECT other FROM linked",
)
"""Renames, and which of them have to do with each other: names that others have or are to get, or lie below."""
RELATED: Final = "SELECT row, source, path FROM renames WHERE row IN (SELECT row FROM related) ORDER BY row"
HOPELESS: Final = """
WITH up AS (SELECT row, source, path FROM renames
            WHERE row IN (SELECT row FROM related) AND source > path || '/'::BLOB AND source < path || '0'::BLOB),
dead AS (SELECT there.path FROM there JOIN early ON early.row = there.old_row
         WHERE kind = 2 AND old_row NOT IN (SELECT old_row FROM pairs))
SELECT DISTINCT up.row FROM up JOIN dead top ON top.path = up.path
JOIN dead ON dead.path > up.path || '/'::BLOB AND dead.path < up.path || '0'::BLOB
    AND up.source > dead.path || '/'::BLOB AND up.source < dead.path || '0'::BLOB
UNION
SELECT r.row FROM renames taker JOIN dead top ON top.path = taker.path
JOIN dead ON dead.path > top.path || '/'::BLOB AND dead.path < top.path || '0'::BLOB
JOIN renames r ON r.source > dead.path || '/'::BLOB AND r.source < dead.path || '0'::BLOB
    AND r.path > taker.path || '/'::BLOB AND r.path < taker.path || '0'::BLOB
WHERE r.row IN (SELECT row FROM related)
"""
"""What is to have the name of a directory above it, or one in what moves there, where directories between the two
are no more: to remove them it has to leave, and to arrive they have to be removed, which no rename can wait for."""
ARRANGED: Final = "CREATE TEMP TABLE arranged(row BIGINT, level INTEGER, place BIGINT, stuck BOOLEAN)"
"""What becomes of those, filled by who knows."""


def _everything_below(table: str, directories: str, side: str) -> str:
    """Return what fills a table with the directories that are stuck, or lie in one that is."""
    return f"""
    CREATE TEMP TABLE {table} AS
    WITH RECURSIVE below(inode, born_ns) AS (
        SELECT s.inode, s.born_ns FROM {side} s WHERE s.kind = 2 AND s.row IN (SELECT {{}} FROM stuck)
        UNION SELECT d.inode, d.born_ns FROM below b
        JOIN {directories} d ON d.parent_inode = b.inode AND d.parent_born_ns = b.born_ns AND d.row <> 0
    ) SELECT * FROM below"""


_WITHIN: Final = "JOIN {0} b ON b.inode = {1}.parent_inode AND b.born_ns = {1}.parent_born_ns"

TAKE_APART: Final = (
    "CREATE TEMP TABLE stuck AS SELECT row, old_row FROM renames JOIN arranged USING (row) WHERE stuck",
    _everything_below("nbelow", "ndirs", "late").format("row"),
    f"""DELETE FROM stuck WHERE EXISTS (SELECT 1 FROM veiled v {_WITHIN.format("nbelow", "v")})
    OR EXISTS (SELECT 1 FROM veiled v JOIN nbelow USING (inode, born_ns) WHERE v.unknown = 2)""",
    "UPDATE arranged SET stuck = false WHERE row NOT IN (SELECT row FROM stuck)",
    "DELETE FROM nbelow WHERE NOT EXISTS (SELECT 1 FROM stuck)",
    _everything_below("obelow", "odirs", "early").format("old_row"),
    """CREATE TEMP TABLE kept AS
    WITH RECURSIVE up(inode, born_ns) AS (
        (SELECT inode, born_ns FROM unsure WHERE EXISTS (SELECT 1 FROM stuck)
         UNION SELECT early.parent_inode, early.parent_born_ns FROM doubted JOIN early USING (row)
         WHERE EXISTS (SELECT 1 FROM stuck))
        UNION SELECT d.parent_inode, d.parent_born_ns FROM up JOIN odirs d USING (inode, born_ns)
    ) SELECT * FROM up""",
    _paths("nspaths", "ndirs", "SELECT inode, born_ns FROM nbelow"),
    _paths("ospaths", "odirs", "SELECT inode, born_ns FROM obelow"),
    f"""CREATE TEMP TABLE remade AS
    SELECT n.file_row_number AS row, p.path || n.name AS path, n.* EXCLUDE (file_row_number) FROM n
    {_WITHIN.format("nbelow", "n")} JOIN nspaths p ON p.inode = n.parent_inode AND p.born_ns = n.parent_born_ns
    WHERE n.unknown <> 1 AND n.kind <> 5 AND n.file_row_number NOT IN (SELECT row FROM made)
      AND n.file_row_number NOT IN (SELECT row FROM renames)
    UNION ALL SELECT row, here.path, late.* EXCLUDE (row, file_row_number) FROM late JOIN here USING (row)
    WHERE row IN (SELECT row FROM stuck)""",
    f"""CREATE TEMP TABLE lost AS
    SELECT o.file_row_number AS row, p.path || o.name AS path, o.* EXCLUDE (file_row_number) FROM o
    {_WITHIN.format("obelow", "o")} JOIN ospaths p ON p.inode = o.parent_inode AND p.born_ns = o.parent_born_ns
    WHERE o.unknown <> 1 AND o.kind <> 5 AND o.file_row_number NOT IN (SELECT row FROM gone)
      AND o.file_row_number NOT IN (SELECT old_row FROM stuck)
    UNION ALL SELECT row, there.path, early.* EXCLUDE (row, file_row_number) FROM early
    JOIN there ON there.old_row = row WHERE row IN (SELECT old_row FROM stuck)""",
    """DELETE FROM lost WHERE row IN (SELECT row FROM doubted)
    OR (kind = 2 AND EXISTS (SELECT 1 FROM kept k WHERE k.inode = lost.inode AND k.born_ns = lost.born_ns))""",
    """CREATE TEMP TABLE stayed AS SELECT path, kind FROM there JOIN early ON early.row = old_row
    WHERE old_row NOT IN (SELECT row FROM gone) AND old_row NOT IN (SELECT row FROM lost)
      AND old_row NOT IN (SELECT old_row FROM pairs)""",
)
"""What no rename can bring about was deleted and created, with all that it held and holds; but not where something in
it cannot be seen, which would be lost: then it moved, whatever can be made of that. Nor is that deleted which may be
there all the same, with the directories (`kept`) that it is in. `stayed`: what nothing deletes or moves:
what was made anew under its name is the same file, saved by rename."""

LET_OUT: Final = (
    """CREATE TEMP TABLE levels AS SELECT row, old_row, path, coalesce(level, 0) AS level
    FROM renames LEFT JOIN arranged USING (row) WHERE row NOT IN (SELECT row FROM stuck)""",
    """CREATE TEMP TABLE emptied AS
    WITH RECURSIVE dead AS (SELECT early.* FROM early JOIN gone USING (row) WHERE early.kind = 2),
    up(inode, born_ns, level) AS (
        SELECT e.parent_inode, e.parent_born_ns, r.level FROM levels r JOIN early e ON e.row = r.old_row
        UNION SELECT d.parent_inode, d.parent_born_ns, up.level FROM up JOIN dead d USING (inode, born_ns))
    SELECT dead.row, inode, born_ns, parent_inode, parent_born_ns, name, level
    FROM dead JOIN (SELECT inode, born_ns, max(level) AS level FROM up GROUP BY ALL) USING (inode, born_ns)""",
    f"""CREATE TEMP TABLE late_gone AS
    WITH RECURSIVE by_then(row, inode, born_ns, path, level, taken, within) AS (
        (SELECT e.row, e.inode, e.born_ns, p.path || e.name, e.level, r.level, false FROM emptied e
         JOIN npaths p ON p.inode = e.parent_inode AND p.born_ns = e.parent_born_ns
         LEFT JOIN levels r ON r.path = p.path || e.name
         UNION ALL SELECT e.row, e.inode, e.born_ns, p.path || e.name, e.level, r.level, true FROM emptied e
         JOIN opaths p ON p.inode = e.parent_inode AND p.born_ns = e.parent_born_ns
         LEFT JOIN levels r ON r.path || '/'::BLOB = p.path
         WHERE NOT EXISTS (SELECT 1 FROM ndirs d WHERE d.inode = p.inode AND d.born_ns = p.born_ns)
           AND NOT EXISTS (SELECT 1 FROM emptied d WHERE d.inode = p.inode AND d.born_ns = p.born_ns))
        UNION ALL SELECT e.row, e.inode, e.born_ns, b.path || '/'::BLOB || e.name, e.level, b.taken, true
        FROM by_then b JOIN emptied e ON e.parent_inode = b.inode AND e.parent_born_ns = b.born_ns)
    SELECT row, path, CASE WHEN taken > level THEN {MOVED} + 2 * taken - 1 ELSE {EMPTIED} END AS phase
    FROM by_then WHERE (within AND taken > level) IS TRUE
      OR (path || '/'::BLOB NOT IN (SELECT path FROM npaths)
          AND path NOT IN (SELECT path FROM levels)
          AND path NOT IN (SELECT path FROM late JOIN here USING (row) WHERE kind = 2))""",
    "DELETE FROM gone WHERE row IN (SELECT row FROM emptied)",
)
"""A directory that something moved out of goes after that, from where it is by then; unless there is to be a directory
there, or something moves there, which takes its place: then what is left in it goes right before. A directory whose
name another has now, made anew or moved there, is not told as gone: what it held is, where it was."""

WITHHOLD: Final = (
    f"CREATE TEMP TABLE was_veiled AS {_VEILED.format('o')}",
    """CREATE TEMP TABLE blind AS SELECT v.row FROM veiled v
    WHERE NOT EXISTS (SELECT 1 FROM was_veiled w WHERE w.inode = v.inode AND w.born_ns = v.born_ns AND w.kind = v.kind
                    AND w.unknown = v.unknown AND v.unknown <> 1 AND (v.kind = 5 OR w.ctime_ns = v.ctime_ns))
    AND NOT EXISTS (SELECT 1 FROM was_veiled w WHERE w.parent_inode = v.parent_inode
                    AND w.parent_born_ns = v.parent_born_ns AND w.name = v.name AND v.unknown <> 2
                    AND w.unknown = v.unknown AND w.kind = v.kind)""",
    """CREATE TEMP TABLE withheld AS SELECT g.row, g.inode, g.born_ns, g.parent_inode, g.parent_born_ns
    FROM gone g JOIN early e USING (row) WHERE EXISTS (SELECT 1 FROM blind)
    AND NOT EXISTS (SELECT 1 FROM late l
                    WHERE l.inode = g.inode AND l.born_ns = g.born_ns AND l.kind = g.kind AND l.links < e.links)""",
    *_doubt("SELECT row FROM withheld"),
    """DELETE FROM withheld WHERE row IN (SELECT w.row FROM withheld w
    JOIN withheld d ON d.inode = w.parent_inode AND d.born_ns = w.parent_born_ns)""",
)
"""Where there is something that nobody can look into, and into which something may have been moved since, what is seen
nowhere any more may be in there; unless fewer names of it that are seen say that this one was removed. Of what may
have moved along only the uppermost directory is told."""

_VALUES: Final = "kind, inode, size, mtime_ns, ctime_ns, mode, uid, gid, links"
_CARRIED: Final = "c." + _VALUES.replace(", ", ", c.")
_RECENT: Final = "($since IS NULL OR ctime_ns >= $since)"

TOLD: Final = f"""
SELECT change, path, source.path, {_VALUES}, phase, source.size, source.mtime_ns, source.born_ns FROM (
    SELECT {DELETED} - 1 AS phase, row AS place, 'unseen' AS change, path,
        NULL::STRUCT(path BLOB, size BIGINT, mtime_ns BIGINT, born_ns BIGINT) AS source, {_VALUES}
    FROM (SELECT row FROM withheld) JOIN early USING (row) JOIN there ON there.old_row = row
  UNION ALL
    SELECT {DELETED}, -row, 'deleted', path, NULL, {_VALUES}
    FROM (SELECT row FROM gone) JOIN early USING (row) JOIN there ON there.old_row = row
  UNION ALL
    SELECT {DELETED}, -row, 'deleted', path, NULL, {_VALUES} FROM lost
  UNION ALL
    SELECT phase, -row, 'deleted', path, NULL, {_VALUES} FROM late_gone JOIN early USING (row)
  UNION ALL
    SELECT {MOVED} + 2 * coalesce(level, 0), coalesce(place, row), 'moved', path,
        {{'path': source, 'size': old_size, 'mtime_ns': old_mtime_ns, 'born_ns': born_ns}}, {_VALUES}
    FROM (SELECT row, old_row, path, source FROM renames) JOIN late USING (row) LEFT JOIN arranged USING (row)
    JOIN (SELECT row AS old_row, size AS old_size, mtime_ns AS old_mtime_ns FROM early) USING (old_row)
    WHERE NOT coalesce(stuck, false) AND {_RECENT}
  UNION ALL
    SELECT {ALONG}, row, 'moved', p.path || name,
        {{'path': q.path || name, 'size': c.size, 'mtime_ns': c.mtime_ns, 'born_ns': c.born_ns}}, {_CARRIED}
    FROM carried c JOIN npaths p ON p.inode = c.parent_inode AND p.born_ns = c.parent_born_ns
    JOIN opaths q ON q.inode = c.parent_inode AND q.born_ns = c.parent_born_ns
    WHERE p.path <> q.path AND row NOT IN (SELECT row FROM remade) AND {_RECENT}
  UNION ALL
    SELECT {REST}, row, 'created', path, NULL, {_VALUES} FROM made JOIN late USING (row) JOIN here USING (row)
    WHERE {_RECENT}
  UNION ALL
    SELECT {REST}, row, CASE WHEN (path, kind) IN (SELECT path, kind FROM stayed) THEN 'updated' ELSE 'created' END,
        path, NULL, {_VALUES} FROM remade
  UNION ALL
    SELECT {REST}, row, 'updated', path, NULL, {_VALUES} FROM renewed JOIN late USING (row) JOIN here USING (row)
    WHERE changed AND {_RECENT}
  UNION ALL
    SELECT {REST}, row, 'updated', here.path, NULL, {_VALUES} FROM pairs JOIN late USING (row) JOIN here USING (row)
    JOIN there USING (old_row)
    WHERE (changed OR (moved AND here.path = there.path)) AND row NOT IN (SELECT row FROM remade) AND {_RECENT}
) WHERE octet_length(path) > 0 ORDER BY phase, place, change
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
