"""`dynamo.tasks.recall`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.outcome import Outcome
from argosy.hsm.arrival.hydration import Hydration
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import finished
from argosy.hsm.back.recall import Recall as Recalling
from argosy.hsm.file.copied import settled
from argosy.hsm.file.local import present
from argosy.hsm.object.trust import Owners
from argosy.site import Site
from argosy.steps.base import STEPS, Settling


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Bring the bytes of stubs back; a file that is not there at all is made of the object under its path."""

    skip_hash: Annotated[
        bool, "Accepted for compatibility; the hash is always checked, which costs next to nothing"
    ] = False
    endpoint: Annotated[str | None, "Datastore to fetch from, instead of the one that the file points to"] = None
    lock_level: Annotated[
        Literal["partial", "implicit"], "Accepted for compatibility and does nothing: files are always locked whole"
    ] = "partial"
    default_uid: Annotated[str | None, "Owner, by number or name, where the object records none"] = None
    default_gid: Annotated[str | None, "Group, by number or name, where the object records none"] = None
    update_atime: Annotated[bool, "Set atime to now"] = False
    update_mtime: Annotated[bool, "Set mtime to now; the copy counts as good for the file all the same"] = False
    delete_remote: Annotated[bool, "Forget the copy; the hub deletes it once nothing else refers to it"] = False
    fail_on_mismatch: Annotated[bool, "Fail a file whose object tells of other attributes; other bytes always fail"] = (
        False
    )

    def prepare(self, entry: Entry, site: Site) -> Settling | Outcome:
        """Make one stub a whole file; that it is one becomes durable with the batch."""
        there = present(site.tree(entry.path), entry.path)
        if there is None:
            return self._made(entry, site)
        if there.kind is not Kind.FILE:
            return Outcome.skipped(entry, "has no stub")
        return self._recalling().bring(entry, site)

    def _recalling(self) -> Recalling:
        return Recalling(
            endpoint=self.endpoint,
            owners=self._owners(),
            update_atime=self.update_atime,
            update_mtime=self.update_mtime,
            delete_remote=self.delete_remote,
            fail_on_mismatch=self.fail_on_mismatch,
        )

    def _made(self, entry: Entry, site: Site) -> Outcome:
        """Make a file that is not there."""
        hydration = Hydration(
            preferred=Preferred(), endpoint=self.endpoint, owners=self._owners(), update_mtime=self.update_mtime
        )
        outcome = finished(hydration.prepare(entry, site))
        if not self.delete_remote or outcome.entry.kind is not Kind.FILE:
            return outcome
        return msgspec.structs.replace(settled(self._recalling().bring(outcome.entry, site)), moved=outcome.moved)

    def _owners(self) -> Owners:
        return Owners.named(self.default_uid, self.default_gid)
