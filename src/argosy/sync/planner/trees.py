"""What the planner is told: the base, what a scan found on each side. Values, as light as millions of them need.

Whoever makes them may leave out what is the same in the base and on both sides, but for this, which a plan needs:

* the directories above whatever is told, up to the top, as objects of the base and as entries of the sides they are on;
* of a directory that is gone on a side, every object that the base has below it;
* in a directory of which a child is told, every child whose name has `.conflict-` in it, and, where a side does not
  tell names apart that differ in case or normalisation, every child whose name is the same to it as such a one, or as
  one that is told;
* all names of an inode of which one is told (hard links);
* names that one side has as one file and the other as several, if both can have hard links.

Then the totals must be given, since guards compare with the whole.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

TOP: Final = ""
"""The id of the object that is the top directory of both filesets. It is no row of the base and no entry."""


class Side(IntEnum):
    """The two sides of a pair. In a one-way sync ONE is the source."""

    ONE = 0
    TWO = 1

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.TWO if self is Side.ONE else Side.ONE


SIDES: Final = (Side.ONE, Side.TWO)


class Kind(IntEnum):
    """What an object is. The numbers are those of the index files; kinds that cannot be synced are no objects."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3


class Binding(NamedTuple):
    """Which inode this is, across renames and reboots. Its filesystem must be named in one way throughout a side.

    The number of an inode is used again at once on some filesystems: only with the time of birth does it say who it is.
    """

    filesystem: bytes
    subvolume: int
    inode: int
    born_ns: int


class Metadata(NamedTuple):
    """What can be changed of an object besides its content, its place and its mtime."""

    mode: int
    uid: int
    gid: int
    attributes: bytes | None = None
    """Digest of user xattrs and ACLs, None: it has none."""


class Version(NamedTuple):
    """The version of an inode's data: the same version is the same content, without a look at it."""

    size: int
    mtime_ns: int
    ctime_ns: int


class Entry(NamedTuple):
    """One name of one side, as its scan saw it. It may be told twice only if it has two names."""

    binding: Binding
    parent: Binding
    name: bytes
    kind: Kind
    version: Version
    metadata: Metadata
    content: bytes | None = None
    """BLAKE3 of a file's content, None: not known; the target of a symlink; of a directory it does not matter."""
    links: int = 1


class Found(NamedTuple):
    """What a side had of an object when both last agreed on it."""

    binding: Binding
    version: Version


class Known(NamedTuple):
    """One object of the base: what both sides agreed on, and by which inode each side had it.

    Its id is minted once, at random, and is never made of an inode, a path or a content: those come again.
    """

    id: str
    parent: str
    """The id of the directory it is in, TOP for what lies at the top."""
    name: bytes
    kind: Kind
    content: bytes
    """BLAKE3 of a file's content, the target of a symlink, empty for a directory."""
    size: int
    mtime_ns: int
    metadata: Metadata
    on: tuple[Found, Found]


class Obstacle(NamedTuple):
    """A name on one side that is no object: it is left alone, and its directory stays for its sake."""

    parent: Binding
    name: bytes
    why: str
    """In words: "a fifo", "a mount point", "could not be read: input/output error"."""


class Spot(NamedTuple):
    """Where one side could not look."""

    directory: Binding
    name: bytes = b""
    """A mount point or a name that could not be looked at; empty: the directory itself could not be listed."""


class Totals(NamedTuple):
    """How many there are in all, where not everything is told."""

    objects: int
    """Objects of the base."""
    roots: int
    """Objects of the base that lie at the top."""
    entries: tuple[int, int]
    """Names at the top of each side, of any kind."""


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What the scan of one side found."""

    top: Binding
    entries: Sequence[Entry]
    """All but the top itself, in any order."""
    unsyncable: Sequence[Obstacle] = ()
    """Fifos, sockets, devices, what is excluded."""
    boundaries: Sequence[Obstacle] = ()
    """Mount points, subvolumes, filesets within this one: never crossed, never removed."""
    unknown: Sequence[Obstacle] = ()
    """Names that could not be looked at: nobody knows which object each is."""
    unlisted: frozenset[Binding] = frozenset()
    """Directories whose listing could not be read, or not without a gap: what is missing from them is not gone."""
    complete: bool = True
    """Whether all that was there has an entry; else, what has none is not gone: it may have been moved meanwhile."""
    marked: bool = True
    """Whether the fileset's marker was found at the top: else this may be another tree."""

    @property
    def spots(self) -> frozenset[Spot]:
        """Where anything may lie that the scan did not see."""
        covered = (Spot(each.parent, each.name) for each in (*self.boundaries, *self.unknown))
        return frozenset((*covered, *map(Spot, self.unlisted)))


class Trees(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a plan is made of."""

    base: Sequence[Known]
    """Empty for the first sync of a pair, or where the base was lost."""
    sides: tuple[Tree, Tree]
    totals: Totals | None = None
    """None: everything is told."""
    hashes: Mapping[tuple[Side, Binding], bytes] = msgspec.field(default_factory=dict)
    """Contents that were hashed because an earlier call needed them."""
    unread: frozenset[tuple[Side, Binding]] = frozenset()
    """Contents that an earlier call needed and that cannot be hashed now: what hangs on one stays as it is."""
    spots: tuple[frozenset[Spot], frozenset[Spot]] = (frozenset(), frozenset())
    """Where each side could not look when both last agreed, and missed nothing: see `agreeing.spots`."""
