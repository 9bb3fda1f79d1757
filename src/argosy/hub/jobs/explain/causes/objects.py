"""What is wrong with the copy of a file, or with what says where that is."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

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
ONLY_COPY = Cause(
    "only_copy", "The object holds the only bytes of a stub", "Recall the stub, or delete it, before its object"
)
ONLY_COPY_DAMAGED = Cause(
    "only_copy_damaged",
    "The only bytes of a stub are not those that were stored",
    "Look for them in the versions and backups of the store, and at other sites; the file stays as it is",
)
CORRUPT = Cause(
    "corrupt",
    "Bytes are not the bytes that were stored",
    "What there is of it was kept: run `argosy verify --content` where the file comes from, and look at the disk or "
    "the store",
)
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
NOT_ADOPTED = Cause(
    "not_adopted", "The file is a copy of a stub and has no bytes of its own", "Adopt it with `argosy adopt`"
)

CODES: Final = {
    "only_copy": ONLY_COPY,
    "not_adopted": NOT_ADOPTED,
    "restoring": ARCHIVED,
    "forged": FORGED,
    "pointer_unreadable": FORGED,
    "pointer_gone": FORGED,
    "stub_written": STUB_WRITTEN,
    "only_copy_damaged": ONLY_COPY_DAMAGED,
    "corrupt": CORRUPT,
    "object_gone": OBJECT_GONE,
    "key_unknown": KEY_UNKNOWN,
}
"""What lies behind errors of these codes."""
