"""The statements of a reduction, in DuckDB's SQL. Views: `base`, `one`, `two`; `row` numbers their rows.

Kinds are those of index files: 1 file, 2 directory, 3 symlink, 4 other, 5 boundary; `unknown` 1: only its name is
known, 2: a directory whose names are not all known. A side's entries are what can be an object: neither the top nor the
rest.
What ends in `_told` becomes objects of Python: `base_told`, `one_told`, `two_told` hold rows of all but directories,
`nodes_told` directories. A node is a directory in whichever of the three trees it is.
"""

from typing import Final

SIDES: Final = ("one", "two")
_ENTRY: Final = "kind <= 3 AND unknown <> 1 AND row > 0"
CONFLICT: Final = b".conflict-"
_CONFLICT: Final = f"contains(name::VARCHAR, '{CONFLICT.decode()}')"
_NIL: Final = "'00000000-0000-0000-0000-000000000000'::UUID"


def _print(prefix: str) -> str:
    """Return a hash of all that makes a row of a side differ, but for inode and ctime."""
    born, parent, parent_born, mtime = (
        f"{prefix}{each}" for each in ("born_ns", "parent_inode", "parent_born_ns", "mtime_ns")
    )
    return f"""hash({born}, {parent}, {parent_born}, name, kind, mode, uid, gid, attributes,
        CASE kind WHEN 2 THEN 0 ELSE size END, CASE kind WHEN 2 THEN 0 ELSE {mtime} END)"""


def _same(prefix: str) -> str:
    """Return the columns by which a row of the base is the row of a side: all but the print are compared as they are.

    No write, chmod or rename leaves the ctime as it was; that of a directory changes with what is done in it.
    """
    return (
        f"{prefix}inode AS inode, CASE kind WHEN 2 THEN 0 ELSE {prefix}ctime_ns END AS ctime, {_print(prefix)} AS print"
    )


def apart(side: str, *, comparable: bool) -> str:
    """Return what finds the rows that base and side have not alike; of another filesystem that is every row."""
    return f"""CREATE TEMP TABLE {side}_apart AS SELECT b.row AS base_row, e.row AS row
    FROM (SELECT {_same(f"{side}_")}, row FROM base) b
    FULL JOIN (SELECT {_same("")}, row FROM {side} WHERE {_ENTRY}) e
    ON {str(comparable).lower()} AND b.print = e.print AND b.inode = e.inode AND b.ctime = e.ctime
    WHERE b.row IS NULL OR e.row IS NULL"""


def _own(side: str) -> tuple[str, ...]:
    """Return what takes the rows of a side that may be told: changed, directories, conflict copies."""
    return (
        f"""CREATE TEMP TABLE {side}_rows AS SELECT * FROM {side}
        WHERE {_ENTRY} AND (kind = 2 OR {_CONFLICT} OR row IN (SELECT row FROM {side}_apart WHERE row IS NOT NULL))""",
        f"""CREATE TEMP TABLE {side}_rest AS SELECT parent_inode, parent_born_ns, name, kind, unknown, row
        FROM {side} WHERE kind > 3 OR unknown = 1""",
        f"CREATE TEMP TABLE {side}_top AS SELECT inode, born_ns, unknown FROM {side} WHERE row = 0",
        f"""CREATE TEMP TABLE {side}_told AS SELECT row FROM {side}_rows
        WHERE kind <> 2 AND row IN (SELECT row FROM {side}_apart)""",
        f"CREATE TEMP TABLE {side}_bound (inode UBIGINT, born_ns BIGINT)",
    )


ROWS: Final = (
    f"""CREATE TEMP TABLE base_rows AS SELECT * FROM base WHERE kind = 2 OR {_CONFLICT}
    OR row IN (SELECT base_row FROM one_apart WHERE base_row IS NOT NULL)
    OR row IN (SELECT base_row FROM two_apart WHERE base_row IS NOT NULL)""",
    """CREATE TEMP TABLE base_told AS SELECT row FROM base_rows WHERE kind <> 2
    AND (row IN (SELECT base_row FROM one_apart) OR row IN (SELECT base_row FROM two_apart))""",
    *(statement for side in SIDES for statement in _own(side)),
)
"""What changed on either side, and all directories."""


