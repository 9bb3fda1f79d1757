"""What time it is by the clock that makes ctimes, and which ctimes tell of every change."""

import os
from typing import Final

_SECOND: Final = 10**9
_SLACK: Final = _SECOND // 20
_COARSE: Final = 2 * _SECOND
"""By how many ns a ctime may lie before what the clock said; and where filesystems note whole seconds."""


class Clock:
    """The clock of the filesystem on which an open file lies that nobody else has."""

    def __init__(self, hand: int) -> None:
        self._hand = hand
        self.slack_ns = slack_of(self.now())

    def now(self) -> int:
        """Return the time, ns since 1970."""
        os.utime(self._hand)
        return os.fstat(self._hand).st_ctime_ns

    def sure_ns(self) -> int:
        """Return before which time nothing changed that will change from now on and keep its ctime."""
        return self.now() - self.slack_ns


def slack_of(now: int) -> int:
    """Return by how much a ctime may lie before the time of the change, going by what the clock said once."""
    return _SLACK if now % _SECOND else _COARSE
