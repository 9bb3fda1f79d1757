"""Carry entries from one root of a site to another, where no rename leads: copied, compared, then removed.

A file's record of its copy in a store goes along, so that a stub stays one. Further names of one file become files of
their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Busy, Changed, Corrupt, Exists, Unsupported
from argosy.core.paths import display, join, relative
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem, Staged
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, look
from argosy.hsm.tree.listing import Listing
from argosy.hsm.tree.removal import remove, remove_locked
from argosy.site import Note, Site

_PIECE = 1 << 20
_CARRIED = {State.RESIDENT, State.PREMIGRATED, State.DIRTY, State.STUB}


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
    carriage = _Carriage(here, there, site)
    if seen.kind is Kind.DIRECTORY:
        carriage.carry_tree(seen, path, replacing)
    elif seen.kind is Kind.FILE:
        with carriage.holding(seen) as file:
            carriage.copy_file(file, path, replacing)
            carriage.leave(file, seen, path)
    else:
        carriage.copy(seen, path, replacing)
        remove(seen, here, site)


@dataclass(frozen=True, slots=True)
class _Carriage:
    here: Filesystem
    there: Filesystem
    site: Site

    def carry_tree(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        """Copy a directory with all it holds, and then remove it, what it holds first."""
        self._refuse(seen, path, replacing)
        together = self.here.together(seen.path, self.site.task, again=self.site.attempt > 1)
        with Listing() as listing:
            for entry in self.here.scan(seen.path, on_error=_fail):
                self._copy_once(entry, _target(entry, seen, path))
                listing.add(entry)
            for entry in listing.backward():
                together = self._leave_one(entry, _target(entry, seen, path), together) or together

    def _refuse(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        """Return where all of a directory can be carried; nothing was done yet."""
        missing = False
        for entry in self.here.scan(seen.path, on_error=_fail):
            if entry.kind is Kind.FILE:
                with self.holding(entry):
                    pass
            elif entry.kind is Kind.OTHER:
                raise _not_carried(entry)
            if replacing is not None:
                missing |= self._is_missing(entry, _target(entry, seen, path))
        if replacing is not None and missing:
            for entry in self.there.scan(path, on_error=_fail):
                if present(self.here, _target(entry, replacing, seen.path)) is None:
                    raise _taken(path)

    def _is_missing(self, entry: Entry, path: bytes) -> bool:
        """Say whether nothing is there yet; what is must be the same, as a carriage that was killed leaves it."""
        found = present(self.there, path)
        if found is not None and not _alike(found, entry):
            raise _taken(path)
        return found is None

    def _copy_once(self, seen: Entry, path: bytes) -> None:
        if seen.kind is not Kind.FILE:
            if seen.kind is not Kind.SYMLINK or present(self.there, path) is None:
                self.copy(seen, path, None)
        elif present(self.there, path) is None:
            with self.holding(seen) as file:
                self.copy_file(file, path, None)

    def _leave_one(self, seen: Entry, path: bytes, together: str) -> str | None:
        if seen.kind is not Kind.FILE:
            return remove(seen, self.here, self.site, together=together)
        with self.holding(seen) as file:
            return self.leave(file, seen, path, together)

    @contextmanager
    def holding(self, seen: Entry) -> Iterator[File]:
        """Have a file to ourselves that can be carried: nobody writes to it before we let it go."""
        with self.here.locked(seen.path) as inode, self.here.open(seen.path, inode=inode) as file:
            if file.has_capabilities():
                raise Unsupported(
                    f"{display(seen.path)}: gives those who run it capabilities, which no other root is given: "
                    "take them from it with setcap -r, and give them to what was moved"
                )
            file.seize()
            try:
                file.look()
                state = look(file, self.site).state
                if state not in _CARRIED:
                    raise Changed(f"{display(seen.path)}: is {state}: migrate or recall it first")
                yield file
            finally:
                file.let_go()

    def copy(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        """Make a directory, without what it holds, or a symlink at `path`, durably."""
        here, there = self.here, self.there
        self.site.check_lease()
        if seen.kind is Kind.DIRECTORY:
            there.make_directory(path, here.attributes(seen.path))
        elif seen.kind is Kind.SYMLINK:
            there.make_symlink(path, here.readlink(seen.path), here.attributes(seen.path), replacing=replacing)
        else:
            raise _not_carried(seen)
        there.sync_directory(path)

    def copy_file(self, file: File, path: bytes, replacing: Entry | None) -> None:
        """Make a file at `path`, durably."""
        with self.there.stage(path) as staged:
            version = file.version()
            _copy(file, staged)
            staged.dress(file.attributes())
            pointer = look(file, self.site).pointer
            if pointer is not None:
                _point(staged, pointer, self.site)
            staged.sync()
            if file.version() != version:
                raise Changed(f"{display(file.entry.path)}: was written to while it was copied; it was left as it is")
            self.site.check_lease()
            if replacing is None:
                staged.publish(path)
            else:
                staged.replace(path, replacing)
        self.there.sync_directory(path)

    def leave(self, file: File, seen: Entry, path: bytes, together: str | None = None) -> str | None:
        """Remove a file whose copy at `path` is the same; return its id in the trash."""
        with self.there.open(path) as copy:
            if not self._same(file, copy):
                raise Corrupt(f"{display(path)}: is not what was copied from {display(seen.path)}; both were kept")
        _expect_seized(file)
        return remove_locked(seen, self.here, self.site, together=together)

    def _same(self, file: File, copy: File) -> bool:
        pointer, there = file.pointer(), copy.pointer()
        if pointer is not None and pointer.state.is_stub and (there is None or there.uuid != pointer.uuid):
            return False
        return copy.size == file.size and all(
            copy.read(offset, length) == file.read(offset, length) for offset, length in _data(file)
        )


def _target(entry: Entry, top: Entry, path: bytes) -> bytes:
    return join(path, relative(entry.path, top.path))


def _alike(one: Entry, other: Entry) -> bool:
    """Say whether they may be the same; a directory is whatever it holds."""
    if one.kind is not Kind.FILE:
        return one.kind is other.kind
    return (one.kind, one.size, one.mtime_ns) == (other.kind, other.size, other.mtime_ns)


def _point(staged: Staged, pointer: Pointer, site: Site) -> None:
    binding = staged.binding()
    staged.point(msgspec.structs.replace(pointer, binding=binding))
    site.note(binding, Note(pointer.uuid, 0, stub=pointer.state.is_stub))


def _copy(file: File, staged: Staged) -> None:
    for offset, length in _data(file):
        staged.write(offset, file.read(offset, length))
    staged.truncate(file.size)


def _expect_seized(file: File) -> None:
    if not file.is_seized():
        raise Busy(f"{display(file.entry.path)}: somebody wants to open it; it was left as it is")


def _data(file: File) -> Iterator[tuple[int, int]]:
    """Yield what of the file is data, in pieces, for as long as nobody comes to want it: he would wait for all."""
    whole = ((0, file.size),) if file.entry.facts.extents is None else file.entry.facts.extents
    for offset, length in whole:
        for at in range(offset, offset + length, _PIECE):
            _expect_seized(file)
            yield at, min(_PIECE, offset + length - at)


def _taken(path: bytes) -> Exists:
    return Exists(f"{display(path)}: is there already: move it away before a directory is moved here")


def _not_carried(seen: Entry) -> Unsupported:
    return Unsupported(f"{display(seen.path)}: is a pipe, socket or device, and is not copied to another root")


def _fail(_path: bytes, error: ArgosyError) -> None:
    raise error