def _directories(side: str) -> str:
    return f"""(SELECT inode, born_ns, parent_inode, parent_born_ns, row FROM {side}_rows WHERE kind = 2
    UNION ALL SELECT inode, born_ns, NULL, NULL, 0 FROM {side}_top)"""


NODES: Final = (
    f"""CREATE TEMP TABLE nodes AS
    WITH b AS (SELECT id, parent, row, one_inode, one_born_ns, two_inode, two_born_ns FROM base_rows WHERE kind = 2
               UNION ALL SELECT {_NIL}, NULL, NULL, o.inode, o.born_ns, t.inode, t.born_ns FROM one_top o, two_top t),
    first AS (SELECT b.id, b.parent, b.row AS base_row, b.two_inode, b.two_born_ns, d.inode AS one_inode,
                     d.born_ns AS one_born_ns, d.parent_inode AS one_up, d.parent_born_ns AS one_up_born,
                     d.row AS one_row
              FROM b FULL JOIN {_directories("one")} d ON b.one_inode = d.inode AND b.one_born_ns = d.born_ns)
    SELECT row_number() OVER () AS node, id, parent, base_row, one_inode, one_born_ns, one_up, one_up_born, one_row,
           d.inode AS two_inode, d.born_ns AS two_born_ns, d.parent_inode AS two_up, d.parent_born_ns AS two_up_born,
           d.row AS two_row
    FROM first FULL JOIN {_directories("two")} d ON first.two_inode = d.inode AND first.two_born_ns = d.born_ns""",
    """CREATE TEMP TABLE above AS
    SELECT n.node, u.node AS up FROM nodes n JOIN nodes u ON n.parent = u.id
    UNION SELECT n.node, u.node FROM nodes n JOIN nodes u ON n.one_up = u.one_inode AND n.one_up_born = u.one_born_ns
    UNION SELECT n.node, u.node FROM nodes n JOIN nodes u
    ON n.two_up = u.two_inode AND n.two_up_born = u.two_born_ns""",
    "CREATE TEMP TABLE nodes_told (node BIGINT)",
    "CREATE TEMP TABLE nodes_gone (id UUID)",
    "CREATE TEMP TABLE gone_bound (id UUID)",
    "CREATE TEMP TABLE contents (content BLOB)",
    """CREATE TEMP TABLE nodes_new AS SELECT node FROM nodes WHERE
    base_row IN (SELECT base_row FROM one_apart) OR base_row IN (SELECT base_row FROM two_apart)
    OR (one_row > 0 AND one_row IN (SELECT row FROM one_apart))
    OR (two_row > 0 AND two_row IN (SELECT row FROM two_apart))
    OR one_row IN (SELECT row FROM one_rows WHERE unknown = 2)
    OR two_row IN (SELECT row FROM two_rows WHERE unknown = 2)
    OR id = '00000000-0000-0000-0000-000000000000'::UUID""",
)
"""Directories with those above them, in whichever tree that is so. New are those that changed, and the top."""


def _one_and_several(side: str, other: str) -> str:
    return f"""SELECT b.row FROM base b JOIN (
        SELECT {side}_inode AS i, {side}_born_ns AS b FROM base SEMI JOIN (
            SELECT inode, born_ns FROM {side} WHERE kind = 1 AND links > 1) e
        ON {side}_inode = e.inode AND {side}_born_ns = e.born_ns
        WHERE kind = 1 GROUP BY ALL HAVING min({other}_inode) <> max({other}_inode)) n
    ON b.{side}_inode = n.i AND b.{side}_born_ns = n.b WHERE b.kind = 1"""


LINKED: Final = (
    f"""CREATE OR REPLACE TEMP TABLE found AS SELECT DISTINCT row FROM (
        {_one_and_several("one", "two")} UNION ALL {_one_and_several("two", "one")})
    WHERE row NOT IN (SELECT row FROM base_told)""",
    """INSERT INTO base_rows SELECT * FROM base WHERE row IN (SELECT row FROM found)
    AND row NOT IN (SELECT row FROM base_rows)""",
    "INSERT INTO base_told SELECT row FROM found",
)
"""Names of one file on a side that are several on the other, whether anything changed or not."""


def _above_rows(side: str) -> str:
    return f"""INSERT INTO nodes_new SELECT n.node FROM nodes n SEMI JOIN (
        SELECT parent_inode, parent_born_ns FROM {side}_rows SEMI JOIN {side}_told USING (row)
        UNION ALL SELECT parent_inode, parent_born_ns FROM {side}_rest) e
    ON n.{side}_inode = e.parent_inode AND n.{side}_born_ns = e.parent_born_ns"""


