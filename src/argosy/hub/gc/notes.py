"""What runs find out, in SQLite files: a hundred million references belong neither into memory nor into job tables.

Each run has a file, `run-N.sqlite3`: what is referred to, what lies in datastores, what is due. What outlives runs is
in `noticed.sqlite3`: since when each object has been without references, which bear marks, and to which a file pointed
though a site does not know that any more. Losing the first starts the waits anew.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from argosy.core.entry import Stored
from argosy.stores import keys

_RUN = """
CREATE TABLE IF NOT EXISTS referred (uuid BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS carried (uuid BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orphan (uuid BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (nonce TEXT, newest INTEGER);
CREATE TABLE IF NOT EXISTS working (task INTEGER, attempt INTEGER, adopting INTEGER, PRIMARY KEY (task, attempt));
CREATE TABLE IF NOT EXISTS found (
    datastore TEXT, key TEXT, uuid BLOB, etag TEXT, version TEXT, size INTEGER, PRIMARY KEY (datastore, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anothers (
    datastore TEXT, key TEXT, uuid BLOB, etag TEXT, version TEXT, size INTEGER, PRIMARY KEY (datastore, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS due (
    datastore TEXT, key TEXT, uuid BLOB, etag TEXT, version TEXT, size INTEGER, why TEXT,
    PRIMARY KEY (datastore, key, uuid)
) WITHOUT ROWID;
"""
_NOTICED = """
CREATE TABLE IF NOT EXISTS noticed.noticed (
    datastore TEXT, key TEXT, uuid BLOB, etag TEXT, version TEXT, size INTEGER, since REAL, why TEXT,
    PRIMARY KEY (datastore, key)
) WITHOUT ROWID;
"""
_MARKED = """
CREATE TABLE IF NOT EXISTS noticed.marked (
    datastore TEXT, key TEXT, uuid BLOB, etag TEXT, version TEXT, size INTEGER, PRIMARY KEY (datastore, key, uuid)
) WITHOUT ROWID;
"""
_FORGET = """
DELETE FROM noticed.noticed AS n WHERE NOT EXISTS (
    SELECT 1 FROM found AS f WHERE f.datastore = n.datastore AND f.key = n.key AND f.uuid = n.uuid AND f.etag = n.etag
) OR uuid IN (SELECT uuid FROM referred UNION SELECT uuid FROM carried)
"""
_NOTICE = """
INSERT OR IGNORE INTO noticed.noticed
SELECT datastore, key, uuid, etag, version, size, ?, 'deleted' FROM found
WHERE uuid NOT IN (SELECT uuid FROM referred UNION SELECT uuid FROM carried)
"""
_KEPT_NO_MORE = """
UPDATE noticed.noticed SET why = 'unneeded', since = ?
WHERE datastore = ? AND key = ? AND uuid = ? AND why <> 'unneeded'
"""
_POINTED = """
CREATE TABLE IF NOT EXISTS noticed.pointed (uuid BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_POINTED_TO = """
INSERT OR IGNORE INTO noticed.pointed SELECT uuid FROM orphan WHERE uuid IN (SELECT uuid FROM referred)
"""
"""A site that told both lost its note that a file came to point to the object: whatever it tells later, one did."""
_NEVER_POINTED_TO = """
UPDATE noticed.noticed SET why = 'orphan'
WHERE why <> 'unneeded' AND uuid IN (SELECT uuid FROM orphan) AND uuid NOT IN (SELECT uuid FROM noticed.pointed)
"""
_DUE = """
INSERT OR IGNORE INTO due SELECT datastore, key, uuid, etag, version, size, why FROM noticed.noticed
WHERE why = ? AND since <= ?
"""
_SPARE = "UPDATE due SET why = ? WHERE uuid IN (SELECT uuid FROM referred UNION SELECT uuid FROM carried)"
_STRAY = """
INSERT OR IGNORE INTO due SELECT *, ? FROM (
    SELECT * FROM found UNION ALL SELECT * FROM anothers WHERE uuid IN (SELECT uuid FROM referred)
) WHERE doomed(key, uuid) IN (SELECT key FROM mark)
"""
"""Of what another hub keeps, a mark is taken away where something of ours needs the object."""
_COLUMNS = "datastore, key, uuid, etag, version, size"


def noticed(directory: Path) -> Path:
    """Return the file of what outlives runs."""
    return directory / "noticed.sqlite3"


class Working(NamedTuple):
    """An attempt at a task that went on at some moment."""

    task: int
    attempt: int


class Due(NamedTuple):
    """An object that is to go, and why."""

    stored: Stored
    why: str


class Notes:
    """The notes of one run. A context manager; what a method returned from is on the disk."""

    def __init__(self, directory: Path, run: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = directory / f"run-{run}.sqlite3"
        self._db = sqlite3.connect(self._file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_RUN)
        self._db.create_function("doomed", 2, keys.doomed, deterministic=True)
        self._noticed = noticed(directory)

    def __enter__(self) -> Self:
        """Return the notes."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the file."""
        self._db.close()

    def begin(self, nonce: str, newest: int) -> None:
        """Note, in a file made for this run, what its marks say, and the newest task there was before it."""
        self._many("INSERT INTO run VALUES (?, ?)", [(nonce, newest)])

    def are_of(self, nonce: str) -> bool:
        """Say whether these are the notes that were begun with it, rather than made anew since, or another's."""
        return self._db.execute("SELECT nonce FROM run").fetchall() == [(nonce,)]

    def work(self, attempts: Iterable[Working], *, adopting: bool) -> None:
        """Note work that goes on; `adopting`: what is noted so is waited for."""
        sql = (
            "INSERT INTO working VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET adopting = max(adopting, excluded.adopting)"
        )
        self._many(sql, ((*attempt, adopting) for attempt in attempts))

    def working(self, *, adopting: bool) -> list[Working]:
        """Return work that was noted to go on: all of it, or what is waited for."""
        rows = self._db.execute("SELECT task, attempt FROM working WHERE adopting >= ? ORDER BY task", (adopting,))
        return [Working(*row) for row in rows]

    def newest(self) -> int:
        """Return the newest task there was before the run."""
        ((newest,),) = self._db.execute("SELECT newest FROM run")
        return int(newest)

    def refer(self, uuids: Iterable[bytes]) -> None:
        """Note objects that something refers to."""
        self._many("INSERT OR IGNORE INTO referred VALUES (?)", ((uuid,) for uuid in uuids))

    def carry(self, uuids: Iterable[bytes]) -> None:
        """Note objects that work under way carries: something may come to refer to them."""
        self._many("INSERT OR IGNORE INTO carried VALUES (?)", ((uuid,) for uuid in uuids))

    def never_pointed(self, uuids: Iterable[bytes]) -> None:
        """Note objects that a site began to write and that none of its files came to point to."""
        self._many("INSERT OR IGNORE INTO orphan VALUES (?)", ((uuid,) for uuid in uuids))

    def find(self, objects: Iterable[Stored]) -> None:
        """Note objects that lie in datastores."""
        self._many("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?, ?)", map(_row, objects))

    def find_anothers(self, objects: Iterable[Stored]) -> None:
        """Note objects that lie in datastores and are another hub's, as their seals say."""
        self._many("INSERT OR REPLACE INTO anothers VALUES (?, ?, ?, ?, ?, ?)", map(_row, objects))

    def find_marks(self, found: Iterable[str]) -> None:
        """Note keys of marks that lie in datastores."""
        self._many("INSERT OR IGNORE INTO mark VALUES (?)", ((key,) for key in found))

    def settle(self, now: float, waits: Mapping[str, float], unwanted: Iterable[Stored]) -> None:
        """Hold what lies in datastores against what is referred to; what was without references long enough is due.

        `now`: the time that counts. Waits begin with the run that first notices that they are to.
        """
        with self._attached():
            self._db.execute(_FORGET)
            self._db.execute(_NOTICE, (now,))
            self._db.execute(_POINTED_TO)
            self._db.execute(_NEVER_POINTED_TO)
            self._db.executemany(_KEPT_NO_MORE, ((now, *_row(stored)[:3]) for stored in unwanted))
            for why, wait in waits.items():
                self._db.execute(_DUE, (why, now - wait))

    def ask(self, objects: Iterable[Stored]) -> None:
        """Note objects that somebody asked to have removed: they are due."""
        rows = ((*_row(stored), "asked") for stored in objects)
        self._many("INSERT OR REPLACE INTO due VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def spare(self, why: str) -> list[Due]:
        """Change why to this for what something refers to, or work under way carries; return what is referred to."""
        self._many(_SPARE, [(why,)])
        return list(self._due("WHERE uuid IN (SELECT uuid FROM referred)"))

    def due(self, most: int, part: int = 0) -> list[Due]:
        """Return objects that are due, or were marked once and are not: part by part, each of `most` at most."""
        return list(self._due(f"ORDER BY datastore, key, uuid LIMIT {int(most)} OFFSET {int(most) * int(part)}"))

    def count(self, why: str) -> int:
        """Return how many of those are so for this reason."""
        ((count,),) = self._db.execute("SELECT count(*) FROM due WHERE why = ?", (why,))
        return int(count)

    def leftover(self, why: str) -> None:
        """Add, with this why, what bears a mark that an earlier run left, or a lost hub, unless it is due."""
        with self._attached():
            self._db.execute(f"INSERT OR IGNORE INTO due SELECT {_COLUMNS}, ? FROM noticed.marked", (why,))  # noqa: S608 - words of ours
            if self._db.execute("SELECT 1 FROM mark").fetchone():
                self._db.execute(_STRAY, (why,))

    def marking(self, objects: Iterable[Stored]) -> None:
        """Note objects that are about to be marked."""
        with self._attached():
            self._db.executemany("INSERT OR REPLACE INTO noticed.marked VALUES (?, ?, ?, ?, ?, ?)", map(_row, objects))

    def unmarked(self, objects: Iterable[Stored]) -> None:
        """Note objects that bear no mark any more."""
        with self._attached():
            rows = (_row(stored)[:3] for stored in objects)
            self._db.executemany("DELETE FROM noticed.marked WHERE datastore = ? AND key = ? AND uuid = ?", rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many objects and bytes are due, wait, and are referred to, by why."""
        with closing(self._db.cursor()) as cursor, self._attached():
            told = {f"due, {why}": _sums(row) for why, *row in cursor.execute(_group("due"))}
            for why, *row in cursor.execute(_group("noticed.noticed", _NOT_DUE)):
                told[f"waiting, {why}"] = _sums(row)
            told["referred to"] = _sums(cursor.execute(_REFERRED).fetchone())
            told["of another hub"] = _sums(cursor.execute("SELECT count(*), total(size) FROM anothers").fetchone())
        return told

    def remove(self) -> None:
        """Remove the notes of this run."""
        self._db.close()
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def _due(self, which: str) -> Iterator[Due]:
        for *row, why in self._db.execute(f"SELECT {_COLUMNS}, why FROM due {which}"):  # noqa: S608 - words of ours
            yield Due(_stored(row), why)

    def _many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(sql, rows)

    def _attached(self) -> "_Attached":
        return _Attached(self._db, self._noticed)


class _Attached:
    """A transaction that reaches what outlives runs."""

    def __init__(self, db: sqlite3.Connection, file: Path) -> None:
        self._db, self._file = db, file

    def __enter__(self) -> None:
        self._db.execute("ATTACH ? AS noticed", (str(self._file),))
        self._db.execute("PRAGMA noticed.synchronous=FULL")
        self._db.executescript(_NOTICED + _MARKED + _POINTED)
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *error: object) -> None:
        self._db.execute("ROLLBACK" if kind else "COMMIT")
        self._db.execute("DETACH noticed")


_NOT_DUE = "AS n WHERE NOT EXISTS (SELECT 1 FROM due AS d WHERE d.datastore = n.datastore AND d.key = n.key)"
_REFERRED = "SELECT count(*), total(size) FROM found WHERE uuid IN (SELECT uuid FROM referred)"


def _group(table: str, which: str = "") -> str:
    return f"SELECT why, count(*), total(size) FROM {table} {which} GROUP BY why"  # noqa: S608 - words of ours


def _sums(row: Sequence[float]) -> dict[str, int]:
    return {"objects": int(row[0]), "bytes": int(row[1])}


def _row(stored: Stored) -> tuple[object, ...]:
    return (stored.datastore, stored.key, stored.uuid, stored.etag, stored.version, stored.size)


def _stored(row: Sequence[object]) -> Stored:
    datastore, key, uuid, etag, version, size = row
    assert isinstance(uuid, bytes)
    assert isinstance(size, int)
    return Stored(datastore=str(datastore), key=str(key), uuid=uuid, etag=str(etag), version=str(version), size=size)
