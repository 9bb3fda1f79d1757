"""`dynamo.tasks.stat_paths`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Elsewhere, Entry, Kind
from argosy.core.errors import ArgosyError, Changed, NotFound, Unavailable
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.file.local import known_digest, present
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class StatPaths:
    """Look at entries as they are now; their attributes travel on as facts."""

    skip_missing: Annotated[bool, "Let paths through although they are not on the filesystem"] = False
    beside: Annotated[
        bool, "Leave the entry as it was found, and tell what is here beside it: `check_sync_state` compares the two"
    ] = False
    unless_again: Annotated[bool, "Abort a path that is told as deleted and is there again"] = False
    has_moved: Annotated[
        bool, "What is told as moved has its new name here, for other sites to follow: another may have the old one"
    ] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Return the entry as it is, with its attributes; one that is to be moved, as it is where it was before.

        One of which is said that it was moved or deleted need not be there. Where it moved here already, and can be
        told no more from what has its old name by now, it stays as it was told: other sites know it by that.

        Raises:
            NotFound: it is not there.
            Changed: it is there again.
        """
        if self.beside:
            return Outcome.skipped(entry.learned(elsewhere=_elsewhere(entry.path, site)), "was looked at")
        if self.unless_again and entry.state == "deleted" and present(site.tree(entry.path), entry.path) is not None:
            raise Changed(f"{display(entry.path)}: is there again since it was deleted; nothing is deleted for it")
        try:
            return Outcome.processed(_described(entry, site, has_moved=self.has_moved))
        except NotFound:
            if not self.skip_missing and entry.source is None and entry.state != "deleted":
                raise
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Look at one entry, which is all that is done with it."""
        return Planned(entry=self.apply(entry, site).entry, says="would look at it", leaves=Leaves.AS_IT_WAS)


def _elsewhere(path: bytes, site: Site) -> Elsewhere:
    """Return what is at a path, for another site."""
    tree = site.tree(path)
    found = present(tree, path)
    if found is None:
        return Elsewhere(site=site.name)
    told = Elsewhere(site=site.name, kind=found.kind, size=found.size, mtime_ns=found.mtime_ns)
    if found.kind is Kind.FILE:
        with tree.open(path) as file:
            digest, attributes = known_digest(file, site), file.attributes()
        return msgspec.structs.replace(told, attributes=attributes, digest=digest)
    target = tree.readlink(path) if found.kind is Kind.SYMLINK else None
    return msgspec.structs.replace(told, attributes=tree.attributes(path), target=target)


def _described(entry: Entry, site: Site, *, has_moved: bool) -> Entry:
    looked = _looked_at(entry, site, has_moved=has_moved)
    if looked is None:
        return entry
    tree, seen = looked
    path = seen.path
    found = msgspec.structs.replace(seen, path=entry.path, state=entry.state, source=entry.source, facts=entry.facts)
    if found.kind is Kind.FILE:
        with tree.open(path) as file:
            return found.learned(attributes=file.attributes())
    target = tree.readlink(path) if found.kind is Kind.SYMLINK else None
    return found.learned(attributes=tree.attributes(path), target=target)


def _looked_at(entry: Entry, site: Site, *, has_moved: bool) -> tuple[Filesystem, Entry] | None:
    """Return what is to be described, and where: what is to be moved has its old name, unless it moved already.

    None: it moved, and is not any more as it was told, so that nothing here is what other sites know.
    """
    if entry.source is None:
        return _at(entry.path, site)
    moved = _known_at(entry.path, site) if entry.mtime_ns or has_moved else None
    if entry.mtime_ns:
        if moved is not None and _is_as_told(entry, moved[1]):
            return moved
        if has_moved:
            return None
    elif has_moved and moved is not None and _known_at(entry.source, site) is not None:
        return moved  # where nothing has the old name the new one is enough: it may have been written to since
    return _at(entry.source, site)


def _is_as_told(entry: Entry, seen: Entry) -> bool:
    return (seen.kind, seen.size, seen.mtime_ns) == (entry.kind, entry.size, entry.mtime_ns)


def _known_at(path: bytes, site: Site) -> tuple[Filesystem, Entry] | None:
    """Return what is at the path, None where nothing is or nobody can look."""
    try:
        return _at(path, site)
    except Unavailable:
        raise
    except ArgosyError:
        return None


def _at(path: bytes, site: Site) -> tuple[Filesystem, Entry]:
    tree = site.tree(path)
    return tree, tree.stat(path)
