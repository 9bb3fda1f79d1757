"""`dynamo.tasks.migrate`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import Changed, NotFound, Unsupported
from argosy.core.outcome import Outcome
from argosy.hsm.premigrate import Premigration
from argosy.site import Site
from argosy.steps.base import STEPS, Settling


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Copy entries to the store that their sitelink names; with `premigrate` the local bytes stay."""

    premigrate: Annotated[bool, "Keep the local bytes; without it files become stubs, which is not available yet"] = (
        False
    )
    overwrite: Annotated[bool, "Replace an object that differs, keeping it as a version, instead of adding another"] = (
        False
    )
    fail_on_mismatch: Annotated[bool, "Fail a file whose object exists and differs"] = False
    endpoint: Annotated[str | None, "Datastore to use where several are linked to the path"] = None
    abort_missing: Annotated[bool, "A file that is gone ends as aborted, not failed"] = False
    lock_level: Annotated[str, "Accepted for compatibility; Linux filesystems have no such locks"] = "implicit"

    def prepare(self, entry: Entry, site: Site) -> Settling | Outcome:
        """Copy one entry; the inode's record of it becomes durable with the batch."""
        if not self.premigrate:
            raise Unsupported("stubs are not available yet: set premigrate to true")
        try:
            return self._premigration().prepare(entry, site)
        except NotFound as error:
            if self.abort_missing:
                raise Changed(error.message) from error
            raise

    def _premigration(self) -> Premigration:
        return Premigration(overwrite=self.overwrite, fail_on_mismatch=self.fail_on_mismatch, endpoint=self.endpoint)
