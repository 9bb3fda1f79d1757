"""The time by which waits are counted: it goes on as the hub runs, and does not leap when the clock is set."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

MOST = timedelta(hours=12)
"""How much time may count that passed, by the clock, between two looks at it."""

_CLOCK = "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), told REAL, ahead REAL)"


def counted(noticed: Path, told: float) -> float:
    """Return the time that counts when the clock tells this one, seconds since 1970, and remember both.

    A clock that was set forward, or a hub that was off, brings waits nearer to their ends by `MOST` at most; one that
    was set back lets them go on. `noticed` is the file of those waits: what is lost together begins anew together.
    """
    with closing(sqlite3.connect(noticed, isolation_level=None, timeout=30)) as db:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_CLOCK)
        last, ahead = db.execute("SELECT told, ahead FROM clock").fetchone() or (told, 0.0)
        passed = told - last
        ahead += min(passed, 0.0) + max(passed - MOST.total_seconds(), 0.0)
        db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (told, ahead))
        db.execute("COMMIT")
    return float(told - ahead)
