"""The base after a round: what both sides were seen to agree on, as one new chunk beside the old ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from argosy.core.errors import Corrupt
from argosy.sync.executor.after import After
from argosy.sync.executor.outcomes import Outcome
from argosy.sync.planner.agreeing import Agreed, agree
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.plans import Plan as Made
from argosy.sync.planner.trees import SIDES, Found, Known, Side
from argosy.sync.reduction.base import SCHEMA, TOP_ID, About, BaseWriter, mint
from argosy.sync.reduction.engine import Engine, Room, engine
from argosy.sync.rounds import fates, pages, work
from argosy.sync.rounds.agreement import Agreement
from argosy.sync.rounds.circumstances import rules_of, told_of
from argosy.sync.rounds.work import Answer, Brought, Commit
from argosy.sync.transfers import Learned

_IDS_AT_ONCE: Final = 4096
_NIL: Final = "'00000000-0000-0000-0000-000000000000'::UUID"
_LOST: Final = f"""SELECT count(*) FROM objects WHERE parent <> {_NIL}
AND parent NOT IN (SELECT id FROM objects WHERE kind = 2)"""  # noqa: S608 - nobody's words are in it
_LOST_REMEDY: Final = "the new base would have objects without their directories: sync again, and report this"


def commit(asked: Commit) -> Answer:
    """Write the new base, if it is another one than before; `changed` says so.

    Raises:
        NotFound, Corrupt, Unsupported: what the round left is not all there, or the old base is not.
        Exhausted: there is no room for it.
    """
    folder = Path(asked.folder)
    told = msgspec.msgpack.decode(work.agreement(folder).read_bytes(), type=Agreement)
    entries, agreed = _agreed(folder, told)
    pages.write(work.met(folder), fates.met(folder, told, entries, agreed.minted))
    watched = fates.watched(folder)
    if not (agreed.put or agreed.drop or told.fresh or told.dark != told.dark_before):
        if gone := fates.missed(told, watched, entries):
            with engine(Room(temporary=folder)) as db:
                _merge(db, told, agreed)
                pages.write(work.fates(folder), fates.fates(db, told, gone, entries))
        return Answer()
    about = About(pair=told.pair, generation=asked.generation, sides=told.sides, dark=told.dark)
    with engine(Room(temporary=folder)) as db, BaseWriter(Path(asked.chunk), about) as writer:
        _merge(db, told, agreed)
        pages.write(work.fates(folder), fates.fates(db, told, watched, entries))
        for batch in db.stream(_objects(told)):
            rows = pa.Table.from_batches([batch])
            writer.add(rows.select(SCHEMA.names), int(pc.sum(rows["at_top"], min_count=0).as_py()))
        writer.finish()
    return Answer(changed=True)


def _agreed(folder: Path, told: Agreement) -> tuple[fates.Entries, Agreed]:
    """Return what each side has by now, and what the base must record of that."""
    one, two = (_after(folder, told, side) for side in SIDES)
    made = Made(matched=told.matched, unknown=frozenset(told.unknown))
    ids = _minted()
    entries, given = (one.entries, two.entries), (one.given, two.given)
    first, second = (rules_of(told_of(folder, side)) for side in SIDES)
    agreed = agree(told.base, made, entries, tops=told.tops, mint=lambda: next(ids), rules=(first, second), given=given)
    return entries, agreed


def _after(folder: Path, told: Agreement, side: Side) -> After:
    hashes = {(which, binding): digest for which, binding, digest in told.hashes}
    brought = msgspec.msgpack.decode(work.brought(folder).read_bytes(), type=Brought)
    matched = Learned(brought.sent, _operations(folder)).matched(side, told.matched[side])
    after = After(side, matched, _operations(folder), hashes, told.base)
    for outcome in pages.read(work.outcomes(folder, side), Outcome):
        after.note(outcome)
    return after


def _operations(folder: Path) -> Iterator[Operation]:
    for side in SIDES:
        yield from pages.read(work.applicable(folder, side), Operation)


def _minted() -> Iterator[str]:
    while True:
        yield from (each.as_py().hex for each in mint(_IDS_AT_ONCE))


def _merge(db: Engine, told: Agreement, agreed: Agreed) -> None:
    """Have the table `objects` hold the rows of the new base, but for where their directories are."""
    chunks = [Path(chunk) for chunk in told.chunks]
    db.view("base", chunks)
    db.take("put", _rows(agreed.put))
    ids = [*agreed.drop, *(known.id for known in agreed.put)]
    db.take("gone", pa.table({"id": _uuids(ids)}))
    names = ", ".join(SCHEMA.names)
    db.run(
        f"CREATE TEMP TABLE objects AS SELECT {names} FROM base WHERE id NOT IN (SELECT id FROM gone) "  # noqa: S608 - names of columns
        f"UNION ALL SELECT {names} FROM put"
    )
    if db.number(_LOST):
        raise Corrupt(_LOST_REMEDY)


def _objects(told: Agreement) -> str:
    """Return the query for all rows; a directory may have another inode than before, so all are told theirs anew."""
    columns = []
    for side, top in zip(("one", "two"), told.tops, strict=True):
        for name, value in (("inode", top.inode), ("born_ns", top.born_ns)):
            columns.append(f"coalesce(d.{side}_{name}, {value}) AS {side}_parent_{name}")
    return f"""SELECT o.* REPLACE ({", ".join(columns)}), (o.parent = {_NIL})::INTEGER AS at_top
    FROM objects o LEFT JOIN (SELECT * FROM objects WHERE kind = 2) d ON o.parent = d.id"""  # noqa: S608 - numbers and names of columns


def _uuids(ids: Sequence[str]) -> pa.Array:
    stored = pa.array([bytes.fromhex(each) or TOP_ID for each in ids], pa.binary(16))
    return pa.ExtensionArray.from_storage(pa.uuid(), stored)


def _rows(objects: Sequence[Known]) -> pa.Table:
    """Return objects as rows; the directories that they are in are filled in later."""
    columns = {
        "id": _uuids([each.id for each in objects]),
        "parent": _uuids([each.parent for each in objects]),
        "name": [each.name for each in objects],
        "kind": [int(each.kind) for each in objects],
        "content": [each.content for each in objects],
        "size": [each.size for each in objects],
        "mtime_ns": [each.mtime_ns for each in objects],
        "mode": [each.metadata.mode for each in objects],
        "uid": [each.metadata.uid for each in objects],
        "gid": [each.metadata.gid for each in objects],
        "attributes": [each.metadata.attributes for each in objects],
        **_of_side("one", [each.on[0] for each in objects]),
        **_of_side("two", [each.on[1] for each in objects]),
    }
    arrays = [
        columns[field.name] if isinstance(columns[field.name], pa.Array) else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _of_side(side: str, found: Sequence[Found]) -> dict[str, list[int]]:
    return {
        f"{side}_inode": [each.binding.inode for each in found],
        f"{side}_born_ns": [each.binding.born_ns for each in found],
        f"{side}_parent_inode": [0] * len(found),
        f"{side}_parent_born_ns": [0] * len(found),
        f"{side}_mtime_ns": [each.version.mtime_ns for each in found],
        f"{side}_ctime_ns": [each.version.ctime_ns for each in found],
    }
