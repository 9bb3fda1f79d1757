"""One file, directory or symlink as it looked when found, and what is learned of it on its way."""

from enum import StrEnum
from typing import Final

import msgspec

from argosy.core.foreseen import Foretold, Size

ACLS: Final = frozenset({b"system.posix_acl_access", b"system.posix_acl_default"})
"""Names of the xattrs that are POSIX ACLs."""


class Kind(StrEnum):
    """What an entry is; `other` (fifo, socket, device) is never transferred."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class Attributes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who owns an entry and what is attached to it. `xattrs` holds `user.*` and POSIX ACLs, sorted by name."""

    mode: int
    uid: int
    gid: int
    user: str = ""
    group: str = ""
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def acls(self) -> frozenset[tuple[bytes, bytes]]:
        """The ACLs among the xattrs."""
        return frozenset(each for each in self.xattrs if each[0] in ACLS)

    def owned_like(self, ours: "Attributes") -> "Attributes":
        """Return these attributes with owner and ACLs of others."""
        xattrs = {each for each in self.xattrs if each[0] not in ACLS} | ours.acls
        return msgspec.structs.replace(
            self, uid=ours.uid, gid=ours.gid, user=ours.user, group=ours.group, xattrs=tuple(sorted(xattrs))
        )

    def restrained(self, ours: "Attributes") -> "Attributes":
        """Return of these attributes what grants nobody more than `ours` do: no other owner, no further right."""
        return msgspec.structs.replace(self.owned_like(ours), mode=self.mode & ours.mode)


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Exact bytes in a store: enough to find them again whatever became of the names."""

    datastore: str
    key: str
    uuid: bytes
    """16 bytes, made when the object was written, kept in its metadata."""
    etag: str = ""
    version: str = ""
    size: int
    digest: bytes = b""
    """BLAKE3 of the content, 32 bytes; empty for directories and symlinks."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan saw at one path of a site. `kind` None: nothing was there."""

    site: str
    path: bytes
    kind: Kind | None = None
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    holds: bytes = b""
    """BLAKE3 of the listing of all that a directory held, where the step would have taken that along."""


class Expected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan was made for: where it is not so any more, nothing is done."""

    seen: tuple[Seen, ...]
    """What links saw at paths that none before them would have touched."""
    found: "Entry | None" = None
    """Of a plan that is being made: the entry as it came to the first link."""
    application: bytes = b""
    """Of a plan that is being done: names this time of doing it."""


class Was(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an entry that moved was like under its old name, at the site where that was found."""

    size: Size
    mtime_ns: int
    object: bytes
    """The same for as long as it lives, whatever its name is, and never that of another."""
    since_ns: int
    """When that was looked at."""


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What another site has where the entry's path is there. `kind` None: nothing."""

    site: str
    kind: Kind | None = None
    size: Size = 0
    mtime_ns: int = 0
    attributes: Attributes | None = None
    target: bytes | None = None
    digest: bytes = b""
    """BLAKE3 of the content, where it is known without reading the file."""


class Left(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a sync left under a name of which it took something, by which it is known again."""

    kind: Kind
    inode: int
    size: Size = 0
    mtime_ns: int
    ctime_ns: int
    """With another, it is the same only if the rest of this is."""
    mode: int
    uid: int
    gid: int
    content: bytes = b""
    """BLAKE3 of what a file holds, the target of a symlink; b"" where that is not known."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the links of a chain have learned of an entry; each link adds, none forgets."""

    attributes: Attributes | None = None
    stored: Stored | None = None
    target: bytes | None = None
    """Where a symlink points."""
    extents: tuple[tuple[int, int], ...] | None = None
    """(offset, length) of the data of a sparse file, in order; None: all of it is data."""
    links: int = 1
    """How many names the file has at the site it was found."""
    along: bool = False
    """Whether it moved because a directory did that it lies in: whoever moved that has moved it, too."""
    was: Was | None = None
    """Of an entry that moved: what it is known by where it is to be moved as well."""
    expected: Expected | None = None
    """Of an entry that is planned, or done as planned."""
    foreseen: tuple[Foretold, ...] = ()
    """Of an entry that is planned: what each link of its chain so far would do with it, in their order."""
    operation: int = -1
    """For which operation of its sync the entry is brought to another site."""
    digest: bytes = b""
    """BLAKE3 of the content, where somebody read the file to know it."""
    left: Left | None = None
    """Of what a sync took from its name and is to have it again: what the sync left there. None: nothing."""
    elsewhere: Elsewhere | None = None
    """What was seen at another site, for the link that compares with that."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file, directory or symlink as it looked when found; `path` is absolute at the site that works on it."""

    path: bytes
    kind: Kind = Kind.FILE
    size: Size = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    state: str = ""
    """What discovery, or the submission, says happened to it; matched by rules."""
    source: bytes | None = None
    """Where it was before: what moves entries moves them from here to `path`."""
    facts: Facts = Facts()

    def learned(self, **facts: object) -> "Entry":
        """Return the entry with facts added."""
        return msgspec.structs.replace(self, facts=msgspec.structs.replace(self.facts, **facts))
