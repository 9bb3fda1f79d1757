"""What keeps a database from doing what it is asked, told apart by what is to be done about it."""

import sqlite3
from typing import Final

from django.db import InterfaceError, OperationalError

_LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_AWAY: Final = ("08", "25006", "53300", "55P03", "57P")
"""How SQLSTATEs begin where a server cannot be reached, is no primary, is full of others, locked, or shutting down."""
_CROSSED: Final = {"40001", "40P01"}


def is_away(error: BaseException) -> bool:
    """Say whether the database takes nothing for now, whatever it is asked to: it is locked, or cannot be reached."""
    if isinstance(error.__cause__, sqlite3.Error):
        return (_code(error) or 0) & 0xFF in _LOCKED
    state = _state(error)
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith(_AWAY)


def is_busy(error: BaseException) -> bool:
    """Say whether the database only asks for patience; it cannot be opened where too many files are open."""
    code = _code(error)
    return is_away(error) or is_crossed(error) or (code is not None and code & 0xFF == sqlite3.SQLITE_CANTOPEN)


def is_crossed(error: BaseException) -> bool:
    """Say whether two transactions waited for each other, and this one was broken off: it can be done again at once."""
    return _state(error) in _CROSSED


def _code(error: BaseException) -> int | None:
    return getattr(error.__cause__, "sqlite_errorcode", None)


def _state(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
