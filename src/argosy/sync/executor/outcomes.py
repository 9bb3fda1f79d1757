"""What became of operations."""

from enum import StrEnum

import msgspec

from argosy.sync.planner.plans import Act
from argosy.sync.planner.trees import Entry


class Became(StrEnum):
    """What became of an operation."""

    DONE = "done"
    """It is done, and on the disk."""
    ABORTED = "aborted"
    """What is there is not what the scan saw: it was left as it is, for the next run to look at."""
    FAILED = "failed"
    """It could not be done."""
    LEFT = "left"
    """Not begun: something that it needs was not done."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one operation."""

    number: int
    act: Act
    object: str
    became: Became
    entry: Entry | None = None
    """What was seen of the object afterwards; of what could not come to its name: where it is now. None: as before."""
    given_ns: int | None = None
    """The mtime that it was given, where its filesystem keeps another for it: a coarser one, mostly."""
    shelved: Entry | None = None
    """Of what a name lost, no directory: what it is now, on its shelf or under its other names."""
    shelf_id: str = ""
    """Under which id the version store or the trash keeps what the name lost."""
    copy: int | None = None
    """Of what has other names, and is kept as a copy: the inode of that."""
    reason: str = ""
    code: str = ""
    """Of the error."""
    because: int | None = None
    """Of what was left: the operation that it needs."""
