"""One file or symlink on its way to another root: copied, compared, then removed where it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Changed, Corrupt, Unsupported
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem, Staged
from argosy.hsm.file.alone import expect_alone
from argosy.hsm.file.state import State, look
from argosy.hsm.object.trust import same_but_names
from argosy.hsm.tree.removal import remove, remove_locked
from argosy.site import Note, Site

_PIECE = 1 << 20
_CARRIED = {State.RESIDENT, State.PREMIGRATED, State.DIRTY, State.STUB}


@dataclass(frozen=True, slots=True)
class Crossing:
    """Two trees of a site, and what goes from one to the other."""

    here: Filesystem
    there: Filesystem
    site: Site

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

    def copy_symlink(self, seen: Entry, path: bytes, replacing: Entry | None) -> Entry:
        """Make a symlink at `path`, durably; return it with the attributes that it had."""
        if seen.kind is not Kind.SYMLINK:
            raise not_carried(seen)
        self.site.check_lease()
        attributes = self.here.attributes(seen.path)
        self.there.make_symlink(path, self.here.readlink(seen.path), attributes, replacing=replacing)
        self.there.sync_directory(path)
        return seen.learned(attributes=attributes)

    def leave_symlink(self, seen: Entry, path: bytes, together: str | None = None) -> str | None:
        """Remove a symlink whose copy at `path` is the same; return its id in the trash."""
        if self.there.readlink(path) != self.here.readlink(seen.path):
            raise _other(seen, path)
        if seen.facts.attributes not in {None, self.here.attributes(seen.path)}:
            raise Changed(f"{display(seen.path)}: was given to another owner meanwhile; it was left as it is")
        return remove(seen, self.here, self.site, together=together)

    def copy_file(self, file: File, path: bytes, replacing: Entry | None) -> Attributes:
        """Make a file at `path`, durably; return the attributes that it has."""
        with self.there.stage(path) as staged:
            version, attributes = file.version(), file.attributes()
            _copy(file, staged)
            staged.dress(attributes)
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
        return attributes

    def leave_file(self, file: File, seen: Entry, path: bytes, together: str | None = None) -> str | None:
        """Remove a file whose copy at `path` is the same; return its id in the trash.

        Where it got other attributes since it was copied, it is copied once more.
        """
        attributes = seen.facts.attributes
        with self.there.open(path) as copy:
            if not self._same(file, copy):
                raise _other(seen, path)
            if attributes is None:  # it was copied by an earlier attempt
                attributes = copy.attributes()
        if not same_but_names(file.attributes(), attributes):
            attributes = self.copy_file(file, path, self.there.stat(path))
        expect_alone(file)
        if not same_but_names(file.attributes(), attributes):
            raise Changed(f"{display(seen.path)}: gets other attributes all the time; it was left as it is")
        if file.entry.facts.links > 1:
            file.let_go()  # the trash has to open it, for a copy; whatever is written now is not what was seen
        return remove_locked(seen, self.here, self.site, together=together)

    def _same(self, file: File, copy: File) -> bool:
        pointer, there = file.pointer(), copy.pointer()
        if pointer is not None and pointer.state.is_stub and (there is None or there.uuid != pointer.uuid):
            return False
        return copy.size == file.size and all(
            copy.read(offset, length) == file.read(offset, length) for offset, length in _data(file)
        )


def _point(staged: Staged, pointer: Pointer, site: Site) -> None:
    binding = staged.binding()
    staged.point(msgspec.structs.replace(pointer, binding=binding))
    site.note(binding, Note(pointer.uuid, 0, stub=pointer.state.is_stub, handle=staged.handle()))


def _copy(file: File, staged: Staged) -> None:
    for offset, length in _data(file):
        staged.write(offset, file.read(offset, length))
    staged.truncate(file.size)


def _data(file: File) -> Iterator[tuple[int, int]]:
    """Yield what of the file is data, in pieces, for as long as nobody comes to want it: he would wait for all."""
    whole = ((0, file.size),) if file.entry.facts.extents is None else file.entry.facts.extents
    for offset, length in whole:
        for at in range(offset, offset + length, _PIECE):
            expect_alone(file)
            yield at, min(_PIECE, offset + length - at)


def _other(seen: Entry, path: bytes) -> Corrupt:
    return Corrupt(f"{display(path)}: is not what was copied from {display(seen.path)}; both were kept")


def not_carried(seen: Entry) -> Unsupported:
    """Return what is said of an entry that is not copied to another root."""
    return Unsupported(f"{display(seen.path)}: is a pipe, socket or device, and is not copied to another root")
