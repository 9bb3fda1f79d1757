"""Copies of stubs, made with their attribute (a restored backup of stubs, say): bound to their own inodes."""

from typing import Final

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import Busy, Corrupt, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.foreseen import Cost, Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.filesystems.base import File
from argosy.hsm.file.state import State, look
from argosy.hsm.object.located import confirmed, located
from argosy.hsm.object.target import is_doomed
from argosy.hsm.repair.dispute import chosen
from argosy.hsm.repair.leftovers import differs, lacks_bytes
from argosy.hsm.repair.recovery import free, give_back, has_all, recover
from argosy.site import Note, Site

_UNDER_WAY: Final = {State.RELEASING, State.RECALLING}
_ITS_OWN: Final = {
    State.RESIDENT: "all its bytes are here",
    State.LOST: "is lost: nothing on it says where its bytes are",
}


def adopt(file: File, entry: Entry, site: Site) -> Outcome:
    """Make a copy of a stub one more reference to its object.

    A copy of a file that had all its bytes is a plain file afterwards, and so is one that was given another size and
    bytes of its own, all of them. Hold the inode's lock. It is durable after `sync`.

    Raises:
        NotFound: the object is gone, or is another; nothing was changed.
        Corrupt: the copy has bytes that its object has not, or was put in the place of a stub, and nothing tells which
            of the two it is; nothing was changed.
        Invalid: it has not the size of the object, and zeros where that has bytes; nothing was changed.
        Busy: somebody has it open; or its object is about to be removed.
    """
    seen = look(file, site)
    if seen.state in _UNDER_WAY and seen.pointer is not None:  # a killed adoption was as good as done
        stored = located(seen.pointer, entry.path, site)
        recover(file, site)
        return Outcome.processed(entry.learned(stored=stored, extents=None))
    stray = file.stray() if seen.state in {State.RESIDENT, State.UNBOUND} else None
    if stray is None:
        return Outcome.skipped(entry, _why_not(seen.state))
    if seen.state is State.UNBOUND:
        if stray.size == file.version()[1]:
            return _bound(file, stray, entry, site)
        _refuse_hollow(file, stray, entry.path, site)
    return forget_copy(file, entry, site)


def _why_not(state: State) -> str:
    return _ITS_OWN.get(state, f"is no copy of a stub: it is {state.value} itself")


def foreseen(file: File, entry: Entry, site: Site) -> Planned:
    """Say what `adopt` would do; nothing is done, and no byte is compared.

    Raises:
        NotFound, Busy: as `adopt`.
    """
    seen = look(file, site)
    if seen.state in _UNDER_WAY and seen.pointer is not None:
        found = entry.learned(stored=located(seen.pointer, entry.path, site), extents=None)
        says = "would finish what was begun on it before"
        return Planned(entry=found, says=says, cost=Cost(requests=1, unknown=True))
    stray = file.stray() if seen.state in {State.RESIDENT, State.UNBOUND} else None
    if stray is None:
        return Planned.nothing(entry, _why_not(seen.state))
    if seen.state is State.RESIDENT:
        says = "would lose the attribute that came with it: it has bytes of its own"
        return Planned(entry=entry, says=says, leaves=Leaves.WITHOUT_COPY)
    return _foreseen_hollow(file, stray, entry, site)


def _foreseen_hollow(file: File, stray: Pointer, entry: Entry, site: Site) -> Planned:
    stored = confirmed(stray, entry.path, site)
    compared = sum(length for _, length in file.data())
    if stray.size != file.version()[1]:
        says = "would lose the attribute that came with it, if it has bytes wherever its object has"
        return Planned(entry=entry, says=says, cost=Cost(bytes=compared, requests=2, unknown=True))
    if is_doomed(site.store(stored.datastore), stored.key, stored.uuid):
        raise Busy(f"{display(entry.path)}: object {stored.key} is being removed: nothing comes to refer to it")
    if file.is_being_written():
        raise Busy(f"{display(entry.path)}: somebody has it open for writing")
    told = ", if its bytes are the object's" if compared else ""
    says = f"would become one more file of its object in datastore {stored.datastore}{told}"
    found = entry.learned(stored=stored, extents=None)
    return Planned(entry=found, says=says, cost=Cost(bytes=compared, requests=3 if compared else 2))


def forget_copy(file: File, entry: Entry, site: Site) -> Outcome:
    """Remove the attribute of a copy that has bytes of its own; it is durable after `sync`."""
    site.check_lease()
    file.forget()
    return Outcome(
        entry=entry,
        state=FileState.PROCESSED,
        reason="is a copy with bytes of its own: the attribute that came with them was removed",
    )


def _refuse_hollow(file: File, stray: Pointer, path: bytes, site: Site) -> None:
    """Return where a copy that was given another size has bytes wherever its object has some."""
    stored = confirmed(stray, path, site)
    if lacks_bytes(file, site.store(stored.datastore), stored):
        raise Invalid(
            f"{display(path)}: is a copy of a stub of {stray.size} bytes and was cut or lengthened since, and lacks "
            "bytes of its object: take what was written from it, remove it, and restore it or copy it again. "
            f"{_unless_all(path)}"
        )


def _bound(file: File, stray: Pointer, entry: Entry, site: Site) -> Outcome:
    file.seize()
    try:
        stray = chosen(file, stray, site)
        stored = confirmed(stray, entry.path, site)
        store = site.store(stored.datastore)
        if differs(file, store, stored, stray.kept):
            raise Corrupt(_has_its_own(entry.path))
        if is_doomed(store, stored.key, stored.uuid):
            raise Busy(f"{display(entry.path)}: object {stored.key} is being removed: nothing comes to refer to it")
        _bind(file, stray, site)
    finally:
        file.let_go()
    site.remember(stored, entry.path)
    return Outcome.processed(entry.learned(stored=stored, extents=None))


def _has_its_own(path: bytes) -> str:
    return (
        f"{display(path)}: is a copy of a stub and has bytes that its object has not; it was left as it is. "
        f"{_unless_all(path)}. If it was half filled when it was copied, or only partly written to, remove it and copy "
        "it again"
    )


def _unless_all(path: bytes) -> str:
    return (
        "If what is on the disk is all of the file, take the mark off it: "
        f"`setfattr -x trusted.argosy {display(path)}` (user.argosy where the agent has no CAP_SYS_ADMIN)"
    )


def _bind(file: File, stray: Pointer, site: Site) -> None:
    """Say whose the file is; zeros that a copy wrote out are freed, and till then it is on its way to a stub.

    One that has all its bytes keeps them: it was copied from what was about to become a stub, or no longer was one.
    """
    pointer = msgspec.structs.replace(stray, binding=file.binding(), mtime_ns=file.version()[0])
    if has_all(file, pointer):
        file.sync()  # the bytes before what says that they are here
        give_back(file, pointer, site, clean=True)
        return
    site.check_lease()
    if not file.data():
        file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
        site.note(file.binding(), Note(pointer.uuid, 0, stub=True, handle=file.handle()))
        return
    pointer = msgspec.structs.replace(pointer, state=StubState.RECALLING)  # zeros may stand anywhere in it
    file.point(pointer)
    file.sync()
    failpoint("hsm:mark")
    free(file, pointer, site)
