"""By how much the clock of a side is off: it decides who keeps a name, and what it cannot tell it must not."""

import time
from collections.abc import Callable
from typing import Final

_TRIES: Final = 3
"""How often the hub is asked what time it is: the answer that came soonest says it best."""


def clock_off(hub: Callable[[], int]) -> int:
    """Return by how many ns the clock of this machine may be off the one that is asked for its time, either way."""
    return min((_asked(hub) for _ in range(_TRIES)), key=lambda asked: asked[0])[1]


def _asked(hub: Callable[[], int]) -> tuple[int, int]:
    """Return how long it took to say what time it is, and by how much our clock may be off; both in ns."""
    ours, began = time.time_ns(), time.monotonic_ns()
    said = hub()
    took = time.monotonic_ns() - began
    return took, abs(said - (ours + took // 2)) + took // 2
