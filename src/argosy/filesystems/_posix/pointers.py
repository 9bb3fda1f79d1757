"""Every attribute below a root that points to an object, wherever Argosy or people may have put the file."""

import os
import stat
from collections.abc import Iterator
from typing import Final

from argosy.core.errors import Corrupt, Unsupported
from argosy.core.paths import PRIVATE, display, join
from argosy.core.pointer import Pointer
from argosy.filesystems._posix import walk
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import MOVING, STAGING, Root, Spot, closing
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems.base import Shelf
from argosy.linux.openat2 import DIRECTORY

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACES: Final = tuple(join(PRIVATE, name) for name in (STAGING, MOVING, *(shelf.encode() for shelf in Shelf)))


def every_pointer(root: Root, seal: Seal) -> Iterator[tuple[bytes, Pointer]]:
    """Yield each file that has an attribute, and what that says.

    What Argosy keeps to itself comes before the tree and once more behind it, since files go from one to the other
    meanwhile. One that people rename while it runs may be met under both names, or under none.
    """
    with root.top(DIRECTORY) as top:
        for place in (*_PLACES, b"", *_PLACES):
            for spot, path, found in walk.upward(top, place, shown=root.path, without=b"" if place else PRIVATE):
                if stat.S_ISREG(found.st_mode):
                    pointer = _said(spot, join(root.path, path), seal)
                    if pointer is not None:
                        yield join(root.path, path), pointer


def _said(spot: Spot, path: bytes, seal: Seal) -> Pointer | None:
    """Read the attribute without opening the file: that might break a lease, or wait for one."""
    with translated(path):
        try:
            looked = os.open(spot.name, _LOOK, dir_fd=spot.directory)
        except FileNotFoundError:
            return None
        with closing(looked):
            try:
                return seal.said(b"/proc/self/fd/%d" % looked)
            except (Corrupt, Unsupported) as error:
                raise type(error)(f"{display(path)}: {error.message}") from error
