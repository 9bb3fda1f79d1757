"""Names of snapshots."""

import re
import time
from collections.abc import Collection
from typing import Final

from argosy.core.errors import Invalid

PREFIX: Final = "ngenea-worker.snapdiff."
OURS: Final = (".parquet", ".rotates", ".found", ".part")
"""How what lies beside snapshots ends; see `holdings`."""
_NAMES: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


def fresh_name(taken: Collection[str] = ()) -> str:
    """Return a name in the documented form, with the time, that none of those taken is."""
    while True:
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"{PREFIX}{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}{rest // 1000:06}Z"
        if name not in taken:
            return name


def checked_name(name: str) -> str:
    """Return the name if a snapshot can have it.

    Raises:
        Invalid: it cannot.
    """
    if not _NAMES.fullmatch(name):
        raise Invalid(f"a snapshot cannot be called {name!r}: letters, digits, . _ and -, up to 200, and no . first")
    if name.endswith(OURS):
        raise Invalid(f"a snapshot cannot be called {name!r}: files of Argosy end so ({', '.join(OURS)})")
    return name
