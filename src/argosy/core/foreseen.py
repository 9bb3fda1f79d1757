"""What links of a chain would do with an entry, as it travels along the chain of a plan."""

from enum import StrEnum
from typing import Annotated

import msgspec

Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A count of bytes or of things, as filesystems and databases can have it."""


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What doing something to one entry would take."""

    bytes: Size = 0
    """Of content that would cross between filesystem and store."""
    requests: Size = 0
    """To a store, about."""
    along: Size = 0
    """Entries that would be taken along, with a directory that holds them."""
    unknown: bool = False
    """Whether it takes more than that, and nobody can say how much."""


class Leaves(StrEnum):
    """What a link would leave behind, which the links after it would meet."""

    AS_IT_WAS = "as it was"
    """It would only look."""
    WITHOUT_COPY = "without a copy"
    """A whole file as it was, and nothing on it tells of a copy any more."""
    CHANGED = "changed"
    """Another file, or none, and another object perhaps: what is at the site and in the store now does not tell."""
    UNKNOWN = "unknown"
    """Whatever: nobody can say, and what the link learns of the entry is not known either."""


class Foretold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one link would do with an entry."""

    site: str
    says: str
    acts: bool = True
    cost: Cost = Cost()
    leaves: Leaves = Leaves.CHANGED

    @property
    def changes(self) -> bool:
        """Whether the entry would not be as it was."""
        return self.acts and self.leaves is not Leaves.AS_IT_WAS
