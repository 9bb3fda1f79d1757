"""Carry entries from one root of a site to another, where no rename leads: copied, compared, then removed.

A file's record of its copy in a store goes along, so that a stub stays one. Further names of one file become files of
their own.
"""

from dataclasses import dataclass
from itertools import islice

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Corrupt, Exists, Unsupported
from argosy.core.paths import display, join, relative
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem, Staged
from argosy.hsm.listing import Listing
from argosy.hsm.removal import remove
from argosy.hsm.state import State, look
from argosy.site import Note, Site

_PIECE = 1 << 20
_CARRIED = {State.RESIDENT, State.PREMIGRATED, State.DIRTY, State.STUB}


def carry(
    seen: Entry, here: Filesystem, path: bytes, there: Filesystem, site: Site, *, replacing: Entry | None = None
) -> None:
    """Make at `path` what was seen, durably, and then remove it where it was; a directory with all it holds.

    Raises:
        Changed: it was written to meanwhile; it stays.
        Exists: the name is taken; `replacing` says by what it may be.
        Corrupt: the copy is not the same; both stay.
        Unsupported: it is neither file, directory nor symlink.
    """
    if seen.kind is not Kind.DIRECTORY:
        _Carriage(here, there, site).carry(seen, path, replacing)
        remove(seen, here, site)
        return
    if replacing is not None:
        _refuse_taken(replacing, there)
    with Listing() as listing:
        for entry in here.scan(seen.path, on_error=_fail):
            _Carriage(here, there, site).carry(entry, join(path, relative(entry.path, seen.path)), None)
            listing.add(entry)
        together: str | None = None
        for entry in listing.backward():
            together = remove(entry, here, site, together=together)


@dataclass(frozen=True, slots=True)
class _Carriage:
    here: Filesystem
    there: Filesystem
    site: Site

    def carry(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        """Make one entry at `path`, durably; a directory without what it holds."""
        here, there = self.here, self.there
        self.site.check_lease()
        if seen.kind is Kind.DIRECTORY:
            there.make_directory(path, here.attributes(seen.path))
        elif seen.kind is Kind.SYMLINK:
            there.make_symlink(path, here.readlink(seen.path), here.attributes(seen.path), replacing=replacing)
        elif seen.kind is Kind.FILE:
            self._carry_file(seen, path, replacing)
        else:
            raise Unsupported(f"{display(seen.path)}: is a pipe, socket or device, and is not copied to another root")
        there.sync_directory(path)

    def _carry_file(self, seen: Entry, path: bytes, replacing: Entry | None) -> None:
        with self.here.locked(seen.path) as inode, self.here.open(seen.path, inode=inode) as file:
            state, pointer = look(file, self.site)
            if state not in _CARRIED:
                raise Changed(f"{display(seen.path)}: is {state}: migrate or recall it first")
            with self.there.stage(path) as staged:
                version = file.version()
                _copy(file, staged)
                staged.dress(file.attributes())
                if pointer is not None:
                    _point(staged, pointer, self.site)
                staged.sync()
                if file.version() != version:
                    raise Changed(f"{display(seen.path)}: was written to while it was copied; it was left as it is")
                self.site.check_lease()
                if replacing is None:
                    staged.publish(path)
                else:
                    staged.replace(path, replacing)
            _compare(file, path, self.there)


def _point(staged: Staged, pointer: Pointer, site: Site) -> None:
    binding = staged.binding()
    staged.point(msgspec.structs.replace(pointer, binding=binding))
    site.note(binding, Note(pointer.uuid, 0, stub=pointer.state.is_stub))


def _copy(file: File, staged: Staged) -> None:
    for offset, length in _data(file):
        staged.write(offset, file.read(offset, length))
    staged.truncate(file.size)


def _compare(file: File, path: bytes, there: Filesystem) -> None:
    with there.open(path) as copy:
        same = copy.size == file.size and all(
            copy.read(offset, length) == file.read(offset, length) for offset, length in _data(file)
        )
    if not same:
        raise Corrupt(f"{display(path)}: is not what was copied from {display(file.entry.path)}; both were kept")


def _data(file: File) -> list[tuple[int, int]]:
    """Return what of the file is data, in pieces."""
    whole = ((0, file.size),) if file.entry.facts.extents is None else file.entry.facts.extents
    return [
        (at, min(_PIECE, offset + length - at))
        for offset, length in whole
        for at in range(offset, offset + length, _PIECE)
    ]


def _refuse_taken(replacing: Entry, there: Filesystem) -> None:
    """An empty directory is filled; anything else keeps its name."""
    held = islice(there.scan(replacing.path, on_error=_fail), 1, 2)
    if replacing.kind is not Kind.DIRECTORY or next(held, None) is not None:
        raise Exists(f"{display(replacing.path)}: is there already: move it away before a directory is moved here")


def _fail(_path: bytes, error: ArgosyError) -> None:
    raise error
