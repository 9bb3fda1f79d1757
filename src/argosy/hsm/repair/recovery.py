"""Bring a file that a killed verb left between two states to one that it can stay in.

Where no byte is missing it is whole again, whatever it was on its way to: what became of the object meanwhile nobody
knows, and to free whole files is for a release. What has lost blocks already becomes a clean stub, once the object was
seen to have the bytes that are left.
"""

from typing import NoReturn

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Changed
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.file.alone import digest_alone, expect_alone
from argosy.hsm.file.state import UNCLEAN, State, look
from argosy.hsm.object.located import confirmed, located
from argosy.hsm.repair.dispute import settle
from argosy.hsm.repair.leftovers import differs, is_released, is_whole
from argosy.hsm.repair.quarantine import quarantine
from argosy.site import Note, Site


def recover(file: File, site: Site) -> None:
    """Make a premigrated file of what has all its bytes, else a clean stub, durably. Hold the inode's lock.

    Raises:
        Corrupt: somebody had written to it; those bytes were put beside it, and it is a clean stub now.
        Changed: it is no longer what it was when it was looked at, or somebody has it open (`Busy`): it was left alone;
            or somebody had written to it before anything was freed: all its bytes are here, and it is dirty now.
        NotFound: nothing says which object it is, or it is gone; what is left of the file was left alone.
        Corrupt: its attribute and the index tell of two objects, and nothing says which it is; it was left alone.
    """
    if _is_settled(file, site):
        return
    file.seize()
    try:
        file.look()
        _finish(file, site)
        file.look()
    finally:
        file.let_go()


def _is_settled(file: File, site: Site) -> bool:
    """Say whether the file is a clean stub now that was disputed: where there is no data, nobody need be kept out."""
    if look(file, site).state is not State.DISPUTED or file.data():
        return False
    settle(file, site)
    return look(file, site).state is State.STUB


def _finish(file: File, site: Site) -> None:
    state, pointer = look(file, site)
    if pointer is None or state not in UNCLEAN:
        raise Changed(f"{display(file.entry.path)} is not what it was a moment ago; it was left alone")
    if kept_whole(file, pointer, site):
        return
    if state is State.DISPUTED:
        settle(file, site)
        if look(file, site).state is not State.STUB:
            _finish(file, site)
        return
    find = confirmed if state is State.STUB_DIRTY else located  # nothing of the file is freed for an object unseen
    stored = find(pointer, file.entry.path, site)
    if state is State.STUB_DIRTY or _was_written(file, pointer, stored, site):
        _keep(file, pointer, stored, site)
    pointer = _as_touched(file, pointer)
    _mark(file, pointer, site)
    free(file, pointer, site)
    file.sync()


def _as_touched(file: File, pointer: Pointer) -> Pointer:
    """Return what to say of a file to which nobody wrote: it keeps an mtime that it was given, and that is not ours.

    So it is where its attribute has no stub mark: that is an old one, or the index was behind.
    """
    told = file.pointer()
    if told is None or told.state.is_stub:
        return pointer
    return msgspec.structs.replace(pointer, mtime_ns=file.version()[0])


def kept_whole(file: File, pointer: Pointer, site: Site) -> bool:
    """Say whether all bytes are here; where they are, the file is premigrated, durably. It is seized.

    Raises:
        Busy: somebody comes to want it; it was left as it is.
    """
    if not has_all(file, pointer):
        return False
    site.check_lease()
    expect_alone(file)
    pointer = _as_touched(file, pointer)
    file.stamp(pointer.mtime_ns)
    file.sync()  # before the mark goes: a recall may have been killed before its bytes were on the disk
    give_back(file, pointer, site, clean=True)
    return True


def has_all(file: File, pointer: Pointer) -> bool:
    """Say whether the bytes on the disk are all those that the pointer tells of. The file is seized.

    Raises:
        Busy: somebody comes to want it.
    """
    return file.size == pointer.size and file.data() != () and digest_alone(file) == pointer.digest


def free(file: File, pointer: Pointer, site: Site) -> None:
    """Make the file a stub of what `pointer` tells: its inode says already that blocks may be missing.

    Raises:
        Busy: somebody waits for it; nothing was freed.
        Unsupported: the filesystem frees no blocks.
        Unavailable: the store is a directory, and its path leads to another by now; nothing was freed.
    """
    site.check_lease()
    site.check_store(pointer.datastore)
    file.punch(pointer.kept)
    become_stub(file, pointer, site)


def become_stub(file: File, pointer: Pointer, site: Site) -> None:
    """Say of a file whose blocks were freed that it is a stub; it is durable after `sync`."""
    failpoint("hsm:punch")
    file.stamp(pointer.mtime_ns)
    file.point(msgspec.structs.replace(pointer, state=StubState.STUB))
    site.note(file.binding(), Note(pointer.uuid, 0, stub=True, handle=file.handle()))


def give_back(file: File, pointer: Pointer, site: Site, *, clean: bool) -> None:
    """Say durably of a file that lacks no block that it has all its bytes."""
    site.check_lease()
    file.point(msgspec.structs.replace(pointer, state=StubState.PREMIGRATED, kept=0, clean=clean))
    file.sync()
    ctime_ns = file.changed_ns() if clean else 0
    site.note(file.binding(), Note(pointer.uuid, ctime_ns, stub=False, handle=file.handle()))


def _mark(file: File, pointer: Pointer, site: Site) -> None:
    """Have the inode say durably that blocks may be missing, if an old attribute on it says something else."""
    if file.pointer() != pointer:
        site.check_lease()
        file.point(pointer)
        file.sync()


def _keep(file: File, pointer: Pointer, stored: Stored, site: Site) -> NoReturn:
    """Keep what somebody wrote: in its place where no block is missing, else beside."""
    if pointer.state is StubState.RELEASING and is_whole(file, site.store(stored.datastore), stored):
        give_back(file, pointer, site, clean=False)
        raise Changed(
            f"{display(file.entry.path)} was written to before its blocks were freed: it keeps all its bytes, and the "
            "next run copies them"
        )
    _mark(file, pointer, site)
    quarantine(file, pointer, stored, site)


def _was_written(file: File, pointer: Pointer, stored: Stored, site: Site) -> bool:
    if not file.data():
        return False
    store = site.store(stored.datastore)
    if pointer.state is StubState.RELEASING:
        return not is_released(file, store, stored, pointer.kept)
    return differs(file, store, stored, pointer.kept)
