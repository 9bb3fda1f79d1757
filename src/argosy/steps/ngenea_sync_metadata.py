"""`dynamo.tasks.ngenea_sync_metadata`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Exists, Invalid, NotFound
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.arrival.renewal import renewed
from argosy.hsm.file.local import has_content, held
from argosy.hsm.file.state import look
from argosy.hsm.object.described import marked, said_by, stored_from
from argosy.hsm.object.located import pointed
from argosy.hsm.object.stored import expect
from argosy.hsm.object.target import Target, target
from argosy.hsm.object.trust import Owners, followed, given, is_believed, same_but_names, unproved
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import has_content as told_content
from argosy.steps.foresight import refuse_fixed
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

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would get other attributes."""
        tree = site.tree(entry.path)
        there = tree.stat(entry.path)
        place = target(site, entry.path, endpoint=self.endpoint)
        if there.kind is Kind.DIRECTORY:
            found, said = self._marker(entry, place)
            ours = tree.attributes(entry.path)
            return _planned(entry, ours, self._attributes(place, found, said, ours))
        if there.kind is not Kind.FILE:
            return Planned.nothing(entry, "has no attributes that could be brought into line")
        return self._planned_file(entry, there, site, place)

    def _planned_file(self, entry: Entry, there: Entry, site: Site, place: Target) -> Planned:
        tree = site.tree(entry.path)
        found = self._object(entry, tree, site, place)
        said = said_by(place.store, found)
        stored = stored_from(found, place, said)
        with tree.open(entry.path) as file:
            same = self._may_be(there, found) or told_content(file, look(file, site), stored)
            if same is False:
                raise _other_content(found, entry, place)
            ours = file.attributes()
            attributes = self._attributes(place, found, said, ours)
            planned = _planned(
                entry.learned(stored=stored), ours, unproved(attributes, ours) if self.skip_hash else attributes
            )
            if planned.acts:
                refuse_fixed(file, entry.path)
        told = "" if same else ", if it has the content of its object"
        return msgspec.structs.replace(planned, says=planned.says + told)

    def _marker(self, entry: Entry, place: Target) -> tuple[Object, Described | None]:
        """Return what stands for a directory, and what it says.

        Raises:
            Exists: it stands for something else.
        """
        found, kind = marked(place, entry.path)
        if kind is not Kind.DIRECTORY:
            raise Exists(f"{display(entry.path)} is a directory here, and a file in datastore {place.access.name}")
        return found, said_by(place.store, found)

    def _directory(self, entry: Entry, there: Entry, site: Site, place: Target) -> Outcome:
        tree = site.tree(entry.path)
        found, said = self._marker(entry, place)
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
            raise _other_content(found, entry, place)
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


def _other_content(found: Object, entry: Entry, place: Target) -> Exists:
    return Exists(
        f"object {found.key} of datastore {place.access.name} has another content than {display(entry.path)}, "
        "and its attributes are those of that content: migrate the file or replace it (reverse_stub) first"
    )


def _planned(entry: Entry, ours: Attributes, attributes: Attributes) -> Planned:
    if same_but_names(ours, attributes):
        return Planned.nothing(entry.learned(attributes=attributes), "already in line", requests=1)
    says = "would get the attributes that its object tells of"
    return Planned(entry=entry.learned(attributes=attributes), says=says, cost=Cost(requests=1))


def _outcome(entry: Entry, attributes: Attributes, *, changed: bool) -> Outcome:
    entry = entry.learned(attributes=attributes)
    return Outcome.processed(entry) if changed else Outcome.skipped(entry, "already in line")
