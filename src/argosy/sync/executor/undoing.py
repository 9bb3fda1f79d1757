"""What is noted of a run for those who want back what it took: of each batch when that is on the disk.

What a killed run did and did not note, its journal tells: the next recovery looks on the shelves for it.
"""

import contextlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeGuard

import structlog

from argosy.core.entry import Kind as Listed
from argosy.core.entry import Left
from argosy.core.errors import ArgosyError
from argosy.core.moments import modified_ns
from argosy.filesystems import ids
from argosy.filesystems._posix import seal
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.filesystems._posix.undoing import Undoing
from argosy.filesystems.base import Shelf
from argosy.filesystems.undoing import Came, Moved, Record, Took
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.sync.executor import journal, seeing
from argosy.sync.executor.area import Area
from argosy.sync.executor.journal import Begun, Displacing, Parking, Trashing
from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.executor.seeing import Found
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Entry, Kind

log = structlog.get_logger()

AT_ONCE: Final = 256
"""Operations of a batch, of which all is noted before the next begins."""
_KINDS: Final = {Kind.FILE: Listed.FILE, Kind.DIRECTORY: Listed.DIRECTORY, Kind.SYMLINK: Listed.SYMLINK}
_BITS: Final = 0o7777
_Gone = Parking | Trashing | Displacing
_SHELVES: Final = {Act.TRASH: Shelf.TRASH, Act.REPLACE: Shelf.VERSIONS}


class Noting:
    """Notes of a run, batch by batch."""

    def __init__(self, undoing: Undoing) -> None:
        self._undoing = undoing
        self._trashed = bytearray()
        """A bit for each operation that removed something: whatever depends on one gets its name, mostly."""

    def note(self, batch: Sequence[tuple[Operation, Outcome]]) -> None:
        """Return when it is on the disk what the batch took; where there is no room for it, the run goes on."""
        done = [(operation, told) for operation, told in batch if told.became is Became.DONE]
        try:
            self._undoing.note(record for each in done if (record := self._record(*each)) is not None)
        except OSError as error:
            log.warning("what was taken is not noted, and cannot be undone by its sync", reason=str(error))

    def _record(self, operation: Operation, told: Outcome) -> Record | None:
        if operation.act in _SHELVES and told.shelf_id:
            self._remember(operation)
            return _took(operation, told)
        if operation.act is Act.UNPARK and operation.kind is Kind.DIRECTORY:
            return Moved(operation.path, operation.target)
        if operation.act is Act.CREATE and told.entry is not None and any(map(self._removed, operation.after)):
            return Came(operation.target, _left(told.entry))
        return None

    def _remember(self, operation: Operation) -> None:
        if operation.act is Act.TRASH:
            place, bit = divmod(operation.number, 8)
            self._trashed.extend(bytes(max(0, place + 1 - len(self._trashed))))
            self._trashed[place] |= 1 << bit

    def _removed(self, number: int) -> bool:
        place, bit = divmod(number, 8)
        return place < len(self._trashed) and bool(self._trashed[place] >> bit & 1)


def _took(operation: Operation, told: Outcome) -> Took | None:
    lay = told.shelved or operation.expects
    if lay is None:
        return None
    return Took(
        operation.path if operation.act is Act.TRASH else operation.target, _SHELVES[operation.act], told.shelf_id,
        _KINDS[lay.kind], told.copy or lay.binding.inode, lay.version.size, lay.version.mtime_ns,
        None if told.entry is None else _left(told.entry),
    )  # fmt: skip


def _left(entry: Entry) -> Left:
    metadata, version = entry.metadata, entry.version
    return Left(
        kind=_KINDS[entry.kind],
        inode=entry.binding.inode,
        size=version.size,
        mtime_ns=version.mtime_ns,
        ctime_ns=version.ctime_ns,
        mode=metadata.mode,
        uid=metadata.uid,
        gid=metadata.gid,
        content=entry.content or b"",
    )


