"""Whether a move was done before, and whether what is at its source is what it was for.

The entry may have been found at another site, a while ago, and part of what was found with it may have been done since:
what is to be moved is recognised by what it is, not by its name alone.
"""

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Invalid
from argosy.core.faults import BehindSymlink
from argosy.core.moments import moment
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Stands
from argosy.hsm.file.local import present
from argosy.site import Site

_SECOND = 10**9
_MARGIN = 60 * _SECOND
"""By how much it may be off when an earlier attempt began."""


def source_of(entry: Entry) -> bytes:
    """Return where the entry is to be moved from.

    Raises:
        Invalid: nothing says that.
    """
    if entry.source is None:
        raise Invalid(f"{display(entry.path)}: nothing says where it is to be moved from: give its `source`")
    return entry.source


def expect_meant(entry: Entry, seen: Entry, tree: Filesystem) -> None:
    """Return where what was seen at the source of an entry of another site may be what moved there.

    A file or symlink has the size and mtime that it had before it moved, or has now. A directory may have been told
    for which one of the other site it stands, when something was moved that was found as early as this, or later.

    Raises:
        Changed: it is something else.
    """
    if entry.inode or not entry.mtime_ns:
        return  # it was listed here, or nothing is known of it but its name
    if _is_another(entry, seen, tree):
        raise Changed(
            f"{display(seen.path)}: is not what is to be moved to {display(entry.path)}; it was left as it is"
        )


def _is_another(entry: Entry, seen: Entry, tree: Filesystem) -> bool:
    if seen.kind is not Kind.DIRECTORY or entry.kind is not Kind.DIRECTORY:
        return not _is_alike(entry, seen)
    stands, meant = _stands(entry, seen.path, tree), standing(entry)
    return stands is not None and meant is not None and stands.object != meant.object


def _is_alike(entry: Entry, seen: Entry) -> bool:
    was = entry.facts.was
    alike = {(entry.size, moment(entry.mtime_ns)), (was.size, moment(was.mtime_ns)) if was is not None else None}
    return seen.kind is entry.kind is not Kind.DIRECTORY and (seen.size, moment(seen.mtime_ns)) in alike


def standing(entry: Entry) -> Stands | None:
    """Return for which directory what is moved stands from now on, if that is known."""
    was = entry.facts.was
    if was is None or entry.kind is not Kind.DIRECTORY or entry.inode:
        return None
    return Stands(object=was.object, since_ns=was.since_ns)


def _stands(entry: Entry, path: bytes, tree: Filesystem) -> Stands | None:
    """Return for which directory the one at the path stands, unless that was told before what moved was looked at."""
    meant = standing(entry)
    found = None if meant is None else tree.stands_for(path)
    return found if meant is not None and found is not None and found.since_ns >= meant.since_ns else None


def named_before(path: bytes, tree: Filesystem) -> Entry | None:
    """Return what has the name before anything moves; behind a symlink nothing has, which may be about to go itself."""
    try:
        return present(tree, path)
    except BehindSymlink:
        return None


def applied(entry: Entry, site: Site) -> Entry | None:
    """Return what is at the path if the move was done before: the source has gone, or has become something else."""
    source = source_of(entry)
    there, here = named_before(entry.path, site.tree(entry.path)), named_before(source, site.tree(source))
    if there is None:
        return None
    if source == entry.path and entry.inode in {0, there.inode}:
        return there
    if there.kind is entry.kind is Kind.DIRECTORY and _is_there(entry, site):
        return as_found(entry, there)
    if not entry.inode and entry.mtime_ns:
        gone = here is None or (entry.kind is not Kind.DIRECTORY and not _is_alike(entry, here))
    else:
        gone = here is None or (entry.inode != 0 and not site.tree(source).names(source, entry))
    return as_found(entry, there) if gone and _is_moved(entry, there, site) else None


def _is_there(entry: Entry, site: Site) -> bool:
    """Say whether the directory at the path stands for the one that moved there, so that nothing has to."""
    stands, meant = _stands(entry, entry.path, site.tree(entry.path)), standing(entry)
    return stands is not None and meant is not None and stands.object == meant.object


def _is_moved(entry: Entry, there: Entry, site: Site) -> bool:
    """Say whether what is there is the entry; of one that was only named, an earlier attempt must have moved it."""
    across = site.tree(source_of(entry)).root != site.tree(entry.path).root  # where it is another inode
    if across and there.kind is Kind.DIRECTORY and _was_carried(entry, site):
        return True
    if entry.facts.along:
        return there.kind is entry.kind
    if entry.inode == 0:  # a move gives what it moves another ctime; by size and time an earlier job's is known
        known = entry.mtime_ns != 0 and _is_alike(entry, there)
        return known or (site.attempt > 1 and there.ctime_ns > site.begun_ns - _MARGIN)
    if not (across or there.inode == entry.inode):
        return False
    same = (there.kind, there.size, there.mtime_ns) == (entry.kind, entry.size, entry.mtime_ns)
    return same or (site.attempt > 1 and not across)


def _was_carried(entry: Entry, site: Site) -> bool:
    """Say whether the directory that is there was made of the entry by an earlier attempt at this task."""
    origin = site.tree(entry.path).origin(entry.path)
    return origin is not None and origin.task == site.task and entry.inode in {0, origin.binding.inode}


def as_found(entry: Entry, found: Entry | None) -> Entry:
    """Return the entry as it was found at its path."""
    if found is None:
        return entry
    return msgspec.structs.replace(
        entry, kind=found.kind, size=found.size, mtime_ns=found.mtime_ns, ctime_ns=found.ctime_ns, inode=found.inode
    )
