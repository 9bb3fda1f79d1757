"""What lies in `<root>/.argosy/moving`: entries on their way from one name to another.

Each has a name of its own there, and beside it `NAME.note`, durable before anything is moved, which tells the name it
came from, which inode it is and the name it is bound for: whatever else a killed agent leaves there was displaced from
that name and goes to the version store.
"""

import contextlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import structlog

from argosy.core.errors import ArgosyError
from argosy.core.paths import display, join
from argosy.core.ready import ready
from argosy.filesystems._posix.astray import beside, named, rescued
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import make_parents
from argosy.filesystems._posix.root import MOVING, Root, Spot, closing
from argosy.linux.syncing import fsync

log = structlog.get_logger()

_NOTE: Final = b".note"
_WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


_REMEMBERED: Final = 1 << 16
_put_back: Final[OrderedDict[tuple[bytes, bytes], int]] = OrderedDict()
_count: Final = itertools.count(1)
_door: Final = threading.Lock()


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What lies beside a parked entry. Paths are below the root."""

    source: bytes
    inode: int
    target: bytes = b""


def sweep(root: Root) -> None:
    """Put back what a killed agent left, each directory before what it held.

    What cannot be put back gets a name beside its old one, which is logged. What finds no room anywhere stays, for the
    next time: a full disk must not keep the root, in which room can be made, from being served.
    """
    if not root.has_private():
        return
    with closing(root.private(MOVING)) as moving:
        names = {os.fsencode(name) for name in os.listdir(moving)}
        left = [Spot(moving, name) for name in names if not name.endswith(_NOTE)]
        told = {spot: read(spot) for spot in left}
        for spot in _in_order(root, left, told):
            _sweep_one(root, spot, told[spot])
        for name in names:
            if name.endswith(_NOTE):
                forget(Spot(moving, name.removesuffix(_NOTE)))


def _sweep_one(root: Root, left: Spot, note: Note | None) -> None:
    path = join(root.path, _source(note, left))
    try:
        with translated(path):
            where = settle(root, left, note)
    except ArgosyError as error:
        log.warning("what a killed move left stays out of sight", path=display(path), reason=error.message)
        return
    if where:
        log.warning("what a killed move left lies elsewhere", path=display(path), where=where)


def _in_order(root: Root, left: list[Spot], told: Mapping[Spot, Note | None]) -> Iterator[Spot]:
    """Yield what is left, each directory before what it held, and first what cannot go back.

    Of names that go round in a circle, one that was given is held by another by now: all the others follow it, each to
    the name it is bound for, before anything goes back to a name that one of them is bound for.
    """
    waiting = sorted(left, key=lambda spot: _source(told[spot], spot).count(b"/"))
    while waiting:
        ahead = next((spot for spot in waiting if _is_taken(root, _source(told[spot], spot))), waiting[0])
        waiting.remove(ahead)
        yield ahead


def _is_taken(root: Root, name: bytes) -> bool:
    try:
        with root.spot(join(root.path, name)) as spot:
            spot.stat()
    except (OSError, ArgosyError):
        return False
    return True


def _source(note: Note | None, spot: Spot) -> bytes:
    return note.source if note is not None else spot.name


def settle(root: Root, parked: Spot, note: Note | None) -> str:
    """Put back what is parked, durably; where its name was taken, to the one it was bound for, so that swaps are whole.

    Where neither can be, it comes to lie beside its old name. What is there in its stead was displaced, and goes to
    the version store, as does what no note tells of. Say where it is now, "" for its old name.
    """
    if note is None:
        return rescued(root, parked, parked.name)
    if parked.stat().st_ino != note.inode:
        return rescued(root, parked, note.target or note.source)
    with contextlib.suppress(OSError, ArgosyError):
        make_parents(root, join(root.path, note.source))
    for name in (note.source, note.target, *beside(note.source)):
        if name and named(root, parked, name):
            return display(join(root.path, name)) if name != note.source else ""
    return rescued(root, parked, note.source)


def write(parked: Spot, note: Note) -> None:
    """Write the note, whole and durably."""
    name = parked.name + _NOTE
    new = name + b".new" + _NOTE
    try:
        with open(os.open(new, _WRITING, 0o600, dir_fd=parked.directory), "wb") as file:
            file.write(msgspec.json.encode(note))
            file.flush()
            fsync(file.fileno())
        os.rename(new, name, src_dir_fd=parked.directory, dst_dir_fd=parked.directory)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=parked.directory)
        raise
    fsync(parked.directory)


def read(parked: Spot) -> Note | None:
    try:
        with open(os.open(parked.name + _NOTE, _READING, dir_fd=parked.directory), "rb") as file:
            return msgspec.json.decode(file.read(), type=ready(Note))
    except (OSError, msgspec.MsgspecError):
        return None


def forget(parked: Spot) -> None:
    """Remove the note of what is no longer there."""
    with contextlib.suppress(FileNotFoundError):
        parked.stat()
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(parked.name + _NOTE, dir_fd=parked.directory)


def tell_of_put_back(root: Root, note: Note) -> None:
    """Remember, in this process, that what was parked gets one of its names back, before it does."""
    with _door:
        for path in {note.source, note.target}:
            _put_back[root.path, path] = next(_count)
            _put_back.move_to_end((root.path, path))
        while len(_put_back) > _REMEMBERED:
            _put_back.popitem(last=False)


def put_backs(root: Root, path: bytes) -> int:
    """Return the number of the last time that something was put back at a path below the root, 0 for never."""
    with _door:
        return _put_back.get((root.path, path), 0)
