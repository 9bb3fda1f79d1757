"""Giving entries other names, some by way of `<root>/.argosy/moving`: see `parking`."""

import contextlib
from typing import Self

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Denied, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.faults import NotEmpty
from argosy.core.paths import below, display
from argosy.filesystems._posix import astray, parking, shelves, versions
from argosy.filesystems._posix.copying import Copy, copied
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import make_parents
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import MOVING, Root, Spot, closing, fresh_name
from argosy.filesystems._posix.shelving import put
from argosy.filesystems.base import Shelf
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import exchange, noreplace
from argosy.linux.syncing import fsync


class ParkedEntry:
    """`argosy.filesystems.base.Parked` of any Linux filesystem."""

    def __init__(self, root: Root, path: bytes, seen: Entry, bound_for: bytes | None = None) -> None:
        self._root = root
        self._path = path
        with translated(path), root.spot(path, DIRECTORY) as spot:
            versions.expect_any(spot, seen)
            refuse_protected(root, spot, path)
            target = root.below(bound_for) if bound_for is not None else b""
            self._note = parking.Note(source=root.below(path), inode=seen.inode, target=target)
            self._spot: Spot | None = Spot(root.private(MOVING), fresh_name())
            try:
                self._take(spot, self._spot, seen)
            except BaseException:
                self.put_back()
                raise

    def _take(self, spot: Spot, parked: Spot, seen: Entry) -> None:
        parking.write(parked, self._note)
        with astray.given_back(self._root, parked, self._path), self._keeping(spot, self._path):
            versions.take(spot, parked, seen, point="hsm:stage")
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
                with astray.not_taken_away(parked, path):
                    if replacing is None:
                        self._give_name(parked, spot, path)
                    else:
                        self._take_place(parked, spot, path, replacing)
                fsync(spot.directory)
                fsync(parked.directory)
            self.let_go()

    def _give_name(self, parked: Spot, spot: Spot, path: bytes) -> None:
        with self._keeping(spot, path):
            bring(noreplace, parked, spot)
            failpoint("hsm:publish")

    def _take_place(self, parked: Spot, spot: Spot, path: bytes, seen: Entry) -> None:
        self._expect(spot, path, seen)
        self._note = msgspec.structs.replace(self._note, target=self._root.below(path))
        parking.write(parked, self._note)
        # There is room for what is displaced before it is: on a full disk nothing is done by halves.
        with (
            shelves.room(self._root, Shelf.VERSIONS, self._root.below(path)) as place,
            copied(self._root, spot, path) as copy,
        ):
            self._swap(parked, spot, path)
            try:
                self._shelve(parked, place, seen, copy)
            except (OSError, ArgosyError) as error:
                if where := self._swap_back(parked, spot, path):
                    raise Changed(f"{display(path)}: became something else, which is now {where}") from error
                raise
            fsync(place.directory)
        failpoint("hsm:trash")

    def _swap(self, parked: Spot, spot: Spot, path: bytes) -> None:
        with self._keeping(spot, path):
            try:
                bring(exchange, parked, spot)
            except FileNotFoundError as error:
                if astray.is_gone(parked):
                    raise
                raise Changed(f"{display(path)}: is gone") from error
            failpoint("hsm:publish")

    def _shelve(self, displaced: Spot, place: Spot, seen: Entry, copy: Copy | None) -> None:
        versions.expect_any(displaced, seen)
        refuse_full(displaced, seen)
        put(displaced, place, seen, copy)

    def _swap_back(self, parked: Spot, spot: Spot, path: bytes) -> str:
        """Put back what was displaced; say where else it is, or what others put in our place meanwhile, "" for none."""
        with self._keeping(spot, path):
            try:
                exchange(parked.directory, parked.name, spot.directory, spot.name)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    noreplace(parked.directory, parked.name, spot.directory, spot.name)
        with contextlib.suppress(FileNotFoundError):
            if parked.stat().st_ino != self._note.inode:
                return astray.settle(self._root, parked, self._root.below(path))
        return ""

    def put_back(self) -> str:
        """Give it its old name again, if it was not placed; say where it is instead, "" for that name."""
        where = ""
        if self._spot is not None:
            parking.tell_of_put_back(self._root, self._note)
            with translated(self._path), contextlib.suppress(FileNotFoundError):
                where = parking.settle(self._root, self._spot, self._note)
            self.let_go()
        return where

    def let_go(self) -> None:
        """Remove the note, unless something still has the name it tells of; harmless when repeated."""
        parked, self._spot = self._spot, None
        if parked is not None:
            with closing(parked.directory):
                parking.forget(parked)

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
                fsync(there.directory)
        fsync(here.directory)


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
    with astray.given_back(root, there, origin[1]), root.keeping_times(*directories):
        versions.take(here, there, seen, point="hsm:publish")


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
                raise NotEmpty(f"{display(seen.path)}: is a directory that holds something: move it away, or empty it")
