"""Directories. What is made gets its attributes out of sight, then its name."""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import blake3
import msgspec

from argosy.core.entry import Attributes
from argosy.core.errors import Changed, Exists
from argosy.core.paths import display, join
from argosy.filesystems._posix import seal
from argosy.filesystems._posix.inode import dress, read, rights, same
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.reach import refuse_given_away
from argosy.filesystems._posix.root import STAGING, Root, Spot, closing, fresh_name
from argosy.filesystems._posix.times import times_lock
from argosy.linux.openat2 import DIRECTORY, LOOKUP, open_beneath
from argosy.linux.rename import noreplace
from argosy.linux.statx import statx
from argosy.linux.syncing import fsync


def make_parents(root: Root, path: bytes) -> None:
    """Make sure the path has a parent directory, one on the root's own filesystem.

    Those made are like the nearest that was there (mode, owner, ACLs) and marked, until they arrive themselves.
    """
    *names, _ = root.below(path).split(b"/")
    with root.top() as top:
        try:
            parent = _parent(root, top, names)
        except NotADirectoryError as error:
            said = "is no directory, and something is to come into it: move it away"
            raise Exists(f"{_in_the_way(root, top, names)}: {said}") from error
        with closing(parent):
            refuse_elsewhere(top, parent)


def _in_the_way(root: Root, top: int, names: list[bytes]) -> str:
    """Return the first of the names that is no directory, with those above it."""
    for depth in range(1, len(names)):
        try:
            os.close(open_beneath(top, b"/".join(names[:depth]), LOOKUP))
        except NotADirectoryError:
            return display(join(root.path, b"/".join(names[:depth])))
    return display(join(root.path, b"/".join(names)))


def _parent(root: Root, top: int, names: list[bytes]) -> int:
    try:
        return open_beneath(top, b"/".join(names), LOOKUP)
    except FileNotFoundError:
        return _make_all(root, top, names)


def make_directory(
    root: Root, path: bytes, attributes: Attributes, *, overwrite: bool, granting: bool = True, inode: int | None = None
) -> bool:
    """Make sure the directory exists; say whether anything had to be done."""
    if inode is None:
        make_parents(root, path)
        with contextlib.suppress(FileExistsError), root.spot(path, DIRECTORY) as spot:
            new_directory(root, spot, root.below(path).rpartition(b"/")[0], attributes)
            return True
    with root.spot(path) as spot:
        try:
            found = spot.stat()
        except FileNotFoundError as error:
            raise Changed(f"{display(path)}: is gone") from error
        if not stat.S_ISDIR(found.st_mode):
            raise Exists(f"{display(path)}: exists and is not a directory; move it away")
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory, times_lock(directory):
            if inode not in {None, os.fstat(directory).st_ino}:
                raise Changed(f"{display(path)}: is not the directory that was seen before; it was left as it is")
            awaited = is_awaited(root, path, directory)
            if overwrite and granting and not awaited:
                refuse_given_away(root, path, directory, attributes)
            return adopt(directory, attributes, awaited=awaited, overwrite=overwrite, granting=granting)


def new_directory(
    root: Root, spot: Spot, above: bytes, attributes: Attributes, *, tell: Callable[[int], None] = lambda _: None
) -> None:
    """Make a directory that has its attributes from the first moment, durably.

    `above`: the path of its parent below the root. `tell`: called with it before it gets them.

    Raises:
        FileExistsError: something has the name.
    """
    with contextlib.suppress(FileNotFoundError):
        spot.stat()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with unnamed_directory(root, attributes, tell) as made, root.keeping_times((spot.directory, above)):
        bring(noreplace, made, spot)
    fsync(spot.directory)


@contextmanager
def unnamed_directory(root: Root, attributes: Attributes, tell: Callable[[int], None]) -> Iterator[Spot]:
    """Make a directory in staging, durably there; it goes if it still is there in the end."""
    with unnamed(root) as made:
        os.mkdir(made.name, 0o700, dir_fd=made.directory)
        with closing(open_beneath(made.directory, made.name, DIRECTORY)) as directory:
            tell(directory)
            dress(directory, attributes)
            fsync(directory)
        yield made


def adopt(
    directory: int, attributes: Attributes, *, awaited: bool, overwrite: bool = False, granting: bool = True
) -> bool:
    """Give an open directory the attributes, if it was made for want of better or is to be overwritten.

    Say whether anything had to be done.
    """
    before = read(directory)
    if not (granting or awaited):
        attributes = attributes.restrained(before)
    if (awaited or overwrite) and not same(before, attributes):
        dress(directory, attributes)
    if awaited:
        seal.unmark(directory)
    return not same(before, read(directory))  # which may not keep an mtime as exactly as was asked


def _make_all(root: Root, top: int, names: list[bytes]) -> int:
    at = open_beneath(top, b"", DIRECTORY)
    try:
        for depth in range(len(names)):
            below = make_like(root, at, names[: depth + 1])
            os.close(at)
            at = below
        return os.dup(at)
    finally:
        os.close(at)


def make_like(root: Root, above: int, names: list[bytes]) -> int:
    """Return a descriptor of a directory; one that is missing is made like the one above, which is open, and marked."""
    *middle, name = names
    with contextlib.suppress(FileNotFoundError):
        return open_beneath(above, name, DIRECTORY)
    like = msgspec.structs.replace(rights(above), mtime_ns=time.time_ns())
    with contextlib.suppress(FileExistsError):
        new_directory(root, Spot(above, name), b"/".join(middle), like, tell=partial(await_at, b"/".join(names)))
    return open_beneath(above, name, DIRECTORY)


@contextmanager
def unnamed(root: Root) -> Iterator[Spot]:
    """A name in staging for what is about to be made; what still has it in the end is removed."""
    with closing(root.private(STAGING)) as staging:
        made = Spot(staging, fresh_name())
        try:
            yield made
        finally:
            remove(made)


def remove(spot: Spot) -> None:
    """Make sure the name stands for nothing; a directory must be empty."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(spot.stat().st_mode):
            os.rmdir(spot.name, dir_fd=spot.directory)
        else:
            os.unlink(spot.name, dir_fd=spot.directory)


def await_at(path: bytes, directory: int) -> None:
    """Mark a directory as made for want of better, until its own entry arrives at the path below the root.

    Under another name the mark says nothing: else it could be given to whoever moves it there.
    """
    seal.mark_made(directory, _told_by(path))


def is_awaited(root: Root, path: bytes, directory: int) -> bool:
    """Say whether the open directory was made for want of better, for this path."""
    return seal.said_of_made(directory) == _told_by(root.below(path))


def _told_by(path: bytes) -> bytes:
    return blake3.blake3(path).digest()[:16]


def refuse_elsewhere(top: int, parent: int) -> None:
    """Refuse a parent on another filesystem than the root.

    Compare mounts too: one filesystem may be mounted twice, and a btrfs subvolume is mounted nowhere.
    """
    here, there = statx(top), statx(parent)
    if (here.device, here.mount) != (there.device, there.mount):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
