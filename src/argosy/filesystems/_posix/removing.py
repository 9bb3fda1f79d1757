"""Removing: what was seen goes to the trash, in one move that is looked at afterwards and, if need be, undone.

The mtime of the directory it was in stays: its restore gives back what there was, and where a directory is removed
with what it holds, its own attributes come to the trash as they were.
"""

import errno
import os

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Exists
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.filesystems._posix import inode, seal, shelves, versions
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.moving import ParkedEntry
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.filesystems.base import Shelf
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace


def remove(root: Root, path: bytes, seen: Entry, together: str | None) -> str:
    """Move what was seen to the trash, durably; return its id there."""
    ident = together or shelves.fresh_id()
    with translated(path), root.spot(path, DIRECTORY) as spot:
        versions.expect_any(spot, seen)
        refuse_protected(root, spot, path)
        if seen.kind is Kind.DIRECTORY:
            _remove_directory(root, spot, seen, ident)
        else:
            _remove_other(root, spot, seen, ident)
        os.fsync(spot.directory)
    return ident


def _remove_other(root: Root, spot: Spot, seen: Entry, ident: str) -> None:
    relative = root.below(seen.path)
    with shelves.room(root, Shelf.TRASH, relative, beside=ident) as place:
        with root.keeping_times((spot.directory, relative.rpartition(b"/")[0])):
            versions.take(spot, place, seen)
        os.fsync(place.directory)


def _remove_directory(root: Root, spot: Spot, seen: Entry, ident: str) -> None:
    """By way of `moving`: of a killed agent's work a directory comes back there that somebody put something into."""
    _refuse_full(spot, seen)
    with ParkedEntry(root, seen.path, seen) as parked:
        _refuse_full(parked.spot, seen)
        with shelves.room(root, Shelf.TRASH, root.below(seen.path), beside=ident) as place:
            try:
                noreplace(parked.spot.directory, parked.spot.name, place.directory, place.name)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                    raise
                _merge(parked.spot, place)
            failpoint("hsm:trash")
            with closing(open_beneath(place.directory, place.name, DIRECTORY)) as directory:
                seal.unmark(directory)
                os.fsync(directory)
            os.fsync(place.directory)
        parked.let_go()


def _merge(parked: Spot, place: Spot) -> None:
    """Have the directory that holds in the trash what this one held, with its attributes, in its stead."""
    with (
        closing(open_beneath(place.directory, place.name, DIRECTORY)) as there,
        closing(open_beneath(parked.directory, parked.name, DIRECTORY)) as here,
    ):
        inode.dress(there, inode.read(here))
        os.fsync(there)
    os.rmdir(parked.name, dir_fd=parked.directory)


def _refuse_full(spot: Spot, seen: Entry) -> None:
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        if not shelves.is_empty(directory):
            raise Exists(f"{display(seen.path)}: is a directory that holds something")
