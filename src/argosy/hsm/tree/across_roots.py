"""Carry entries from one root of a site to another, where no rename leads: copied, compared, then removed.

A file's record of its copy in a store goes along, so that a stub stays one. Further names of one file become files of
their own.
"""

from dataclasses import dataclass

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Exists
from argosy.core.paths import display, join, relative
from argosy.filesystems.base import Filesystem, Origin
from argosy.hsm.file.local import present
from argosy.hsm.tree.crossing import Crossing, not_carried
from argosy.hsm.tree.listing import Listing
from argosy.hsm.tree.removal import remove
from argosy.site import Site


def carry(
    seen: Entry, here: Filesystem, path: bytes, there: Filesystem, site: Site, *, replacing: Entry | None = None
) -> None:
    """Make at `path` what was seen, durably, and then remove it where it was; a directory with all it holds.

    Of a directory nothing is removed before all is copied; what was copied before, and is the same, counts as copied.

    Raises:
        Changed: it was written to meanwhile; it stays.
        Busy: somebody has it open; it stays.
        Exists: the name is taken; `replacing` says by what it may be.
        Corrupt: the copy is not the same; both stay.
        Unsupported: it is neither file, directory nor symlink, or cannot be carried with all it is.
    """
    crossing = Crossing(here, there, site)
    if seen.kind is Kind.DIRECTORY:
        _Carriage(here, there, site, crossing).carry_tree(seen, path, replacing)
    elif seen.kind is Kind.FILE:
        with crossing.holding(seen) as file:
            attributes = crossing.copy_file(file, path, replacing)
            crossing.leave_file(file, seen.learned(attributes=attributes), path)
    else:
        crossing.leave_symlink(crossing.copy_symlink(seen, path, replacing), path)


@dataclass(frozen=True, slots=True)
class _Carriage:
    """A directory on its way, with all it holds; each that is made there knows of which it is a copy."""

    here: Filesystem
    there: Filesystem
    site: Site
    crossing: Crossing

    def carry_tree(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        """Copy a directory with all it holds, and then remove it, what it holds first."""
        begun = replacing is not None and self._is_copy(path, seen.path)
        self._refuse(seen, path, replacing, begun=begun)
        if not begun:
            self._receive(seen.path, path, replacing)
        together = self.here.together(seen.path, self.site.task, again=self.site.attempt > 1)
        with Listing() as listing:
            for entry in self.here.scan(seen.path, on_error=_fail):
                listing.add(self._copy_once(entry, _target(entry, seen, path)))
            for entry in listing.backward():
                together = self._leave_one(entry, _target(entry, seen, path), together) or together

    def _is_copy(self, path: bytes, source: bytes) -> bool:
        """Say whether what is at the path is a directory that was made as a copy of the source, by us."""
        there = present(self.there, path)
        if there is None or there.kind is not Kind.DIRECTORY:
            return False
        origin = self.there.origin(path)
        return origin is not None and origin.binding == self.here.binding(source)

    def _receive(self, source: bytes, path: bytes, replacing: Entry | None = None) -> None:
        """Have a directory at the path that is our copy of the source, with its attributes as they are now."""
        self.site.check_lease()
        origin = Origin(task=self.site.task, binding=self.here.binding(source))
        self.there.receive_directory(path, self.here.attributes(source), origin, replacing=replacing)
        self.there.sync_directory(path)

    def _refuse(self, seen: Entry, path: bytes, replacing: Entry | None, *, begun: bool) -> None:
        """Return where all of a directory can be carried; nothing was done yet. `begun`: an earlier attempt began."""
        if replacing is not None and replacing.kind is not Kind.DIRECTORY:
            raise _taken(path)
        missing = False
        for entry in self.here.scan(seen.path, on_error=_fail):
            if entry.kind is Kind.FILE:
                with self.crossing.holding(entry):
                    pass
            elif entry.kind is Kind.OTHER:
                raise not_carried(entry)
            if begun:
                missing |= self._is_missing(entry, _target(entry, seen, path))
        if missing:
            for entry in self.there.scan(path, on_error=_fail):
                if present(self.here, join(seen.path, relative(entry.path, path))) is None:
                    raise _taken(path)

    def _is_missing(self, entry: Entry, path: bytes) -> bool:
        """Say whether nothing is there yet; what is must be the same, as a carriage that was killed leaves it."""
        found = present(self.there, path)
        if found is not None and not (_alike(found, entry) or self._is_copy(path, entry.path)):
            raise _taken(path)
        return found is None

    def _copy_once(self, seen: Entry, path: bytes) -> Entry:
        """Copy what is not there yet; return it with the attributes that it had when it was copied now."""
        if seen.kind is Kind.DIRECTORY:
            self._receive(seen.path, path)
            return seen
        self._expect_parent(seen.path, path)
        if present(self.there, path) is not None:
            return seen
        if seen.kind is Kind.SYMLINK:
            return self.crossing.copy_symlink(seen, path, None)
        if seen.kind is not Kind.FILE:
            raise not_carried(seen)
        with self.crossing.holding(seen) as file:
            return seen.learned(attributes=self.crossing.copy_file(file, path, None))

    def _expect_parent(self, source: bytes, path: bytes) -> None:
        if not self._is_copy(_parent(path), _parent(source)):
            raise Changed(f"{display(_parent(path))}: was taken away while it was filled; all is still at its source")

    def _leave_one(self, seen: Entry, path: bytes, together: str) -> str | None:
        if seen.kind is Kind.DIRECTORY:
            self._receive(seen.path, path)
            return remove(seen, self.here, self.site, together=together)
        if seen.kind is Kind.SYMLINK:
            return self.crossing.leave_symlink(seen, path, together)
        with self.crossing.holding(seen) as file:
            return self.crossing.leave_file(file, seen, path, together)


def _target(entry: Entry, top: Entry, path: bytes) -> bytes:
    return join(path, relative(entry.path, top.path))


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _alike(one: Entry, other: Entry) -> bool:
    """Say whether two files, or symlinks, may be the same."""
    if one.kind is Kind.SYMLINK:
        return other.kind is Kind.SYMLINK
    return one.kind is Kind.FILE and (one.kind, one.size, one.mtime_ns) == (other.kind, other.size, other.mtime_ns)


def _taken(path: bytes) -> Exists:
    return Exists(f"{display(path)}: is there already: move it away before a directory is moved here")


def _fail(_path: bytes, error: ArgosyError) -> None:
    raise error
