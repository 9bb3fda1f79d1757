"""What state a file is in: what its inode says, held against what lies on the disk."""

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from argosy.core.errors import Unsupported
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


HOLLOW: Final = {State.STUB, State.RELEASING, State.RECALLING}
"""States in which a file's content is the object's, whatever lies on the disk."""


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
    pointer = file.pointer()
    if pointer is None:
        return _unmarked(file, notes)
    mtime_ns, size = file.version()
    if not pointer.state.is_stub:
        same = (mtime_ns, size) == (pointer.mtime_ns, pointer.size)
        return Seen(State.PREMIGRATED if same else State.DIRTY, pointer)
    if size != pointer.size:
        return Seen(State.STUB_DIRTY, pointer)
    if pointer.state is not StubState.STUB:
        return Seen(State(pointer.state.name.lower()), pointer)
    return Seen(State.STUB_DIRTY if _has_data(file, pointer) else State.STUB, pointer)


def refuse_unguarded(site: Site) -> None:
    """Return where stubs may be made.

    Raises:
        Unsupported: nothing here would keep a program that reads a stub from reading zeros.
    """
    if not site.policy.unguarded_stubs:
        raise Unsupported(
            f"site {site.name} has no recall guard: a program that reads a stub there would read zeros. "
            "Use premigrate (or send with hydrate), or set unguarded_stubs = true for the site to take that risk"
        )


def _has_data(file: File, pointer: Pointer) -> bool:
    return any(offset + length > pointer.kept for offset, length in file.data())


def _unmarked(file: File, notes: Notes) -> Seen:
    _, size = file.version()
    stray = file.stray()
    if stray is not None and stray.state.is_stub and stray.size == size > 0:
        return Seen(State.UNBOUND, stray)
    if size == 0 or file.data():
        return Seen(State.RESIDENT, None)
    noted = notes.noted(file.binding())
    return Seen(State.LOST if noted is not None and noted.stub else State.RESIDENT, None)
