"""What is still parked when a run is over, or was when it was killed: it comes home.

To its old name, in the directory it was taken from, whatever that is called by now; beside that, as `NAME.recovered`,
where the name is taken; and where the directory is no more, in the nearest above it that is.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import structlog

from argosy.core.errors import ArgosyError
from argosy.core.paths import display
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.handles import open_handle
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace
from argosy.linux.statx import statx
from argosy.linux.syncing import fsync
from argosy.sync.executor import seeing
from argosy.sync.executor.area import Area
from argosy.sync.executor.journal import Parking

log = structlog.get_logger()

RECOVERED: Final = b".recovered"
_TRIES: Final = 1000
_LONGEST: Final = 255


class Home(NamedTuple):
    """Something that came home."""

    parking: Parking
    directory: tuple[int, int]
    """Inode and birth time of the directory that it is in now."""
    path: bytes
    """Where it is now, below the top; where its directory is cannot always be told, then b""."""


def bring_home(area: Area, parkings: Callable[[], Iterable[Parking]]) -> Iterator[Home | Parking]:
    """Give all that is still parked a name again, durably, each directory before what it held.

    `parkings` is gone through twice. Yield what came home, and of what could not come the parking: a full disk, say; it
    stays, for another time.
    """
    names = set(seeing.names(area.parked))
    here = {each.parked: each for each in parkings() if each.parked in names and _is_it(area, each)}
    above = {each.directory for each in here.values()}
    moved = {(each.inode, each.born_ns): each.target for each in parkings() if (each.inode, each.born_ns) in above}
    for parking in sorted(here.values(), key=lambda each: each.path.count(b"/")):
        try:
            home = _come(area, parking, moved)
        except (OSError, ArgosyError) as error:
            log.warning("what was parked stays out of sight", path=display(parking.path), reason=str(error))
            yield parking
        else:
            if home.path != parking.path:
                log.warning("what was parked lies elsewhere", path=display(parking.path), where=display(home.path))
            yield home


def _is_it(area: Area, parking: Parking) -> bool:
    """Say whether what is parked there is what was to be: ids of objects come again in other runs."""
    with contextlib.suppress(FileNotFoundError):
        return seeing.look(Spot(area.parked, parking.parked)).inode == (parking.inode, parking.born_ns)
    return False


def rescue_strangers(area: Area) -> bool:
    """Give what no journal tells of a name at the top; say whether nothing is left."""
    for name in seeing.names(area.parked):
        nobody = Parking(number=-1, object="", parked=name, path=name, target=b"", inode=0, born_ns=0, directory=(0, 0))
        with contextlib.suppress(OSError, ArgosyError):
            _beside(area, Spot(area.parked, name), nobody)
    return not seeing.names(area.parked)


def _come(area: Area, parking: Parking, moved: dict[tuple[int, int], bytes]) -> Home:
    parked = Spot(area.parked, parking.parked)
    for directory in _directories(area, parking, moved):
        with closing(directory):
            if _is_there(area, directory, parking.directory):
                return _named(area, parked, directory, parking, chain([_name(parking)], _names_beside(parking)))
    return _beside(area, parked, parking)


def _directories(area: Area, parking: Parking, moved: dict[tuple[int, int], bytes]) -> Iterator[int]:
    """Yield descriptors of what may be the directory that it was taken from."""
    if parking.handle:
        with contextlib.suppress(OSError):
            yield open_handle(parking.handle, area.top, DIRECTORY)
    for path in (parking.path.rpartition(b"/")[0], moved.get(parking.directory)):
        if path is not None:
            with contextlib.suppress(OSError):
                yield open_beneath(area.top, path, DIRECTORY)


def _is_there(area: Area, directory: int, wanted: tuple[int, int]) -> bool:
    """Say whether it is that directory, and lies in the fileset: not in the trash, nor outside."""
    at, top = statx(directory), statx(area.top)
    if seeing.look_at(directory).inode != wanted or at.device != top.device:
        return False
    return _path_of(area, directory) is not None


def _path_of(area: Area, directory: int) -> bytes | None:
    """Return where an open directory is below the top; None: nowhere."""
    top = os.readlink(b"/proc/self/fd/%d" % area.top)
    path = os.readlink(b"/proc/self/fd/%d" % directory)
    if not os.fstat(directory).st_nlink or not (path == top or path.startswith(top.rstrip(b"/") + b"/")):
        return None
    relative = path[len(top.rstrip(b"/")) + 1 :]
    with contextlib.suppress(ArgosyError):
        area.below_root(relative)
        return relative
    return None  # Argosy's own: the trash, say


def _named(area: Area, parked: Spot, directory: int, parking: Parking, names: Iterable[bytes]) -> Home:
    """Give it the first of these names in the open directory that is free."""
    for name in names:
        try:
            bring(noreplace, parked, Spot(directory, name))
        except FileExistsError:
            continue
        fsync(directory)
        fsync(area.parked)
        path = _path_of(area, directory)
        shown = b"" if path is None else path + b"/" + name if path else name
        return Home(parking, seeing.look_at(directory).inode, shown)
    raise FileExistsError(parking.path)


def _name(parking: Parking) -> bytes:
    return parking.path.rpartition(b"/")[2]


def _names_beside(parking: Parking) -> Iterator[bytes]:
    for number in range(1, _TRIES):
        ending = RECOVERED if number == 1 else b"%s-%d" % (RECOVERED, number)
        yield _cut(_name(parking), _LONGEST - len(ending)) + ending


def _cut(name: bytes, longest: int) -> bytes:
    """Return the beginning of a name; of a character none is left half, for some filesystems refuse such names."""
    with contextlib.suppress(UnicodeDecodeError):
        name.decode()
        return name[:longest].decode(errors="ignore").encode()
    return name[:longest]


def _beside(area: Area, parked: Spot, parking: Parking) -> Home:
    """Give it a name in the nearest directory above that is there; never the one that it had elsewhere."""
    above = parking.path.rpartition(b"/")[0]
    while True:
        with contextlib.suppress(OSError), closing(open_beneath(area.top, above, DIRECTORY)) as directory:
            return _named(area, parked, directory, parking, _names_beside(parking))
        if not above:
            raise FileNotFoundError(parking.path)
        above = above.rpartition(b"/")[0]
