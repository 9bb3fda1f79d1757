"""Causes: what lies behind an error that was recorded, and what somebody can do about it.

A cause is told by the code of the error, which whoever raised it chose. The reason is for people: it names what users
have named, and is never searched for words.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """One cause. `name` is stable on the wire; the rest is for people."""

    name: str
    title: str
    remedy: str


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
    "The datastore does not answer, or cannot be used",
    "See that the store runs, that its address is right and that the node reaches it; what has attempts left is tried "
    "again by itself",
)
STORE_UNTRUSTED = Cause(
    "store_untrusted",
    "The certificate of the datastore is not to be trusted",
    "Renew the certificate of the server if it has run out or is for another host name; name the authority that signed "
    "it in ca_file of the datastore; what has attempts left is tried again by itself",
)
STORE_NAME_UNKNOWN = Cause(
    "store_name_unknown",
    "The host name of the datastore is not known at the node",
    "Correct endpoint or storage account of the datastore, or the name service (DNS) of the node; what has attempts "
    "left is tried again by itself",
)
STORE_NOT_TLS = Cause(
    "store_not_tls",
    "The datastore does not speak TLS, and its endpoint begins with https",
    "Correct the port, or say http:// in the endpoint; what has attempts left is tried again by itself",
)
STORE_STRANGER = Cause(
    "store_stranger",
    "What answers in the place of the datastore is no such store",
    "See where the endpoint leads: past a proxy or a login page, perhaps; what has attempts left is tried again by "
    "itself",
)
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
SNAPDIFF_LOCKED = Cause(
    "snapdiff_locked",
    "Another job looks for changes in the fileset, or carries out what it found there",
    "Wait until it has ended, and run it again; if there is none, remove the lock file that the reason names",
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
STORE_KEY = Cause(
    "store_key",
    "The key by which the datastore encrypts cannot be used",
    "See at its key management that the key is there, enabled, and may be used with our credentials, or correct "
    "kms_key_id of the datastore; then run the job again: nothing asks again by itself",
)
IMMUTABLE = Cause(
    "immutable",
    "The file is marked immutable or append-only, or is a root or a fileset, and stays as it is",
    "Take the mark off (`chattr -i -a`) if it is to be changed, then run it again; where there is none (`lsattr`), run "
    "the agent as root",
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
OCCUPIED = Cause(
    "occupied",
    "Another task of Argosy works on the file",
    "Wait until that one has done: it was tried again for some minutes. Run it again then; the file is as it was",
)
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
    "What the inode says of its copy cannot be believed: its attribute was changed, taken away, or is another site's",
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
    "What there is of it was kept: run `argosy verify --content` where the file comes from, and look at the disk or "
    "the store",
)
DISK_BROKEN = Cause("disk_broken", "The disk cannot read or write", "Look at the kernel's log of the node")
OBJECT_GONE = Cause(
    "object_gone",
    "The object of the file is gone from the datastore, or was replaced",
    "Of a stub: run `argosy rebuild`, which finds an object that has another name now; else bring it back, from a "
    "version or a backup of the store. Of a file that has its bytes: run `argosy verify --repair`, and premigrate it "
    "again. The file stays as it is",
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
EXISTS = Cause(
    "exists", "The name is taken", "Do what the reason says, or move away what has the name, then run it again"
)
NOT_EMPTY = Cause(
    "not_empty",
    "A directory holds something, and is left alone",
    "Empty it, or move it away; a step that can take along what it holds has an option `recursive`",
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
AGENT_DIED = Cause(
    "agent_died",
    "The agents died while they ran this",
    "Look at the log of the agents, and the kernel's, for why they died: memory, or a step of another distribution. It "
    "is begun again by itself, but not after they died with nothing beside it: run it again then, when that is mended",
)
HUB_FULL = Cause("hub_full", "The disk of the hub is full", "Make room on the disk of the hub")
HUB_AWAY = Cause(
    "hub_away",
    "The hub could not be reached, or could not record",
    "Look at the log of the hub; what has attempts left is tried again by itself",
)
EXHAUSTED = Cause("exhausted", "Something is used up", "Make room for what the reason names, then run it again")
UNAVAILABLE = Cause(
    "unavailable",
    "Something that is needed cannot be used now",
    "Do what the reason says; what has attempts left is tried again by itself",
)
ONLY_COPY_DAMAGED = Cause(
    "only_copy_damaged",
    "The only bytes of a stub are not those that were stored",
    "Look for them in the versions and backups of the store, and at other sites; the file stays as it is",
)
UNSUPPORTED = Cause("unsupported", "The place lacks an ability that this needs", "See the reason for what it lacks")
OTHER_FILESYSTEM = Cause(
    "other_filesystem",
    "The path lies on another filesystem than the root of the site",
    "Add the mount point of that filesystem to the roots of the site, or leave the path out",
)
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
SLOTS_HELD = Cause(
    "slots_held",
    "The site has no slot left for it: what was taken back and does not end holds them all",
    "Start the agents of the site again, which ends it; then mend or remove the step that the reason names",
)
BEHIND = Cause("behind", "It waits behind tasks of the job itself that run now", "Wait")
RUNNING = Cause("running", "It runs", "Wait, or watch it with `argosy job watch`")
CANCELLED = Cause("cancelled", "The job was cancelled", "Run it again if it was to be done; what was done stays")
NO_WORK = Cause(
    "no_work",
    "The job was given nothing to do yet",
    "Submit paths that name the job (`job` of POST /api/file/workflow/), or cancel it",
)
NOTHING_FOUND = Cause(
    "nothing_found",
    "No entry was found that a rule of the workflow is for",
    "Look at the paths and at the state that was named with each, at state and type of the rules, and at include and "
    "exclude of site, workflow and job",
)

BY_CODE: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "refused": WRONG_KEY,
        "bucket_gone": BUCKET_GONE,
        "store_key": STORE_KEY,
        "store_elsewhere": STORE_ELSEWHERE,
        "clock_wrong": CLOCK_WRONG,
        "store_down": STORE_DOWN,
        "store_untrusted": STORE_UNTRUSTED,
        "store_name_unknown": STORE_NAME_UNKNOWN,
        "store_not_tls": STORE_NOT_TLS,
        "store_stranger": STORE_STRANGER,
        "store_full": STORE_FULL,
        "store_not_declared": NOT_ALLOWED_STORE,
        "root_refused": ROOT_REFUSED,
        "fileset_refused": FILESET_REFUSED,
        "no_fileset": NO_FILESET,
        "snapdiff_locked": SNAPDIFF_LOCKED,
        "hub_full": HUB_FULL,
        "hub_away": HUB_AWAY,
        "unavailable": UNAVAILABLE,
        "disk_full": DISK_FULL,
        "quota": QUOTA,
        "limit": LIMIT,
        "exhausted": EXHAUSTED,
        "permission": PERMISSION,
        "not_permitted": IMMUTABLE,
        "protected": IMMUTABLE,
        "read_only": READ_ONLY,
        "outside_roots": OUTSIDE,
        "symlink": SYMLINK,
        "only_copy": ONLY_COPY,
        "denied": DENIED,
        "no_guard": NO_GUARD,
        "other_filesystem": OTHER_FILESYSTEM,
        "unsupported": UNSUPPORTED,
        "no_sitelink": NO_SITELINK,
        "not_adopted": NOT_ADOPTED,
        "invalid": INVALID,
        "busy": BUSY,
        "occupied": OCCUPIED,
        "drifted": DRIFTED,
        "changed": CHANGED,
        "restoring": ARCHIVED,
        "forged": FORGED,
        "pointer_unreadable": FORGED,
        "pointer_gone": FORGED,
        "stub_written": STUB_WRITTEN,
        "disk_broken": DISK_BROKEN,
        "only_copy_damaged": ONLY_COPY_DAMAGED,
        "corrupt": CORRUPT,
        "object_gone": OBJECT_GONE,
        "key_unknown": KEY_UNKNOWN,
        "not_found": PATH_GONE,
        "differs": DIFFERS,
        "not_empty": NOT_EMPTY,
        "exists": EXISTS,
        "lease_lost": AGENT_LOST,
        "restarted": RESTARTED,
        "agent_died": AGENT_DIED,
    }
)
"""What lies behind each code that an error may have."""


def cause_of(code: str) -> Cause:
    """Return what lies behind an error of this code: `UNKNOWN` for one that nobody here has heard of."""
    return BY_CODE.get(code, UNKNOWN)
