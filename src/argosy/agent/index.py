"""What a site remembers of objects beside what their inodes say: full keys and last paths.

A hint, rebuilt as files are met again: losing it costs requests, never bytes.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from argosy.core.entry import Stored

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    uuid BLOB PRIMARY KEY,
    datastore TEXT,
    key TEXT NOT NULL,
    path BLOB
) WITHOUT ROWID
"""
VERSION = 1


class Index:
    """The index of one site, in one SQLite file; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def intend(self, uuid: bytes, key: str) -> None:
        """Note an object that nothing points to yet."""
        self._write("INSERT OR REPLACE INTO object (uuid, key) VALUES (?, ?)", uuid, key)

    def intended(self, uuid: bytes) -> bool:
        """Say whether nothing here ever came to point to an object this site began."""
        row = self._read("SELECT path IS NULL FROM object WHERE uuid = ?", uuid)
        return row is not None and bool(row[0])

    def remember(self, stored: Stored, path: bytes) -> None:
        """Note key and path of an object."""
        self._write(
            "INSERT OR REPLACE INTO object (uuid, datastore, key, path) VALUES (?, ?, ?, ?)",
            stored.uuid, stored.datastore, stored.key, path,
        )  # fmt: skip

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object an inode pointed to, None where it is not known."""
        row = self._read("SELECT key FROM object WHERE uuid = ? AND path IS NOT NULL", uuid)
        return None if row is None else str(row[0])

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at, None where it is not known."""
        row = self._read("SELECT path FROM object WHERE uuid = ? AND path IS NOT NULL", uuid)
        return None if row is None else row[0]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _write(self, sql: str, *values: object) -> None:
        with self._lock:
            self._db.execute(sql, values)

    def _read(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        return row
