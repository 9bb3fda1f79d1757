"""The bytes of a stub on their way into its own inode: its mark goes last, when all are checked and on the disk.

Without a guard whoever opens the file meanwhile waits: it is seized. Somebody who has it open, if only for reading, is
waited for a moment, and then the file is left alone: nothing else keeps what is written from being written over. Only
where nothing can be seized (no leases there, or a file of somebody else) it is filled beside others; what is there in
the end is then read again before it is believed, and where it is not what came, the file stays as it is, for the next
run to put in quarantine. What a recall left that failed or was killed is no obstacle there: it is gone on with.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Busy, Exhausted, LeaseLost
from argosy.core.failpoints import failpoint
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.back.landing import Landing
from argosy.hsm.back.placing import Placing, written_to
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import digest_of
from argosy.hsm.object.stored import damaged, pinned_for
from argosy.hsm.object.trust import Owners, given
from argosy.hsm.repair.quarantine import quarantine
from argosy.site import Note, Site

PUT_BACK: Final = 0.8
"""Up to which part of the kernel's patience with us a file is still made a stub again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How one stub becomes a whole file, under its lock."""

    path: bytes
    stored: Stored
    site: Site
    owners: Owners
    """Of a file whose object records no owner."""
    update_atime: bool
    update_mtime: bool

    def fill(self, file: File, *, alone: bool) -> Stored:
        """Fill the file and return what it is a copy of; where that fails it is a stub again.

        Its bytes are on the disk then; that it is whole may not be, until it is synced. `alone`: whether it is seized.
        """
        pointer = self._expect(file, alone=alone)
        placing = Placing(file, self.path, size=pointer.size, kept=pointer.kept, alone=alone)
        self.site.check_lease()
        try:
            # Before space is reserved: what programs read of a stub, zeros, shows as data where blocks are reserved.
            file.point(msgspec.structs.replace(pointer, state=StubState.RECALLING))
            self._reserve(file, pointer.size)
            file.sync()
            stored, is_theirs = self._fetch(file, pointer, placing)
            mtime_ns = self._settle(file, pointer) if is_theirs else 0
        except LeaseLost:
            raise
        except BaseException:
            self._put_back(file, pointer, placing)
            raise
        alone = placing.is_alone()
        if alone and not is_theirs:
            quarantine(file, pointer, self.stored, self.site)
        if not (alone or (is_theirs and digest_of(file) == stored.digest)):
            raise written_to(self.path)
        whole = msgspec.structs.replace(pointer, clean=alone, mtime_ns=mtime_ns, digest=stored.digest, kept=0)
        self._unmark(file, whole)
        return stored

    def _expect(self, file: File, *, alone: bool) -> Pointer:
        """Return what is to be filled: a clean stub, or, where we are not alone, what another recall left."""
        seen = look(file, self.site)
        if seen.pointer is not None and seen.state is State.STUB:
            return msgspec.structs.replace(seen.pointer, mtime_ns=file.version()[0])
        if seen.pointer is None or seen.state is not State.RECALLING or alone:
            raise written_to(self.path)
        return seen.pointer

    def _reserve(self, file: File, size: int) -> None:
        """Reserve the space, or go on without where the disk has not so much: a sparse file needs less.

        Raises:
            Exhausted: there is room on the disk, but not within a quota.
        """
        try:
            file.reserve(size)
        except Exhausted:
            free, _ = self.site.tree(self.path).free()
            if size <= free:
                raise

    def _fetch(self, file: File, pointer: Pointer, placing: Placing) -> tuple[Stored, bool]:
        """Write the object's bytes behind what is kept of the file; say whether what is kept is still of the object.

        Raises:
            OnlyCopyDamaged: they are not what was stored.
            Busy: somebody who has the file open wrote to it.
        """
        is_theirs = True
        landing = Landing(self.stored, placing.write, placing.free)
        with damaged(self.path):
            for chunk in pinned_for(self.stored, self.path, self.site):
                failpoint("hsm:fetch")
                head = chunk[: max(0, pointer.kept - landing.size)]
                is_theirs = is_theirs and file.read(landing.size, len(head)) == head
                landing.take(chunk)
                failpoint("hsm:partial_write")
            stored = landing.settled()
        failpoint("hsm:hash_check")
        return stored, is_theirs

    def _settle(self, file: File, pointer: Pointer) -> int:
        """Have all bytes on the disk, and the times; return the mtime."""
        now = time.time_ns()
        if not self.stored.digest and self.owners.given:
            file.dress(given(file.attributes(), self.owners))
        mtime_ns = now if self.update_mtime else pointer.mtime_ns
        file.stamp(mtime_ns, atime_ns=now if self.update_atime else None)
        file.sync()
        return mtime_ns

    def _unmark(self, file: File, whole: Pointer) -> None:
        """Clear the mark: from now on whoever reads the file reads its bytes."""
        self.site.check_lease()
        file.point(msgspec.structs.replace(whole, state=StubState.PREMIGRATED))
        self.site.note(file.binding(), Note(whole.uuid, file.changed_ns() if whole.clean else 0, stub=False))
        failpoint("hsm:unmark")

    def _put_back(self, file: File, pointer: Pointer, placing: Placing) -> None:
        """Make it a stub again, unless somebody else wrote to it: the next run tells what he wrote."""
        self.site.check_lease()
        if placing.is_alone(PUT_BACK) or placing.is_all_ours():
            with suppress(Busy):  # whoever waits for it finds it as it is
                file.punch(pointer.kept, upto=pointer.size)
                file.stamp(pointer.mtime_ns)
                file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
                file.sync()
