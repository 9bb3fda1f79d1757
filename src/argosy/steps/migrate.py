"""`dynamo.tasks.migrate`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.outcome import Cost, Outcome, Planned
from argosy.hsm.file.state import State, refuse_unguarded
from argosy.hsm.object.target import Target, target
from argosy.hsm.out.premigrate import Premigration
from argosy.hsm.out.release import Release
from argosy.site import Site
from argosy.steps.base import STEPS, Settling, Work
from argosy.steps.foresight import WHOLE, pointer_of, refuse_written, seen_at, sending


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

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would be copied, and whether it would become a stub."""
        place = target(site, entry.path, endpoint=self.endpoint)
        if entry.kind is not Kind.FILE:
            return self._planned_marker(entry, site, place)
        if not self.premigrate:
            refuse_unguarded(site)
        seen, now, written = seen_at(entry, site)
        if seen.state not in WHOLE:
            pointer_of(seen, entry.path)
            return Planned.nothing(now, "is a stub already", requests=1)
        if not self.premigrate:
            refuse_written(entry, written=written)
        copied = seen.state is State.PREMIGRATED and seen.pointer is not None
        to = f"datastore {place.access.name}"
        now = now.learned(stored=Stored(datastore=place.access.name, key=place.key(b""), uuid=b"", size=now.size))
        if self.premigrate or now.size <= self.stub_size or now.size < site.policy.min_stub_size:
            why = "" if self.premigrate else ", and keep its bytes: it is too small for a stub"
            if copied:
                return Planned.nothing(now, "is premigrated already" + why.replace("and keep", "and keeps"), requests=1)
            return Planned(entry=now, says=f"would copy it to {to}{why}", cost=sending(now.size))
        if copied:
            return Planned(entry=now, says="would free its blocks: its copy is there", cost=Cost(requests=1))
        return Planned(entry=now, says=f"would copy it to {to} and free its blocks", cost=sending(now.size))

    def _planned_marker(self, entry: Entry, site: Site, place: Target) -> Planned:
        tree = site.tree(entry.path)
        link_target = tree.readlink(entry.path) if entry.kind is Kind.SYMLINK else None
        entry = entry.learned(attributes=tree.attributes(entry.path), target=link_target)
        if place.access.layout != "native" or not place.name:
            return Planned(entry=entry, says=f"would note what the {entry.kind} is")
        says = f"would record the {entry.kind} in datastore {place.access.name}, if it is not there"
        return Planned(entry=entry, says=says, cost=Cost(requests=1))

    def _premigration(self) -> Premigration:
        return Premigration(overwrite=self.overwrite, fail_on_mismatch=self.fail_on_mismatch, endpoint=self.endpoint)


def _is_gone(entry: Entry, site: Site) -> bool:
    try:
        site.tree(entry.path).stat(entry.path)
    except NotFound:
        return True
    return False
