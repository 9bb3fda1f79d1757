"""A stub of which its attribute and the index tell different things: which object it is, and that both say so again.

An older attribute was put back on the stub, or the index is the older one: nothing on this disk tells which. So both
objects are looked for. Where they have the same bytes it does not matter. Else the file's size and mtime tell, if they
are those of one object and not of the other. Else nobody knows, and nothing is done: a person gives the file the mtime
of the one that it is.
"""

from contextlib import suppress
from typing import Final

import msgspec

from argosy.core.errors import ArgosyError, Corrupt, Invalid, NotFound
from argosy.core.faults import ObjectGone, PointerUnreadable
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File
from argosy.hsm.file.state import left_as
from argosy.hsm.object.described import said_by
from argosy.hsm.object.located import confirmed, found_by_uuid, named
from argosy.hsm.object.stored import expect
from argosy.site import Note, Site

_UNKNOWN: Final = bytes(32)


def settle(file: File, site: Site) -> None:
    """Have attribute and index tell of the object that the file is a stub of, durably. No data is touched.

    Blocks may be missing afterwards as before. Hold the inode's lock.

    Raises:
        NotFound: neither object is there; nothing was changed.
        Corrupt: nothing tells which of the two it is; nothing was changed.
    """
    told = file.pointer()
    if told is None:
        return
    pointer = chosen(file, told, site)
    site.check_lease()
    file.point(msgspec.structs.replace(pointer, state=_state(file, told)))
    file.sync()
    site.note(file.binding(), Note(pointer.uuid, 0, stub=True, handle=file.handle()))


def _state(file: File, told: Pointer) -> StubState:
    """Return how the file is to be marked: an attribute that says that it is whole is an old one, or it is no stub."""
    if not file.data():
        return StubState.STUB
    return told.state if told.state.is_stub else StubState.RELEASING


def chosen(file: File, told: Pointer, site: Site) -> Pointer:
    """Return what the file is a stub of: what its attribute tells of, or what the site left it as; that is there then.

    Where these are the same it is not looked for. `told` may be a copy's attribute that is to be believed.

    Raises:
        NotFound, Corrupt: as `settle`.
    """
    path, left = file.entry.path, left_as(file, site)
    if left is None or left == told.uuid:
        return told
    is_there, noted = _is_there(told, path, site), _noted(told, left, path, site)
    if noted is not None and _are_same(told, noted):
        return told if is_there else msgspec.structs.replace(noted, kept=told.kept)
    fitting = [each for each in (told, noted) if each is not None and (each.mtime_ns, each.size) == file.version()]
    if len(fitting) == 1 and (is_there or fitting[0] is noted):
        return fitting[0]
    raise _unclear(file, told, noted, left, site, is_there=is_there)


def _is_there(told: Pointer, path: bytes, site: Site) -> bool:
    """Say whether the object is there, and says itself that it has the bytes: an attribute may name any object."""
    try:
        stored = confirmed(told, path, site)
        said = said_by(site.store(stored.datastore), expect(stored, site))
    except (NotFound, Invalid, Corrupt):
        return False
    if told.digest != (_UNKNOWN if said is None else said.digest):
        return False
    site.remember(stored, path)
    return True


def _are_same(told: Pointer, noted: Pointer) -> bool:
    return told.digest != _UNKNOWN and (told.size, told.digest) == (noted.size, noted.digest)


def _noted(told: Pointer, uuid: bytes, path: bytes, site: Site) -> Pointer | None:
    """Return what an attribute would say of the object that the index tells of; None where that is not found."""
    with suppress(Invalid):
        found = found_by_uuid(uuid, path, site.numbered(told.datastore).name, site)
        if found is not None:
            stored, said = found
            return msgspec.structs.replace(
                told, datastore=site.access(stored.datastore).id, uuid=uuid, size=stored.size, digest=stored.digest,
                mtime_ns=said.attributes.mtime_ns, etag=stored.etag, version=stored.version, kept=0,
            )  # fmt: skip
    return None


def _unclear(
    file: File, told: Pointer, noted: Pointer | None, left: bytes, site: Site, *, is_there: bool
) -> ArgosyError:
    path, one, other = display(file.entry.path), named(told.uuid, site), named(left, site)
    if not is_there and noted is None:
        return ObjectGone(f"{path} is disputed: neither {one}, of which its attribute tells, nor {other} is found")
    return PointerUnreadable(
        f"{path} is disputed: its attribute tells of {one} ({_told(told if is_there else None)}), and the site left it "
        f"as a stub of {other} ({_told(noted)}); one of the two is old, and its size and mtime do not tell which. It "
        "stays as it is: give it the mtime of the one that it is with that touch, and run this again"
    )


def _told(pointer: Pointer | None) -> str:
    if pointer is None:
        return "which is not found"
    seconds, ns = divmod(pointer.mtime_ns, 10**9)
    return f"{pointer.size} bytes, touch -m -d @{seconds}.{ns:09d}"
