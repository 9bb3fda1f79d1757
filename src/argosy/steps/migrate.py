"""`dynamo.tasks.migrate`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome, Planned
from argosy.filesystems.base import File
from argosy.hsm.file.local import as_opened
from argosy.hsm.file.state import Seen, State, look, refuse_unguarded
from argosy.hsm.object.located import located
from argosy.hsm.object.target import Target, target
from argosy.hsm.out.premigrate import Premigration, recorded_copy, refuse_other_metadata
from argosy.hsm.out.release import Release
from argosy.site import Site
from argosy.steps.base import STEPS, Settling, Work
from argosy.steps.foresight import WHOLE, pointer_of, refuse_fixed, refuse_written, sending


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
        try:
            return (self._premigration() if self.premigrate else self._copying()).prepare(entry, site)
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
        try:
            with site.tree(entry.path).open(entry.path) as file:
                seen, now = look(file, site), as_opened(entry, file)
                if seen.state in WHOLE:
                    return self._planned_whole(file, seen, now, site, place)
                return _planned_hollow(seen, now, site)
        except NotFound as error:
            if self.abort_missing and _is_gone(entry, site):
                raise Changed(error.message) from error
            raise

    def _planned_whole(self, file: File, seen: Seen, now: Entry, site: Site, place: Target) -> Planned:
        known, stays = self._known(seen, site, place), self._stays(file, site)
        if known is not None and self.fail_on_mismatch:
            refuse_other_metadata(now, known, place)
        if known is not None and stays is not None:
            keeps = stays.replace("and keep", "and keeps")
            return Planned.nothing(now.learned(stored=known), f"is premigrated already{keeps}", requests=1)
        if stays is None:
            refuse_written(now, written=file.is_being_written())
        refuse_fixed(file, now.path)
        if known is not None:
            says, cost = "would free its blocks: its copy is there", Cost(requests=1)
            return Planned(entry=now.learned(stored=known), says=says, cost=cost)
        stored = Stored(datastore=place.access.name, key=place.key(b""), uuid=b"", size=now.size)
        says = f"would copy it to datastore {place.access.name}{_if_other(seen, now)}"
        says += stays if stays is not None else " and free its blocks"
        return Planned(entry=now.learned(stored=stored), says=says, cost=sending(now.size))

    def _known(self, seen: Seen, site: Site, place: Target) -> Stored | None:
        """Return the copy that counts as the file's, if the file was not written to since."""
        pointer = seen.pointer
        if seen.state is not State.PREMIGRATED or pointer is None or pointer.datastore != place.access.id:
            return None
        known = recorded_copy(pointer, site, place)
        return None if known is None or (self.overwrite and place.stands_beside(known)) else known

    def _stays(self, file: File, site: Site) -> str | None:
        """Return why a file keeps its bytes, "" where nobody wants anything else; None where it would not."""
        if self.premigrate:
            return ""
        if self._copying().is_too_small(file, site):
            return ", and keep its bytes: it is too small for a stub"
        if file.loses_rights():
            return ", and keep its bytes: a stub would lose rights that it gives those who run it"
        return None

    def _planned_marker(self, entry: Entry, site: Site, place: Target) -> Planned:
        tree = site.tree(entry.path)
        link_target = tree.readlink(entry.path) if entry.kind is Kind.SYMLINK else None
        entry = entry.learned(attributes=tree.attributes(entry.path), target=link_target)
        if not place.marks:
            return Planned.nothing(entry, place.objectless(entry.kind))
        upload = self._premigration().upload(site, place)
        if upload.has_marker(entry):
            return Planned.nothing(entry, f"the {entry.kind} is recorded already", requests=1)
        says = f"would record the {entry.kind} in datastore {place.access.name}"
        return Planned(entry=entry, says=says, cost=Cost(requests=2))

    def _copying(self) -> Release:
        return Release(premigration=self._premigration(), stub_size=self.stub_size)

    def _premigration(self) -> Premigration:
        return Premigration(overwrite=self.overwrite, fail_on_mismatch=self.fail_on_mismatch, endpoint=self.endpoint)


def _planned_hollow(seen: Seen, now: Entry, site: Site) -> Planned:
    stored = located(pointer_of(seen, now.path), now.path, site)
    found = now.learned(stored=stored, extents=None)
    if seen.state is State.STUB:
        return Planned.nothing(found, "is a stub already")
    says = "would finish what a killed migrate or recall left of it"
    return Planned(entry=found, says=says, cost=Cost(requests=1, unknown=True))


def _if_other(seen: Seen, now: Entry) -> str:
    if seen.state is State.DIRTY and seen.pointer is not None and seen.pointer.size == now.size:
        return ", if its bytes are no longer those that were copied"
    return ""


def _is_gone(entry: Entry, site: Site) -> bool:
    try:
        site.tree(entry.path).stat(entry.path)
    except NotFound:
        return True
    return False
