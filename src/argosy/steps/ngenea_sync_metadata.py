"""`dynamo.tasks.ngenea_sync_metadata`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Exists, Invalid, NotFound
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.arrival.renewal import renewed
from argosy.hsm.file.local import has_content, held
from argosy.hsm.object.described import marked, said_by, stored_from
from argosy.hsm.object.located import pointed
from argosy.hsm.object.stored import expect
from argosy.hsm.object.target import Target, target
from argosy.hsm.object.trust import Owners, followed, given, is_believed, unproved
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.stores.base import Object
from argosy.stores.metadata import Described


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class NgeneaSyncMetadata:
    """Give files and directories the mode, owner, mtime, xattrs and ACLs that their objects tell of.

    Bytes stay where they are: a stub remains one, and a copy that is good for a file stays good. A file whose content
    is not the object's fails, since these are then the attributes of something else; so does a directory that would get
    another owner, and that others could have moved to its place.
    """

    skip_hash: Annotated[bool, "Take a file of the object's size for the same without reading it"] = False
    endpoint: Annotated[str | None, "Datastore to ask where several are linked to the path"] = None
    default_uid: Annotated[str | None, "Owner, by number or name, where the object records none"] = None
    default_gid: Annotated[str | None, "Group, by number or name, where the object records none"] = None

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Bring one entry into line."""
        tree = site.tree(entry.path)
        there = tree.stat(entry.path)
        place = target(site, entry.path, endpoint=self.endpoint)
        if there.kind is Kind.DIRECTORY:
            return self._directory(entry, there, site, place)
        if there.kind is not Kind.FILE:
            return Outcome.skipped(entry, "has no attributes that could be brought into line")
        return self._file(entry, there, site, place)

    def _directory(self, entry: Entry, there: Entry, site: Site, place: Target) -> Outcome:
        tree = site.tree(entry.path)
        found, kind = marked(place, entry.path)
        if kind is not Kind.DIRECTORY:
            raise Exists(f"{display(entry.path)} is a directory here, and a file in datastore {place.access.name}")
        said = said_by(place.store, found)
        attributes = self._attributes(place, found, said, tree.attributes(entry.path))
        granting = said is None or is_believed(place, found, said)
        site.check_lease()
        changed = tree.make_directory(entry.path, attributes, overwrite=True, granting=granting, inode=there.inode)
        tree.sync_directory(entry.path)
        return _outcome(entry, attributes, changed=changed)

    def _file(self, entry: Entry, there: Entry, site: Site, place: Target) -> Outcome:
        tree = site.tree(entry.path)
        found = self._object(entry, tree, site, place)
        said = said_by(place.store, found)  # before the file is held: nobody waits for it, and no write goes unseen
        stored = stored_from(found, place, said)
        if not (self._may_be(there, found) or has_content(tree, entry.path, stored, site)):
            raise Exists(
                f"object {found.key} of datastore {place.access.name} has another content than {display(entry.path)}, "
                "and its attributes are those of that content: migrate the file or replace it (reverse_stub) first"
            )
        with held(tree, there, site) as local:
            ours = local.file.attributes()
            attributes = self._attributes(place, found, said, ours)
            if self.skip_hash:
                attributes = unproved(attributes, ours)
            changed = renewed(local, attributes, stored, site)
        return _outcome(entry.learned(stored=stored), attributes, changed=changed)

    def _object(self, entry: Entry, tree: Filesystem, site: Site, place: Target) -> Object:
        """Return the object under the path or, where it has none, the one that the file points to."""
        try:
            found, kind = marked(place, entry.path)
        except (NotFound, Invalid):
            with tree.open(entry.path) as file:
                pointer = file.pointer()
            if pointer is None:
                raise
            return expect(pointed(pointer, entry.path, site, endpoint=self.endpoint), site)
        if kind is not Kind.FILE:
            raise Exists(f"{display(entry.path)} is a file here, and a directory in datastore {place.access.name}")
        return found

    def _may_be(self, there: Entry, found: Object) -> bool:
        return self.skip_hash and there.size == found.size

    def _attributes(self, place: Target, found: Object, said: Described | None, ours: Attributes) -> Attributes:
        """Return what the object tells of; where it tells nothing, or is not believed, what is there stays."""
        if said is None:
            return given(ours, Owners.named(self.default_uid, self.default_gid))
        return followed(place, found, said, ours)


def _outcome(entry: Entry, attributes: Attributes, *, changed: bool) -> Outcome:
    entry = entry.learned(attributes=attributes)
    return Outcome.processed(entry) if changed else Outcome.skipped(entry, "already in line")
