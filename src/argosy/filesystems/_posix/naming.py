"""Symlinks, further names, and directories that take the place of others: made out of sight, then given their name."""

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Changed, Exists
from argosy.core.faults import NotEmpty
from argosy.core.paths import display
from argosy.core.ready import ready
from argosy.filesystems._posix import astray, seal, shelves, times, versions
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.inode import dress_symlink
from argosy.filesystems._posix.making import adopt, make_parents, new_directory, remove, unnamed, unnamed_directory
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.filesystems._posix.times import times_lock
from argosy.filesystems.base import Origin, Shelf, Stands
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.projects import assign, handed_down
from argosy.linux.rename import exchange, noreplace

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """What a directory keeps."""

    inode: int
    """Its own: whoever copies it with all its attributes has another."""
    origin: Origin


class _Stands(msgspec.Struct, frozen=True, array_like=True):
    """What a directory keeps that was moved as another site's was."""

    inode: int
    stands: Stands


def make_symlink(
    root: Root, path: bytes, target: bytes, attributes: Attributes, *, replacing: Entry | None = None
) -> None:
    """Make the symlink, atomically."""
    make_parents(root, path)
    with unnamed(root) as unmade, _counted(root, path, unmade) as made:
        os.symlink(target, made.name, dir_fd=made.directory)
        with closing(os.open(made.name, _LOOK, dir_fd=made.directory)) as opened:
            dress_symlink(opened, attributes)
        _appear(root, made, path, replacing)


@contextlib.contextmanager
def _counted(root: Root, path: bytes, made: Spot) -> Iterator[Spot]:
    """Where to make what is to have the path, so that it counts to the quota project of the directory it comes to.

    Of a symlink that cannot be changed afterwards.
    """
    with root.spot(path, DIRECTORY) as there:
        number = handed_down(there.directory)
    if number is None:
        yield made
        return
    os.mkdir(made.name, 0o700, dir_fd=made.directory)
    with closing(open_beneath(made.directory, made.name, DIRECTORY)) as directory:
        assign(directory, number, directory=True)
        inner = Spot(directory, made.name)
        try:
            yield inner
        finally:
            remove(inner)


def make_link(root: Root, existing: bytes, path: bytes, *, inode: int, replacing: Entry | None = None) -> None:
    """Give the file at `existing` a further name, if it is that inode: it is linked from where it is open."""
    make_parents(root, path)
    with translated(existing), root.opened(existing, _LOOK) as source, unnamed(root) as made:
        if os.fstat(source).st_ino != inode:
            raise Changed(f"{display(existing)}: is not what was seen before; nothing was linked to it")
        os.link(b"/proc/self/fd/%d" % source, made.name, dst_dir_fd=made.directory, follow_symlinks=True)
        with translated(path):
            _appear(root, made, path, replacing)


def receive_directory(
    root: Root, path: bytes, attributes: Attributes, origin: Origin, replacing: Entry | None = None
) -> None:
    """Make a directory anew that knows of which it is a copy; an empty one that it displaces is kept as a version.

    One that knows that already is given the attributes.
    """
    make_parents(root, path)
    tell = partial(_tell, origin=origin)
    if replacing is not None:
        with unnamed_directory(root, attributes, tell) as made:
            _displace(root, made, path, replacing)
        return
    try:
        with root.spot(path, DIRECTORY) as spot:
            new_directory(root, spot, root.below(path).rpartition(b"/")[0], attributes, tell=tell)
    except FileExistsError as error:
        if not _is_received(root, path, attributes, origin):
            raise Exists(f"{display(path)}: is there already, and not as a copy of ours: move it away") from error


def _is_received(root: Root, path: bytes, attributes: Attributes, origin: Origin) -> bool:
    """Give what is there the attributes, if it is a copy of the same; say whether it is."""
    try:
        with root.opened(path, DIRECTORY) as directory, times_lock(directory):
            told = _told(directory)
            if told is None or told.binding != origin.binding:
                return False
            adopt(directory, attributes, awaited=False, overwrite=True)
            return True
    except (NotADirectoryError, FileNotFoundError):
        return False


def _tell(directory: int, origin: Origin) -> None:
    said = _Told(os.fstat(directory).st_ino, origin)
    seal.mark_origin(directory, msgspec.msgpack.encode(said))


def origin_of(root: Root, path: bytes) -> Origin | None:
    """Return of which directory the one at the path is a copy, if it was made as one and is no copy of that itself."""
    with root.opened(path, DIRECTORY) as directory:
        return _told(directory)


def _told(directory: int) -> Origin | None:
    said = seal.origin(directory)
    try:
        told = None if said is None else msgspec.msgpack.decode(said, type=ready(_Told))
    except msgspec.MsgspecError:
        return None
    return told.origin if told is not None and told.inode == os.fstat(directory).st_ino else None


