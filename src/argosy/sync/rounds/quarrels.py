"""What a round tells of conflicts: of those that it met, and of those that earlier ones left for people to settle."""

import msgspec

from argosy.sync.planner.trees import Kind
from argosy.sync.rounds.work import Quarrel


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A version as one site has it."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the two versions of a conflict."""

    object: str = ""
    """Its id in the base; empty: both sides do not have it alike yet."""
    kind: Kind
    content: bytes = b""
    """The BLAKE3 of a file, the target of a symlink; empty: not known."""
    size: int
    mtime_ns: int
    on: tuple[Seen | None, Seen | None]
    """By side, None: it is not there, or nobody has looked since."""


class Met(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conflict that a round met, and how it stands once all is done that could be."""

    quarrel: Quarrel
    named: Version | None = None
    """What has the name."""
    other: Version | None = None


class Watched(msgspec.Struct, frozen=True, array_like=True):
    """A conflict of an earlier round: by which ids and paths both versions are known."""

    number: int
    named: str
    copy: str
    at: bytes
    kept: bytes


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A version, and the path at which both sides have it alike."""

    path: bytes
    version: Version


class Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is there of a watched conflict by now."""

    number: int
    named: Placed | None = None
    copy: Placed | None = None
    coming: bool = False
    """Whether one side alone has the copy still: another run brings it to the other."""
