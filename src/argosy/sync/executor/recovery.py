"""What a killed run left: it is undone as far as it was under way, and planned again from scratch.

Parked things come home; what was displaced and not yet in the version store gets there; what was staged for runs that
are over goes. Each step is one move that can be made again or is made already, and the journal goes last: so a
recovery may be killed, too.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

import structlog

from argosy.core.errors import ArgosyError
from argosy.core.moments import modified_ns
from argosy.core.paths import display
from argosy.filesystems._posix import astray, shelves
from argosy.filesystems._posix.copying import copied
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.root import Spot
from argosy.filesystems._posix.shelving import put
from argosy.filesystems.base import Shelf
from argosy.linux.syncing import fsync
from argosy.sync.executor import journal, seeing, staging
from argosy.sync.executor.area import Area
from argosy.sync.executor.homecoming import Home, bring_home, rescue_strangers
from argosy.sync.executor.journal import Begun, Displacing, Parking
from argosy.sync.executor.undoing import note_killed

log = structlog.get_logger()

_DISPLACED: Final = re.compile(rb"(\d+)\.([0-9a-f]+)\.([0-9a-f]+)")


class Recovered(NamedTuple):
    """What was recovered."""

    homes: tuple[Home, ...]
    whole: bool
    """Whether nothing is left that found no place, on a full disk, say."""


def recover(area: Area, *, live: Iterable[str] = ()) -> Recovered:
    """Bring home what killed runs had on its way, and forget them; harmless when repeated, and when killed.

    `live`: runs for which contents are being staged, or are to be applied yet.

    Raises:
        Occupied: a run is under way.
    """
    with area.owned():
        return recover_owned(area, live=frozenset(live))


def recover_owned(area: Area, *, live: frozenset[str]) -> Recovered:
    """Do so as the one who owns the area."""
    homes: list[Home] = []
    whole = True
    for name in journal.names(area.journal):
        came = list(bring_home(area, partial(_parkings, area, name)))
        homes += [each for each in came if isinstance(each, Home)]
        settled = _keep_displaced(area, name) and all(isinstance(each, Home) for each in came)
        note_killed(area, name)
        if settled:
            journal.forget(area.journal, name)
        whole = whole and settled
    if whole:
        whole = _clear_displaced(area, {}) and rescue_strangers(area)
    staging.discard_all(area, but=live)
    return Recovered(tuple(homes), whole)


def _parkings(area: Area, name: str) -> Iterator[Parking]:
    return (each for each in journal.read(area.journal, name) if isinstance(each, Parking))


def _keep_displaced(area: Area, name: str) -> bool:
    """Bring what the run displaced where it would have brought it; say whether nothing is left."""
    left = {int(match[1]) for each in seeing.names(area.displaced) if (match := _DISPLACED.fullmatch(each))}
    shelf_id, paths = "", dict[int, Displacing]()
    for record in journal.read(area.journal, name):
        if isinstance(record, Begun):
            shelf_id = record.shelf_id
        elif isinstance(record, Displacing) and record.number in left:
            paths[record.number] = record
    return _clear_displaced(area, paths, shelf_id)


def _clear_displaced(area: Area, paths: Mapping[int, Displacing], shelf_id: str = "") -> bool:
    for name in seeing.names(area.displaced):
        with contextlib.suppress(FileNotFoundError):
            _settle(area, Spot(area.displaced, name), paths, shelf_id)
    fsync(area.displaced)
    return not seeing.names(area.displaced)


def _is_kept(left: Spot, place: Spot, version: tuple[int, int] | None) -> bool:
    """Say whether a copy of it is on its shelf already, and it has other names."""
    if left.stat().st_nlink > 1:
        with contextlib.suppress(FileNotFoundError):
            found = place.stat()
            return (found.st_size, modified_ns(found)) == version
    return False


def _shelve(area: Area, left: Spot, place: Spot, path: bytes) -> None:
    with copied(area.root, left, path) as copy:
        put(left, place, entry_of(path, left.stat()), copy)
        fsync(place.directory)


def _settle(area: Area, left: Spot, paths: Mapping[int, Displacing], shelf_id: str) -> None:
    """Remove what is our own; what was there before goes to the version store, what anybody else put there as well."""
    match = _DISPLACED.fullmatch(left.name)
    inode = left.stat().st_ino
    if left.name.endswith(b".link") or (match is not None and int(match[2], 16) == inode):
        os.unlink(left.name, dir_fd=left.directory)
        return
    told = paths.get(int(match[1])) if match is not None else None
    relative = left.name if told is None else area.below_root(told.path)
    if told is None or told.inode != inode or not shelf_id:
        astray.rescued(area.root, left, relative)
        return
    try:
        with shelves.room(area.root, Shelf.VERSIONS, relative, beside=shelf_id) as place:
            if _is_kept(left, place, told.version):
                os.unlink(left.name, dir_fd=left.directory)
            else:
                _shelve(area, left, place, area.absolute(told.path))
    except (OSError, ArgosyError) as error:
        log.warning("what was replaced found no room in the version store", path=display(relative), reason=str(error))
        astray.rescued(area.root, left, relative)
