"""`references` discovery (`dynamo.tasks.references`)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from argosy.core.entry import Entry, Stored
from argosy.core.errors import Changed
from argosy.core.faults import OutsideRoots, RootUnserved
from argosy.core.numbers import Numbers
from argosy.core.paths import display
from argosy.core.pointer import Binding, Pointer, brief
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import Held, OnError, Pointed, PointerWalk, Unmarked
from argosy.site import Note, Site

PASSES: Final = 10
"""Walks of what changed, at most."""
_CALM: Final = 2
"""How many in a row must meet nothing strange, of trees that are never still."""
_AT_ONCE: Final = 1000


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Find every object that a file of the site points to, in its trees, their trash and their version stores.

    An attempt begins anew, wherever an earlier one came to: a file may have moved to where that had been already.
    """

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:  # noqa: ARG002 - see above
        """Yield an entry for each file that points to an object, and one without a path for each that none came to.

        Raises:
            Denied, Corrupt, Unavailable, Changed: what was yielded is not all: something cannot be told, or is not
                mounted.
        """
        trees = site.trees()
        if foreign := [root.path for root in given if root.path not in {tree.root for tree in trees}]:
            root = display(foreign[0])
            raise OutsideRoots(f"root {root} of site {site.name} is not in the configuration of its agent")
        with ExitStack() as stack:
            look = _Look(site, [stack.enter_context(tree.pointer_walk()) for tree in trees])
            for path, stored in look.references():
                yield _entry(path, stored)
            look.expect_all_met()
        yield from (_entry(b"", Stored(datastore="", key=key, uuid=uuid, size=0)) for uuid, key in site.unpointed())
        site.trees()


