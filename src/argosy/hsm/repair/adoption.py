"""Copies of stubs, made with their attribute (a restored backup of stubs, say): bound to their own inodes."""

from typing import Final

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import Busy, Corrupt, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.filesystems.base import File
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import CHUNK
from argosy.hsm.object.located import confirmed, located
from argosy.hsm.object.target import is_doomed
from argosy.hsm.repair.leftovers import differs
from argosy.hsm.repair.recovery import free, recover
from argosy.site import Note, Site

_UNDER_WAY: Final = {State.RELEASING, State.RECALLING}
_ITS_OWN: Final = {
    State.RESIDENT: "all its bytes are here",
    State.LOST: "is lost: nothing on it says where its bytes are",
}


def adopt(file: File, entry: Entry, site: Site) -> Outcome:
    """Make a copy of a stub one more reference to its object.

    A copy of a file that had all its bytes is a plain file afterwards, and so is one that was given another size and
    bytes of its own. Hold the inode's lock. It is durable after `sync`.

    Raises:
        NotFound: the object is gone, or is another; nothing was changed.
        Corrupt: the copy has bytes that its object has not; nothing was changed.
        Invalid: it has no bytes and not the size of the object; nothing was changed.
        Busy: somebody has it open; or its object is about to be removed.
    """
    seen = look(file, site)
    if seen.state in _UNDER_WAY and seen.pointer is not None:  # a killed adoption was as good as done
        stored = located(seen.pointer, entry.path, site)
        recover(file, site)
        return Outcome.processed(entry.learned(stored=stored, extents=None))
    stray = file.stray() if seen.state in {State.RESIDENT, State.UNBOUND} else None
    if stray is None:
        return Outcome.skipped(
            entry, _ITS_OWN.get(seen.state, f"is no copy of a stub: it is {seen.state.value} itself")
        )
    if seen.state is State.UNBOUND:
        return _bound(file, stray, entry, site)
    if is_blank(file, stray):
        raise Invalid(
            f"{display(entry.path)}: is a copy of a stub of {stray.size} bytes and was cut or lengthened since: "
            "remove it, and restore it or copy it again"
        )
    return forget_copy(file, entry, site)


def is_blank(file: File, stray: Pointer) -> bool:
    """Say whether a copy of a stub has no bytes but those that the stub kept: it reads as the stub, as zeros."""
    return stray.state.is_stub and not any(
        any(file.read(start, min(CHUNK, offset + length - start)))
        for offset, length in _behind(file, stray.kept)
        for start in range(offset, offset + length, CHUNK)
    )


def forget_copy(file: File, entry: Entry, site: Site) -> Outcome:
    """Remove the attribute of a copy that has bytes of its own; it is durable after `sync`."""
    site.check_lease()
    file.forget()
    return Outcome(
        entry=entry,
        state=FileState.PROCESSED,
        reason="is a copy with bytes of its own: the attribute that came with them was removed",
    )


def _bound(file: File, stray: Pointer, entry: Entry, site: Site) -> Outcome:
    file.seize()
    try:
        stored = confirmed(stray, entry.path, site)
        store = site.store(stored.datastore)
        if differs(file, store, stored, stray.kept):
            raise Corrupt(_has_its_own(entry.path))
        if is_doomed(store, store.head(stored.key)):
            raise Busy(f"{display(entry.path)}: object {stored.key} is being removed: nothing comes to refer to it")
        _bind(file, stray, site)
    finally:
        file.let_go()
    site.remember(stored, entry.path)
    return Outcome.processed(entry.learned(stored=stored, extents=None))


def _has_its_own(path: bytes) -> str:
    name = display(path)
    return (
        f"{name}: is a copy of a stub and has bytes that its object has not; it was left as it is. If they are all of "
        f"the file, take the mark off it: `setfattr -x trusted.argosy {name}` (user.argosy where the agent has no "
        "CAP_SYS_ADMIN). If it was half filled when it was copied, or only partly written to, remove it and copy it "
        "again"
    )


def _bind(file: File, stray: Pointer, site: Site) -> None:
    """Say whose the file is; zeros that a copy wrote out are freed, and till then it is on its way to a stub."""
    pointer = msgspec.structs.replace(stray, binding=file.binding(), mtime_ns=file.version()[0])
    site.check_lease()
    if not file.data():
        file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
        site.note(file.binding(), Note(pointer.uuid, 0, stub=True))
        return
    pointer = msgspec.structs.replace(pointer, state=StubState.RECALLING)  # zeros may stand anywhere in it
    file.point(pointer)
    file.sync()
    failpoint("hsm:mark")
    free(file, pointer, site)


def _behind(file: File, kept: int) -> list[tuple[int, int]]:
    """Return (offset, length) of the data behind the head."""
    pieces = ((max(offset, kept), offset + length) for offset, length in file.data())
    return [(start, end - start) for start, end in pieces if start < end]