def stand_for(root: Root, path: bytes, inode: int, stands: Stands) -> None:
    """Note for which directory the one at the path stands; one that cannot be opened keeps nothing."""
    with contextlib.suppress(PermissionError), root.opened(path, DIRECTORY) as directory:
        if os.fstat(directory).st_ino != inode:
            raise Changed(f"{display(path)}: is not what was seen before; it was left as it is")
        seal.mark_stands(directory, msgspec.msgpack.encode(_Stands(inode, stands)))


def stands_for(root: Root, path: bytes) -> Stands | None:
    """Return for which directory the one at the path stands; None where nobody told it, or nobody may look."""
    with contextlib.suppress(PermissionError, msgspec.MsgspecError), root.opened(path, DIRECTORY) as directory:
        said = seal.stands(directory)
        told = None if said is None else msgspec.msgpack.decode(said, type=ready(_Stands))
        return told.stands if told is not None and told.inode == os.fstat(directory).st_ino else None
    return None


def _displace(root: Root, made: Spot, path: bytes, seen: Entry) -> None:
    """Swap a directory with an empty one that was seen, which goes to the version store; what else was there goes back.

    Of a killed agent's work whatever is not our own comes to the version store: the name in staging tells that.
    """
    before = made.stat()
    own = before.st_ino
    telling = Spot(made.directory, b"%s.%x.%x" % (made.name, own, own))
    os.rename(made.name, telling.name, src_dir_fd=made.directory, dst_dir_fd=telling.directory)
    try:
        with root.changing(path) as spot:
            versions.expect_any(spot, seen)
            refuse_protected(root, spot, path)
            if not _gives_way(spot, seen):
                raise NotEmpty(f"{display(path)}: is a directory that holds something: move it away, or empty it")
            if not _swapped(telling, spot, seen):
                raise _changed(path)
            _give_times(spot, before)
        with closing(open_beneath(telling.directory, telling.name, DIRECTORY)) as displaced:
            seal.unmark(displaced)
    finally:
        _clear(root, telling, own, path)


def _give_times(spot: Spot, before: os.stat_result) -> None:
    """Give a directory its times again, which a swap changes on XFS."""
    with contextlib.suppress(OSError), closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        if os.fstat(directory).st_ino == before.st_ino:
            times.restore(directory, before)


def _appear(root: Root, made: Spot, path: bytes, replacing: Entry | None = None) -> None:
    if replacing is not None:
        take_place(root, made, path, replacing)
        return
    with root.changing(path) as spot:
        bring(noreplace, made, spot)


def take_place(root: Root, made: Spot, path: bytes, seen: Entry) -> None:
    """Swap what was made with what was seen, which is in the version store before; what is somebody else's goes back.

    The name in staging tells both inodes, as that of a file that takes another's place does: see `staged`.
    """
    own = made.stat().st_ino
    telling = Spot(made.directory, b"%s.%x.%x" % (made.name, own, seen.inode))
    try:
        with shelves.room(root, Shelf.VERSIONS, root.below(path)) as place, root.spot(path, DIRECTORY) as spot:
            versions.keep(root, spot, place, seen)
            os.rename(made.name, telling.name, src_dir_fd=made.directory, dst_dir_fd=telling.directory)
            with root.keeping_times((spot.directory, root.below(path).rpartition(b"/")[0])):
                swapped = _swapped(telling, spot, seen)
            if not swapped:
                versions.let_go(place)
                raise _changed(path)
            remove(telling)
    finally:
        _clear(root, telling, own, path)


def _clear(root: Root, telling: Spot, own: int, path: bytes) -> None:
    """Remove what is our own; of what was displaced, or put there by somebody who was quicker twice, keep it."""
    with contextlib.suppress(FileNotFoundError):
        if telling.stat().st_ino == own:
            remove(telling)
        else:
            astray.rescued(root, telling, root.below(path))


def _swapped(telling: Spot, spot: Spot, seen: Entry) -> bool:
    """Swap both names; swap them back, and say so, where what came was not what was seen."""
    with contextlib.suppress(FileNotFoundError):
        bring(exchange, telling, spot)
        if versions.stands(telling, seen) and _gives_way(telling, seen):
            return True
        exchange(telling.directory, telling.name, spot.directory, spot.name)
    return False


def _gives_way(displaced: Spot, seen: Entry) -> bool:
    """Say whether it may be displaced: a directory that holds something may not."""
    if seen.kind is not Kind.DIRECTORY:
        return True
    with closing(open_beneath(displaced.directory, displaced.name, DIRECTORY)) as directory:
        return shelves.is_empty(directory)


def _changed(path: bytes) -> Changed:
    return Changed(f"{display(path)}: was changed by somebody else; it was left as it is")