class _Look:
    """One look at all trees of a site together, since files move from the one to the other.

    Two things find a file. *Its handle*, if it was ever noted: that opens it wherever it has been moved to, also out of
    the trees or to where nothing is mounted now. All of those are opened first, so that what they said then is yielded
    whatever becomes of them: copied and removed, say. *The walk* finds what nobody noted: copies that people made,
    and what a killed agent had no time to note. What it meets is noted.

    A file that the site left as a stub needs that object whatever its attribute says, or if it has none any more: who
    copies attributes does not know of it. Where there is no handle of it, the walk meets it by its number.

    The walk has come to its end when a pass was still. In trees that never are, it has when handles open all that is
    known, everything was met once when they were still, or ever since the trees were new, and passes meet nothing
    strange: no file that was not noted, and points to what nothing met before does; no directory that is older than the
    look and that none had come to. Files made, copied or removed meanwhile keep nothing going so. Not met is then at
    most what nobody has noted yet and what was moved in each of the passes, from where it had not been to where it had:
    see `argosy.filesystems._posix.pointers`.
    """

    def __init__(self, site: Site, walks: Sequence[PointerWalk]) -> None:
        self._site, self._walks = site, walks
        self._known = Numbers()
        """What was opened by its handle, by filesystem and subvolume."""
        self._left = Numbers()
        """What was left as a stub and has no handle, by filesystem, as `statfs` calls it, and subvolume."""
        for binding in site.unheld():
            self._left.add((brief(binding.filesystem), binding.subvolume), binding.inode)
        self._copied: set[bytes] = set()
        """Objects that were met in files that are copies, or were not noted."""
        self._opened: set[bytes] = set()
        """Filesystems all of whose handles were opened."""
        self._strange = b""
        self._site_is_known = site.knows_all()

    def references(self) -> Iterator[tuple[bytes, Stored]]:
        """Yield what needs an object, and which.

        Raises:
            Changed: it cannot be told what does.
        """
        calm = 0
        for number in range(PASSES + 1):
            yield from self._pass()
            if number and all(walk.is_still for walk in self._walks):
                self._note_all()
                return
            calm = 0 if self._strange or not number else calm + 1
            if calm >= _CALM and self._is_all_known():
                return
            time.sleep(max(walk.pause for walk in self._walks))
        raise Changed(self._restless())

    def _pass(self) -> Iterator[tuple[bytes, Stored]]:
        self._strange = b""
        for walk in self._walks:
            walk.begin()
        yield from self._by_handle()
        for walk in self._walks:
            for found in walk.pointers(self._known, self._left):
                yield from self._met(found)
            self._strange = self._strange or walk.strange
        yield from self._by_handle()  # of filesystems that this pass was the first to come to

    def _met(self, found: Pointed | Unmarked) -> Iterator[tuple[bytes, Stored]]:
        """Yield what the file tells of, and what else it was left as a stub of."""
        told = found.pointer if isinstance(found, Pointed) else None
        if isinstance(found, Pointed):
            if not self._site.meet(found) and self._is_new(found.pointer):
                self._strange = found.path
            yield found.path, _pointed(found.pointer, self._site)
        elif found.handle and (noted := self._site.noted(found.binding)) is not None:
            self._site.note(found.binding, noted._replace(handle=found.handle))
        for uuid in self._site.left_as(found.binding):
            if told is None or told.uuid != uuid:
                yield found.path, _noted(uuid, self._site)

    def _is_new(self, pointer: Pointer) -> bool:
        """Say whether nothing was met before that says the same: not this file's own other name, nor what it copies."""
        told = pointer.binding
        if self._known.holds((told.filesystem, told.subvolume), told.inode) or pointer.uuid in self._copied:
            return False
        if self._site_is_known:  # else there may be more of them than memory holds, and it does not matter
            self._copied.add(pointer.uuid)
        return True

    def _by_handle(self) -> Iterator[tuple[bytes, Stored]]:
        """Yield what inodes say that were noted, and what they were left as; those that are gone are forgotten."""
        new = self._lasting() - self._opened
        gone: list[tuple[Binding, Note]] = []
        for binding, note in self._site.held(new) if new else ():
            if binding.filesystem not in new:
                continue
            held = self._find(binding.filesystem, note.handle)
            if held is None or (held.pointer is None and not note.stub):
                gone.append((binding, note))
            else:
                yield from self._held(held, binding, note)
            if len(gone) >= _AT_ONCE:
                self._site.leave(gone)
                gone = []
        self._site.leave(gone)
        self._opened |= new

    def _held(self, held: Held, binding: Binding, note: Note) -> Iterator[tuple[bytes, Stored]]:
        told = held.pointer
        if told is not None:
            self._known.add((binding.filesystem, binding.subvolume), binding.inode)
            if told.binding != binding:
                self._copied.add(told.uuid)
            yield held.path, _pointed(told, self._site)
        if note.stub and (told is None or told.uuid != note.uuid):
            yield held.path, _noted(note.uuid, self._site)

    def _find(self, filesystem: bytes, handle: bytes) -> Held | None:
        """Look for it on every filesystem of that name: there may be two, of which one is a copy of the disk."""
        for walk in self._walks:
            if filesystem in walk.lasting and (held := walk.find(filesystem, handle)) is not None:
                return held
        return None

    def _lasting(self) -> set[bytes]:
        return set().union(*(walk.lasting for walk in self._walks))

    def _is_all_known(self) -> bool:
        return self._site_is_known and self._handles_do()

    def _handles_do(self) -> bool:
        return all(filesystem in self._opened for walk in self._walks for filesystem, _ in walk.met)

    def _note_all(self) -> None:
        if self._handles_do():
            self._site.know_all()

    def _restless(self) -> str:
        """Say where it was not calm, and what would help."""
        walk = next((walk for walk in self._walks if walk.changed), self._walks[0])
        if not self._is_all_known():
            return (
                f"site {self._site.name} changes too fast to tell what its files point to (last seen to change: "
                f"{display(walk.changed)}), and not all of them are known to this agent: leave its trees alone for a "
                "moment, once, while this is tried again"
            )
        return (
            f"site {self._site.name} changes too fast to tell what its files point to (last met, and unknown before: "
            f"{display(self._strange or walk.changed)}): try again when it is calmer"
        )

    def expect_all_met(self) -> None:
        """Return where everything was met on which there are stubs.

        Raises:
            Unavailable: it was not.
        """
        met = {(brief(filesystem), number) for walk in self._walks for filesystem, number in walk.met}
        missing = {
            (filesystem, number)
            for (filesystem, number), held in self._site.stub_places().items()
            if (brief(filesystem), number) not in met and not self._does(filesystem, held=held)
        }
        if missing:
            raise RootUnserved(_not_met(sorted(missing), self._site))

    def _does(self, filesystem: bytes, *, held: bool) -> bool:
        return held and filesystem in self._opened


def _not_met(missing: Sequence[tuple[bytes, int]], site: Site) -> str:
    names = ", ".join(f"{UUID(bytes=uuid)}{f' (subvolume {number})' if number else ''}" for uuid, number in missing)
    return (
        f"site {site.name} left stubs on filesystems that are mounted below none of its roots: {names}. Mount them, "
        "and make them roots of the site or recall their stubs; if they are gone for good, stop the agent, remove the "
        "site's index.db and run `argosy rebuild`"
    )


def _pointed(pointer: Pointer, site: Site) -> Stored:
    return Stored(
        datastore=str(pointer.datastore), key=site.key_of(pointer.uuid) or "", uuid=pointer.uuid, etag=pointer.etag,
        version=pointer.version, size=pointer.size,
    )  # fmt: skip


def _noted(uuid: bytes, site: Site) -> Stored:
    return Stored(datastore="", key=site.key_of(uuid) or "", uuid=uuid, size=0)


def _entry(path: bytes, stored: Stored) -> Entry:
    return Entry(path=path).learned(stored=stored)
