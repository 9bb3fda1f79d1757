"""Ids on a shelf: when something came there, and of what goes in one go, which path and which task it went for.

So whoever goes on with a removal that was killed finds the id it had, and whoever restores a path finds all that went
with it, under however many ids a removal that was killed, or went wrong half way, has left it.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

import blake3

PATTERN: Final = re.compile(r"(\d{8}T\d{12}Z)-([0-9a-f]{4})([0-9a-f]{4})")
_RESCUED: Final = "0000"
_floor = [0]
"""No id is made for a time before this, ns since 1970."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def not_before(ns: int) -> None:
    """Take it that it is this late at least, in this process: the clock may have been set back."""
    _floor[0] = max(_floor[0], ns)


def fresh() -> str:
    """Return an id that nothing on a shelf has; later ones sort behind it."""
    return f"{_now()}-{secrets.token_hex(4)}"


def rescued() -> str:
    """Return an id for what nobody asked to remove and that finds no name in the tree; see `is_rescued`."""
    return f"{_now()}-{_RESCUED}{secrets.token_hex(2)}"


def is_rescued(name: str) -> bool:
    """Say whether what has the id was not removed by anybody's wish; of other ids, one in 65,536 says so too."""
    return name.partition("-")[2].startswith(_RESCUED)


def of_tree(path: bytes, task: str) -> str:
    """Return a new id for what lies at the path and beneath, and goes in one go."""
    return f"{_now()}-{_short(path)}{_short(path, task.encode())}"


def later(name: str) -> str:
    """Return a new id of the same go."""
    return f"{_now()}-{name.partition('-')[2]}"


def same_go(one: str, other: str) -> bool:
    """Say whether both are of the same path and the same task."""
    return one.partition("-")[2] == other.partition("-")[2]


def went_for(name: str, path: bytes) -> bool:
    """Say whether what has the id went for the path, or for a directory above it; of other ids, one in 65,536 does."""
    match = PATTERN.fullmatch(name)
    parts = path.split(b"/")
    above = (b"/".join(parts[:depth]) for depth in range(2, len(parts) + 1))
    return match is not None and any(match[2] == _short(top) for top in above)


def since_ns(name: str) -> int:
    """Return when it came to its shelf, ns since 1970."""
    came = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return (came - _EPOCH) // timedelta(microseconds=1) * 1000


def _now() -> str:
    now = max(datetime.now(UTC), _EPOCH + timedelta(microseconds=_floor[0] // 1000))
    return f"{now:%Y%m%dT%H%M%S%fZ}"


def _short(*parts: bytes) -> str:
    return blake3.blake3(b"\0".join(parts)).hexdigest()[:4]
