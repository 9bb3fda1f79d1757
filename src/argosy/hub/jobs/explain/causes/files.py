"""What keeps a single file, or a name, from being dealt with."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

PERMISSION = Cause(
    "permission",
    "The agent may not touch the file",
    "Run the agent as root, or grant its user access, then run it again",
)
IMMUTABLE = Cause(
    "immutable",
    "The file is marked immutable or append-only, or is a root or a fileset, and stays as it is",
    "Take the mark off (`chattr -i -a`) if it is to be changed, then run it again; where there is none (`lsattr`), run "
    "the agent as root",
)
DENIED = Cause("denied", "It may not be touched", "See the reason for who may, then run it again")
SYMLINK = Cause("symlink", "A symlink stands among the directories of the path", "Name the path that it leads to")
BUSY = Cause(
    "busy", "Somebody uses the file right now", "Close it there, then run it again; the file is as it was"
)  # fmt: skip
OCCUPIED = Cause(
    "occupied",
    "Another task of Argosy works on the file",
    "Wait until that one has done: it was tried again for some minutes. Run it again then; the file is as it was",
)
CHANGED = Cause("changed", "The file was changed meanwhile", "Run it again when nobody writes to it")
REMOVED = Cause(
    "removed", "The file was removed meanwhile", "Nothing, if it is to be gone; else do what the reason says"
)  # fmt: skip
DRIFTED = Cause(
    "drifted", "The file is no longer what the plan saw", "Plan again, look at what is new, and apply that"
)  # fmt: skip
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
NOT_MOVED = Cause(
    "not_moved",
    "Something that was to be moved before it could not be moved",
    "See why that was not moved, then resubmit what failed of the job (only_failed); nothing was done to the file",
)
NOT_STAGED = Cause(
    "not_staged",
    "What a sync needed for it did not come to the site",
    "See what became of the other files of the job; the next sync tries it again",
)

CODES: Final = {
    "permission": PERMISSION,
    "not_permitted": IMMUTABLE,
    "protected": IMMUTABLE,
    "symlink": SYMLINK,
    "denied": DENIED,
    "busy": BUSY,
    "occupied": OCCUPIED,
    "drifted": DRIFTED,
    "changed": CHANGED,
    "removed": REMOVED,
    "not_found": PATH_GONE,
    "differs": DIFFERS,
    "not_empty": NOT_EMPTY,
    "exists": EXISTS,
    "not_moved": NOT_MOVED,
    "not_staged": NOT_STAGED,
}
"""What lies behind errors of these codes."""
