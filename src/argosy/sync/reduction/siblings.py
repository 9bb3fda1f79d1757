"""Names in one directory that a side would take for one: a side that does not tell case or normalisation apart.

Conflict names as well, however that side writes them: a new one may be taken for an old one.
"""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from argosy.sync.planner.naming import folding
from argosy.sync.planner.options import Rules
from argosy.sync.reduction.engine import Engine
from argosy.sync.reduction.queries import CONFLICT, SIDES

_OF: Final = {
    "base": "n.id = e.parent",
    **{side: f"n.{side}_inode = e.parent_inode AND n.{side}_born_ns = e.parent_born_ns" for side in SIDES},
}
"""How a row of each tree finds the node of the directory that it is in."""


def tell_equal_names(db: Engine, rules: tuple[Rules, Rules]) -> None:
    """Have told what bears, for one of the sides, the name of something that is told in the same directory.

    The planner itself says which names are equal, so names are streamed through Python; of other sides none are.
    """
    if not any(each.case_insensitive or each.normalising for each in rules):
        return
    fold = folding(rules)
    named = " UNION ".join(_named(tree) for tree in _OF)
    told = {(node, fold(name)) for batch in db.stream(named) for node, name in _pairs(batch, "node", "name")}
    for tree in _OF:
        found = [
            row
            for batch in db.stream(_children(tree))
            for row, key in zip(batch["row"].to_pylist(), _pairs(batch, "node", "name"), strict=True)
            if (key[0], fold(key[1])) in told or CONFLICT in fold(key[1])
        ]
        db.take("equal", pa.table({"row": pa.array(found, pa.int64())}))
        db.run(*_equal(tree))


def _pairs(batch: pa.RecordBatch, *columns: str) -> Iterator[tuple[int, bytes]]:
    return zip(*(batch[column].to_pylist() for column in columns), strict=True)


def _named(tree: str) -> str:
    return f"""SELECT n.node, e.name FROM {tree}_rows e JOIN nodes n ON {_OF[tree]}
    WHERE e.row IN (SELECT row FROM {tree}_told)
       OR e.row IN (SELECT {tree}_row FROM nodes SEMI JOIN nodes_told USING (node))"""


def _children(tree: str) -> str:
    """Return the query for all that is in directories that are told and is not told itself."""
    wanted = "true" if tree == "base" else "e.kind <= 3 AND e.unknown <> 1 AND e.row > 0"
    return f"""SELECT e.row, n.node, e.name FROM {tree} e
    JOIN (SELECT * FROM nodes SEMI JOIN nodes_told USING (node)) n ON {_OF[tree]}
    WHERE {wanted} AND e.row NOT IN (SELECT row FROM {tree}_told)"""


def _equal(tree: str) -> tuple[str, ...]:
    return (
        f"""INSERT INTO nodes_new SELECT node FROM nodes
        WHERE {tree}_row IN (SELECT row FROM equal) AND node NOT IN (SELECT node FROM nodes_told)""",
        f"CREATE OR REPLACE TEMP TABLE found AS SELECT row FROM {tree} "
        "WHERE kind <> 2 AND row IN (SELECT row FROM equal)",
        f"""INSERT INTO {tree}_rows SELECT * FROM {tree} WHERE row IN (SELECT row FROM found)
        AND row NOT IN (SELECT row FROM {tree}_rows)""",
        f"INSERT INTO {tree}_told SELECT row FROM found",
    )
