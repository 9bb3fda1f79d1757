"""The shelves: what was removed lies in the trash, what was replaced or put aside in the version store.

Each lies at `<root>/.argosy/<shelf>/<time>-<random>/<path below the root>`. Directories made there only to hold
something are marked, as in the tree those are that are made for want of better, and tell how the one in the tree stood;
the others were removed themselves.
"""

import contextlib
import errno
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, Corrupt, Invalid, Unsupported
from argosy.core.paths import PRIVATE, join
from argosy.filesystems import ids
from argosy.filesystems._posix import inode, seal, walk
from argosy.filesystems._posix.copying import separate
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.root import Root, Spot, closing, make_private
from argosy.filesystems._posix.stood import Stood
from argosy.filesystems.base import Kept, Shelf
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace
from argosy.linux.syncing import fsync

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What a file or symlink on the way means too: under that id it was something else that had the name."""
_LATEST: Final = 256
"""Of how many ids killed agents may have left empty rooms: more than any of them works on at once."""


@contextmanager
def room(root: Root, shelf: Shelf, relative: bytes, *, beside: str | None = None) -> Iterator[Spot]:
    """Make a place on a shelf for a path below the root; where the block fails, an empty one goes.

    `beside`: the id under which something is there that was removed in the same go.
    """
    parent, _, name = relative.rpartition(b"/")
    names = [(beside or ids.fresh()).encode(), *(part for part in parent.split(b"/") if part)]
    with closing(root.private(shelf.encode())) as top:
        try:
            with closing(make_private(top, names, on_new=partial(_stand_in, root))) as directory:
                yield Spot(directory, name)
        except BaseException:
            _remove_empty(root, shelf, top, names)
            raise


def _stand_in(root: Root, made: int, names: list[bytes]) -> None:
    """Mark a directory as made to hold something, and have it tell of the one in the tree that it stands for."""
    said = b""
    with (
        contextlib.suppress(OSError, ArgosyError),
        root.opened(join(root.path, b"/".join(names[1:])), DIRECTORY) as directory,
    ):
        said = Stood.of(directory).written()
    seal.mark_made(made, said)


def together(root: Root, path: bytes, task: str, *, again: bool) -> str:
    """Return an id for what goes in one go; `again`: the one under which some of it lies already, if any."""
    name, relative = ids.of_tree(path, task), root.below(path)
    if not again or not root.has_private():
        return name
    with closing(root.private(Shelf.TRASH.encode())) as top:
        begun = [one for one in os.listdir(top) if ids.same_go(one, name) and _leads(top, join(one.encode(), relative))]
    return max(begun, default=name)


def _leads(top: int, relative: bytes) -> bool:
    """Say whether there is a directory."""
    try:
        os.close(open_beneath(top, relative, DIRECTORY))
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return False
    return True


def rescue(root: Root, spot: Spot, relative: bytes) -> str:
    """Move something nobody has looked at to the version store, durably there; return its id, which tells that."""
    name = ids.rescued()
    with room(root, Shelf.VERSIONS, relative, beside=name) as place:
        noreplace(spot.directory, spot.name, place.directory, place.name)
        fsync(place.directory)
        with contextlib.suppress(OSError, ArgosyError):  # better so than nowhere
            separate(root, place, join(root.path, relative))
    return name


def kept(root: Root, shelf: Shelf, below: bytes | None) -> Iterator[Kept]:
    """Yield what lies on a shelf, the oldest first, directories after what they held.

    Memory does not grow with the shelf. What comes or goes meanwhile may or may not be among it.
    """
    relative = root.below(below) if below is not None else b""
    if not root.has_private():
        return
    with closing(root.private(shelf.encode())) as top:
        for name in walk.in_order(lambda: top):
            ident = os.fsdecode(name)
            parent = join(name, relative.rpartition(b"/")[0])
            if ids.PATTERN.fullmatch(ident) and _leads(top, parent):
                yield from _kept_under(root, top, shelf, ident, relative)


def _kept_under(root: Root, top: int, shelf: Shelf, ident: str, relative: bytes) -> Iterator[Kept]:
    shown = join(root.path, join(PRIVATE, shelf.encode()))
    inside = len(ident) + 1
    for spot, path, found in walk.upward(top, join(ident.encode(), relative), shown=shown):
        if len(path) > inside and not (stat.S_ISDIR(found.st_mode) and _is_marked(spot)):
            entry = entry_of(join(root.path, path[inside:]), found)
            yield Kept(shelf=shelf, id=ident, since_ns=ids.since_ns(ident), entry=entry)


def _is_marked(spot: Spot) -> bool:
    try:
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
            return seal.is_marked(directory)
    except FileNotFoundError:
        return True


@contextmanager
def spot_of(root: Root, kept: Kept) -> Iterator[Spot]:
    """Hold open where an entry lies on its shelf.

    Raises:
        FileNotFoundError: nothing of the kind is there any more.
    """
    if not ids.PATTERN.fullmatch(kept.id):
        raise Invalid(f"{kept.id!r} is no id of the {kept.shelf}: `argosy {kept.shelf} list` shows them")
    parent, _, name = root.below(kept.entry.path).rpartition(b"/")
    with (
        closing(root.private(kept.shelf.encode())) as top,
        closing(open_beneath(top, join(kept.id.encode(), parent), DIRECTORY)) as directory,
    ):
        yield Spot(directory, name)


def lying(root: Root, kept: Kept) -> Entry | None:
    """Return what lies there now, as what it was in the tree; None where nothing does but a room for something."""
    try:
        with spot_of(root, kept) as spot:
            found = spot.stat()
            if stat.S_ISDIR(found.st_mode) and _is_marked(spot):
                return None
            return entry_of(kept.entry.path, found)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return None


def where(root: Root, kept: Kept) -> bytes:
    """Return the path below the root of the directory it lies in."""
    shelf = join(PRIVATE, kept.shelf.encode())
    return join(join(shelf, kept.id.encode()), root.below(kept.entry.path).rpartition(b"/")[0])


def freed_by(root: Root, kept: Kept, told: seal.Seal) -> int:
    """Return the bytes that would be free without it; 0 where its attribute cannot be read: it may be a stub."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, Corrupt, Unsupported), spot_of(root, kept) as spot:
        found = spot.stat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            with closing(os.open(spot.name, _LOOK, dir_fd=spot.directory)) as looked:
                pointer = told.said(b"/proc/self/fd/%d" % looked)
            return 0 if pointer is not None and pointer.state.is_stub else found.st_blocks * 512
    return 0


