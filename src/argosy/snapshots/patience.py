"""How often something is tried that others may hinder for a while."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from argosy.core.errors import ArgosyError, Corrupt, Denied, Invalid, LeaseLost, Unsupported

T = TypeVar("T")

_HOPELESS: Final = (LeaseLost, Invalid, Unsupported, Denied, Corrupt)
_FIRST: Final = 0.01
"""Of the whole time: the wait before the second try. Each further one is three times as long: there are six tries."""
_BREATH: Final = 1.0

log = structlog.get_logger()


def patiently(act: Callable[[], T], *, seconds: float, check_lease: Callable[[], None]) -> T:
    """Return what `act` returns, tried again and again until so many seconds have passed; with 0, tried once.

    Raises:
        LeaseLost: the task was lost meanwhile.
        ArgosyError: what the last try raised, or one that no other would mend.
    """
    ends, wait = time.monotonic() + seconds, seconds * _FIRST
    while True:
        try:
            return act()
        except _HOPELESS:
            raise
        except ArgosyError as error:
            left = ends - time.monotonic()
            if left <= 0:
                raise
            log.warning("snapshots: tried again", reason=error.message, wait=min(wait, left))
            _pass(min(wait, left), check_lease)
            wait *= 3


def _pass(seconds: float, check_lease: Callable[[], None]) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        check_lease()
        time.sleep(min(left, _BREATH))
