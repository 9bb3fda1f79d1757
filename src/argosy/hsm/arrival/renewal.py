"""Attributes, and for a stub the place of its bytes, given to a file that is there; bytes stay, or stay away.

What gives a file to somebody, or a program rights, is given only while the file is ours alone and holds the very bytes
that the attributes are of: else whoever put it there, or has it mapped, could have bytes of his run as somebody else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import blake3
import msgspec

from argosy.core.entry import Attributes, Stored
from argosy.core.errors import Changed, Corrupt, Invalid, NotFound
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.file.alone import digest_alone, expect_alone
from argosy.hsm.file.local import Local
from argosy.hsm.file.state import HOLLOW, State, look
from argosy.hsm.object.located import located
from argosy.hsm.object.stored import expect, is_place_of, pinned
from argosy.hsm.object.trust import grants, same_but_names
from argosy.hsm.repair.leftovers import is_released
from argosy.site import Note, Site

_POINTED: Final = HOLLOW | {State.PREMIGRATED, State.DIRTY}
"""States in which the pointer tells of a copy of the file."""


def renewed(local: Local, attributes: Attributes, stored: Stored, site: Site, *, repoint: bool = False) -> bool:
    """Give a file the attributes of its object, durably, and say whether any differed.

    `repoint`: a stub that has lost the object it points to gets this one. A copy that is good for the file still is.

    Raises:
        Changed: it is no longer what it was when it was looked at; or it is in use (`Busy`), and may not be now.
        Corrupt, NotFound: a stub has lost its object, and this one is none for it; nothing was done.
    """
    moved = repoint and _repointed(local, stored, site)
    file = local.file
    if moved:
        local = Local(file, look(file, site))
    ours = file.attributes()
    if not same_but_names(ours, attributes):
        site.check_lease()
        with _alone(local, stored, site) if grants(ours, attributes) else file.unwritten() as unwritten:
            _dress(local, attributes, unwritten)
    elif not moved:
        return False
    file.sync()
    return moved or not same_but_names(file.attributes(), ours)  # it may not keep an mtime as exactly as was asked


def _dress(local: Local, attributes: Attributes, unwritten: Callable[[], bool]) -> None:
    """Dress the file and correct what its pointer tells of it; a write meanwhile never passes for the copied bytes."""
    file, (state, pointer) = local
    _expect_unchanged(file)
    if pointer is None or state not in _POINTED:
        file.dress(attributes)
        return
    hollow = state in HOLLOW
    if not hollow:
        file.point(msgspec.structs.replace(pointer, clean=False))  # its new mtime may be the one that it had
    file.dress(attributes)
    if state is not State.DIRTY:
        mtime_ns, _ = file.version()
        clean = pointer.clean and (hollow or unwritten())
        file.point(msgspec.structs.replace(pointer, mtime_ns=mtime_ns, clean=clean))


@contextmanager
def _alone(local: Local, stored: Stored, site: Site) -> Iterator[Callable[[], bool]]:
    """Have the file to ourselves, sure of its bytes; what is yielded says whether we still have.

    Raises:
        Busy: somebody has it open or mapped.
        Changed: it holds other bytes.
    """
    file, path = local.file, local.file.entry.path
    file.seize()
    try:
        if look(file, site) != local.seen or not _is_made_of(local, stored, site):
            raise Changed(f"{display(path)}: has other bytes than those whose attributes it was to get")
        expect_alone(file)
        yield file.is_seized
    finally:
        file.let_go()


def _is_made_of(local: Local, stored: Stored, site: Site) -> bool:
    """Say whether the bytes on the disk, all or what a stub has of them, are the object's."""
    file, (state, pointer) = local
    if state in HOLLOW and pointer is not None:
        if state is not State.STUB:
            raise Changed(f"{display(file.entry.path)}: is half here: recall it first")
        kept = located(pointer, file.entry.path, site) if pointer.kept else None
        return kept is None or is_released(file, site.store(kept.datastore), kept, pointer.kept)
    return stored.digest == b"" or digest_alone(file) == stored.digest  # others' objects grant no rights


def _expect_unchanged(file: File) -> None:
    if file.version() != (file.entry.mtime_ns, file.size):
        raise Changed(f"{display(file.entry.path)}: was changed by somebody else; it was left as it is")


def _repointed(local: Local, stored: Stored, site: Site) -> bool:
    """Point a stub to where its bytes are now, if they are no longer where it says; say whether that was needed."""
    (file, (state, pointer)), datastore = local, site.access(stored.datastore).id
    if pointer is None or state is not State.STUB:
        return False
    path = file.entry.path
    if (is_place_of(pointer, stored) and pointer.datastore == datastore) or _stands(pointer, path, site):
        return False
    _expect_same(pointer, path, stored, site)
    site.check_lease()
    place = {"datastore": datastore, "uuid": stored.uuid, "etag": stored.etag, "version": stored.version}
    file.point(msgspec.structs.replace(pointer, **place))
    site.note(file.binding(), Note(stored.uuid, 0, stub=True, handle=file.handle()))
    site.remember(stored, path)
    return True


def _stands(pointer: Pointer, path: bytes, site: Site) -> bool:
    try:
        expect(located(pointer, path, site), site)
    except (NotFound, Invalid):
        return False
    return True


def _expect_same(pointer: Pointer, path: bytes, stored: Stored, site: Site) -> None:
    """Read the object: what it says of itself may be of bytes that it had before."""
    hasher = blake3.blake3()
    for chunk in pinned(site.store(stored.datastore), stored):
        hasher.update(chunk)
    if hasher.digest() != pointer.digest:
        raise Corrupt(
            f"object {stored.key} of datastore {stored.datastore} has not the bytes of {display(path)}, whose own "
            "object is gone: it stays as it is; look for it in the versions and backups of its store"
        )
