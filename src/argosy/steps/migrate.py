"""`dynamo.tasks.migrate`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import Changed, NotFound
from argosy.core.outcome import Outcome
from argosy.hsm.out.premigrate import Premigration
from argosy.hsm.out.release import Release
from argosy.site import Site
from argosy.steps.base import STEPS, Settling, Work


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Copy entries to the store that their sitelink names, and make stubs of the files.

    Files below the site's `min_stub_size` keep their bytes, as all do with `premigrate`.
    """

    premigrate: Annotated[bool, "Keep the local bytes"] = False
    stub_size: Annotated[
        int, "About how many bytes stay on disk, from the beginning of each file", msgspec.Meta(ge=0)
    ] = 0
    overwrite: Annotated[bool, "Replace an object that differs, keeping it as a version, instead of adding another"] = (
        False
    )
    fail_on_mismatch: Annotated[bool, "Fail a file whose object exists and differs in content or metadata"] = False
    lock_level: Annotated[
        Literal["partial", "implicit"], "Accepted for compatibility and does nothing: files are always locked whole"
    ] = "implicit"
    endpoint: Annotated[str | None, "Datastore to use where several are linked to the path"] = None
    abort_missing: Annotated[bool, "A file that is gone ends as aborted, not failed"] = False

    def prepare(self, entry: Entry, site: Site) -> Work | Settling | Outcome:
        """Copy one entry; the inode's record of it, and that it is a stub, becomes durable with the batch."""
        copying = (
            self._premigration()
            if self.premigrate
            else Release(premigration=self._premigration(), stub_size=self.stub_size)
        )
        try:
            return copying.prepare(entry, site)
        except NotFound as error:
            if self.abort_missing and _is_gone(entry, site):
                raise Changed(error.message) from error
            raise

    def _premigration(self) -> Premigration:
        return Premigration(overwrite=self.overwrite, fail_on_mismatch=self.fail_on_mismatch, endpoint=self.endpoint)


def _is_gone(entry: Entry, site: Site) -> bool:
    try:
        site.tree(entry.path).stat(entry.path)
    except NotFound:
        return True
    return False
