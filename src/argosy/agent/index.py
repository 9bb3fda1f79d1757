"""What a site remembers of objects beside what their inodes say: full keys and last paths.

A hint, rebuilt as files are met again: losing it costs requests, never bytes. So notes are gathered and written
together, within a moment.
"""

import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

import structlog

from argosy.core.entry import Stored
from argosy.core.errors import Exhausted

log = structlog.get_logger()

VERSION = 1
MOMENT = 0.25
"""Seconds that a note may wait to be written."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    uuid BLOB PRIMARY KEY,
    datastore TEXT,
    key TEXT NOT NULL,
    path BLOB
) WITHOUT ROWID
"""


class _Note(NamedTuple):
    """What is known of one object; without a path nothing points to it yet."""

    datastore: str | None
    key: str
    path: bytes | None


class Index:
    """The index of one site, in one SQLite file; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={VERSION}")
        self._unwritten: dict[bytes, _Note] = {}
        self._noted = threading.Event()
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="index", daemon=True)
        self._writer.start()

    def intend(self, uuid: bytes, key: str) -> None:
        """Note an object that nothing points to yet."""
        self._note(uuid, _Note(None, key, None))

    def intended(self, uuid: bytes) -> bool:
        """Say whether nothing here ever came to point to an object this site began."""
        note = self._known(uuid)
        return note is not None and note.path is None

    def remember(self, stored: Stored, path: bytes) -> None:
        """Note key and path of an object."""
        self._note(stored.uuid, _Note(stored.datastore, stored.key, path))

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object an inode pointed to, None where it is not known."""
        note = self._known(uuid)
        return note.key if note and note.path is not None else None

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at, None where it is not known."""
        note = self._known(uuid)
        return note.path if note else None

    def flush(self) -> None:
        """Return when all that was noted is written.

        Raises:
            Exhausted: the disk of the data directory does not take it; it stays noted.
        """
        with self._lock:
            if not self._unwritten:
                return
            rows = [(uuid, *note) for uuid, note in self._unwritten.items()]
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._db.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", rows)
            except sqlite3.Error as error:
                raise Exhausted(f"the index of the site cannot be written ({error}): make room for it") from error
            self._unwritten = {}

    def close(self) -> None:
        """Write what was noted, if that can be, and let go of the file."""
        self._closed.set()
        self._noted.set()
        self._writer.join()
        with self._lock:
            self._db.close()

    def _note(self, uuid: bytes, note: _Note) -> None:
        with self._lock:
            self._unwritten[uuid] = note
        self._noted.set()

    def _known(self, uuid: bytes) -> _Note | None:
        with self._lock:
            if uuid in self._unwritten:
                return self._unwritten[uuid]
            row = self._db.execute("SELECT datastore, key, path FROM object WHERE uuid = ?", (uuid,)).fetchone()
        return _Note(*row) if row else None

    def _write_on(self) -> None:
        while not self._closed.is_set():
            self._noted.wait()
            self._closed.wait(MOMENT)
            self._noted.clear()
            try:
                self.flush()
            except Exhausted as error:  # it stays noted, for as long as this process lives
                log.warning("index not written", reason=error.message)
