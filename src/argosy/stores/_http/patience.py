"""How long a store is waited for, and how often it is asked again."""

import time
from collections.abc import Callable, Iterator
from random import SystemRandom
from typing import NamedTuple, TypeVar

from argosy.core.faults import StoreDown

T = TypeVar("T")

_LONGEST = 30.0
"""Seconds that a store may make us wait between two tries, whatever it asks for."""


class Passing(StoreDown):
    """The store did not answer, or said to come back, `after` so many seconds: another try may succeed."""

    after: float = 0


class Patience(NamedTuple):
    """How long to wait, in seconds, and how often to try. `answer` must suffice for one part to cross the line."""

    connect: float = 5
    answer: float = 60
    tries: int = 5
    pause: float = 0.5

    def pauses(self) -> Iterator[float]:
        """Yield the waits between tries: doubling, and scattered so that agents do not come back as one."""
        for number in range(self.tries - 1):
            yield self.pause * 2**number * SystemRandom().uniform(0.5, 1)

    def call(self, request: Callable[[], T]) -> T:
        """Return what the request returns, tried again while its trouble is a passing one."""
        for pause in self.pauses():
            try:
                return request()
            except Passing as error:
                time.sleep(max(pause, min(error.after, _LONGEST)))
        return request()
