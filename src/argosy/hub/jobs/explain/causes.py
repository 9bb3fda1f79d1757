"""Causes: what lies behind an error that was recorded, and what somebody can do about it."""

import re
from typing import Final

import msgspec

from argosy.core import errors


class Cause(msgspec.Struct, frozen=True):
    """One cause. `name` is stable on the wire; the rest is for people."""

    name: str
    title: str
    remedy: str


_Rule = tuple[str, str, Cause]
"""Code of an error, what its reason holds ("" for anything), and the cause behind both."""

WRONG_KEY = Cause(
    "wrong_key",
    "The datastore refuses our credentials",
    "Correct access key, secret and rights of the datastore, then run the job again: nothing asks again by itself",
)
BUCKET_GONE = Cause(
    "bucket_gone",
    "The bucket or container of the datastore does not exist",
    "Make it again or correct its name, then run the job again: nothing asks again by itself",
)
STORE_ELSEWHERE = Cause(
    "store_elsewhere",
    "The bucket lies in another region or at another endpoint",
    "Correct region and endpoint of the datastore, then run the job again",
)
CLOCK_WRONG = Cause(
    "clock_wrong", "The clock of the node is wrong", "Set the clock of the node, then run the job again"
)
STORE_DOWN = Cause(
    "store_down",
    "The datastore does not answer",
    "See that the store runs, that its address is right and that the node reaches it; what has attempts left is tried "
    "again by itself",
)
ROOT_REFUSED = Cause(
    "root_refused",
    "A root of the site is not served: what lies there is not the tree that was served before, or cannot be",
    "Mount its disk, or do what the reason says; the agent looks again by itself",
)
STORE_FULL = Cause(
    "store_full", "The datastore is full", "Make room in the store or raise its quota, then run it again"
)
DISK_FULL = Cause(
    "disk_full", "The disk of the site is full", "Free some space (`argosy trash purge` for one), then run it again"
)
QUOTA = Cause("quota", "A quota is used up", "Raise the quota of the owner or free some of it, then run it again")
LIMIT = Cause("limit", "A limit of the system is reached", "Raise the limit that the reason names, then run it again")
PERMISSION = Cause(
    "permission",
    "The agent may not touch the file",
    "Run the agent as root, or grant its user access, then run it again",
)
IMMUTABLE = Cause(
    "immutable",
    "The file is marked immutable or append-only, or is a root or a fileset, and stays where it is",
    "Take the mark off (`chattr -i -a`) if it is to be changed, then run it again",
)
READ_ONLY = Cause("read_only", "The filesystem is mounted read-only", "Mount it for writing, then run it again")
OUTSIDE = Cause(
    "outside_roots", "The path lies outside the roots of the site", "Name a path below a root, or add one to the site"
)
SYMLINK = Cause("symlink", "A symlink stands among the directories of the path", "Name the path that it leads to")
NOT_ALLOWED_STORE = Cause(
    "store_not_declared",
    "The agent's configuration does not list the directory of the datastore",
    "Declare the datastore in the configuration that the agent runs with",
)
ONLY_COPY = Cause(
    "only_copy", "The object holds the only bytes of a stub", "Recall the stub, or delete it, before its object"
)
NO_GUARD = Cause(
    "no_guard",
    "The site makes no stubs: a program that reads one there would read zeros",
    "Use premigrate, or hydrate, or set unguarded_stubs for the site",
)
NO_SITELINK = Cause(
    "no_sitelink", "No sitelink leads from the path to the datastore", "Add the sitelink that the reason names"
)
NOT_ADOPTED = Cause(
    "not_adopted", "The file is a copy of a stub and has no bytes of its own", "Adopt it with `argosy adopt`"
)
BUSY = Cause(
    "busy", "Somebody uses the file right now", "Close it there, then run it again; the file is as it was"
)  # fmt: skip
DRIFTED = Cause(
    "drifted", "The file is no longer what the plan saw", "Plan again, look at what is new, and apply that"
)  # fmt: skip
CHANGED = Cause("changed", "The file was changed meanwhile", "Run it again when nobody writes to it")
ARCHIVED = Cause(
    "archived",
    "The object lies in an archive tier, and its restore was requested",
    "Wait: that takes hours, and the job looks again by itself",
)
FORGED = Cause(
    "forged",
    "What the inode says of its copy cannot be believed: its attribute was changed or belongs to another site",
    "Find out who wrote it; restore it from a backup, or make the file again from its object (reverse_stub, overwrite)",
)
STUB_WRITTEN = Cause(
    "stub_written",
    "Somebody wrote into a stub",
    "Run `argosy verify --repair`: what was written is kept beside it",
)
CORRUPT = Cause(
    "corrupt",
    "Bytes are not the bytes that were stored",
    "Both copies were kept: run `argosy verify --content` over them and look at the disk or the store",
)
DISK_BROKEN = Cause("disk_broken", "The disk cannot read or write", "Look at the kernel's log of the node")
OBJECT_GONE = Cause(
    "object_gone",
    "The object of the file is gone from the datastore, or was replaced",
    "Bring it back (from a version or a backup), or run `argosy verify --repair`; the file stays as it is",
)
KEY_UNKNOWN = Cause(
    "key_unknown", "The index does not know where the object of the file is", "Run `argosy rebuild`, which looks for it"
)
PATH_GONE = Cause(
    "path_gone", "There is nothing at the path", "Correct the path, or leave it out: it was removed or renamed"
)
DIFFERS = Cause(
    "differs",
    "Something else already holds the name",
    "Use overwrite to replace it (what was there is kept), or move it away",
)
AGENT_LOST = Cause(
    "agent_lost",
    "The node stopped answering while it ran this",
    "Look at the node and its agent; the work is given out again by itself",
)
RESTARTED = Cause(
    "restarted",
    "Hub or agents were started anew while this ran, and it is begun again",
    "Nothing: what was done already is found done",
)
HUB_FULL = Cause("hub_full", "The hub cannot record", "Make room on the disk of the hub")
UNSUPPORTED = Cause("unsupported", "The place lacks an ability that this needs", "See the reason for what it lacks")
INVALID = Cause("invalid", "What was asked cannot apply here", "Correct what the reason names, then run it again")
DENIED = Cause("denied", "It may not be touched", "See the reason for who may, then run it again")
UNKNOWN = Cause("unknown", "Something failed that should not have", "Look at the log of the agent at that time")

