"""Giving entries their names again that lie on a shelf.

The directories above are those that stood there, or are made as they were: with the rights that they had, from the
first moment, in whatever order what they held comes back. What somebody else put there in the meantime is refused.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from argosy.core.entry import Entry
from argosy.core.errors import Changed, Exists, NotFound
from argosy.core.failpoints import failpoint
from argosy.core.paths import display, join
from argosy.filesystems._posix import inode, shelves, versions
from argosy.filesystems._posix.copying import BACK, Copy, copied, separate
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.making import adopt, await_at, is_awaited, make_like, new_directory, refuse_elsewhere
from argosy.filesystems._posix.naming import take_place
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.filesystems._posix.shelving import put
from argosy.filesystems._posix.stood import Stood, Told, gives_no_more, told_of
from argosy.filesystems._posix.times import times_lock
from argosy.filesystems.base import Kept, Shelf
from argosy.linux.capabilities import CHOWN, effective
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import exchange, noreplace
from argosy.linux.syncing import fsync


def restore(root: Root, kept: Kept, path: bytes) -> None:
    """Give what is kept the name; a directory that is there already is the one, if it gives nobody more."""
    with translated(path):
        try:
            with shelves.spot_of(root, kept) as spot:
                _restore(root, kept, path, spot, directory=stat.S_ISDIR(spot.stat().st_mode))
                fsync(spot.directory)
        except FileNotFoundError as error:
            raise _gone(kept) from error
    shelves.tidy(root, kept)


def give_back(root: Root, kept: Kept, path: bytes, seen: Entry) -> None:
    """Swap what is kept with what was seen at the path, and have that lie in the version store under an id of its own.

    Until it does it lies where the other did: a kill in between loses neither, and whoever repeats this goes on there.
    """
    with (
        translated(path),
        _spot(root, kept) as spot,
        root.spot(path, DIRECTORY) as there,
    ):
        directories = (there.directory, _above(root, path)), (spot.directory, shelves.where(root, kept))
        if versions.stands(there, kept.entry):
            separate(root, spot, path)
            with shelves.room(root, Shelf.VERSIONS, root.below(path)) as place, root.keeping_times(*directories):
                put(spot, place, seen, None)
                fsync(place.directory)
        else:
            refuse_protected(root, there, path)
            with copied(root, spot, path, together=BACK) as copy:
                if copy is not None:
                    take_place(root, copy.spot, path, seen)
                    with root.keeping_times(directories[1]):
                        _let_go(copy, spot, there)
                else:
                    _change_places(root, (spot, there), path, seen, directories)
        fsync(spot.directory)
    shelves.tidy(root, kept)


def _change_places(
    root: Root, spots: tuple[Spot, Spot], path: bytes, seen: Entry, directories: tuple[tuple[int, bytes], ...]
) -> None:
    """Do so where what is kept has no further names; what gives way may have."""
    spot, there = spots
    with (
        shelves.room(root, Shelf.VERSIONS, root.below(path)) as place,
        copied(root, there, path) as left,
        root.keeping_times(*directories),
    ):
        _swap(spot, there, seen)
        try:
            put(spot, place, seen, left)
        except Changed:
            _swap_back(spot, there)
            raise
        fsync(place.directory)


@contextmanager
def _spot(root: Root, kept: Kept) -> Iterator[Spot]:
    try:
        with shelves.spot_of(root, kept) as spot:
            spot.stat()
            yield spot
    except FileNotFoundError as error:
        raise _gone(kept) from error


def _swap(spot: Spot, there: Spot, seen: Entry) -> None:
    versions.expect(there, seen)
    bring(exchange, spot, there)
    failpoint("hsm:publish")
    try:
        versions.expect(spot, seen)
    except Changed:
        _swap_back(spot, there)
        raise
    fsync(there.directory)
    fsync(spot.directory)


def _swap_back(spot: Spot, there: Spot) -> None:
    """Give back its name to what was not what was seen; where somebody took ours away meanwhile, to that alone."""
    try:
        exchange(spot.directory, spot.name, there.directory, there.name)
    except FileNotFoundError:
        with suppress(FileExistsError):
            noreplace(spot.directory, spot.name, there.directory, there.name)


def _gone(kept: Kept) -> NotFound:
    return NotFound(f"{display(kept.entry.path)}: is no longer in the {kept.shelf} under {kept.id}")


def _restore(root: Root, kept: Kept, path: bytes, spot: Spot, *, directory: bool) -> None:
    with _parent(root, kept, path) as there:
        if directory:
            _restore_directory(root, kept, path, spot, there)
            return
        with (
            copied(root, spot, path, together=BACK) as copy,
            root.keeping_times((there.directory, _above(root, path)), (spot.directory, shelves.where(root, kept))),
        ):
            bring(noreplace, spot if copy is None else copy.spot, there)
            if copy is not None:
                _let_go(copy, spot, there)
        fsync(there.directory)


def _let_go(copy: Copy, spot: Spot, there: Spot) -> None:
    """Have what has its name again leave the shelf, where other names of it may lie still."""
    fsync(there.directory)
    os.unlink(spot.name, dir_fd=spot.directory)
    copy.remember(there)


def _restore_directory(root: Root, kept: Kept, path: bytes, spot: Spot, there: Spot) -> None:
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        attributes = inode.read(directory)
    with suppress(FileExistsError):
        new_directory(root, there, _above(root, path), attributes)
    if not stat.S_ISDIR(there.stat().st_mode):
        raise Exists(f"{display(path)}: the name is taken")
    with closing(open_beneath(there.directory, there.name, DIRECTORY)) as made:
        _expect(made, path, Stood(0, attributes), named=False)
        with times_lock(made):
            adopt(made, attributes, awaited=is_awaited(root, path, made))
        fsync(made)
        stands = Stood.of(made)
    fsync(there.directory)
    with root.keeping_times((spot.directory, shelves.where(root, kept))):
        shelves.remove_directory(spot, stands.written())


def _above(root: Root, path: bytes) -> bytes:
    return root.below(path).rpartition(b"/")[0]


@contextmanager
def _parent(root: Root, kept: Kept, path: bytes) -> Iterator[Spot]:
    """Hold the parent open, looked at or made; whatever gets the name that it has now is another."""
    *names, name = root.below(path).split(b"/")
    told = told_of(root, kept, path)
    with root.top() as top:
        at = open_beneath(top, b"", DIRECTORY)
        try:
            for depth in range(1, len(names) + 1):
                below = _one(root, at, names[:depth], told.get(depth))
                os.close(at)
                at = below
            refuse_elsewhere(top, at)
            yield Spot(at, name)
        finally:
            os.close(at)


def _one(root: Root, at: int, names: list[bytes], told: Told | None) -> int:
    """Return a descriptor of one directory on the way."""
    if told is None:
        return make_like(root, at, names)
    *above, name = names
    try:
        directory = open_beneath(at, name, DIRECTORY)
    except FileNotFoundError:
        with suppress(FileExistsError):
            _make(root, Spot(at, name), b"/".join(above), told)
        directory = open_beneath(at, name, DIRECTORY)
    try:
        if told.binds:
            _expect(directory, join(root.path, b"/".join(names)), told.stood, named=told.named)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _make(root: Root, spot: Spot, above: bytes, told: Told) -> None:
    attributes = told.stood.attributes
    if told.guessed:
        new_directory(root, spot, above, attributes, tell=partial(await_at, join(above, spot.name)))
    else:
        new_directory(root, spot, above, attributes)


def _expect(directory: int, path: bytes, stood: Stood, *, named: bool) -> None:
    """Return where what is to come may lie in the directory. `named`: who asked named it, and means its rights."""
    found = os.fstat(directory)
    if stood.inode == found.st_ino or (found.st_uid == os.geteuid() and not effective(CHOWN)):
        return  # what we made ourselves may be unlike what it was where we may not give directories away
    if not stood.owned_alike(directory):
        raise Exists(f"{display(path)}: belongs to somebody else than when this was removed")
    if not (named or gives_no_more(inode.rights(directory), stood.attributes)):
        was = f"mode {stood.attributes.mode:04o}, group {stood.attributes.gid}"
        raise Exists(f"{display(path)}: gives others more rights than when this was removed ({was})")
