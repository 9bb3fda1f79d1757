"""`dynamo.tasks.recall`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Exhausted
from argosy.core.outcome import Cost, Outcome, Planned
from argosy.core.paths import display
from argosy.hsm.arrival.hydration import Hydration
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import finished
from argosy.hsm.back.recall import Recall as Recalling
from argosy.hsm.file.copied import settled
from argosy.hsm.file.local import present
from argosy.hsm.object.described import described_at
from argosy.hsm.object.located import pointed
from argosy.hsm.object.trust import Owners
from argosy.site import Site
from argosy.steps.base import STEPS, Settling
from argosy.steps.foresight import WHOLE, expect_bytes, pointer_of, refuse_written, seen_at


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
            found, _ = described_at(entry, site, endpoint=self.endpoint, owners=self._owners())
            says = "would make what is not there of the object under its path"
            return Planned(entry=found, says=says, cost=Cost(bytes=found.size, requests=3))
        if there.kind is not Kind.FILE:
            return Planned.nothing(entry, "has no stub")
        seen, now, written = seen_at(entry, site)
        if seen.state in WHOLE:
            return Planned.nothing(now, "its bytes are here")
        stored = pointed(pointer_of(seen, entry.path), entry.path, site, endpoint=self.endpoint)
        refuse_written(entry, written=written)
        expect_bytes(stored, entry.path, site)
        _expect_room(stored.size, entry.path, site)
        says = f"would bring its bytes back from datastore {stored.datastore}"
        return Planned(entry=now.learned(stored=stored), says=says, cost=Cost(bytes=stored.size, requests=2))

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


def _expect_room(size: int, path: bytes, site: Site) -> None:
    """Return where the disk has room for one file; that it has room for all of them nobody can say before.

    Raises:
        Exhausted: it has not.
    """
    free, _ = site.tree(path).free()
    if size > free:
        raise Exhausted(f"{display(path)}: the disk is full: {size} bytes would come, and {free} are free")
