"""`dynamo.tasks.remove_location_xattrs_for_moved`."""

from dataclasses import dataclass

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Denied, Invalid, NotFound
from argosy.core.outcome import Outcome, Planned
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.file.copied import drop_pointer
from argosy.hsm.file.state import State, look
from argosy.hsm.object.target import target
from argosy.site import Site
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
            judged = _judged(file, entry.path, site)
            if isinstance(judged, str):
                return Outcome.skipped(entry, judged)
            drop_pointer(file, judged.uuid, site)
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one file would forget its copy."""
        if entry.kind is not Kind.FILE:
            return Planned.nothing(entry, "has no location")
        with site.tree(entry.path).open(entry.path) as file:
            judged = _judged(file, entry.path, site)
        if isinstance(judged, str):
            return Planned.nothing(entry, judged)
        return Planned(entry=entry, says="would forget its copy: it was moved since that was made")


def _judged(file: File, path: bytes, site: Site) -> Pointer | str:
    """Return the location that is to be cleared, or why there is none such."""
    state, pointer = look(file, site)
    if pointer is None:
        return "has no location"
    if state not in {State.PREMIGRATED, State.DIRTY}:
        return "is a stub: its location stays"
    return pointer if _moved(file, pointer, path, site) else "was not moved"


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
