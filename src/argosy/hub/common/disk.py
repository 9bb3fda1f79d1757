"""A full disk under the database: how it is told from other errors, and what is said of it."""

import sqlite3
import threading
import time
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

log = structlog.get_logger()

QUIET: Final = 60.0
"""Seconds without another word in the log."""
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_FULL_STATE: Final = "53100"


class Seldom:
    """Says whether it is time to say something again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def due(self) -> bool:
        """Say so at most once in `QUIET` seconds."""
        with self._lock:
            now = time.monotonic()
            due = now >= self._next
            self._next = now + QUIET if due else self._next
        return due


_seldom = Seldom()


def is_full(error: Exception) -> bool:
    """Say whether the database found no room for what it was to record."""
    if not isinstance(error, DatabaseError):
        return False
    cause = error.__cause__
    return getattr(cause, "sqlite_errorcode", 0) in _FULL or getattr(cause, "sqlstate", "") == _FULL_STATE


def explained() -> str:
    """Return what is full and what to do about it, and log it now and then."""
    disk = f"the data directory {settings.DATA_DIR}" if connection.vendor == "sqlite" else "the database server"
    reason = f"the disk of {disk} is full: free space on it, then try again"
    if _seldom.due():
        log.error("disk full", reason=reason)
    return reason