NO_AGENT = Cause("no_agent", "No agent serves the site now", "Start the agent of the site (or `argosy up`) at a node")
AGENT_SILENT = Cause(
    "agent_silent",
    "The node that runs this has not been heard for a while",
    "Look at the node; when its lease ends the work is given out again",
)
QUEUED = Cause(
    "queued",
    "The site works on other jobs first",
    "Wait, or cancel one of the jobs ahead; more threads at the site help only where it is idle",
)
BEHIND = Cause("behind", "It waits behind tasks of the job itself that run now", "Wait")
RUNNING = Cause("running", "It runs", "Wait, or watch it with `argosy job watch`")
CANCELLED = Cause("cancelled", "The job was cancelled", "Run it again if it was to be done; what was done stays")
NOTHING_FOUND = Cause(
    "nothing_found",
    "No entry was found that a rule of the workflow is for",
    "Look at the paths, and at include and exclude of site, workflow and job",
)

_RULES: Final[tuple[_Rule, ...]] = (
    ("refused", r"does not exist", BUCKET_GONE),
    ("refused", r"another region", STORE_ELSEWHERE),
    ("refused", r"clock", CLOCK_WRONG),
    ("refused", "", WRONG_KEY),
    ("unavailable", r"\broot\b.*(is not served|lost its identity|no longer in the configuration)", ROOT_REFUSED),
    ("unavailable", r"the hub (cannot record|failed)", HUB_FULL),
    ("unavailable", "", STORE_DOWN),
    ("exhausted", r"quota", QUOTA),
    ("exhausted", r"the disk is full|index of the site", DISK_FULL),
    ("exhausted", r"open files|as many links|larger than a file", LIMIT),
    ("exhausted", "", STORE_FULL),
    ("protected", "", IMMUTABLE),
    ("denied", r"outside (the|all) roots", OUTSIDE),
    ("denied", r"not among the POSIX datastores", NOT_ALLOWED_STORE),
    ("denied", r"only copy", ONLY_COPY),
    ("denied", r"not permitted", IMMUTABLE),
    ("denied", r"read-only", READ_ONLY),
    ("denied", r"symlink", SYMLINK),
    ("denied", r"ermission", PERMISSION),
    ("denied", "", DENIED),
    ("unsupported", r"recall guard", NO_GUARD),
    ("unsupported", "", UNSUPPORTED),
    ("invalid", r"no sitelink|not linked to", NO_SITELINK),
    ("invalid", r"adopt", NOT_ADOPTED),
    ("invalid", "", INVALID),
    ("busy", "", BUSY),
    ("changed", r"since it was planned", DRIFTED),
    ("changed", "", CHANGED),
    ("restoring", "", ARCHIVED),
    ("corrupt", r"attribute|MAC", FORGED),
    ("corrupt", r"lost", OBJECT_GONE),
    ("corrupt", r"wrote|written to", STUB_WRITTEN),
    ("corrupt", r"kernel's log", DISK_BROKEN),
    ("corrupt", "", CORRUPT),
    ("not_found", r"index does not know its key", KEY_UNKNOWN),
    ("not_found", r"\blost\b|object", OBJECT_GONE),
    ("not_found", "", PATH_GONE),
    ("exists", "", DIFFERS),
    ("lease_lost", "", AGENT_LOST),
    ("restarted", "", RESTARTED),
)
CODES: Final = frozenset(
    kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ArgosyError)
)
"""Codes that errors have."""


def cause_of(code: str, reason: str) -> Cause:
    """Return what lies behind an error of this code and reason: the first rule that fits says so."""
    fitting = (cause for known, holds, cause in _RULES if known == code and re.search(holds, reason))
    return next(fitting, UNKNOWN)
