"""Copy an entry's bytes to a store and record the copy in its inode; the bytes stay."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.content import digest_of, hashed
from argosy.hsm.objects import EMPTY, Content, Target, Upload, target
from argosy.site import Site
from argosy.stores import metadata
from argosy.stores.base import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Premigration:
    """How entries are copied out."""

    overwrite: bool = False
    fail_on_mismatch: bool = False
    endpoint: str | None = None

    def prepare(self, entry: Entry, site: Site) -> "Copied | Outcome":
        """Copy one entry to its store and record it; what remains is to make the record durable.

        Raises:
            Changed: the file changed while it was read; the object is an orphan.
        """
        place = target(site, entry.path, endpoint=self.endpoint)
        tree = site.tree(entry.path)
        if entry.kind is Kind.FILE:
            return self._file(entry, site, tree, place)
        return self._marker(entry, site, tree, place)

    def _upload(self, site: Site, place: Target) -> Upload:
        return Upload(site=site, target=place, overwrite=self.overwrite, refuse_mismatch=self.fail_on_mismatch)

    def _file(self, entry: Entry, site: Site, tree: Filesystem, place: Target) -> "Copied | Outcome":
        file = tree.open(entry.path)
        try:
            with site.locked(lock_name(file.binding())):
                file.look()  # what was seen before may be older than the lock
                entry = as_opened(entry, file)
                known = known_copy(file, site, place)
                if known is not None and not (self.overwrite and place.stands_beside(known)):
                    site.remember(known, entry.path)
                    outcome = Outcome.skipped(entry.learned(stored=known), "already premigrated")
                else:
                    outcome = self._send(entry, file, site, place)
        except BaseException:
            file.close()
            raise
        return Copied(outcome, file)

    def _send(self, entry: Entry, file: File, site: Site, place: Target) -> Outcome:
        """Send the bytes as they are now. What the store gets under the digest are the bytes that were hashed."""
        version = (entry.mtime_ns, entry.size)
        with file.unwritten() as unwritten:
            source = hashed(file)
            failpoint("hsm:hash")
            content = Content(source=source, kind=Kind.FILE, digest=source.digest, facts=entry.facts)
            stored, sent = self._upload(site, place).place(place.key, content)
            clean = unwritten()
        if file.version() != version:
            raise Changed("the file changed while it was sent: the next run sends it again")
        failpoint("hsm:recheck")
        site.check_lease()
        file.point(pointer_to(stored, place.access.id, entry.mtime_ns, file.binding(), clean=clean))
        failpoint("hsm:xattr")
        site.remember(stored, entry.path)
        return Outcome.processed(entry.learned(stored=stored), moved=entry.size if sent else 0)

    def _marker(self, entry: Entry, site: Site, tree: Filesystem, place: Target) -> Outcome:
        """Send a directory or symlink: its facts, and in the native layout an empty object that stands for it."""
        link_target = tree.readlink(entry.path) if entry.kind is Kind.SYMLINK else None
        entry = entry.learned(attributes=tree.attributes(entry.path), target=link_target)
        if place.access.layout != "native" or not place.name:
            return Outcome.processed(entry)
        content = Content(source=EMPTY, kind=entry.kind, digest=b"", facts=entry.facts)
        key = place.marker if entry.kind is Kind.DIRECTORY else place.key
        stored, sent = self._upload(site, place).place(key, content)
        entry = entry.learned(stored=stored)
        return Outcome.processed(entry) if sent else Outcome.skipped(entry, "already premigrated")


@dataclass(frozen=True, slots=True)
class Copied:
    """A file whose inode says where its copy is, though a power cut might still make it forget."""

    outcome: Outcome
    file: File

    def settle(self) -> None:
        """Make the record durable."""
        self.file.sync()

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


def lock_name(binding: Binding) -> bytes:
    """Return the name of the lock on an inode."""
    return b"inode:%s:%d:%d" % (binding.filesystem, binding.subvolume, binding.inode)


def as_opened(entry: Entry, file: File) -> Entry:
    """Return the entry as the open file is now."""
    return msgspec.structs.replace(file.entry, state=entry.state).learned(attributes=file.attributes())


def known_copy(file: File, site: Site, place: Target) -> Stored | None:
    """Return the copy that the inode records, if the file has not changed since and the object is still the one."""
    pointer = file.pointer()
    if pointer is None or pointer.datastore != place.access.id or not unchanged(file, pointer):
        return None
    key = site.key_of(pointer.uuid) or place.key(pointer.uuid)
    found = _head(place, key)
    if found is None or metadata.uuid_of(found.metadata) != pointer.uuid:
        return None
    if (found.size, found.etag, found.version) != (pointer.size, pointer.etag, pointer.version):
        return None
    return Stored(
        datastore=place.access.name,
        key=key,
        uuid=pointer.uuid,
        etag=pointer.etag,
        version=pointer.version,
        size=pointer.size,
        digest=pointer.digest,
    )


def unchanged(file: File, pointer: Pointer) -> bool:
    """Say whether the file holds the bytes its pointer tells of; where its version does not prove it, they are read."""
    if (pointer.mtime_ns, pointer.size) != file.version():
        return False
    return pointer.clean or digest_of(file) == pointer.digest


def _head(place: Target, key: str) -> Object | None:
    try:
        return place.store.head(key)
    except NotFound:
        return None


def pointer_to(stored: Stored, datastore: int, mtime_ns: int, binding: Binding, *, clean: bool) -> Pointer:
    """Return what the inode of a premigrated file is to say."""
    return Pointer(
        state=StubState.PREMIGRATED,
        clean=clean,
        datastore=datastore,
        uuid=stored.uuid,
        size=stored.size,
        mtime_ns=mtime_ns,
        digest=stored.digest,
        binding=binding,
        etag=stored.etag,
        version=stored.version,
    )