def purge(root: Root, kept: Kept) -> None:
    """Remove an entry from its shelf for good. A directory that still holds something stays for that."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with spot_of(root, kept) as spot, root.keeping_times((spot.directory, where(root, kept))):
            if stat.S_ISDIR(spot.stat().st_mode):
                remove_directory(spot)
            else:
                os.unlink(spot.name, dir_fd=spot.directory)
        tidy(root, kept)


def remove_directory(spot: Spot, stands: bytes | None = None) -> None:
    """Take a directory from its shelf; what it still holds is kept in it, and it counts no longer itself.

    `stands`: how it stands in the tree again.
    """
    if _emptied(spot):
        return
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
        seal.mark_made(directory, Stood(0, inode.rights(directory)).written() if stands is None else stands)
    _emptied(spot)  # by whoever saw no mark yet when he took the last thing out


def _emptied(spot: Spot) -> bool:
    """Remove the directory if it is empty; say whether it is gone."""
    try:
        os.rmdir(spot.name, dir_fd=spot.directory)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    return True


def is_empty(directory: int) -> bool:
    """Say whether an open directory holds nothing."""
    with os.scandir(directory) as found:
        return next(found, None) is None


def tidy(root: Root, kept: Kept) -> None:
    """Remove the directories above an entry that left its shelf, those that were made to hold it and are empty now."""
    names = [kept.id.encode(), *root.below(kept.entry.path).split(b"/")[:-1]]
    with closing(root.private(kept.shelf.encode())) as top:
        _remove_empty(root, kept.shelf, top, names)


def sweep(root: Root) -> None:
    """Remove the rooms that a killed agent made and put nothing into."""
    if not root.has_private():
        return
    for shelf in Shelf:
        with contextlib.suppress(OSError), closing(root.private(shelf.encode())) as top:
            names = filter(ids.PATTERN.fullmatch, os.listdir(top))
            for name in heapq.nlargest(_LATEST, names):
                _remove_hollow(root, shelf, top, [name.encode()])


def _remove_hollow(root: Root, shelf: Shelf, top: int, names: list[bytes]) -> None:
    """Go down as long as a directory holds nothing but one that was made to hold something."""
    while True:
        with closing(open_beneath(top, b"/".join(names), DIRECTORY)) as directory, os.scandir(directory) as found:
            held = list(islice(found, 2))
            if not held:
                break
            inner = os.fsencode(held[0].name)
            if len(held) > 1 or not held[0].is_dir(follow_symlinks=False) or not _is_marked(Spot(directory, inner)):
                return
        names.append(inner)
    _remove_empty(root, shelf, top, names)


def _remove_empty(root: Root, shelf: Shelf, top: int, names: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while names:
            *above, name = names
            place = b"/".join((PRIVATE, shelf.encode(), *above))
            with closing(open_beneath(top, b"/".join(above), DIRECTORY)) as directory:
                if above and not _is_marked(Spot(directory, name)):
                    return
                with root.keeping_times((directory, place)):
                    os.rmdir(name, dir_fd=directory)
            names = above
