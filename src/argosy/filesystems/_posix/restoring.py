"""Giving entries their names again that lie on a shelf."""

import os
import stat

from argosy.core.errors import NotFound
from argosy.core.paths import display
from argosy.filesystems._posix import inode, shelves
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import make_directory, make_parents
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.filesystems.base import Kept
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace


def restore(root: Root, kept: Kept, path: bytes) -> None:
    """Give what is kept the name; a directory that is there already is the one, and keeps attributes it was given."""
    with translated(path):
        try:
            with shelves.spot_of(root, kept) as spot:
                found = spot.stat()
                _restore(root, kept, path, spot, directory=stat.S_ISDIR(found.st_mode))
                os.fsync(spot.directory)
        except FileNotFoundError as error:
            where = f"the {kept.shelf} under {kept.id}"
            raise NotFound(f"{display(kept.entry.path)}: is no longer in {where}") from error
    shelves.tidy(root, kept)


def _restore(root: Root, kept: Kept, path: bytes, spot: Spot, *, directory: bool) -> None:
    if directory:
        _restore_directory(root, kept, path, spot)
        return
    make_parents(root, path)
    with root.spot(path, DIRECTORY) as there:
        parent = root.below(path).rpartition(b"/")[0]
        with root.keeping_times((there.directory, parent), (spot.directory, shelves.where(root, kept))):
            noreplace(spot.directory, spot.name, there.directory, there.name)
        os.fsync(there.directory)


def _restore_directory(root: Root, kept: Kept, path: bytes, spot: Spot) -> None:
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        attributes = inode.read(directory)
    make_directory(root, path, attributes, overwrite=False)
    with root.spot(path, DIRECTORY) as there:
        with closing(open_beneath(there.directory, there.name, DIRECTORY)) as made:
            os.fsync(made)
        os.fsync(there.directory)
    with root.keeping_times((spot.directory, shelves.where(root, kept))):
        shelves.remove_directory(spot)