_GROW: Final = (
    """INSERT INTO nodes_told
    WITH RECURSIVE up(node) AS (SELECT node FROM nodes_new UNION SELECT a.up FROM up JOIN above a ON a.node = up.node)
    SELECT node FROM up WHERE node NOT IN (SELECT node FROM nodes_told)""",
    """CREATE OR REPLACE TEMP TABLE gone_new AS
    WITH RECURSIVE down(id) AS (
        SELECT id FROM nodes SEMI JOIN nodes_told USING (node)
        WHERE base_row IS NOT NULL AND (one_row IS NULL OR two_row IS NULL)
        UNION SELECT n.id FROM down JOIN nodes n ON n.parent = down.id)
    SELECT id FROM down WHERE id NOT IN (SELECT id FROM nodes_gone)""",
    "INSERT INTO nodes_gone SELECT id FROM gone_new",
    """CREATE OR REPLACE TEMP TABLE nodes_new AS SELECT node FROM nodes
    WHERE id IN (SELECT id FROM gone_new) AND node NOT IN (SELECT node FROM nodes_told)""",
)

ABOVE: Final = (
    """INSERT INTO nodes_new SELECT node FROM nodes
    WHERE id IN (SELECT parent FROM base_rows SEMI JOIN base_told USING (row))""",
    *(_above_rows(side) for side in SIDES),
    "DELETE FROM nodes_new WHERE node IN (SELECT node FROM nodes_told)",
)
"""The directories of what is told."""

DIRECTORIES: Final = _GROW
"""One turn: those above the new ones, and what lay, in the base, below those that are gone on a side."""

NEW_DIRECTORIES: Final = "SELECT count(*) FROM nodes_new"

_IN_TOLD: Final = "SEMI JOIN nodes_told USING (node)"

COPIES: Final = (
    f"""INSERT INTO base_told SELECT row FROM base_rows WHERE kind <> 2 AND {_CONFLICT}
    AND parent IN (SELECT id FROM nodes {_IN_TOLD}) AND row NOT IN (SELECT row FROM base_told)""",
    *(
        f"""INSERT INTO {side}_told SELECT row FROM {side}_rows e
        SEMI JOIN (SELECT {side}_inode AS i, {side}_born_ns AS b FROM nodes {_IN_TOLD}) n
        ON e.parent_inode = n.i AND e.parent_born_ns = n.b
        WHERE kind <> 2 AND {_CONFLICT} AND row NOT IN (SELECT row FROM {side}_told)"""
        for side in SIDES
    ),
    f"""INSERT INTO nodes_new SELECT node FROM nodes WHERE node NOT IN (SELECT node FROM nodes_told) AND (
    base_row IN (SELECT row FROM base_rows
        WHERE kind = 2 AND {_CONFLICT} AND parent IN (SELECT id FROM nodes {_IN_TOLD}))
    OR one_row IN (SELECT row FROM one_rows e WHERE kind = 2 AND {_CONFLICT} AND EXISTS (
        SELECT 1 FROM nodes n {_IN_TOLD} WHERE e.parent_inode = n.one_inode AND e.parent_born_ns = n.one_born_ns))
    OR two_row IN (SELECT row FROM two_rows e WHERE kind = 2 AND {_CONFLICT} AND EXISTS (
        SELECT 1 FROM nodes n {_IN_TOLD} WHERE e.parent_inode = n.two_inode AND e.parent_born_ns = n.two_born_ns)))""",
)
"""Names of conflict copies in directories that are told: a new one must not be called as an old one."""


def _bind(side: str) -> tuple[str, ...]:
    return (
        f"""CREATE OR REPLACE TEMP TABLE {side}_bound_new AS
        SELECT DISTINCT inode, born_ns FROM (
            SELECT {side}_inode AS inode, {side}_born_ns AS born_ns FROM base_rows SEMI JOIN base_told USING (row)
            UNION ALL SELECT inode, born_ns FROM {side}_rows SEMI JOIN {side}_told USING (row))
        ANTI JOIN {side}_bound USING (inode, born_ns)""",
        f"INSERT INTO {side}_bound SELECT * FROM {side}_bound_new",
    )


