"""What a discovery is: it finds entries, in an order it can take up again."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from argosy.core.entry import Entry
from argosy.core.room import Room
from argosy.filesystems.base import OnError
from argosy.site import Site


class Discovery(Protocol):
    """A frozen dataclass whose fields are its options."""

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        """Yield the entries found for the given ones; behind `after` where an earlier attempt came that far."""


DISCOVERIES: Room[Discovery] = Room("argosy.discoveries", noun="discovery")
"""By documented name: `recursive`."""
