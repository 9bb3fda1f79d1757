"""Make whole files of stubs: look what each is, and whether its object can be had; then fill it."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Busy, Denied, Exists, Invalid, NotFound, Unsupported
from argosy.core.faults import NotAdopted, PointerGone
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.back.filling import Filling
from argosy.hsm.back.placing import written_to
from argosy.hsm.file.copied import Recorded, forget, settled, unchanged
from argosy.hsm.file.local import as_opened, expect_named
from argosy.hsm.file.remembered import besides
from argosy.hsm.file.state import UNCLEAN, Seen, State, look
from argosy.hsm.object.described import said_by
from argosy.hsm.object.located import confirmed, located, pointed
from argosy.hsm.object.stored import expect, lost
from argosy.hsm.object.trust import NO_OWNERS, Owners, same_but_names
from argosy.hsm.repair.recovery import recover
from argosy.site import Site

_WHOLE: Final = {
    State.RESIDENT: "all its bytes are here",
    State.PREMIGRATED: "all its bytes are here",
    State.DIRTY: "its bytes are here, and newer than their copy",
}
_HOLLOW: Final = {State.STUB, State.RECALLING}
MOMENT: Final = 1.0
"""Seconds that a recall waits for whoever has the file open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """How stubs are filled."""

    endpoint: str | None = None
    owners: Owners = NO_OWNERS
    """Of files whose object records no owner."""
    update_atime: bool = False
    update_mtime: bool = False
    delete_remote: bool = False
    fail_on_mismatch: bool = False

    def bring(self, entry: Entry, site: Site) -> Outcome | Recorded:
        """Make a stub a whole file; until it is settled, a power cut may leave it to be recalled once more.

        Raises:
            NotFound: the object is lost; the stub is kept.
            OnlyCopyDamaged: the object is not what was stored; the stub is kept.
            Corrupt: somebody wrote into the stub; nothing is lost.
            Exhausted: disk or quota is full; it is a stub again.
            Busy: somebody has it open.
            Restoring: the object is in an archive tier; it is a stub as before.
            Exists: `fail_on_mismatch` is set, and the object tells of other attributes.
            Invalid: it is a copy of a stub that was not adopted.
        """
        tree = site.tree(entry.path)
        with tree.locked(entry.path) as inode:
            try:
                return self._bring(entry, site, tree, inode)
            except NotFound:
                if not _found_again(entry.path, site, tree, inode):
                    raise
            return self._bring(entry, site, tree, inode)

    def _bring(self, entry: Entry, site: Site, tree: Filesystem, inode: int) -> Outcome | Recorded:
        with ExitStack() as held:
            file = held.enter_context(tree.open(entry.path, inode=inode))
            seen = look(file, site)
            if seen.state in UNCLEAN:
                seen = _cleaned(file, seen, site)
            if seen.state in _WHOLE:
                return self._whole(entry, file, seen, site)
            filling = self._filling(entry, file, _pointer_of(file, seen, site), site)
            if seen.state is State.STUB and _seized(file):
                done = self._done(entry, file, filling.fill(file, alone=True), site)
                if isinstance(done, Recorded):
                    held.pop_all()
                return done
            if file.is_being_written():
                raise Busy(f"{display(entry.path)}: somebody has it open for writing; it was left as it is")
        with tree.open(entry.path, inode=inode, writing=True) as file:
            return settled(self._done(entry, file, filling.fill(file, alone=False), site))

    def _filling(self, entry: Entry, file: File, pointer: Pointer, site: Site) -> Filling:
        stored = pointed(pointer, entry.path, site, endpoint=self.endpoint)
        if self.fail_on_mismatch:
            refuse_other_attributes(file.attributes(), stored, entry.path, site)
        return Filling(
            path=entry.path,
            stored=stored,
            site=site,
            owners=self.owners,
            update_atime=self.update_atime,
            update_mtime=self.update_mtime,
        )

    def _done(self, entry: Entry, file: File, stored: Stored, site: Site) -> Outcome | Recorded:
        expect_named(file, "recalled")
        file.look()
        entry = as_opened(entry, file)
        site.remember(stored, entry.path)
        if not self.delete_remote:
            return Recorded(Outcome.processed(entry.learned(stored=stored), moved=stored.size), file)
        return msgspec.structs.replace(forget(entry, file, stored, site), moved=stored.size)

    def _whole(self, entry: Entry, file: File, seen: Seen, site: Site) -> Outcome:
        """Leave a file alone that has its bytes; where it is to forget its copy, do what a killed run left undone."""
        entry = as_opened(entry, file)
        pointer = seen.pointer
        if pointer is None or seen.state is not State.PREMIGRATED:
            return Outcome.skipped(entry, _WHOLE[seen.state])
        try:
            stored = located(pointer, entry.path, site)
        except (NotFound, Invalid):  # its bytes are here: it does not need the object
            return Outcome.skipped(entry, _WHOLE[seen.state])
        if self.delete_remote and unchanged(file, pointer, site):
            return forget(entry, file, stored, site)
        return Outcome.skipped(entry.learned(stored=stored), _WHOLE[seen.state])


def _found_again(path: bytes, site: Site, tree: Filesystem, inode: int) -> bool:
    """Say whether the object, which is no longer where the index has it, is under the name that the file has now."""
    with tree.open(path, inode=inode) as file:
        pointer = file.pointer()
    known = None if pointer is None else site.key_of(pointer.uuid)
    if pointer is None or known is None:
        return False
    try:
        stored = confirmed(pointer, path, site)
    except (NotFound, Invalid):
        return False
    site.remember(stored, path)
    return stored.key != known


def _cleaned(file: File, seen: Seen, site: Site) -> Seen:
    """Return what the file is once it is whole or a clean stub; what a recall left in one in use is gone on with."""
    if seen.state is State.RECALLING:
        if not _seized(file):
            return seen
        file.let_go()
    with lost(file.entry.path):
        recover(file, site)
    return look(file, site)


def _pointer_of(file: File, seen: Seen, site: Site) -> Pointer:
    path = file.entry.path
    if seen.state in _HOLLOW and seen.pointer is not None:
        return seen.pointer
    if seen.state is State.UNBOUND:
        raise NotAdopted(
            f"{display(path)} is a copy of a stub: adopt it with `argosy adopt` before it is recalled"
            f"{besides(file, seen, site)}"
        )
    if seen.state is State.LOST:
        raise PointerGone(
            f"lost: {display(path)} was left as a stub, and nothing on it says where its bytes are. Restore its "
            f"attribute from a backup, or make it again from its object with reverse_stub and overwrite"
            f"{besides(file, seen, site)}"
        )
    raise written_to(path)


def refuse_other_attributes(ours: Attributes, stored: Stored, path: bytes, site: Site) -> None:
    """Return where the object tells of the attributes that the file has, or of none.

    Raises:
        Exists: it tells of others.
    """
    with lost(path):
        said = said_by(site.store(stored.datastore), expect(stored, site))
    if said is not None and not (said.kind is Kind.FILE and same_but_names(said.attributes, ours)):
        raise Exists(
            f"object {stored.key} of datastore {stored.datastore} tells of other attributes than {display(path)} has: "
            "bring them into line with ngenea_sync_metadata, or leave out fail_on_mismatch"
        )


def _seized(file: File) -> bool:
    """Have the file to ourselves; False where nothing gives us that: it is not ours, or there are no leases here.

    Raises:
        Busy: somebody has it open, and still has after a moment.
    """
    deadline, pause = time.monotonic() + MOMENT, 0.002
    while True:
        try:
            file.seize()
        except (Denied, Unsupported):
            return False
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        else:
            return True
