"""What is wrong with a disk, a root, a fileset, or another place of a site."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

ROOT_REFUSED = Cause(
    "root_refused",
    "A root of the site is not served: what lies there is not the tree that was served before, or cannot be",
    "Mount its disk, or do what the reason says; the agent looks again by itself",
)
FILESET_REFUSED = Cause(
    "fileset_refused",
    "What lies at the top of a fileset is not known to be that fileset: a copy, another directory, a missing disk",
    "See what `argosy fileset check` says, and do that; then run it again",
)
NO_FILESET = Cause(
    "no_fileset",
    "The path is not the top of a fileset",
    "Name the top of one (`argosy fileset list`), or add it with `argosy fileset add`",
)
LAST_SNAPSHOT_GONE = Cause(
    "last_snapshot_gone",
    "The file that says with which snapshot of the fileset to compare names one that is not there",
    "Have the file name one of the snapshots that the reason lists, or remove it: the next run begins with everything",
)
INDEX_DAMAGED = Cause(
    "index_damaged",
    "The index of a snapshot is damaged, or that of another snapshot",
    "Remove it, and the last-snap file, as the reason says: the next run begins with everything",
)
SNAPDIFF_LOCKED = Cause(
    "snapdiff_locked",
    "Another job looks for changes in the fileset, or carries out what it found there",
    "Wait until it has ended, and run it again; if there is none, remove the lock file that the reason names",
)
DISK_FULL = Cause(
    "disk_full", "The disk of the site is full", "Free some space (`argosy trash purge` for one), then run it again"
)
QUOTA = Cause("quota", "A quota is used up", "Raise the quota of the owner or free some of it, then run it again")
LIMIT = Cause("limit", "A limit of the system is reached", "Raise the limit that the reason names, then run it again")
EXHAUSTED = Cause("exhausted", "Something is used up", "Make room for what the reason names, then run it again")
READ_ONLY = Cause("read_only", "The filesystem is mounted read-only", "Mount it for writing, then run it again")
DISK_BROKEN = Cause("disk_broken", "The disk cannot read or write", "Look at the kernel's log of the node")
OTHER_FILESYSTEM = Cause(
    "other_filesystem",
    "The path lies on another filesystem or subvolume than the root of the site",
    "Have the roots of the site name the top of that one, and in the place of a root that holds it the directories "
    "beside it; or leave the path out",
)
UNAVAILABLE = Cause(
    "unavailable",
    "Something that is needed cannot be used now",
    "Do what the reason says; what has attempts left is tried again by itself",
)
UNSUPPORTED = Cause("unsupported", "The place lacks an ability that this needs", "See the reason for what it lacks")

CODES: Final = {
    "root_refused": ROOT_REFUSED,
    "fileset_refused": FILESET_REFUSED,
    "no_fileset": NO_FILESET,
    "last_snapshot_gone": LAST_SNAPSHOT_GONE,
    "index_damaged": INDEX_DAMAGED,
    "snapdiff_locked": SNAPDIFF_LOCKED,
    "unavailable": UNAVAILABLE,
    "disk_full": DISK_FULL,
    "quota": QUOTA,
    "limit": LIMIT,
    "exhausted": EXHAUSTED,
    "read_only": READ_ONLY,
    "other_filesystem": OTHER_FILESYSTEM,
    "unsupported": UNSUPPORTED,
    "disk_broken": DISK_BROKEN,
}
"""What lies behind errors of these codes."""
