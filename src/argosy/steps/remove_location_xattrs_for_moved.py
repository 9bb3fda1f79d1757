"""`dynamo.tasks.remove_location_xattrs_for_moved`."""

from dataclasses import dataclass

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Denied, Invalid, NotFound
from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.object.target import target
from argosy.site import Note, Site
from argosy.steps.base import STEPS
from argosy.stores import keys, metadata


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLocationXattrsForMoved:
    """Let a file that was moved since it was premigrated forget its copy, so that it is copied under its new name.

    A stub keeps its location whatever its name: the object may be its only copy.
    """

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Clear the location of one file if it names another path."""
        if entry.kind is not Kind.FILE:
            return Outcome.skipped(entry, "has no location")
        tree = site.tree(entry.path)
        with tree.locked(entry.path) as inode, tree.open(entry.path, inode=inode) as file:
            pointer = file.pointer()
            if pointer is None:
                return Outcome.skipped(entry, "has no location")
            if pointer.state.is_stub:
                return Outcome.skipped(entry, "is a stub: its location stays")
            if not _moved(file, pointer, entry.path, site):
                return Outcome.skipped(entry, "was not moved")
            site.check_lease()
            file.forget()
            site.note(file.binding(), Note(pointer.uuid, 0, stub=False))
            file.sync()
        return Outcome.processed(entry)


def _moved(file: File, pointer: Pointer, path: bytes, site: Site) -> bool:
    """Say whether the recorded path is neither this one nor a further name of the same file."""
    recorded = site.path_of(pointer.uuid)
    if recorded is None:
        return not _stored_under(path, pointer.uuid, site)
    if recorded == path or _is_called_so(path, pointer.uuid, site):
        return False
    try:
        with site.tree(recorded).open(recorded) as there:
            return there.binding() != file.binding()
    except (NotFound, Invalid, Denied):
        return True


def _is_called_so(path: bytes, uuid: bytes, site: Site) -> bool:
    """Say whether the object is called as the file is, whichever other file came to point to it later."""
    try:
        place = target(site, path)
    except Invalid:  # it was moved to where no sitelink leads
        return False
    key = place.key(uuid)
    return place.access.layout == "native" and site.key_of(uuid) in {key, keys.instance(key, uuid)}


def _stored_under(path: bytes, uuid: bytes, site: Site) -> bool:
    """Say, by asking the store, whether the object under this path's key is the one recorded."""
    place = target(site, path)
    try:
        return metadata.uuid_of(place.store.head(place.key(uuid)).metadata) == uuid
    except NotFound:
        return False
