"""What applied plans began to touch at a site, and how they left it: what they did themselves is no drift.

A hint: losing it costs refusals, never bytes. It is written before anything is touched, and survives a kill. What it
knows of a thing are hashes, since a plan may be of millions of entries; of a plan nobody is at any more it is removed.
"""

import sqlite3
import threading
import time
from array import array
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from blake3 import blake3

log = structlog.get_logger()

KEPT: Final = 7 * 86400.0
"""Seconds without a task of it after which what is known of an application is removed."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS application (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS doing (
    application INTEGER NOT NULL,
    thing BLOB NOT NULL,
    task BLOB NOT NULL,
    left BLOB,
    PRIMARY KEY (application, thing, task)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    application INTEGER NOT NULL,
    thing BLOB NOT NULL,
    task BLOB NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (application, thing, task)
);
CREATE TABLE IF NOT EXISTS linked (
    application INTEGER NOT NULL,
    thing BLOB NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (application, thing)
) WITHOUT ROWID;
"""
_OF_AN_APPLICATION: Final = ("doing", "held", "linked")


class Doing(NamedTuple):
    """A thing that a task began to touch. `left`: None while it is at it, or where nobody saw how it ended."""

    task: bytes
    left: bytes | None


class Begun(NamedTuple):
    """What a task is about to touch."""

    things: Iterable[bytes]
    held: Mapping[bytes, "array[int]"]
    """The entries of directories that go with all they hold."""
    linked: Iterable[tuple[bytes, int]]
    """Files that have further names, each with its ctime: to touch one name changes it for all."""


class Doings:
    """Those of one site, in one SQLite file that is made at first need; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._numbers: dict[bytes, int] = {}

    def begin(self, application: bytes, task: str, begun: Begun) -> None:
        """Note that a task is about to touch these. What is known of a linked file stays as it is."""
        with self._lock:
            try:
                self._begin(application, task, begun)
            except sqlite3.Error as error:
                self._let_go(error)

    def end(self, application: bytes, task: str, left: Mapping[bytes, bytes]) -> None:
        """Note how a task left what it had begun to touch, and what it made."""
        with self._lock:
            try:
                self._end(application, task, left)
            except sqlite3.Error as error:
                self._let_go(error)

    def of(self, application: bytes, things: Collection[bytes]) -> dict[bytes, list[Doing]]:
        """Return what tasks of the application did to any of these."""
        with self._lock:
            try:
                return self._of(application, things)
            except sqlite3.Error as error:
                self._let_go(error)
                return {}

    def held(self, application: bytes, task: str, thing: bytes) -> "array[int]":
        """Return the entries of a directory as the task began to touch it the last time; none if it never did."""
        with self._lock:
            entries = array("Q")
            try:
                entries.frombytes(self._held(application, task, thing))
            except sqlite3.Error as error:
                self._let_go(error)
            return entries

    def changed(self, application: bytes, thing: bytes) -> int | None:
        """Return the ctime that a file with further names had before the application touched it; None: it did not."""
        with self._lock:
            try:
                return self._changed(application, thing)
            except sqlite3.Error as error:
                self._let_go(error)
                return None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def _begin(self, application: bytes, task: str, begun: Begun) -> None:
        db, by = self._opened(), hashed(task.encode())
        with db:
            db.execute("BEGIN IMMEDIATE")
            number = self._number(db, application)
            db.execute("UPDATE application SET at = ? WHERE id = ?", (time.time(), number))
            new = "INSERT OR REPLACE INTO doing (application, thing, task) VALUES (?, ?, ?)"
            db.executemany(new, ((number, hashed(thing), by) for thing in begun.things))
            new = "INSERT OR REPLACE INTO held (application, thing, task, entries) VALUES (?, ?, ?, ?)"
            db.executemany(new, ((number, hashed(thing), by, each.tobytes()) for thing, each in begun.held.items()))
            new = "INSERT OR IGNORE INTO linked (application, thing, changed) VALUES (?, ?, ?)"
            db.executemany(new, ((number, hashed(thing), changed) for thing, changed in begun.linked))

    def _number(self, db: sqlite3.Connection, application: bytes) -> int:
        if application not in self._numbers:
            self._forget_old(db)
            new = "INSERT OR IGNORE INTO application (name, at) VALUES (?, ?)"
            db.execute(new, (application, time.time()))
            wanted = "SELECT id FROM application WHERE name = ?"
            (self._numbers[application],) = db.execute(wanted, (application,)).fetchone()
        return self._numbers[application]

    def _forget_old(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM application WHERE at < ?", (time.time() - KEPT,))
        for table in _OF_AN_APPLICATION:
            db.execute(f"DELETE FROM {table} WHERE application NOT IN (SELECT id FROM application)")  # noqa: S608
        self._numbers.clear()

    def _end(self, application: bytes, task: str, left: Mapping[bytes, bytes]) -> None:
        db = self._opened()
        with db:
            db.execute("BEGIN IMMEDIATE")
            number = self._number(db, application)
            rows = [(number, hashed(thing), hashed(task.encode()), hashed(how)) for thing, how in left.items()]
            db.executemany("INSERT OR REPLACE INTO doing (application, thing, task, left) VALUES (?, ?, ?, ?)", rows)

    def _of(self, application: bytes, things: Collection[bytes]) -> dict[bytes, list[Doing]]:
        if self._db is None and not self._file.exists():
            return {}
        db = self._opened()
        found: dict[bytes, list[Doing]] = {}
        for thing in things:
            wanted = (
                "SELECT task, left FROM doing WHERE thing = ? "
                "AND application = (SELECT id FROM application WHERE name = ?)"
            )
            rows = db.execute(wanted, (hashed(thing), application)).fetchall()
            if rows:
                found[thing] = [Doing(task, left) for task, left in rows]
        return found

    def _held(self, application: bytes, task: str, thing: bytes) -> bytes:
        if self._db is None and not self._file.exists():
            return b""
        wanted = (
            "SELECT entries FROM held WHERE thing = ? AND task = ? "
            "AND application = (SELECT id FROM application WHERE name = ?)"
        )
        row = self._opened().execute(wanted, (hashed(thing), hashed(task.encode()), application)).fetchone()
        return b"" if row is None else bytes(row[0])

    def _changed(self, application: bytes, thing: bytes) -> int | None:
        if self._db is None and not self._file.exists():
            return None
        wanted = (
            "SELECT changed FROM linked WHERE thing = ? AND application = (SELECT id FROM application WHERE name = ?)"
        )
        row = self._opened().execute(wanted, (hashed(thing), application)).fetchone()
        return None if row is None else int(row[0])

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = self._connected()
            except sqlite3.DatabaseError:
                self._file.unlink(missing_ok=True)
                self._db = self._connected()
        return self._db

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def _let_go(self, error: sqlite3.Error) -> None:
        """Have the file opened anew at the next need: what it does not know is refused, which harms nobody."""
        log.warning("what applied plans do here is not noted", file=str(self._file), reason=str(error))
        if self._db is not None:
            self._db.close()
        self._db = None
        self._numbers.clear()


def hashed(what: bytes) -> bytes:
    """Return what stands for it in the file."""
    return blake3(what).digest(8)
