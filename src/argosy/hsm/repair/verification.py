"""Whether files and their objects still are what they should be. Nothing is believed that the store can be asked."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

import blake3
import msgspec

from argosy.core.entry import Entry, Stored
from argosy.core.errors import ArgosyError, Changed, Corrupt, NotFound
from argosy.core.faults import NotAdopted, PointerUnreadable, StoreDown, StubWritten
from argosy.core.foreseen import Cost, Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.file.copied import drop_pointer
from argosy.hsm.file.remembered import besides
from argosy.hsm.file.state import Seen, State, look
from argosy.hsm.object.located import confirmed
from argosy.hsm.object.stored import damaged, lost, pinned
from argosy.hsm.repair.adoption import forget_copy
from argosy.hsm.repair.recovery import recover
from argosy.site import Note, Site

TURN_DAYS: Final = 30
"""With a budget, content that was read in so many days is not read again: the runs take turns over all of it."""

_NO_COPY: Final = "has no copy"
_ANOTHERS: Final = "is a copy with bytes of its own that says it is another file: repair it"
_DIRTY: Final = "dirty: it was written to since it was copied; premigrate sends it again"
_DAY_NS: Final = 86_400 * 10**9
_LEFTOVERS: Final = {State.RELEASING, State.RECALLING, State.DISPUTED}
_TROUBLE: Final[dict[State, tuple[type[ArgosyError], str]]] = {
    State.LOST: (
        PointerUnreadable,
        "lost: it was left as a stub, and nothing on it says where its bytes are. Restore its attribute from a backup, "
        "or make it again from its object with reverse_stub and overwrite",
    ),
    State.STUB_DIRTY: (
        StubWritten,
        "stub-dirty: somebody wrote to it while it was a stub. Recall it: what was written is put beside it then",
    ),
    State.RELEASING: (
        Corrupt,
        "releasing: a migrate was killed half way, or an old attribute was put back on a stub; no byte is missing. "
        "Repair it, or migrate or recall it again",
    ),
    State.RECALLING: (
        Corrupt,
        "recalling: a recall was killed half way; no byte is missing. Repair it, or recall it again",
    ),
    State.DISPUTED: (
        PointerUnreadable,
        "disputed: its attribute tells of one object, and the site left it as a stub of another: an old attribute was "
        "put back on it, or the index is behind. Both objects are kept. Repair it, or recall it",
    ),
    State.UNBOUND: (
        NotAdopted,
        "unbound stub: it is a copy of a stub, and may lack its bytes. Adopt it with `argosy adopt`, or remove it",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How files are checked. `budget`: bytes of content that are read for the whole job; 0: all."""

    content: bool = False
    repair: bool = False
    budget: int = 0

    def check(self, entry: Entry, site: Site) -> Outcome:
        """Return what is to be said of a file whose copy is as it should be, or that has none.

        Raises:
            NotFound: the object is gone, or is another.
            Corrupt: the object's bytes are not those that were stored; or the file is not well.
            Invalid: it is a copy of a stub that nobody adopted.
            Changed: it is in use, or became another while it was checked.
        """
        tree = site.tree(entry.path)
        with tree.locked(entry.path) as inode, tree.open(entry.path, inode=inode) as file:
            seen = look(file, site)
            if seen.state in _LEFTOVERS and self.repair:
                recover(file, site)
                seen = look(file, site)
            if seen.state is State.RESIDENT:
                return self._resident(file, entry, site)
            if seen.state is State.DIRTY:
                return Outcome.skipped(entry, _DIRTY)
            pointer = _expect_well(file, seen, site)
        try:
            return self._copied(seen.state, pointer, entry, site)
        except (NotFound, Corrupt) as error:
            return self._bad(error, seen, entry, site, tree)

    def foreseen(self, entry: Entry, site: Site) -> Planned:
        """Say what `check` would do; nothing is changed, and no content is read.

        Raises:
            NotFound, Corrupt, Invalid: as `check`.
        """
        with site.tree(entry.path).open(entry.path) as file:
            seen, stray = look(file, site), file.stray()
            if seen.state in _LEFTOVERS and self.repair:
                says = "would finish what a killed migrate or recall left of it, or an old attribute says of it"
                return Planned(entry=entry, says=says, cost=Cost(requests=1, unknown=True))
            if seen.state is State.RESIDENT:
                return self._foreseen_resident(entry, stray)
            if seen.state is State.DIRTY:
                return Planned.nothing(entry, _DIRTY)
            pointer = _expect_well(file, seen, site)
        try:
            stored = confirmed(pointer, entry.path, site)
        except NotFound as error:
            return self._foreseen_bad(error, seen, entry, site)
        return self._foreseen_copied(entry.learned(stored=stored), stored, site)

    def _foreseen_resident(self, entry: Entry, stray: Pointer | None) -> Planned:
        if stray is None:
            return Planned.nothing(entry, _NO_COPY)
        if not self.repair:
            return Planned.nothing(entry, _ANOTHERS)
        says = "would lose the attribute that says it is another file: it has bytes of its own"
        return Planned(entry=entry, says=says, leaves=Leaves.WITHOUT_COPY)

    def _foreseen_copied(self, entry: Entry, stored: Stored, site: Site) -> Planned:
        if not self.content:
            says = "its object is there, as it was stored"
            return Planned(entry=entry, says=says, cost=Cost(requests=1), leaves=Leaves.AS_IT_WAS)
        if self.budget and (reason := _read_lately(stored, site)):
            return Planned.nothing(entry, reason, requests=1)
        says = "would read its object whole" + (", within the budget" if self.budget else "")
        cost = Cost(bytes=stored.size, requests=2)
        return Planned(entry=entry, says=says, cost=cost, leaves=Leaves.AS_IT_WAS)

    def _foreseen_bad(self, error: ArgosyError, seen: Seen, entry: Entry, site: Site) -> Planned:
        if seen.state is State.STUB:
            _mourn(error, entry.path)
        if not self.repair:
            raise _whole_still(error)
        _refuse_empty(seen.pointer, site)
        says = "would forget its copy, which is gone: all its bytes are here"
        return Planned(entry=entry, says=says, cost=Cost(requests=2), leaves=Leaves.WITHOUT_COPY)

    def _resident(self, file: File, entry: Entry, site: Site) -> Outcome:
        if file.stray() is None:
            return Outcome.skipped(entry, _NO_COPY)
        if not self.repair:
            return Outcome.skipped(entry, _ANOTHERS)
        outcome = forget_copy(file, entry, site)
        file.sync()
        return outcome

    def _copied(self, state: State, pointer: Pointer, entry: Entry, site: Site) -> Outcome:
        """Check the object of a file; it is not locked meanwhile, for its bytes do not change."""
        stored = confirmed(pointer, entry.path, site)
        entry = entry.learned(stored=stored)
        if self.repair:
            _note(state, pointer, stored, entry, site)
        if not self.content:
            return Outcome.processed(entry)
        if self.budget and (reason := self._spared(stored, site)):
            return Outcome.skipped(entry, reason)
        _read(stored, site)
        site.read_whole(stored.uuid)
        return Outcome.processed(entry, moved=stored.size)

    def _spared(self, stored: Stored, site: Site) -> str:
        """Return why the content is not read in this run; "" where it is."""
        if reason := _read_lately(stored, site):
            return reason
        if not site.may_read(stored.size, self.budget):
            return "its content was not read: the budget of this run is used up"
        return ""

    def _bad(self, error: ArgosyError, seen: Seen, entry: Entry, site: Site, tree: Filesystem) -> Outcome:
        """Say what a bad copy means; where all bytes are here, `repair` has the file forget it.

        Raises:
            NotFound, Corrupt: it stays as it is.
            Unavailable: the datastore has no objects at all.
            Changed: the file has another copy by now, or none.
        """
        with tree.locked(entry.path) as inode, tree.open(entry.path, inode=inode) as file:
            if look(file, site) != seen:
                raise Changed(f"{display(entry.path)}: changed while it was checked: the next run checks it again")
            if seen.state is State.STUB:
                _mourn(error, entry.path)
            if not self.repair:
                raise _whole_still(error)
            _refuse_empty(seen.pointer, site)
            if seen.pointer is not None:
                drop_pointer(file, seen.pointer.uuid, site)
        reason = f"forgot its copy, all its bytes are here: premigrate it again ({error.message})"
        return msgspec.structs.replace(Outcome.processed(entry), reason=reason)


