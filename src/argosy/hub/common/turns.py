"""Whose turn it is to write: on PostgreSQL as on SQLite, one decision after the other.

What a transaction decides often depends on rows that it does not change: that no other schedule manages a path, that
no collection of garbage goes on. SQLite lets one transaction in at a time; at a server each waits for its turn as well,
and so all that is right there is right here. What agents tell is most of what is recorded, and every statement of it is
guarded by the rows that it is about: such transactions share a turn, whichever processes they are of.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

NUMBER: Final = 0x4172676F7378
"""The lock that stands for a turn."""

_state = threading.local()


@contextmanager
def shared(*, unless: bool = False) -> Iterator[None]:
    """Have the transactions that this thread begins in the block share their turns, as others do that say so."""
    _state.shares = not unless
    try:
        yield
    finally:
        _state.shares = False


def are_shared() -> bool:
    """Say whether this thread shares its turns."""
    return getattr(_state, "shares", False)


def locks_rows() -> bool:
    """Say whether rows can be locked one by one, for others may share our turn."""
    return bool(connection.features.has_select_for_update)
