"""The latest event of each row that changed lately. Who comes behind finds the last of many there, not all of them."""

from collections import OrderedDict
from itertools import takewhile

import msgspec

from argosy.hub.common.changes import MOST
from argosy.hub.events.pictures import Picture

BYTES = 8 << 20
"""Memory for the events of one kind."""


class Event(msgspec.Struct, frozen=True):
    """A picture, and its number among all events of this hub since it started."""

    number: int
    picture: Picture
    seen_by: frozenset[int] = frozenset()
    """Of the users who do not see all there is, those who see this."""

    @property
    def size(self) -> int:
        """Bytes it holds."""
        return len(self.picture.data)


class Recent:
    """Events of one kind, each row's latest, in the order of their numbers. The oldest make room."""

    def __init__(self, *, most: int = MOST, most_bytes: int = BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._size = 0
        self.floor = 0
        """Number of the last event that is kept no longer: who has not got as far has missed something."""

    def put(self, event: Event) -> None:
        """Keep the event, in place of an earlier one of its row."""
        if (before := self._events.pop(event.picture.row, None)) is not None:
            self._size -= before.size
        self._events[event.picture.row] = event
        self._size += event.size
        while len(self._events) > self._most or self._size > self._most_bytes:
            _, oldest = self._events.popitem(last=False)
            self._size -= oldest.size
            self.floor = oldest.number

    def forget(self, number: int) -> None:
        """Keep nothing: what came up to this number is not known."""
        self._events.clear()
        self._size, self.floor = 0, number

    def after(self, number: int) -> list[Event]:
        """Return the events behind the number, the latest first."""
        return list(takewhile(lambda event: event.number > number, reversed(self._events.values())))
