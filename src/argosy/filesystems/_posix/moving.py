"""Entries on their way from one name to another, in `<root>/.argosy/moving`.

Each has a name of its own there, and beside it `NAME.note`, durable before anything is moved, which tells the name it
came from, which inode it is and the name it is bound for: whatever else a killed agent leaves there was displaced from
that name and goes to the version store.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, Self

import msgspec
import structlog

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Denied, Exists, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.paths import below, display, join
from argosy.filesystems._posix import shelves, versions
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import make_parents
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import MOVING, Root, Spot, closing, fresh_name
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import exchange, noreplace

log = structlog.get_logger()

_NOTE: Final = b".note"
_CONFLICT: Final = b".moved-conflict"
_CONFLICTS: Final = 100
_LONGEST: Final = 255
_WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What lies beside a parked entry. Paths are below the root."""

    source: bytes
    inode: int
    target: bytes = b""


class ParkedEntry:
    """`argosy.filesystems.base.Parked` of any Linux filesystem."""

    def __init__(self, root: Root, path: bytes, seen: Entry, bound_for: bytes | None = None) -> None:
        self._root = root
        self._path = path
        with translated(path), root.spot(path, DIRECTORY) as spot:
            versions.expect_any(spot, seen)
            refuse_protected(root, spot, path)
            target = root.below(bound_for) if bound_for is not None else b""
            self._note = Note(source=root.below(path), inode=seen.inode, target=target)
            self._spot: Spot | None = Spot(root.private(MOVING), fresh_name())
            try:
                self._take(spot, self._spot, seen)
            except BaseException:
                self.put_back()
                raise

    def _take(self, spot: Spot, parked: Spot, seen: Entry) -> None:
        _write(parked, self._note)
        with self._keeping(spot, self._path):
            versions.take(spot, parked, seen, lost=lambda: self._rescue(parked, self._path), point="hsm:stage")
        self.entry = entry_of(self._path, parked.stat())

    @property
    def spot(self) -> Spot:
        """Where it lies now."""
        if self._spot is None:
            raise Denied(f"{display(self._path)}: was placed or put back before")
        return self._spot

    def expect(self, path: bytes, *, replacing: Entry | None = None) -> None:
        """Return where it can take the place of what is there; nothing is done."""
        refuse_inside(self.entry, self._path, path)
        if replacing is not None:
            with translated(path), self._root.spot(path, DIRECTORY) as spot:
                self._expect(spot, path, replacing)

    def _expect(self, spot: Spot, path: bytes, seen: Entry) -> None:
        versions.expect_any(spot, seen)
        refuse_protected(self._root, spot, path)
        refuse_full(spot, seen)

    def place(self, path: bytes, *, replacing: Entry | None = None) -> None:
        """Give it the name, durably."""
        parked = self.spot
        refuse_inside(self.entry, self._path, path)
        with translated(path):
            make_parents(self._root, path)
            with self._root.spot(path, DIRECTORY) as spot:
                if replacing is None:
                    self._give_name(parked, spot, path)
                else:
                    self._take_place(parked, spot, path, replacing)
                os.fsync(spot.directory)
                os.fsync(parked.directory)
            self.let_go()

    def _give_name(self, parked: Spot, spot: Spot, path: bytes) -> None:
        with self._keeping(spot, path):
            noreplace(parked.directory, parked.name, spot.directory, spot.name)
            failpoint("hsm:publish")

    def _take_place(self, parked: Spot, spot: Spot, path: bytes, seen: Entry) -> None:
        self._expect(spot, path, seen)
        self._note = msgspec.structs.replace(self._note, target=self._root.below(path))
        _write(parked, self._note)
        with self._keeping(spot, path):
            try:
                exchange(parked.directory, parked.name, spot.directory, spot.name)
            except FileNotFoundError as error:
                raise Changed(f"{display(path)}: is gone") from error
            failpoint("hsm:publish")
            try:
                versions.expect_any(parked, seen)
                refuse_full(parked, seen)
            except ArgosyError:
                self._swap_back(parked, spot, path)
                raise
        self._rescue(parked, path)
        failpoint("hsm:trash")

    def _swap_back(self, parked: Spot, spot: Spot, path: bytes) -> None:
        """Put back what was displaced; what others put in our place meanwhile goes to the version store."""
        try:
            exchange(parked.directory, parked.name, spot.directory, spot.name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                noreplace(parked.directory, parked.name, spot.directory, spot.name)
        with contextlib.suppress(FileNotFoundError):
            if parked.stat().st_ino != self._note.inode:
                self._rescue(parked, path)

    def _rescue(self, parked: Spot, path: bytes) -> None:
        shelves.rescue(self._root, parked, self._root.below(path))

    def put_back(self) -> str:
        """Give it its old name again, if it was not placed; say where it is instead, "" for that name."""
        where = ""
        if self._spot is not None:
            with translated(self._path), contextlib.suppress(FileNotFoundError):
                where = _settle(self._root, self._spot, self._note)
            self.let_go()
        return where

    def let_go(self) -> None:
        """Remove the note, unless something still has the name it tells of; harmless when repeated."""
        parked, self._spot = self._spot, None
        if parked is not None:
            with closing(parked.directory):
                _forget(parked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.put_back()

    def _keeping(self, spot: Spot, path: bytes) -> contextlib.AbstractContextManager[None]:
        return self._root.keeping_times((spot.directory, self._root.below(path).rpartition(b"/")[0]))


def move(root: Root, source: bytes, seen: Entry, path: bytes, replacing: Entry | None) -> None:
    """Give what was seen another name, in one step where nothing is replaced."""
    if replacing is not None:
        _move_by_parking(root, source, seen, path, replacing)
        return
    with translated(source), root.spot(source, DIRECTORY) as here:
        versions.expect_any(here, seen)
        refuse_protected(root, here, source)
        refuse_inside(seen, source, path)
        with translated(path):
            make_parents(root, path)
            with root.spot(path, DIRECTORY) as there:
                _move(root, (here, source), (there, path), seen)
                os.fsync(there.directory)
        os.fsync(here.directory)


def _move_by_parking(root: Root, source: bytes, seen: Entry, path: bytes, replacing: Entry) -> None:
    with ParkedEntry(root, source, seen) as parked:
        try:
            parked.place(path, replacing=replacing)
        except ArgosyError as error:
            if where := parked.put_back():
                raise type(error)(f"{error.message}. {display(source)} is now {where}") from error
            raise


def _move(root: Root, origin: tuple[Spot, bytes], target: tuple[Spot, bytes], seen: Entry) -> None:
    directories = [(spot.directory, root.below(path).rpartition(b"/")[0]) for spot, path in (origin, target)]
    here, there = origin[0], target[0]
    with root.keeping_times(*directories):
        lost = partial(shelves.rescue, root, there, root.below(origin[1]))
        versions.take(here, there, seen, lost=lost, point="hsm:publish")


def refuse_inside(entry: Entry, source: bytes, path: bytes) -> None:
    """Return where the entry can come to lie at `path`.

    Raises:
        Invalid: it is a directory, and the path lies in it.
    """
    if entry.kind is Kind.DIRECTORY and path != source and below(path, source):
        raise Invalid(f"{display(source)}: is a directory and cannot be moved into itself, to {display(path)}")


def refuse_full(spot: Spot, seen: Entry) -> None:
    """Return where what was seen can be displaced.

    Raises:
        Exists: it is a directory that holds something.
    """
    if seen.kind is Kind.DIRECTORY:
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
            if not shelves.is_empty(directory):
                raise Exists(f"{display(seen.path)}: is a directory that holds something: move it away, or empty it")


def sweep(root: Root) -> None:
    """Put back what a killed agent left, each directory before what it held.

    What cannot be put back gets a name beside its old one, which is logged.
    """
    if not root.has_private():
        return
    with closing(root.private(MOVING)) as moving:
        names = {os.fsencode(name) for name in os.listdir(moving)}
        left = [Spot(moving, name) for name in names if not name.endswith(_NOTE)]
        told = {spot: _read(spot) for spot in left}
        for spot in _in_order(root, left, told):
            with translated(join(root.path, _source(told[spot], spot))):
                if where := _settle(root, spot, told[spot]):
                    was = display(join(root.path, _source(told[spot], spot)))
                    log.warning("what a killed move left lies elsewhere", path=was, where=where)
        for name in names:
            if name.endswith(_NOTE):
                _forget(Spot(moving, name.removesuffix(_NOTE)))


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


def _settle(root: Root, parked: Spot, note: Note | None) -> str:
    """Put back what is parked, durably; where its name was taken, to the one it was bound for, so that swaps are whole.

    Where neither can be, it comes to lie beside its old name. What is there in its stead was displaced, and goes to
    the version store, as does what no note tells of. Say where it is now, "" for its old name.
    """
    if note is None:
        return _rescued(root, parked, parked.name)
    if parked.stat().st_ino != note.inode:
        return _rescued(root, parked, note.target or note.source)
    with contextlib.suppress(OSError, ArgosyError):
        make_parents(root, join(root.path, note.source))
    for name in (note.source, note.target, *_beside(note.source)):
        if name and _named(root, parked, name):
            return display(join(root.path, name)) if name != note.source else ""
    return _rescued(root, parked, note.source)


def _rescued(root: Root, parked: Spot, relative: bytes) -> str:
    name = shelves.rescue(root, parked, relative)
    return f"{display(join(root.path, relative))}@{name} in the version store"


def _beside(source: bytes) -> Iterator[bytes]:
    """Yield the names that it may have where its own is taken."""
    parent, slash, name = source.rpartition(b"/")
    for number in range(1, _CONFLICTS):
        ending = _CONFLICT if number == 1 else b"%s-%d" % (_CONFLICT, number)
        yield parent + slash + name[: _LONGEST - len(ending)] + ending


def _named(root: Root, parked: Spot, name: bytes) -> bool:
    """Give what is parked the name, durably, if that can be."""
    try:
        with root.changing(join(root.path, name)) as spot:
            _unless_there(parked, spot)
            os.fsync(spot.directory)
    except (OSError, ArgosyError):
        return False
    return True


def _unless_there(parked: Spot, spot: Spot) -> None:
    """Move it; where a killed move without RENAME_NOREPLACE left it both names, the one in the tree stays."""
    try:
        noreplace(parked.directory, parked.name, spot.directory, spot.name)
    except FileExistsError:
        found, there = parked.stat(), spot.stat()
        if stat.S_ISDIR(found.st_mode) or not os.path.samestat(found, there):
            raise
        os.unlink(parked.name, dir_fd=parked.directory)


def _write(parked: Spot, note: Note) -> None:
    """Write the note, whole and durably."""
    name = parked.name + _NOTE
    new = name + b".new" + _NOTE
    try:
        with open(os.open(new, _WRITING, 0o600, dir_fd=parked.directory), "wb") as file:
            file.write(msgspec.json.encode(note))
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, name, src_dir_fd=parked.directory, dst_dir_fd=parked.directory)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=parked.directory)
        raise
    os.fsync(parked.directory)


def _read(parked: Spot) -> Note | None:
    try:
        with open(os.open(parked.name + _NOTE, _READING, dir_fd=parked.directory), "rb") as file:
            return msgspec.json.decode(file.read(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def _forget(parked: Spot) -> None:
    """Remove the note of what is no longer there."""
    with contextlib.suppress(FileNotFoundError):
        parked.stat()
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(parked.name + _NOTE, dir_fd=parked.directory)
