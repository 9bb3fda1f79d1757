"""Bring a file that a killed verb left between two states to the one it was on its way to: a stub."""

from typing import NoReturn

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Changed
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import digest_of
from argosy.hsm.object.located import located
from argosy.hsm.repair.leftovers import differs, is_released, is_whole
from argosy.hsm.repair.quarantine import quarantine
from argosy.site import Note, Site


def recover(file: File, site: Site) -> None:
    """Make a clean stub, durably, of what is not quite one. Hold the inode's lock.

    Raises:
        Corrupt: somebody had written to it; those bytes were put beside it, and it is a clean stub now.
        Changed: it is no longer what it was when it was looked at, or somebody has it open (`Busy`): it was left alone;
            or somebody had written to it before anything was freed: all its bytes are here, and it is dirty now.
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
            _keep(file, seen.pointer, stored, site)
        free(file, seen.pointer, site)
        file.sync()
    finally:
        file.let_go()


def free(file: File, pointer: Pointer, site: Site) -> None:
    """Make the file a stub of what `pointer` tells: its inode says already that blocks may be missing.

    Raises:
        Busy: somebody waits for it; nothing was freed.
        Unsupported: the filesystem frees no blocks.
    """
    site.check_lease()
    file.punch(pointer.kept)
    become_stub(file, pointer, site)


def become_stub(file: File, pointer: Pointer, site: Site) -> None:
    """Say of a file whose blocks were freed that it is a stub; it is durable after `sync`."""
    failpoint("hsm:punch")
    file.stamp(pointer.mtime_ns)
    file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
    site.note(file.binding(), Note(pointer.uuid, 0, stub=True))


def give_back(file: File, pointer: Pointer, site: Site, *, clean: bool) -> None:
    """Say durably of a file that lacks no block that it has all its bytes."""
    site.check_lease()
    file.point(msgspec.structs.replace(pointer, state=StubState.PREMIGRATED, kept=0, clean=clean))
    file.sync()


def _keep(file: File, pointer: Pointer, stored: Stored, site: Site) -> NoReturn:
    """Keep what somebody wrote: in its place where no block is missing, else beside."""
    if pointer.state is StubState.RELEASING and is_whole(file, site.store(stored.datastore), stored):
        give_back(file, pointer, site, clean=False)
        raise Changed(
            f"{display(file.entry.path)} was written to before its blocks were freed: it keeps all its bytes, and the "
            "next run copies them"
        )
    quarantine(file, pointer, stored, site)


def _was_written(file: File, pointer: Pointer, stored: Stored, site: Site) -> bool:
    data = file.data()
    if not data:
        return False
    if sum(data[-1]) >= file.size and digest_of(file) == pointer.digest:  # nothing was freed, or all arrived
        return False
    store = site.store(stored.datastore)
    if pointer.state is StubState.RELEASING:
        return not is_released(file, store, stored, pointer.kept)
    return differs(file, store, stored, pointer.kept)
