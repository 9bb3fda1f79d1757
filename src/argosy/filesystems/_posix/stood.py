"""What a directory was when something was taken from it, or it was removed itself: who could do what in it.

What comes back must not come to lie where others can reach it, or change its name, who could not before.
"""

import os
import stat
import time
from typing import Final, NamedTuple, Self

import msgspec

from argosy.core.entry import Attributes
from argosy.core.ready import ready
from argosy.filesystems._posix import inode, seal
from argosy.filesystems._posix.root import Root, closing
from argosy.filesystems.base import Kept
from argosy.linux.openat2 import DIRECTORY, open_beneath

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_DEFAULT: Final = b"system.posix_acl_default"


class Stood(msgspec.Struct, frozen=True, array_like=True):
    """A directory as it stood in the tree."""

    inode: int
    """0: it is not the inode that tells; it was removed, and stands there no more."""
    attributes: Attributes

    @classmethod
    def of(cls, directory: int) -> Self:
        """Return how an open directory stands in the tree now."""
        return cls(os.fstat(directory).st_ino, inode.rights(directory))

    @classmethod
    def read(cls, said: bytes) -> Self | None:
        """Return what was written by `written`; None where that is nothing."""
        try:
            return msgspec.msgpack.decode(said, type=ready(cls))
        except msgspec.MsgspecError:
            return None

    def written(self) -> bytes:
        """Return it as bytes."""
        return msgspec.msgpack.encode(self)

    def owned_alike(self, directory: int) -> bool:
        """Say whether an open directory belongs to the same, or to us."""
        return os.fstat(directory).st_uid in {self.attributes.uid, os.geteuid()}


def gives_no_more(one: Attributes, other: Attributes) -> bool:
    """Say whether a directory gives nobody but its owner any right that another one does not give."""
    if not one.mode & _OTHERS and _DEFAULT not in dict(one.xattrs):
        return True
    unstuck = other.mode & ~one.mode & stat.S_ISVTX
    wider = one.mode & ~other.mode & _OTHERS
    return (one.gid, one.acls) == (other.gid, other.acls) and not (unstuck or wider)


class Told(NamedTuple):
    """What a shelf tells of a directory above an entry that lies there."""

    stood: Stood
    """What to make it like, if it is missing."""
    binds: bool
    """Whether one that is there must give nobody more."""
    named: bool = False
    """Whether it has another name now, which whoever restores the entry chose."""
    guessed: bool = False
    """Whether nothing is known: it is nobody's until it comes back itself."""


def told_of(root: Root, kept: Kept, path: bytes) -> dict[int, Told]:
    """Return what is told of the directories above the path that an entry is to have, by how many names lead to each.

    They are those that were above it, counted from below, up to the first that is called otherwise.
    """
    was, now = (root.below(each).split(b"/")[:-1] for each in (kept.entry.path, path))
    told: dict[int, Told] = {}
    with closing(root.private(kept.shelf.encode())) as top:
        while was and now:
            named = was[-1] != now[-1]
            with closing(open_beneath(top, b"/".join((kept.id.encode(), *was)), DIRECTORY)) as directory:
                told[len(now)] = _told(directory, named=named, there_still=was == now)
            if named:
                break
            was, now = was[:-1], now[:-1]
    return told


def _told(directory: int, *, named: bool, there_still: bool) -> Told:
    said = seal.said_of_made(directory)
    if said is None:  # it was removed itself
        return Told(Stood(0, inode.read(directory)), seal.can_be_marked(directory), named)
    known = Stood.read(said)
    if known is None:
        private = Attributes(mode=0o700, uid=os.geteuid(), gid=os.getegid(), mtime_ns=time.time_ns())
        return Told(Stood(0, private), binds=False, guessed=True)
    return Told(known, there_still, named)
