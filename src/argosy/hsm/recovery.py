"""Bring a file that a killed verb left between two states to the one it was on its way to: a stub."""

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Busy, Changed
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.content import digest_of
from argosy.hsm.leftovers import differs
from argosy.hsm.located import located
from argosy.hsm.quarantine import quarantine
from argosy.hsm.state import State, look
from argosy.site import Note, Site


def recover(file: File, site: Site) -> None:
    """Make a clean stub, durably, of what is not quite one. Hold the inode's lock.

    Raises:
        Corrupt: somebody had written to it; those bytes were put beside it, and it is a clean stub now.
        Changed: it is no longer what it was when it was looked at, or somebody has it open (`Busy`): it was left alone.
        NotFound: nothing says which object it is; it was left alone.
    """
    path = file.entry.path
    file.seize()
    try:
        seen = look(file, site)
        if seen.pointer is None or not seen.pointer.state.is_stub:
            raise Changed(f"{display(path)} is not what it was a moment ago; it was left alone")
        stored = located(seen.pointer, path, site)
        if seen.state is State.STUB_DIRTY or _was_written(file, seen.pointer, stored, site):
            quarantine(file, seen.pointer, stored, site)
        free(file, seen.pointer, site)
        file.sync()
    finally:
        file.let_go()


def free(file: File, pointer: Pointer, site: Site) -> None:
    """Make the file a stub of what `pointer` tells: its inode says already that blocks may be missing.

    Raises:
        Busy: somebody waits for it; nothing was freed.
    """
    site.check_lease()
    if not file.is_seized():
        raise Busy(f"{display(file.entry.path)}: somebody wants to open it; it was left as it is")
    file.punch(pointer.kept)
    failpoint("hsm:punch")
    file.stamp(pointer.mtime_ns)
    file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
    site.note(file.binding(), Note(pointer.uuid, 0, stub=True))


def _was_written(file: File, pointer: Pointer, stored: Stored, site: Site) -> bool:
    data = file.data()
    if not data:
        return False
    offset, length = data[-1]
    if offset + length >= file.size and digest_of(file) == pointer.digest:  # nothing was freed, or all had arrived
        return False
    return differs(file, site.store(stored.datastore), stored, pointer.kept)
