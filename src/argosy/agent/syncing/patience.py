"""Calls that are worth to be made again while the hub is away, as long as the task is ours."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from argosy.agent.place import OrderSite
from argosy.core.errors import Unavailable

T = TypeVar("T")

_FIRST: Final = 0.05
_LONGEST: Final = 1.0
"""Seconds between two calls."""


def patiently(call: Callable[[], T], site: OrderSite) -> T:
    """Return what the hub answers, as soon as it does.

    Raises:
        LeaseLost: it did not, until the task was no longer ours.
    """
    pause = _FIRST
    while True:
        site.check_lease()
        try:
            return call()
        except Unavailable:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)
