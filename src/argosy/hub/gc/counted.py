"""The time by which waits are counted: it goes on as the hub runs, and does not leap when the clock is set.

The clock of the kernel, which nobody sets and which goes on while the machine sleeps, says at most how much has passed
since the last look. Where the machine was started anew in between, it says nothing, and `MOST` does.
"""

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

MOST = timedelta(hours=12)
"""How much time may count that passed between two looks at the clock."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), told REAL, ahead REAL)",
    "CREATE TABLE IF NOT EXISTS kernel (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT, up REAL)",
)


class Kernel(NamedTuple):
    """What the kernel says: which start of the machine this is, and how many seconds ago that was."""

    boot: str
    up: float


def now_by_kernel() -> Kernel:
    """Return what the kernel says now."""
    return Kernel(_BOOT.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))


def counted(noticed: Path, told: float, kernel: Kernel) -> float:
    """Return the time that counts when the clock tells this one, seconds since 1970, and remember both.

    How often a clock is set forward and back does not bring waits nearer to their ends. Where the machine was started
    anew, a clock that was set forward does so by `MOST` at most, as does a hub that was off. `noticed` is the file of
    those waits: what is lost together begins anew together.
    """
    with closing(sqlite3.connect(noticed, isolation_level=None, timeout=30)) as db:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            db.execute(table)
        last, ahead = db.execute("SELECT told, ahead FROM clock").fetchone() or (told, 0.0)
        before = db.execute("SELECT boot, up FROM kernel").fetchone()
        passed = told - last
        ahead += passed - max(0.0, min(passed, _at_most(kernel, before and Kernel(*before))))
        db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (told, ahead))
        db.execute("INSERT OR REPLACE INTO kernel VALUES (1, ?, ?)", kernel)
        db.execute("COMMIT")
    return float(told - ahead)


def _at_most(now: Kernel, before: Kernel | None) -> float:
    most = MOST.total_seconds()
    if before is None or before.boot != now.boot or now.up < before.up:
        return most
    return min(most, now.up - before.up)
