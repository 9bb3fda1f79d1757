"""The bytes of a stub on their way into its own inode: its mark goes last, when all are checked and on the disk.

Without a guard whoever opens the file meanwhile waits: it is seized where that can be. Somebody who has it open for
reading already is no obstacle; what is there in the end is then read again before it is believed, and where it is not
what came, the file stays as it is, for the next run to put in quarantine.
"""

import time
from dataclasses import dataclass

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Busy, LeaseLost
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.content import digest_of
from argosy.hsm.found import chunks_of
from argosy.hsm.landing import Landing
from argosy.hsm.quarantine import quarantine
from argosy.hsm.state import State, look
from argosy.hsm.trust import Owners
from argosy.site import Note, Site


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
        """Fill the file, durably, and return what it is a copy of; where that fails it is a stub again.

        `alone`: whether it is seized.
        """
        seen = look(file, self.site)
        if seen.state is not State.STUB or seen.pointer is None:
            raise written_to(self.path)
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
            raise written_to(self.path)
        whole = msgspec.structs.replace(pointer, clean=alone, mtime_ns=mtime_ns, digest=stored.digest, kept=0)
        self._unmark(file, whole)
        return stored

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
        for chunk in chunks_of(self.stored, self.path, self.site):
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
            raise written_to(self.path)
        for offset, length in file.data():
            low, high = max(offset, start), min(offset + length, end)
            if low < high and file.read(low, high - low).count(0) != high - low:
                raise written_to(self.path)

    def _settle(self, file: File, pointer: Pointer) -> int:
        """Have all bytes on the disk, and the times; return the mtime."""
        now = time.time_ns()
        if not self.stored.digest and self.owners.given:
            file.dress(self.owners.own(file.attributes()))
        mtime_ns = now if self.update_mtime else pointer.mtime_ns
        file.stamp(mtime_ns, atime_ns=now if self.update_atime else None)
        file.sync()
        return mtime_ns

    def _unmark(self, file: File, whole: Pointer) -> None:
        """Clear the mark: from now on whoever reads the file reads its bytes."""
        self.site.check_lease()
        file.point(msgspec.structs.replace(whole, state=StubState.PREMIGRATED))
        self.site.note(file.binding(), Note(whole.uuid, file.changed_ns() if whole.clean else 0, stub=False))
        file.sync()
        failpoint("hsm:unmark")

    def _put_back(self, file: File, pointer: Pointer, *, alone: bool) -> None:
        """Make it a stub again, unless somebody else may have written to it: the next run tells what he wrote."""
        self.site.check_lease()
        if alone and file.is_seized():
            file.punch(pointer.kept)
            file.stamp(pointer.mtime_ns)
            file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
            file.sync()


def written_to(path: bytes) -> Busy:
    """Return the error that says that somebody got past us, and that the next run sees to it."""
    return Busy(
        f"{display(path)}: somebody writes to it; nothing of that was touched, and the next run looks at it again"
    )


def _write_behind(file: File, kept: int, offset: int, data: bytes) -> None:
    """Write what lies behind the head of the file, which is there."""
    skipped = min(max(0, kept - offset), len(data))
    if skipped < len(data):
        file.write(offset + skipped, data[skipped:])
