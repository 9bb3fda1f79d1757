"""Removing: what was seen goes to the trash, in one move that is looked at afterwards and, if need be, undone.

The mtime of the directory it was in stays: its restore gives back what there was, and where a directory is removed
with what it holds, its own attributes come to the trash as they were.
"""

import contextlib
import errno
import os
from collections.abc import Callable
from functools import partial
from typing import Final

from argosy.core.entry import Entry, Kind
from argosy.core.failpoints import failpoint
from argosy.core.faults import NotEmpty
from argosy.core.paths import display, join
from argosy.filesystems import ids
from argosy.filesystems._posix import astray, inode, seal, shelves, shelving, versions
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.moving import ParkedEntry
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import MOVING, Root, Spot, closing, fresh_name
from argosy.filesystems.base import Shelf
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace
from argosy.linux.syncing import fsync

IN_THE_WAY: Final = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.ELOOP}
"""What says that something else lies on a shelf where an entry is to come, under the same id."""


def remove(root: Root, path: bytes, seen: Entry, together: str | None, *, durable: bool) -> str:
    """Move what was seen to the trash; return its id there."""
    with translated(path), root.spot(path, DIRECTORY) as spot:
        versions.expect_any(spot, seen)
        refuse_protected(root, spot, path)
        if seen.kind is Kind.DIRECTORY:
            return _shelved(partial(_remove_directory, root, spot, seen, durable=durable), together)
        return _shelved(partial(_remove_other, root, spot, seen, durable=durable), together)


def _shelved(shelve: Callable[[str], None], together: str | None) -> str:
    """Put it on its shelf, under a later id of the same go where an earlier attempt put something else in its place."""
    name = together or ids.fresh()
    try:
        shelve(name)
    except OSError as error:
        if together is None or error.errno not in IN_THE_WAY:
            raise
        name = ids.later(together)
        shelve(name)
    return name


def sync(root: Root, path: bytes, together: str) -> None:
    """Return when both directories are on the disk; one that is gone needs not be."""
    with translated(path):
        with contextlib.suppress(FileNotFoundError), root.opened(path, DIRECTORY) as directory:
            fsync(directory)
        where = join(together.encode(), root.below(path))
        with (
            contextlib.suppress(FileNotFoundError),
            closing(root.private(Shelf.TRASH.encode())) as top,
            closing(open_beneath(top, where, DIRECTORY)) as directory,
        ):
            fsync(directory)


def unlink(root: Root, path: bytes, seen: Entry, *, durable: bool) -> None:
    """Remove what was seen for good; out of sight before it is looked at once more, as all that is taken is.

    Of a killed agent's work it comes to the version store.
    """
    with translated(path), root.spot(path, DIRECTORY) as spot:
        versions.expect_any(spot, seen)
        refuse_protected(root, spot, path)
        if seen.kind is Kind.DIRECTORY:
            _refuse_full(spot, seen)
        with closing(root.private(MOVING)) as moving:
            taken = Spot(moving, fresh_name())
            with astray.given_back(root, taken, path), _keeping(root, spot, path):
                versions.take(spot, taken, seen)
                with astray.not_taken_away(taken, path):
                    _erase(taken, spot, seen)
        if durable:
            fsync(spot.directory)


def _erase(taken: Spot, spot: Spot, seen: Entry) -> None:
    if seen.kind is not Kind.DIRECTORY:
        os.unlink(taken.name, dir_fd=taken.directory)
        return
    try:
        os.rmdir(taken.name, dir_fd=taken.directory)
    except OSError as error:
        try:
            noreplace(taken.directory, taken.name, spot.directory, spot.name)
        except OSError:
            raise versions.Astray from error
        _refuse_full(spot, seen)
        raise


def _keeping(root: Root, spot: Spot, path: bytes) -> contextlib.AbstractContextManager[None]:
    return root.keeping_times((spot.directory, root.below(path).rpartition(b"/")[0]))


def _remove_other(root: Root, spot: Spot, seen: Entry, ident: str, *, durable: bool) -> None:
    with shelves.room(root, Shelf.TRASH, root.below(seen.path), beside=ident) as place:
        shelving.shelve(root, spot, place, seen, together=ident, keeping=partial(_keeping, root, spot, seen.path))
        if durable:
            fsync(place.directory)
            fsync(spot.directory)


def _remove_directory(root: Root, spot: Spot, seen: Entry, ident: str, *, durable: bool) -> None:
    """Make it anew in the trash and let it go, by way of `moving`.

    Whoever is in it, or has it open, can put nothing into the trash by that; of a killed agent's work it comes back.
    """
    _refuse_full(spot, seen)
    with ParkedEntry(root, seen.path, seen) as parked, astray.not_taken_away(parked.spot, seen.path):
        _refuse_full(parked.spot, seen)
        with shelves.room(root, Shelf.TRASH, root.below(seen.path), beside=ident) as place:
            shelve_directory(parked.spot, place, seen)
        if durable:
            fsync(spot.directory)
        parked.let_go()


def shelve_directory(parked: Spot, place: Spot, seen: Entry) -> None:
    """Let an empty directory go once there is one like it in the trash, which may hold what this one held."""
    new = _is_made(place)
    with closing(open_beneath(place.directory, place.name, DIRECTORY)) as there:
        try:
            with closing(open_beneath(parked.directory, parked.name, DIRECTORY)) as here:
                inode.dress(there, inode.read(here))
            fsync(there)
            fsync(place.directory)
            _let_go(parked, seen)
        except BaseException:
            if new:
                os.rmdir(place.name, dir_fd=place.directory)
            raise
        failpoint("hsm:trash")
        if not new:
            seal.unmark(there)
            fsync(there)


def _is_made(place: Spot) -> bool:
    """Make sure there is a directory; say whether it is new."""
    try:
        os.mkdir(place.name, 0o700, dir_fd=place.directory)
    except FileExistsError:
        return False
    return True


def _let_go(parked: Spot, seen: Entry) -> None:
    try:
        os.rmdir(parked.name, dir_fd=parked.directory)
    except OSError:
        _refuse_full(parked, seen)
        raise


def _refuse_full(spot: Spot, seen: Entry) -> None:
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        if not shelves.is_empty(directory):
            raise NotEmpty(f"{display(seen.path)}: is a directory that holds something")