def note_killed(area: Area, name: str) -> None:
    """Note what the run of a journal took and did not note before it was killed; harmless when repeated.

    Once what it had displaced is in the version store.
    """
    begun = next((each for each in journal.read(area.journal, name) if isinstance(each, Begun)), None)
    if begun is None:
        return
    last = deque((each for each in journal.read(area.journal, name) if not isinstance(each, Begun)), maxlen=AT_ONCE)
    paths = {each.path for each in last}
    with Undoing(area.home, begun.run) as undoing, contextlib.suppress(OSError, ArgosyError):
        known = {each.path for each in undoing.noted() if isinstance(each, (Took, Moved)) and each.path in paths}
        undoing.note(_taken(area, (each for each in last if each.path not in known), begun.shelf_id))


def _taken(area: Area, records: Iterable[_Gone], shelf_id: str) -> Iterator[Record]:
    found = {each: _ids(area.root, each, shelf_id) for each in Shelf}
    for record in records:
        if _is_on_its_way(record):
            yield from _moved(area, record)
        else:
            shelf = Shelf.VERSIONS if isinstance(record, Displacing) else Shelf.TRASH
            yield from _one(area, record, shelf, found[shelf])


def _is_on_its_way(record: _Gone) -> TypeGuard[Parking]:
    """Say whether it was parked to get another name."""
    return isinstance(record, Parking) and record.target != record.path


def _moved(area: Area, record: Parking) -> Iterator[Record]:
    found = _found(area.top, record.target)
    if found is not None and found.kind is Kind.DIRECTORY and found.inode == (record.inode, record.born_ns):
        yield Moved(record.path, record.target)


def _ids(root: Root, shelf: Shelf, shelf_id: str) -> list[str]:
    """Return the ids under which the run keeps something."""
    with closing(root.private(shelf.encode())) as top:
        names = map(os.fsdecode, seeing.names(top))
        return sorted(each for each in names if ids.PATTERN.fullmatch(each) and ids.same_go(each, shelf_id))


def _one(area: Area, record: _Gone, shelf: Shelf, under: Iterable[str]) -> Iterator[Record]:
    """Yield what is on the shelf of what the journal says was about to go there, if it went."""
    with closing(area.root.private(shelf.encode())) as top:
        for each in under:
            lies = _found(top, each.encode() + b"/" + area.below_root(record.path))
            if lies is None or lies.kind is None or _is_room(top, each, area.below_root(record.path), lies):
                continue
            if lies.kind is not Kind.DIRECTORY and not _is_it(area, lies, record):
                continue
            left = _left_by(area, record) if isinstance(record, Displacing) else None
            size, mtime_ns, _ = lies.version
            yield Took(record.path, shelf, each, _KINDS[lies.kind], lies.stat.st_ino, size, mtime_ns, left)
            return


def _is_it(area: Area, lies: Found, record: _Gone) -> bool:
    """Say whether it is what was to go there, or a copy of that, which has lost the name."""
    own = record.inode, record.born_ns
    if lies.inode == own:
        return True
    if isinstance(record, Parking) or lies.version[:2] != record.version:
        return False
    found = _found(area.top, record.path)
    return found is None or found.inode != own


def _is_room(top: int, shelf_id: str, relative: bytes, lies: Found) -> bool:
    """Say whether it was only made to hold something."""
    if not stat.S_ISDIR(lies.stat.st_mode):
        return False
    with closing(open_beneath(top, shelf_id.encode() + b"/" + relative, DIRECTORY)) as directory:
        return seal.is_marked(directory)


def _left_by(area: Area, record: Displacing) -> Left | None:
    """Return what the run put there, if it is that still, as far as size and times tell."""
    found = _found(area.top, record.path)
    if found is None or found.kind is None or record.came is None:
        return None
    if (found.stat.st_ino, found.stat.st_size, modified_ns(found.stat)) != record.came:
        return None
    return Left(
        kind=_KINDS[found.kind],
        inode=found.stat.st_ino,
        size=found.version.size,
        mtime_ns=found.version.mtime_ns,
        ctime_ns=found.version.ctime_ns,
        mode=found.stat.st_mode & _BITS,
        uid=found.stat.st_uid,
        gid=found.stat.st_gid,
    )


def _found(top: int, path: bytes) -> Found | None:
    above, _, name = path.rpartition(b"/")
    try:
        with closing(open_beneath(top, above, DIRECTORY)) as directory:
            return seeing.look(Spot(directory, name))
    except OSError:
        return None
