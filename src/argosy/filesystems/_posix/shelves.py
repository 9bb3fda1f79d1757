"""The shelves: what was removed lies in the trash, what was replaced or put aside in the version store.

Each lies at `<root>/.argosy/<shelf>/<time>-<random>/<path below the root>`. Directories made there only to hold
something are marked, as in the tree those are that are made for want of better; the others were removed themselves.
"""

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from argosy.core.errors import Invalid
from argosy.core.paths import PRIVATE, join
from argosy.filesystems._posix import seal, walk
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.root import Root, Spot, closing, make_private
from argosy.filesystems.base import Kept, Shelf
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace

_ID: Final = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{8}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def room(root: Root, shelf: Shelf, relative: bytes, *, beside: str | None = None) -> Iterator[Spot]:
    """Make a place on a shelf for a path below the root; where the block fails, an empty one goes.

    `beside`: the id under which something is there that was removed in the same go.
    """
    parent, _, name = relative.rpartition(b"/")
    names = [(beside or fresh_id()).encode(), *(part for part in parent.split(b"/") if part)]
    with closing(root.private(shelf.encode())) as top:
        try:
            with closing(make_private(top, names, on_new=seal.mark_made)) as directory:
                yield Spot(directory, name)
        except BaseException:
            _remove_empty(root, shelf, top, names)
            raise


def fresh_id() -> str:
    """Return an id that nothing on a shelf has; later ones sort behind it."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}"


def rescue(root: Root, spot: Spot, relative: bytes) -> None:
    """Move something nobody has looked at to the version store, durably there."""
    with room(root, Shelf.VERSIONS, relative) as place:
        noreplace(spot.directory, spot.name, place.directory, place.name)
        os.fsync(place.directory)


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
            if _ID.fullmatch(ident):
                yield from _kept_under(root, top, shelf, ident, relative)


def _kept_under(root: Root, top: int, shelf: Shelf, ident: str, relative: bytes) -> Iterator[Kept]:
    shown = join(root.path, join(PRIVATE, shelf.encode()))
    inside = len(ident) + 1
    for spot, path, found in walk.upward(top, join(ident.encode(), relative), shown=shown):
        if len(path) > inside and not (stat.S_ISDIR(found.st_mode) and _is_marked(spot)):
            entry = entry_of(join(root.path, path[inside:]), found)
            yield Kept(shelf=shelf, id=ident, since_ns=_since(ident), entry=entry)


def _is_marked(spot: Spot) -> bool:
    try:
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
            return seal.is_marked(directory)
    except FileNotFoundError:
        return True


def _since(ident: str) -> int:
    came = datetime.strptime(ident.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return (came - _EPOCH) // timedelta(microseconds=1) * 1000


@contextmanager
def spot_of(root: Root, kept: Kept) -> Iterator[Spot]:
    """Hold open where an entry lies on its shelf.

    Raises:
        FileNotFoundError: nothing of the kind is there any more.
    """
    if not _ID.fullmatch(kept.id):
        raise Invalid(f"{kept.id!r} is no id of the {kept.shelf}: `argosy {kept.shelf} list` shows them")
    parent, _, name = root.below(kept.entry.path).rpartition(b"/")
    with (
        closing(root.private(kept.shelf.encode())) as top,
        closing(open_beneath(top, join(kept.id.encode(), parent), DIRECTORY)) as directory,
    ):
        yield Spot(directory, name)


def where(root: Root, kept: Kept) -> bytes:
    """Return the path below the root of the directory it lies in."""
    shelf = join(PRIVATE, kept.shelf.encode())
    return join(join(shelf, kept.id.encode()), root.below(kept.entry.path).rpartition(b"/")[0])


def purge(root: Root, kept: Kept) -> None:
    """Remove an entry from its shelf for good. A directory that still holds something stays for that."""
    with contextlib.suppress(FileNotFoundError):
        with spot_of(root, kept) as spot, root.keeping_times((spot.directory, where(root, kept))):
            if stat.S_ISDIR(spot.stat().st_mode):
                remove_directory(spot)
            else:
                os.unlink(spot.name, dir_fd=spot.directory)
        tidy(root, kept)


def remove_directory(spot: Spot) -> None:
    """Take a directory from its shelf; what it still holds is kept in it, and it counts no longer itself."""
    try:
        os.rmdir(spot.name, dir_fd=spot.directory)
    except OSError:
        with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
            if is_empty(directory):
                raise
            seal.mark_made(directory)


def is_empty(directory: int) -> bool:
    """Say whether an open directory holds nothing."""
    with os.scandir(directory) as found:
        return next(found, None) is None


def tidy(root: Root, kept: Kept) -> None:
    """Remove the directories above an entry that left its shelf, those that were made to hold it and are empty now."""
    names = [kept.id.encode(), *root.below(kept.entry.path).split(b"/")[:-1]]
    with closing(root.private(kept.shelf.encode())) as top:
        _remove_empty(root, kept.shelf, top, names)


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
