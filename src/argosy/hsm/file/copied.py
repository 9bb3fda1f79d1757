"""A file and its copy: what its inode says of it, whether that still holds, and how it forgets it."""

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Entry, Stored
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.filesystems.base import File, Syncing
from argosy.hsm.object.content import digest_of
from argosy.site import Note, Site

SETTLED_NS: Final = 2 * 10**9
"""How old a file must be: a clock that ticks every other second may give two writes the same time."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file whose inode says where its copy is, though a power cut might still make it forget."""

    outcome: Outcome
    file: File

    def __post_init__(self) -> None:
        """Keep nobody from the file while others of its batch are seen to."""
        self.file.leave()

    def settle(self) -> None:
        """Make the record durable."""
        self.file.sync()

    @property
    def syncing(self) -> Syncing:
        """What is to be made durable."""
        return self.file

    def synced(self) -> None:
        """The record is durable."""

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


def settled(done: Outcome | Recorded) -> Outcome:
    """Return the outcome of what was done, durable now."""
    if isinstance(done, Outcome):
        return done
    with closing(done):
        done.settle()
        return done.outcome


def pointer_to(stored: Stored, datastore: int, mtime_ns: int, binding: Binding, *, clean: bool) -> Pointer:
    """Return what the inode of a premigrated file is to say."""
    return Pointer(
        state=StubState.PREMIGRATED,
        clean=clean,
        datastore=datastore,
        uuid=stored.uuid,
        size=stored.size,
        mtime_ns=mtime_ns,
        digest=stored.digest,
        binding=binding,
        etag=stored.etag,
        version=stored.version,
    )


def unchanged(file: File, pointer: Pointer, site: Site) -> bool:
    """Say whether the file holds the bytes its pointer tells of; where nothing proves it, they are read.

    Its version proves it only where it was read clean since the machine was started, for a power cut may leave newer
    bytes and the times of before, and has the ctime of then: who writes may set the mtime back.
    """
    if (pointer.mtime_ns, pointer.size) != file.version():
        return False
    noted = site.noted(file.binding())
    if pointer.clean and noted is not None and (noted.uuid, noted.ctime_ns) == (pointer.uuid, file.changed_ns()):
        return True
    return _is_read_again(file, pointer, site)


def as_left(ctime_ns: int, mtime_ns: int) -> int:
    """Return what is noted of the ctime that we leave; it proves nothing where a write may leave the mtime as it is."""
    return ctime_ns if time.time_ns() - mtime_ns >= SETTLED_NS else -ctime_ns


def forget(entry: Entry, file: File, stored: Stored, site: Site) -> Outcome:
    """Have the file forget its copy, durably; the hub is told that the entry needs the object no more."""
    file.sync()
    drop_pointer(file, stored.uuid, site)
    failpoint("hsm:forget")
    return msgspec.structs.replace(Outcome.processed(entry.learned(stored=None)), unneeded=(stored,))


def drop_pointer(file: File, uuid: bytes, site: Site) -> None:
    """Remove the attribute of a file that has all its bytes, durably.

    Of a file with holes the index knows that first: if it took it for a stub, it would be lost without an attribute.

    Raises:
        Exhausted: there is no room for that in the index; the file keeps its attribute.
    """
    site.check_lease()
    site.note(file.binding(), Note(uuid, 0, stub=False), at_once=file.has_holes())
    file.forget()
    file.sync()


def _is_read_again(file: File, pointer: Pointer, site: Site) -> bool:
    """Say whether the bytes are those of the pointer, and note it where nobody could write meanwhile."""
    with file.unwritten() as unwritten:
        ctime_ns = file.changed_ns()
        if digest_of(file) != pointer.digest:
            return False
        if unwritten():
            site.note(file.binding(), Note(pointer.uuid, as_left(ctime_ns, pointer.mtime_ns), stub=False))
    return True
