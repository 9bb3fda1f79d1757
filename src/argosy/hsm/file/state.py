"""What state a file is in: what its inode says, held against what lies on the disk.

An attribute that says that all bytes are here may be old: a backup program that restores attributes in place puts what
it saved of a whole file on the stub that the file has become. So what has holes is whole only where nothing speaks
against it; where something does, `recover` finds out, and nobody takes the holes for content.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import blake3
import msgspec

from argosy.core.faults import NoGuard
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.filesystems.base import File
from argosy.site import Note, Site


class State(StrEnum):
    """As in the glossary. Those that are not written on disk are derived at each look."""

    RESIDENT = "resident"
    PREMIGRATED = "premigrated"
    DIRTY = "dirty"
    RELEASING = "releasing"
    STUB = "stub"
    RECALLING = "recalling"
    STUB_DIRTY = "stub-dirty"
    """Somebody wrote to a stub: neither what is on disk nor the object is the file."""
    UNBOUND = "unbound stub"
    """A copy of a stub, made with its attribute: until it is adopted nobody knows what its data is, if it has any.

    The stub may have been half filled, or half freed, when it was copied.
    """
    LOST = "lost"
    """It was left as a stub, and its attribute is gone."""
    DISPUTED = "disputed"
    """Its attribute tells of one object, and it was left as a stub of another: one of the two is old.

    A backup program put an attribute back, or the index is behind. Neither is to be forgotten before it is settled.
    """


UNCLEAN: Final = {State.RELEASING, State.RECALLING, State.STUB_DIRTY, State.DISPUTED}
"""States that `recover` brings to an end."""
HOLLOW: Final = {State.STUB, State.RELEASING, State.RECALLING}
"""States in which a file's content is the object's, whatever lies on the disk."""

_UNKNOWN: Final = bytes(32)
_ZEROS: Final = bytes(1 << 20)


class Seen(NamedTuple):
    """A look at a file. `pointer`: what is to be believed of its copy; of an unbound stub, what its attribute says."""

    state: State
    pointer: Pointer | None


class Notes(Protocol):
    """What a site remembers; a `Site` is one."""

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode."""


def look(file: File, notes: Notes) -> Seen:
    """Return the state of the file as it is now; no store is asked.

    Raises:
        Corrupt: its attribute cannot be read.
        Unsupported: a newer Argosy wrote it.
    """
    told = file.stray()
    pointer = told if told is not None and told.binding == file.binding() else None
    if pointer is None:
        return _unmarked(file, told, notes)
    if not pointer.state.is_stub:
        return _told_whole(file, pointer, notes)
    if left_as(file, notes) not in {None, pointer.uuid}:
        return Seen(State.DISPUTED, pointer)
    _, size = file.version()
    if size != pointer.size:
        return Seen(State.STUB_DIRTY, pointer)
    if pointer.state is not StubState.STUB:
        return Seen(State(pointer.state.name.lower()), pointer)
    return Seen(State.STUB_DIRTY if _has_data(file, pointer) else State.STUB, pointer)


def left_as(file: File, notes: Notes) -> bytes | None:
    """Return the object of which the file was left as a stub, as far as the site remembers, whatever it says itself."""
    noted = notes.noted(file.binding())
    return noted.uuid if noted is not None and noted.stub else None


def refuse_unguarded(site: Site) -> None:
    """Return where stubs may be made.

    Raises:
        Unsupported: nothing here would keep a program that reads a stub from reading zeros.
    """
    if not site.policy.unguarded_stubs:
        raise NoGuard(
            f"site {site.name} has no recall guard: a program that reads a stub there would read zeros. "
            "Use premigrate (or send with hydrate), or set unguarded_stubs = true for the site to take that risk"
        )


def _has_data(file: File, pointer: Pointer) -> bool:
    return any(offset + length > pointer.kept for offset, length in file.data())


def _told_whole(file: File, pointer: Pointer, notes: Notes) -> Seen:
    """Return the state of a file whose attribute says that it has its bytes."""
    mtime_ns, size = file.version()
    same = (mtime_ns, size) == (pointer.mtime_ns, pointer.size)
    told = Seen(State.PREMIGRATED if same else State.DIRTY, pointer)
    if not file.has_holes():
        return told
    noted = notes.noted(file.binding())
    left_hollow = noted is not None and noted.stub
    known = noted is not None and noted.uuid == pointer.uuid
    if left_hollow and not known:
        return Seen(State.DISPUTED, pointer)
    if not left_hollow and not (_is_emptied(file, pointer) and (same or not known)):
        return told
    surely = size == pointer.size and (same or left_hollow)
    marked = msgspec.structs.replace(pointer, state=StubState.RELEASING)
    return Seen(State.RELEASING if surely else State.STUB_DIRTY, marked)


def _unmarked(file: File, stray: Pointer | None, notes: Notes) -> Seen:
    """Return the state of a file that says nothing of itself; `stray`: what its attribute says of another."""
    if stray is not None and file.version()[1] and (stray.state.is_stub or _is_emptied(file, stray)):
        return Seen(State.UNBOUND, stray)
    is_lost = file.has_holes() and left_as(file, notes) is not None
    return Seen(State.LOST if is_lost else State.RESIDENT, None)


def _is_emptied(file: File, pointer: Pointer) -> bool:
    """Say whether the file has no data, and its size, but had bytes when it was copied."""
    _, size = file.version()
    if file.data() or size != pointer.size or pointer.digest == _UNKNOWN:
        return False
    return pointer.digest != _digest_of_zeros(size)


@lru_cache(maxsize=256)
def _digest_of_zeros(size: int) -> bytes:
    hasher, zeros = blake3.blake3(), memoryview(_ZEROS)
    for done in range(0, size, len(zeros)):
        hasher.update(zeros[: size - done])
    return hasher.digest()
