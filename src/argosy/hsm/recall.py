"""Bring the bytes of a stub back into its own inode: its mark goes last, when all of them are checked and on the disk.

Without a guard whoever opens the file meanwhile waits: it is seized where that can be. Somebody who has it open for
reading already is no obstacle; what is there in the end is then read again before it is believed, and where it is not
what came, the file stays as it is, for the next run to put in quarantine.
"""

import time
from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Busy, Denied, Exists, Invalid, LeaseLost, NotFound, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File, Filesystem
from argosy.hsm import presence
from argosy.hsm.content import digest_of
from argosy.hsm.found import chunks_of, expect, lost, pointed, said_by
from argosy.hsm.landing import Landing
from argosy.hsm.located import located
from argosy.hsm.premigrate import as_opened, unchanged
from argosy.hsm.quarantine import quarantine
from argosy.hsm.recovery import recover
from argosy.hsm.state import Seen, State, look
from argosy.hsm.trust import NO_OWNERS, Owners, same_but_names
from argosy.site import Note, Site

_WHOLE: Final = {
    State.RESIDENT: "all its bytes are here",
    State.PREMIGRATED: "all its bytes are here",
    State.DIRTY: "its bytes are here, and newer than their copy",
}
_UNCLEAN: Final = {State.RELEASING, State.RECALLING, State.STUB_DIRTY}


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

    def bring(self, entry: Entry, site: Site) -> Outcome:
        """Make a stub a whole file; what the disk has is durable when this returns.

        Raises:
            NotFound: the object is lost; the stub is kept.
            Corrupt: the object is not what was stored, or somebody wrote into the stub; nothing is lost.
            Exhausted: disk or quota is full; it is a stub again.
            Busy: somebody has it open for writing.
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

    def _bring(self, entry: Entry, site: Site, tree: Filesystem, inode: int) -> Outcome:
        with tree.open(entry.path, inode=inode) as file:
            seen = look(file, site)
            if seen.state in _WHOLE:
                return self._whole(entry, file, seen, site)
            if seen.state in _UNCLEAN:
                with lost(entry.path):
                    recover(file, site)
                seen = look(file, site)
            filling = self._filling(entry, file, _pointer_of(seen, entry.path), site)
            if _seized(file):
                return filling.fill(file, alone=True)
            if file.is_being_written():
                raise Busy(f"{display(entry.path)}: somebody has it open for writing; it was left as it is")
        with tree.open(entry.path, inode=inode, writing=True) as file:
            return filling.fill(file, alone=False)

    def _filling(self, entry: Entry, file: File, pointer: Pointer, site: Site) -> "_Filling":
        stored = pointed(pointer, entry.path, site, endpoint=self.endpoint)
        if self.fail_on_mismatch:
            _refuse_other_attributes(file.attributes(), stored, entry.path, site)
        return _Filling(self, entry, stored, site)

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
        if self.delete_remote and unchanged(file, pointer):
            return forget(entry, file, stored, site)
        return Outcome.skipped(entry.learned(stored=stored), _WHOLE[seen.state])


@dataclass(frozen=True, slots=True)
class _Filling:
    """One stub on its way to a whole file, under its lock."""

    recall: Recall
    entry: Entry
    stored: Stored
    site: Site

    def fill(self, file: File, *, alone: bool) -> Outcome:
        """Fill the file; where that fails it is a stub again."""
        seen = look(file, self.site)
        if seen.state is not State.STUB or seen.pointer is None:
            raise _written_to(self.entry.path)
        pointer = msgspec.structs.replace(seen.pointer, mtime_ns=file.version()[0])
        self.site.check_lease()
        try:
            # Before space is reserved: what programs read of a stub, zeros, shows as data where blocks are reserved.
            file.point(msgspec.structs.replace(pointer, state=StubState.RECALLING))
            file.reserve(pointer.size)
            file.sync()
            stored, is_theirs = self._fetch(file, pointer, alone=alone)
            mtime_ns = self._settle(file, pointer) if is_theirs else 0
        except LeaseLost:
            raise
        except BaseException:
            self._put_back(file, pointer, alone=alone)
            raise
        alone = alone and file.is_seized()
        if alone and not is_theirs:
            quarantine(file, pointer, self.stored, self.site)
        if not (alone or (is_theirs and digest_of(file) == stored.digest)):
            raise _written_to(self.entry.path)
        whole = msgspec.structs.replace(pointer, clean=alone, mtime_ns=mtime_ns, digest=stored.digest, kept=0)
        return self._unmark(file, whole, stored)

    def _fetch(self, file: File, pointer: Pointer, *, alone: bool) -> tuple[Stored, bool]:
        """Write the object's bytes behind what is kept of the file; say whether what is kept is still of the object.

        Raises:
            Corrupt: they are not what was stored.
            Busy: somebody who has the file open wrote to it.
        """
        kept, is_theirs = pointer.kept, True
        landing = Landing(
            self.stored,
            lambda offset, data: _write_behind(file, kept, offset, data),
            lambda start, end: file.punch(max(start, kept), upto=end),
        )
        for chunk in chunks_of(self.stored, self.entry.path, self.site):
            failpoint("hsm:fetch")
            if not (alone and file.is_seized()):  # whoever waits for the file gets it in the end
                self._expect_nothing(file, max(landing.size, kept), landing.size + len(chunk))
            head = chunk[: max(0, kept - landing.size)]
            is_theirs = is_theirs and file.read(landing.size, len(head)) == head
            landing.take(chunk)
            failpoint("hsm:partial_write")
        stored = landing.settled()
        failpoint("hsm:hash_check")
        return stored, is_theirs

    def _expect_nothing(self, file: File, start: int, end: int) -> None:
        """Return where nobody has cut the file, or written what we are about to write over."""
        if file.version()[1] != self.stored.size:
            raise _written_to(self.entry.path)
        for offset, length in file.data():
            low, high = max(offset, start), min(offset + length, end)
            if low < high and file.read(low, high - low).count(0) != high - low:
                raise _written_to(self.entry.path)

    def _settle(self, file: File, pointer: Pointer) -> int:
        """Have all bytes on the disk, and the times; return the mtime."""
        now, recall = time.time_ns(), self.recall
        if not self.stored.digest and recall.owners.given:
            file.dress(recall.owners.own(file.attributes()))
        mtime_ns = now if recall.update_mtime else pointer.mtime_ns
        file.stamp(mtime_ns, atime_ns=now if recall.update_atime else None)
        file.sync()
        return mtime_ns

    def _unmark(self, file: File, whole: Pointer, stored: Stored) -> Outcome:
        """Clear the mark: from now on whoever reads the file reads its bytes."""
        self.site.check_lease()
        file.point(msgspec.structs.replace(whole, state=StubState.PREMIGRATED))
        self.site.note(file.binding(), Note(whole.uuid, file.changed_ns() if whole.clean else 0, stub=False))
        file.sync()
        failpoint("hsm:unmark")
        return self._done(file, stored)

    def _done(self, file: File, stored: Stored) -> Outcome:
        file.look()
        entry = as_opened(self.entry, file)
        self.site.remember(stored, entry.path)
        if not self.recall.delete_remote:
            return Outcome.processed(entry.learned(stored=stored), moved=stored.size)
        return msgspec.structs.replace(forget(entry, file, stored, self.site), moved=stored.size)

    def _put_back(self, file: File, pointer: Pointer, *, alone: bool) -> None:
        """Make it a stub again, unless somebody else may have written to it: the next run tells what he wrote."""
        self.site.check_lease()
        if alone and file.is_seized():
            file.punch(pointer.kept)
            file.stamp(pointer.mtime_ns)
            file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
            file.sync()


def forget(entry: Entry, file: File, stored: Stored, site: Site) -> Outcome:
    """Have the file forget its copy, durably; the hub is told that the entry needs the object no more."""
    file.sync()
    site.check_lease()
    file.forget()
    file.sync()
    site.note(file.binding(), Note(stored.uuid, 0, stub=False))
    failpoint("hsm:forget")
    return msgspec.structs.replace(Outcome.processed(entry.learned(stored=None)), unneeded=(stored,))


def _found_again(path: bytes, site: Site, tree: Filesystem, inode: int) -> bool:
    """Say whether the object, which is no longer where the index has it, is under the name that the file has now."""
    with tree.open(path, inode=inode) as file:
        pointer = file.pointer()
    known = None if pointer is None else site.key_of(pointer.uuid)
    if pointer is None or known is None:
        return False
    try:
        stored = presence.present(pointer, path, site)
    except (NotFound, Invalid):
        return False
    site.remember(stored, path)
    return stored.key != known


def _pointer_of(seen: Seen, path: bytes) -> Pointer:
    if seen.state is State.STUB and seen.pointer is not None:
        return seen.pointer
    if seen.state is State.UNBOUND:
        raise Invalid(f"{display(path)} is a copy of a stub: adopt it with `argosy adopt` before it is recalled")
    if seen.state is State.LOST:
        raise NotFound(
            f"lost: {display(path)} was left as a stub, and nothing on it says where its bytes are. Restore its "
            "attribute from a backup, or make it again from its object with reverse_stub and overwrite"
        )
    raise _written_to(path)


def _written_to(path: bytes) -> Busy:
    return Busy(
        f"{display(path)}: somebody writes to it; nothing of that was touched, and the next run looks at it again"
    )


def _refuse_other_attributes(ours: Attributes, stored: Stored, path: bytes, site: Site) -> None:
    with lost(path):
        said = said_by(site.store(stored.datastore), expect(stored, site))
    if said is not None and not (said.kind is Kind.FILE and same_but_names(said.attributes, ours)):
        raise Exists(
            f"object {stored.key} of datastore {stored.datastore} tells of other attributes than {display(path)} has: "
            "bring them into line with ngenea_sync_metadata, or leave out fail_on_mismatch"
        )


def _seized(file: File) -> bool:
    try:
        file.seize()
    except (Busy, Denied, Unsupported):  # in use; not ours; or there are no leases here
        return False
    return True


def _write_behind(file: File, kept: int, offset: int, data: bytes) -> None:
    """Write what lies behind the head of the file, which is there."""
    skipped = min(max(0, kept - offset), len(data))
    if skipped < len(data):
        file.write(offset + skipped, data[skipped:])
