"""Copy an entry's bytes to a store and record the copy in its inode; the bytes stay."""

from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Changed, Exists, NotFound
from argosy.core.failpoints import failpoint
from argosy.core.faults import NotAdopted, PointerUnreadable
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.file.copied import Recorded, as_left, pointer_to, unchanged
from argosy.hsm.file.local import as_opened, expect_named
from argosy.hsm.file.remembered import besides
from argosy.hsm.file.state import UNCLEAN, Seen, State, look
from argosy.hsm.object.content import hashed
from argosy.hsm.object.located import located, stored_as
from argosy.hsm.object.stored import is_pinned
from argosy.hsm.object.target import Target, target
from argosy.hsm.object.upload import EMPTY, Content, Upload
from argosy.hsm.repair.recovery import recover
from argosy.site import Note, Site
from argosy.stores import metadata
from argosy.stores.base import Object

_WHOLE: Final = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}
"""States in which all bytes are on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Premigration:
    """How entries are copied out."""

    overwrite: bool = False
    fail_on_mismatch: bool = False
    endpoint: str | None = None

    def prepare(self, entry: Entry, site: Site) -> "Recorded | Outcome":
        """Copy one entry to its store and record it; what remains is to make the record durable.

        Raises:
            Changed: the file changed, or went away, while it was read; the object is an orphan.
            Exists: an object that differs holds the key, and `fail_on_mismatch` is set.
            Corrupt: the file is lost, or was a stub that somebody wrote to.
            Invalid: it is a copy of a stub that was not adopted.
        """
        place = target(site, entry.path, endpoint=self.endpoint)
        tree = site.tree(entry.path)
        if entry.kind is Kind.FILE:
            with tree.locked(entry.path) as inode:
                return self._file(entry, site, tree, place, inode)
        return self._marker(entry, site, tree, place)

    def upload(self, site: Site, place: Target) -> Upload:
        """Return how an object comes to its place in a store."""
        return Upload(site=site, target=place, overwrite=self.overwrite, refuse_mismatch=self.fail_on_mismatch)

    def _file(self, entry: Entry, site: Site, tree: Filesystem, place: Target, inode: int) -> "Recorded | Outcome":
        file = tree.open(entry.path, inode=inode)
        try:
            found = seen = look(file, site)
            if found.state in UNCLEAN:
                recover(file, site)
                seen = look(file, site)
            entry = as_opened(entry, file)
            if seen.state in _WHOLE:
                return Recorded(self._whole(seen, entry, file, site, place), file)
            outcome = _without_its_bytes(file, seen, entry, site, recovered=seen != found)
        except BaseException:
            file.close()
            raise
        file.close()
        return outcome

    def _whole(self, seen: Seen, entry: Entry, file: File, site: Site, place: Target) -> Outcome:
        known = None if seen.pointer is None else known_copy(file, seen.pointer, site, place)
        if known is None or (self.overwrite and place.stands_beside(known)):
            return self._send(entry, file, site, place)
        if self.fail_on_mismatch:
            refuse_other_metadata(entry, known, place)
        site.remember(known, entry.path)
        return Outcome.skipped(entry.learned(stored=known), "already premigrated")

    def _send(self, entry: Entry, file: File, site: Site, place: Target) -> Outcome:
        """Send the bytes as they are now. What the store gets under the digest are the bytes that were hashed."""
        with file.unwritten() as unwritten:
            source = hashed(file)
            failpoint("hsm:hash")
            content = Content(source=source, kind=Kind.FILE, digest=source.digest, facts=entry.facts)
            stored, sent = self.upload(site, place).place(place.key, content)
            if self.fail_on_mismatch and not sent:
                refuse_other_metadata(entry, stored, place)
            clean = unwritten()
            _recheck(entry, file)
            failpoint("hsm:recheck")
            site.check_lease()
            file.point(pointer_to(stored, place.access.id, entry.mtime_ns, file.binding(), clean=clean))
            ctime_ns = file.changed_ns()
            ctime_ns = as_left(ctime_ns, entry.mtime_ns) if unwritten() else 0
            site.note(file.binding(), Note(stored.uuid, ctime_ns, stub=False, handle=file.handle()))
        failpoint("hsm:xattr")
        site.remember(stored, entry.path)
        return Outcome.processed(entry.learned(stored=stored), moved=entry.size if sent else 0)

    def _marker(self, entry: Entry, site: Site, tree: Filesystem, place: Target) -> Outcome:
        """Send a directory or symlink: its facts, and in the native layout an empty object that stands for it."""
        link_target = tree.readlink(entry.path) if entry.kind is Kind.SYMLINK else None
        entry = entry.learned(attributes=tree.attributes(entry.path), target=link_target)
        if not place.marks:
            return Outcome.skipped(entry, place.objectless(entry.kind))
        content = Content(source=EMPTY, kind=entry.kind, digest=b"", facts=entry.facts)
        key = place.marker if entry.kind is Kind.DIRECTORY else place.key
        stored, sent = self.upload(site, place).place(key, content)
        if entry.kind is Kind.DIRECTORY:
            site.remember(stored, entry.path)
        entry = entry.learned(stored=stored)
        return Outcome.processed(entry) if sent else Outcome.skipped(entry, "already premigrated")


def known_copy(file: File, pointer: Pointer, site: Site, place: Target) -> Stored | None:
    """Return the copy that the inode records, if the file has not changed since and the object is still the one."""
    if pointer.datastore != place.access.id or not unchanged(file, pointer, site):
        return None
    return recorded_copy(pointer, site, place)


def recorded_copy(pointer: Pointer, site: Site, place: Target) -> Stored | None:
    """Return the copy that a pointer into the datastore records, if the object is still the one."""
    key = site.key_of(pointer.uuid) or place.key(pointer.uuid)
    found = _head(place, key)
    if found is None or not is_pinned(found, pointer):
        return None
    return stored_as(pointer, place.access.name, key)


def _recheck(entry: Entry, file: File) -> None:
    expect_named(file, "sent")
    if file.version() != (entry.mtime_ns, entry.size):
        raise Changed(f"{display(entry.path)}: the file changed while it was sent: the next run sends it again")


def _without_its_bytes(file: File, seen: Seen, entry: Entry, site: Site, *, recovered: bool) -> Outcome:
    """Return what is to be said of a file that cannot be copied; `recovered`: it is a clean stub only now."""
    path = entry.path
    if seen.pointer is None:
        raise PointerUnreadable(
            f"{display(path)} is lost: it was left as a stub, and nothing on it says where its bytes are. Restore its "
            f"attribute from a backup, or make it again from its object with reverse_stub and overwrite"
            f"{besides(file, seen, site)}"
        )
    if seen.state is State.UNBOUND:
        raise NotAdopted(
            f"{display(path)} is a copy of a stub and may lack its bytes: adopt it with `argosy adopt`"
            f"{besides(file, seen, site)}"
        )
    entry = entry.learned(extents=None)  # what it had when it had its bytes is not known
    entry = entry.learned(stored=located(seen.pointer, path, site))
    return Outcome.processed(entry) if recovered else Outcome.skipped(entry, "is a stub already")


def refuse_other_metadata(entry: Entry, stored: Stored, place: Target) -> None:
    """Return where the object says of the entry what the entry has.

    Raises:
        Exists: it says something else.
    """
    found = place.store.head(stored.key)
    said = metadata.described(found.metadata, metadata.fetch_sidecar(place.store, found.metadata))
    ours = entry.facts.attributes
    if ours is None or said is None or _nameless(said.attributes) == _nameless(ours):
        return
    raise Exists(f"object {stored.key} of datastore {place.access.name} has other metadata than {display(entry.path)}")


def _nameless(attributes: Attributes) -> Attributes:
    return msgspec.structs.replace(attributes, user="", group="")


def _head(place: Target, key: str) -> Object | None:
    try:
        return place.store.head(key)
    except NotFound:
        return None
