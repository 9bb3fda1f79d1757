"""Directories, symlinks and further names. What is made gets its attributes out of sight, then its name."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import Changed, Exists
from argosy.core.paths import display
from argosy.filesystems._posix import inode, seal, shelves, versions
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import STAGING, Root, Spot, closing, fresh_name
from argosy.filesystems._posix.times import times_lock
from argosy.filesystems.base import Shelf
from argosy.linux.openat2 import DIRECTORY, LOOKUP, open_beneath
from argosy.linux.rename import exchange, noreplace
from argosy.linux.statx import statx


def make_parents(root: Root, path: bytes) -> None:
    """Make sure the path has a parent directory, one on the root's own filesystem.

    Those made are like the nearest that was there (mode, owner, group) and marked, until they arrive themselves.
    """
    *names, _ = root.below(path).split(b"/")
    with root.top() as top:
        try:
            parent = open_beneath(top, b"/".join(names), LOOKUP)
        except FileNotFoundError:
            parent = _make_all(root, top, names)
        with closing(parent):
            _refuse_elsewhere(top, parent)


def make_directory(root: Root, path: bytes, attributes: Attributes, *, overwrite: bool, granting: bool = True) -> bool:
    """Make sure the directory exists; say whether anything had to be done."""
    make_parents(root, path)
    with contextlib.suppress(FileExistsError):
        _make_new(root, path, attributes)
        return True
    with root.spot(path) as spot:
        if not stat.S_ISDIR(spot.stat().st_mode):
            raise Exists(f"{display(path)}: exists and is not a directory; move it away")
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory, times_lock(directory):
            return _adopt(directory, attributes, overwrite=overwrite, granting=granting)


def make_symlink(
    root: Root, path: bytes, target: bytes, attributes: Attributes, *, replacing: Entry | None = None
) -> None:
    """Make the symlink, atomically."""
    make_parents(root, path)
    with _unnamed(root) as made:
        os.symlink(target, made.name, dir_fd=made.directory)
        inode.dress_symlink(made.directory, made.name, attributes)
        _appear(root, made, path, replacing)


def make_link(root: Root, existing: bytes, path: bytes, *, replacing: Entry | None = None) -> None:
    """Give the file at `existing` a further name."""
    make_parents(root, path)
    with translated(existing), root.spot(existing) as source, _unnamed(root) as made:
        source.stat()
        os.link(source.name, made.name, src_dir_fd=source.directory, dst_dir_fd=made.directory, follow_symlinks=False)
        with translated(path):
            _appear(root, made, path, replacing)


def _make_new(root: Root, path: bytes, attributes: Attributes) -> None:
    with root.spot(path) as spot, contextlib.suppress(FileNotFoundError):
        spot.stat()
        raise FileExistsError
    with _unnamed(root) as made:
        os.mkdir(made.name, 0o700, dir_fd=made.directory)
        with closing(open_beneath(made.directory, made.name, DIRECTORY)) as directory:
            inode.dress(directory, attributes)
            os.fsync(directory)
        _appear(root, made, path)


def _adopt(directory: int, attributes: Attributes, *, overwrite: bool, granting: bool) -> bool:
    marked, before = seal.is_marked(directory), inode.read(directory)
    if not (granting or marked):
        attributes = attributes.restrained(before)
    if (marked or overwrite) and not inode.same(before, attributes):
        inode.dress(directory, attributes)
    if marked:
        seal.unmark(directory)
    return not inode.same(before, inode.read(directory))  # which may not keep an mtime as exactly as was asked


def _make_all(root: Root, top: int, names: list[bytes]) -> int:
    at = open_beneath(top, b"", DIRECTORY)
    try:
        for depth in range(len(names)):
            below = _make_like(root, at, names[: depth + 1])
            os.close(at)
            at = below
        return os.dup(at)
    finally:
        os.close(at)


def _make_like(root: Root, above: int, names: list[bytes]) -> int:
    *middle, name = names
    with contextlib.suppress(FileNotFoundError):
        return open_beneath(above, name, DIRECTORY)
    with _unnamed(root) as made:
        os.mkdir(made.name, 0o700, dir_fd=made.directory)
        with closing(open_beneath(made.directory, made.name, DIRECTORY)) as directory:
            inode.liken(directory, os.fstat(above))
            seal.mark_made(directory)
        with contextlib.suppress(FileExistsError), root.keeping_times((above, b"/".join(middle))):
            noreplace(made.directory, made.name, above, name)
        os.fsync(above)
    return open_beneath(above, name, DIRECTORY)


@contextmanager
def _unnamed(root: Root) -> Iterator[Spot]:
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


def _appear(root: Root, made: Spot, path: bytes, replacing: Entry | None = None) -> None:
    if replacing is not None:
        _take_place(root, made, path, replacing)
        return
    with root.changing(path) as spot:
        noreplace(made.directory, made.name, spot.directory, spot.name)


def _take_place(root: Root, made: Spot, path: bytes, seen: Entry) -> None:
    """Swap what was made with what was seen, which is in the version store before; what is somebody else's goes back.

    The name in staging tells both inodes, as that of a file that takes another's place does: see `staged`.
    """
    own = made.stat().st_ino
    telling = Spot(made.directory, b"%s.%x.%x" % (made.name, own, seen.inode))
    with shelves.room(root, Shelf.VERSIONS, root.below(path)) as place, root.changing(path) as spot:
        versions.keep(spot, place, seen)
        os.rename(made.name, telling.name, src_dir_fd=made.directory, dst_dir_fd=telling.directory)
        if _swapped(telling, spot, seen):
            remove(telling)
            return
        versions.let_go(place)
        if telling.stat().st_ino == own:
            remove(telling)
        else:  # somebody was quicker twice: what he lost by that is kept
            shelves.rescue(root, telling, root.below(path))
        raise Changed(f"{display(path)}: was changed by somebody else; it was left as it is")


def _swapped(telling: Spot, spot: Spot, seen: Entry) -> bool:
    """Swap both names; swap them back, and say so, where what came was not what was seen."""
    with contextlib.suppress(FileNotFoundError):
        exchange(telling.directory, telling.name, spot.directory, spot.name)
        if versions.stands(telling, seen):
            return True
        exchange(telling.directory, telling.name, spot.directory, spot.name)
    return False


def _refuse_elsewhere(top: int, parent: int) -> None:
    """Compare mounts too: one filesystem may be mounted twice, and a btrfs subvolume is mounted nowhere."""
    here, there = statx(top), statx(parent)
    if (here.device, here.mount) != (there.device, there.mount):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
