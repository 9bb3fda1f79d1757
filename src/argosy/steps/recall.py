"""`dynamo.tasks.recall`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, Invalid, NotFound
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.arrival.hydration import Hydration
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import finished
from argosy.hsm.back.recall import Recall as Recalling
from argosy.hsm.back.recall import refuse_other_attributes
from argosy.hsm.file.copied import settled
from argosy.hsm.file.local import as_opened, present
from argosy.hsm.file.state import Seen, State, look
from argosy.hsm.object.described import described_at
from argosy.hsm.object.located import confirmed, located, pointed
from argosy.hsm.object.stored import lost
from argosy.hsm.object.trust import Owners
from argosy.site import Site
from argosy.steps.base import STEPS, Settling
from argosy.steps.foresight import WHOLE, expect_room, pointer_of, refuse_fixed, refuse_written


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
        """Make one stub a whole file; that it is one becomes durable with the batch.

        Raises:
            Changed: a discovery found it, and it is no longer there.
        """
        there = present(site.tree(entry.path), entry.path)
        if there is None:
            if entry.inode:
                raise Changed(f"{display(entry.path)} was moved or removed since it was found; it was left alone")
            return self._made(entry, site)
        if there.kind is not Kind.FILE:
            return Outcome.skipped(entry, "has no stub")
        return self._recalling().bring(entry, site)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one file would get its bytes, and from which datastore."""
        there = present(site.tree(entry.path), entry.path)
        if there is None:
            return self._planned_anew(entry, site)
        if there.kind is not Kind.FILE:
            return Planned.nothing(entry, "has no stub")
        with site.tree(entry.path).open(entry.path) as file:
            seen, now = look(file, site), as_opened(entry, file)
            if seen.state in WHOLE:
                return self._planned_whole(file, seen, now, site)
            stored = self._confirmed(pointer_of(seen, entry.path), entry.path, site)
            if self.fail_on_mismatch:
                refuse_other_attributes(file.attributes(), stored, entry.path, site)
            refuse_written(entry, written=file.is_being_written())
            refuse_fixed(file, entry.path)
        expect_room(stored.size, entry.path, site)
        says = f"would bring its bytes back from datastore {stored.datastore}"
        return Planned(entry=now.learned(stored=stored), says=says, cost=Cost(bytes=stored.size, requests=2))

    def _planned_anew(self, entry: Entry, site: Site) -> Planned:
        """Say what would become of what is not there.

        Raises:
            Changed: a discovery found it.
        """
        if entry.inode:
            raise Changed(f"{display(entry.path)} was moved or removed since it was found; it would be left alone")
        found, _ = described_at(entry, site, endpoint=self.endpoint, owners=self._owners())
        expect_room(found.size, entry.path, site)
        says = "would make what is not there of the object under its path"
        return Planned(entry=found, says=says, cost=Cost(bytes=found.size, requests=3))

    def _planned_whole(self, file: File, seen: Seen, now: Entry, site: Site) -> Planned:
        if seen.pointer is None or seen.state is not State.PREMIGRATED:
            return Planned.nothing(now, "its bytes are here")
        try:
            stored = located(seen.pointer, now.path, site)
        except (NotFound, Invalid):
            return Planned.nothing(now, "its bytes are here")
        if not self.delete_remote:
            return Planned.nothing(now.learned(stored=stored), "its bytes are here")
        refuse_fixed(file, now.path)
        return Planned(entry=now.learned(stored=None), says="would forget its copy: its bytes are here")

    def _confirmed(self, pointer: Pointer, path: bytes, site: Site) -> Stored:
        """Return where the bytes are, and are now.

        Raises:
            NotFound: they are lost.
        """
        if self.endpoint is not None and site.access(self.endpoint).id != pointer.datastore:
            return pointed(pointer, path, site, endpoint=self.endpoint)
        with lost(path):
            return confirmed(pointer, path, site)

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