BIND: Final = (
    *(statement for side in SIDES for statement in _bind(side)),
    "CREATE OR REPLACE TEMP TABLE gone_bound_new AS SELECT id FROM nodes_gone ANTI JOIN gone_bound USING (id)",
    "INSERT INTO gone_bound SELECT id FROM gone_bound_new",
    """CREATE OR REPLACE TEMP TABLE contents_new AS SELECT DISTINCT content FROM (
        SELECT content FROM base_rows SEMI JOIN base_told USING (row) WHERE kind = 1
        UNION ALL SELECT hash FROM one_rows SEMI JOIN one_told USING (row) WHERE kind = 1 AND hash IS NOT NULL
        UNION ALL SELECT hash FROM two_rows SEMI JOIN two_told USING (row) WHERE kind = 1 AND hash IS NOT NULL)
    ANTI JOIN contents USING (content)""",
    "INSERT INTO contents SELECT content FROM contents_new",
)
"""The inodes and contents of what is told, and the directories that are gone, as far as they are new."""

NOT_LOOKED_FOR: Final = """SELECT (SELECT count(*) FROM one_bound_new) + (SELECT count(*) FROM two_bound_new)
    + (SELECT count(*) FROM gone_bound_new) + (SELECT count(*) FROM contents_new)"""

BASE_NAMES: Final = (
    """CREATE OR REPLACE TEMP TABLE found AS SELECT row FROM base WHERE kind <> 2 AND (
        one_inode IN (SELECT inode FROM one_bound_new) OR two_inode IN (SELECT inode FROM two_bound_new)
        OR parent IN (SELECT id FROM gone_bound_new))""",
    "DELETE FROM found WHERE row IN (SELECT row FROM base_told)",
    """INSERT INTO found SELECT min(row) FROM base SEMI JOIN contents_new USING (content)
    ANTI JOIN base_told USING (row) ANTI JOIN found USING (row) WHERE kind = 1 GROUP BY content""",
    """INSERT INTO base_rows SELECT * FROM base WHERE row IN (SELECT row FROM found)
    AND row NOT IN (SELECT row FROM base_rows)""",
    "INSERT INTO base_told SELECT row FROM found",
)
"""What the base has of these inodes, or had in directories that are gone; and the first object with each content: a
side that has it need not get it again."""


def names_of(side: str) -> tuple[str, ...]:
    """Return what adds all names that a side has of the inodes of what is told."""
    return (
        f"""CREATE OR REPLACE TEMP TABLE found AS SELECT row FROM {side} e SEMI JOIN {side}_bound_new b
        ON e.inode = b.inode AND e.born_ns = b.born_ns WHERE kind <> 2 AND {_ENTRY}""",
        f"DELETE FROM found WHERE row IN (SELECT row FROM {side}_told)",
        f"""INSERT INTO {side}_rows SELECT * FROM {side} WHERE row IN (SELECT row FROM found)
        AND row NOT IN (SELECT row FROM {side}_rows)""",
        f"INSERT INTO {side}_told SELECT row FROM found",
    )


KNOWN: Final = """SELECT replace(id::VARCHAR, '-', '') AS id,
    CASE parent WHEN '00000000-0000-0000-0000-000000000000'::UUID THEN ''
                ELSE replace(parent::VARCHAR, '-', '') END AS parent,
    * EXCLUDE (id, parent, row) FROM base_rows
WHERE row IN (SELECT row FROM base_told) OR row IN (SELECT base_row FROM nodes SEMI JOIN nodes_told USING (node))
ORDER BY row"""


def entries(side: str) -> str:
    """Return the query for the entries of a side that are told, in walk order."""
    return f"""SELECT * FROM {side}_rows WHERE row IN (SELECT row FROM {side}_told)
    OR row IN (SELECT {side}_row FROM nodes SEMI JOIN nodes_told USING (node)) ORDER BY row"""


def rest(side: str) -> str:
    """Return the query for names that are no entries."""
    return f"SELECT * FROM {side}_rest ORDER BY row"


def top(side: str) -> str:
    """Return the query for the top, and how many names lie in it."""
    return f"""SELECT t.inode, t.born_ns, t.unknown, (SELECT count(*) FROM {side} e WHERE row > 0
    AND e.parent_inode = t.inode AND e.parent_born_ns = t.born_ns) AS names FROM {side}_top t"""
