"""What the planner answers: operations and their order, or what it must know or be told first."""

from enum import IntEnum, StrEnum

import msgspec

from argosy.sync.planner.options import Alarm
from argosy.sync.planner.trees import Binding, Entry, Kind, Metadata, Side


class Act(IntEnum):
    """What an operation does, in the order in which one side does it; the first two from the deepest name upward."""

    PARK = 1
    """Taken from its name into a place where nobody sees it, on its way to another name."""
    TRASH = 2
    """Moved to the trash; a directory only if nothing is in it any more."""
    CREATE = 3
    """Comes to be, or comes back from where it was parked: from the top downward, never over anything."""
    UNPARK = 4
    REPLACE = 5
    """Gets another content; what it had goes to the version store."""
    METADATA = 6
    MTIME = 7
    """A directory gets its time back after all that was done in it, the deepest first."""


class Shelf(StrEnum):
    """Where a content goes that a name loses."""

    TRASH = "trash"
    VERSIONS = "versions"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One change on one side, done by compare-and-swap: only if what it `expects` is what is there.

    A directory that this plan creates has no binding yet: `parent` is then the object that an earlier operation made.
    """

    number: int
    """Its place in the order, unique in a plan."""
    side: Side
    act: Act
    object: str
    kind: Kind
    path: bytes
    """Relative to the top: where the thing is now; of what is not there yet, where it will be."""
    target: bytes
    """Relative to the top: where it will be; of what is trashed, where it was."""
    parent: str = ""
    """The object of the directory in which it will be."""
    into: Binding | None = None
    """That directory's inode, where it is there already."""
    name: bytes = b""
    expects: Entry | None = None
    """What the scan saw, on this side, of the thing that is changed; with its content, as far as that is known."""
    source: tuple[Side, Entry] | None = None
    """Whose content, metadata or mtime it gets."""
    source_at: bytes = b""
    """Relative to the top of that side: where that is before anything is done."""
    linked: str = ""
    """The object of this side of which it becomes another name, instead of bytes of its own."""
    linked_at: bytes = b""
    """Relative to the top: where that object is by then."""
    linked_to: Entry | None = None
    """What the scan saw of that object, where it is there already and stays the same."""
    shared: bool = False
    """Whether later operations may make more names of what it makes."""
    content: bytes | None = None
    """The hash or target it will have, as far as it is known."""
    size: int = 0
    metadata: Metadata | None = None
    mtime_ns: int | None = None
    shelf: Shelf | None = None
    bytes: int = 0
    """How many bytes cross from the other side for it."""
    after: tuple[int, ...] = ()
    """Numbers of operations of this side without which it must not be done."""
    reason: str = ""


class Dispute(StrEnum):
    """What both sides claimed differently."""

    CONTENT = "content"
    METADATA = "metadata"
    PLACE = "place"
    NAME = "name"
    CYCLE = "cycle"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides changed the same thing: who won, why, and where the other version is."""

    dispute: Dispute
    object: str
    path: bytes
    winner: Side
    kept: bytes = b""
    """The path under which the loser stays visible; empty: in the version store, or nothing was lost but a place."""
    named: str = ""
    """The object that has the name; empty: it was about no name."""
    copy: str = ""
    """The object that the loser is from now on, where it stays visible."""
    at: bytes = b""
    """The path of what has the name, once the plan is done."""
    why: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Something that differs and is left as it is on one side in this run; a later run sees it again."""

    side: Side
    object: str
    path: bytes
    why: str
    skipped: bool = False
    """Whether that is what was asked for (the destination is newer), and not for want of something."""
    elsewhere: bytes = b""
    """Its path on the other side, where that is another one."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A name on one side that is no object of the plan."""

    side: Side
    path: bytes
    why: str
    unknown: bool = False


class Need(msgspec.Struct, frozen=True, order=True):
    """A content to be hashed before the plan can be made."""

    side: Side
    binding: Binding
    path: bytes


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do so that both sides agree. Where it refuses or needs something it has no operations."""

    operations: tuple[Operation, ...] = ()
    """In order; each side applies its own in this order."""
    conflicts: tuple[Conflict, ...] = ()
    held: tuple[Held, ...] = ()
    left: tuple[Left, ...] = ()
    needs: tuple[Need, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why nothing is done until somebody confirms, in words."""
    alarms: tuple[Alarm, ...] = ()
    """What he confirms by that."""
    drift: int = 0
    """One-way: how many objects the destination changed by itself, which stay as they are there."""
    matched: tuple[dict[str, Entry], dict[str, Entry]] = msgspec.field(default_factory=lambda: ({}, {}))
    """Which entry of each side is which object. Ids that begin with `+` are of this plan: whoever records the base
    mints others for them."""

    unknown: frozenset[str] = frozenset()
    """Objects of the base of which nobody knows whether they are still there: nothing was decided about them."""
    unseen: frozenset[str] = frozenset()
    """Of these: those that a side may have where it could not look for the first time, or was not seen whole."""

    @property
    def bytes(self) -> int:
        """How many bytes cross between the sides."""
        return sum(each.bytes for each in self.operations)
