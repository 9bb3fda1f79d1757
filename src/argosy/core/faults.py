"""Errors that tell what lies behind them: one of the kinds of `errors` each, with a code of its own.

`explain` goes by the code alone. A message holds names that users chose, and tells nothing that a program may go by.
What only one room of the code can meet is defined there: forged attributes, stores that cannot be reached.
"""

from argosy.core.errors import (
    Busy,
    Changed,
    Corrupt,
    Denied,
    Exhausted,
    Exists,
    Invalid,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
)


class DiskFull(Exhausted):
    """A disk of the site is full."""

    code = "disk_full"


class QuotaUsedUp(Exhausted):
    """A quota of the site's filesystem is used up."""

    code = "quota"


class LimitReached(Exhausted):
    """A limit of system or filesystem is reached: open files, links, the size of a file."""

    code = "limit"


class StoreFull(Exhausted):
    """The store takes no more: it is full, or what it grants us is used up."""

    code = "store_full"


class NoAccess(Denied):
    """Owner and mode forbid it to the agent."""

    code = "permission"


class NotPermitted(Denied):
    """The system forbids it whatever owner and mode say: by a mark on the file, or to all but root."""

    code = "not_permitted"


class ReadOnly(Denied):
    """The filesystem is mounted read-only."""

    code = "read_only"


class BehindSymlink(Denied):
    """A symlink stands among the directories of the path."""

    code = "symlink"


class OutsideRoots(Denied):
    """The path lies below no root of the site."""

    code = "outside_roots"


class Undeclared(Denied):
    """The agent's configuration does not list the directory of the datastore."""

    code = "store_not_declared"


class OnlyCopy(Denied):
    """The object holds the only bytes of a stub."""

    code = "only_copy"


class NoGuard(Unsupported):
    """The site makes no stubs."""

    code = "no_guard"


class OtherFilesystem(Unsupported):
    """The path lies on another filesystem than the root that it is below."""

    code = "other_filesystem"


class NoSitelink(Invalid):
    """No sitelink leads where one is needed."""

    code = "no_sitelink"


class NotAdopted(Invalid):
    """The file is a copy of a stub that nobody adopted."""

    code = "not_adopted"


class Occupied(Busy):
    """Another task of Argosy works on the thing. It will have done: the task that met it is tried again."""

    code = "occupied"


class Drifted(Changed):
    """The entry is not what its plan saw."""

    code = "drifted"


class Removed(Changed):
    """What was to give way, or to be changed, was removed since it was seen."""

    code = "removed"


class NotMoved(Changed):
    """What was to be moved before could not be, and would be in the way, or be taken along."""

    code = "not_moved"


class ObjectGone(NotFound):
    """An object is not in its store, or is not the one that was meant."""

    code = "object_gone"


class PointerGone(NotFound):
    """A file was left as a stub, and nothing on it says where its bytes are."""

    code = "pointer_gone"


class PointerUnreadable(Corrupt):
    """What the inode says of its copy was cut or changed."""

    code = "pointer_unreadable"


class OnlyCopyDamaged(Corrupt):
    """The only bytes of a stub are not those that were stored."""

    code = "only_copy_damaged"


class StubWritten(Corrupt):
    """Somebody wrote into a stub."""

    code = "stub_written"


class DiskBroken(Corrupt):
    """The disk cannot read or write."""

    code = "disk_broken"


class NotEmpty(Exists):
    """A directory that was to go, or to make room, holds something."""

    code = "not_empty"


class Differs(Exists):
    """Something else holds the name, and is left alone unless somebody asks to overwrite it."""

    code = "differs"


class RootUnserved(Unavailable):
    """A root of the site is not served, or is not the tree that was served before."""

    code = "root_refused"


class NoFileset(Invalid):
    """No fileset has its top at the path."""

    code = "no_fileset"


class LastSnapshotGone(NotFound):
    """The last-snap file of a fileset names a snapshot that is not there."""

    code = "last_snapshot_gone"


class IndexDamaged(Corrupt):
    """What lies under the name of an index is no whole index, or that of another snapshot."""

    code = "index_damaged"


class FilesetRefused(Refused):
    """What lies at the top of a fileset is not known to be that fileset."""

    code = "fileset_refused"


class StoreDown(Unavailable):
    """The store does not answer, or cannot be used as it is."""

    code = "store_down"


class StoreStranger(StoreDown):
    """What answers in the place of the store is no such store: a proxy or a login page, say."""

    code = "store_stranger"


class HubFull(Unavailable):
    """The disk of the hub is full."""

    code = "hub_full"


class HubAway(Unavailable):
    """The hub cannot be reached, or cannot record."""

    code = "hub_away"