def _expect_well(file: File, seen: Seen, site: Site) -> Pointer:
    """Return what a file in a good state points to.

    Raises:
        Corrupt: it is in a bad one.
        Invalid: it is a copy of a stub that nobody adopted.
    """
    if seen.state in _TROUBLE or seen.pointer is None:
        kind, meaning = _TROUBLE[seen.state]
        raise kind(f"{display(file.entry.path)}: {meaning}{besides(file, seen, site)}")
    return seen.pointer


def _whole_still(error: ArgosyError) -> ArgosyError:
    return type(error)(f"{error.message}. All its bytes are here: repair it, and premigrate it again")


def _read_lately(stored: Stored, site: Site) -> str:
    """Say when the content was read, where that is not long ago; else ""."""
    read_ns = site.last_read_ns(stored.uuid)
    if time.time_ns() - read_ns >= TURN_DAYS * _DAY_NS:
        return ""
    return f"its content was read on {datetime.fromtimestamp(read_ns // 10**9, UTC):%Y-%m-%d}"


def _refuse_empty(pointer: Pointer | None, site: Site) -> None:
    """Return where the datastore has objects: one that lost them all at once is not the one that had them."""
    if pointer is not None:
        name = site.numbered(pointer.datastore).name
        if next(iter(site.store(name).list("")), None) is None:
            raise StoreDown(
                f"datastore {name} is empty: look whether it is the right one. No file forgets its copy because of "
                "that; if it was emptied on purpose, premigrate sends the files again"
            )


def _mourn(error: ArgosyError, path: bytes) -> NoReturn:
    """Say of a stub whose object is gone or damaged that it is lost, and who else may have its bytes."""
    with damaged(path), lost(path):
        raise error
    raise AssertionError("an error is raised above")


def _note(state: State, pointer: Pointer, stored: Stored, entry: Entry, site: Site) -> None:
    """Have the index know again what it may have forgotten."""
    site.remember(stored, entry.path)
    noted = site.noted(pointer.binding)
    stub = state is State.STUB
    if noted is not None and noted.stub and stub:
        return  # another verb may have given it another object since it was looked at
    if noted is None or (noted.uuid, noted.stub) != (pointer.uuid, stub):
        site.note(pointer.binding, Note(pointer.uuid, 0, stub=stub))


def _read(stored: Stored, site: Site) -> None:
    """Return where the store gives out exactly what was stored.

    Raises:
        Corrupt: it does not.
    """
    hasher, size = blake3.blake3(), 0
    for chunk in pinned(site.store(stored.datastore), stored):
        site.check_lease()  # a large object takes long
        hasher.update(chunk)
        size += len(chunk)
    if size != stored.size or (stored.digest and hasher.digest() != stored.digest):
        raise Corrupt(f"object {stored.key} of datastore {stored.datastore} is not what was stored")
