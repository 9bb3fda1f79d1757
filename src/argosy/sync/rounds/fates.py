"""What became of conflicts: of those that a round met, and of those that earlier ones left for people to settle."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from argosy.sync.planner.trees import Entry, Kind, Side
from argosy.sync.reduction.base import TOP_ID
from argosy.sync.reduction.engine import Engine
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.agreement import Agreement
from argosy.sync.rounds.quarrels import Fate, Met, Placed, Seen, Version, Watched
from argosy.sync.rounds.work import Quarrel

Entries = tuple[Mapping[str, Entry], Mapping[str, Entry]]
"""What each side has after the operations, by object."""

_TOP: Final = f"'{TOP_ID.hex()}'::UUID"
_FOUND: Final = f"""WITH RECURSIVE up(id, above, path) AS (
    SELECT id, parent, name FROM objects
    WHERE id IN (SELECT id FROM watched_ids) OR name IN (SELECT name FROM watched_paths)
    UNION ALL
    SELECT up.id, d.parent, d.name || '/'::BLOB || up.path
    FROM up JOIN (SELECT id, parent, name FROM objects WHERE kind = 2) d ON d.id = up.above)
SELECT o.*, up.path FROM up JOIN objects o USING (id)
WHERE up.above = {_TOP} AND (o.id IN (SELECT id FROM watched_ids) OR up.path IN (SELECT path FROM watched_paths))"""  # noqa: S608 - nobody's words are in it
_NAMES: Final = ("one", "two")


def foreseen(quarrels: Iterable[Quarrel], matched: Entries) -> Iterator[Met]:
    """Yield the conflicts of a plan; nobody knows yet which copies will be there."""
    for each in quarrels:
        loser = each.winner.other
        named, lost = matched[each.winner].get(each.named), matched[loser].get(each.object)
        named = named or matched[loser].get(each.named)
        yield Met(
            quarrel=each,
            named=None if named is None else _of(named, None),
            other=None if lost is None or not each.named else _of(lost, None),
        )


def met(folder: Path, told: Agreement, entries: Entries, minted: Mapping[str, str]) -> Iterator[Met]:
    """Yield the conflicts of the round. One whose copy nobody could make yet is met again by the next round."""
    for each in pages.read(work.conflicts(folder), Quarrel):
        named = _version(each.named, entries, minted, first=each.winner)
        if not each.copy:
            lost = told.matched[each.winner.other].get(each.object) if each.named else None
            yield Met(quarrel=each, named=named, other=None if lost is None else _of(lost, None))
        elif (copy := _version(each.copy, entries, minted, first=each.winner.other)) is not None:
            yield Met(quarrel=each, named=named, other=copy)


def _version(identity: str, entries: Entries, minted: Mapping[str, str], *, first: Side) -> Version | None:
    found = [side.get(identity) for side in entries]
    told = found[first] or found[first.other]
    if told is None:
        return None
    one, two = (None if each is None else _seen(each) for each in found)
    lasting = minted.get(identity, "") if identity.startswith("+") else identity
    version = _of(told, (one, two))
    contents = [each.content for each in found if each is not None and each.content]
    known = version.content or (contents[0] if contents else b"")
    return msgspec.structs.replace(version, object=lasting, content=known)


def _of(entry: Entry, on: tuple[Seen | None, Seen | None] | None) -> Version:
    size, mtime_ns, _ = entry.version
    return Version(kind=entry.kind, content=entry.content or b"", size=size, mtime_ns=mtime_ns, on=on or (None, None))


def _seen(entry: Entry) -> Seen:
    return Seen(entry.binding.inode, *entry.version)


def watched(folder: Path) -> list[Watched]:
    """Return the conflicts of earlier rounds that are looked at."""
    path = work.watched(folder)
    return list(pages.read(path, Watched)) if path.exists() else []


def missed(told: Agreement, watched: Iterable[Watched], entries: Entries) -> list[Watched]:
    """Return those of whose copies no base knows, and that neither side has any more.

    The base says nothing of them: it stays as it is when such a copy goes.
    """
    names = _copies(told, entries)
    return [] if names is None else [each for each in watched if not each.copy and _name(each.kept) not in names]


def fates(db: Engine, told: Agreement, watched: list[Watched], entries: Entries) -> Iterator[Fate]:
    """Yield what the base, the table `objects`, has of conflicts; a fresh one has other ids."""
    if not watched:
        return
    found = _found(db, watched)
    by_id = {each.version.object: each for each in found}
    by_path = {each.path: each for each in found}
    names = _copies(told, entries)
    for each in watched:
        copy = by_id.get(each.copy) or (by_path.get(each.kept) if told.fresh or not each.copy else None)
        named = by_id.get(each.named) or by_path.get(each.at)
        coming = not each.copy and copy is None and (names is None or _name(each.kept) in names)
        yield Fate(number=each.number, named=named, copy=copy, coming=coming)


def _copies(told: Agreement, entries: Entries) -> set[bytes] | None:
    """Return the names of copies that either side has; None: nobody can say, for not all could be looked at."""
    if any(told.dark):
        return None
    return {entry.name for side in entries for entry in side.values() if b".conflict-" in entry.name}


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _found(db: Engine, watched: list[Watched]) -> list[Placed]:
    ids = [bytes.fromhex(each) for one in watched for each in (one.named, one.copy) if each]
    paths = [each for one in watched for each in (one.at, one.kept)]
    stored = pa.ExtensionArray.from_storage(pa.uuid(), pa.array(ids, pa.binary(16)))
    db.take("watched_ids", pa.table({"id": stored}))
    last = [each.rpartition(b"/")[2] for each in paths]
    db.take("watched_paths", pa.table({"path": pa.array(paths, pa.binary()), "name": pa.array(last, pa.binary())}))
    return [_placed(row) for row in db.table(_FOUND).to_pylist()]


def _placed(row: Mapping[str, Any]) -> Placed:
    one, two = (
        Seen(row[f"{side}_inode"], row["size"], row[f"{side}_mtime_ns"], row[f"{side}_ctime_ns"]) for side in _NAMES
    )
    version = Version(
        object=row["id"].hex,
        kind=Kind(row["kind"]),
        content=row["content"],
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        on=(one, two),
    )
    return Placed(path=row["path"], version=version)
