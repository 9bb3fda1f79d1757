"""Where what a fileset looked like is kept: `.argosy/snapshots/ID` below its root."""

import contextlib

from argosy.core.fileset import Fileset
from argosy.core.paths import PRIVATE, ROTATE, join
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, closing, make_private
from argosy.linux.openat2 import DIRECTORY, open_beneath

_SHELF = b"snapshots"


def shelf(fileset: Fileset) -> int:
    """Return a descriptor of the directory, made on demand; of mode 0700.

    Raises:
        Denied: somebody else made it, or may write there.
    """
    with closing(Root(fileset.root).private(_SHELF)) as all_of_them:
        return make_private(all_of_them, [fileset.id.encode()])


def own_directories(fileset: Fileset) -> list[tuple[int, int]]:
    """Return inode and birth time of what Argosy keeps at the root of the fileset, and has there already."""
    found = []
    root = Root(fileset.root)
    for name in (PRIVATE, ROTATE):
        with (
            translated(join(fileset.root, name)),
            contextlib.suppress(FileNotFoundError),
            root.top(DIRECTORY) as top,
            closing(open_beneath(top, name, DIRECTORY)) as own,
        ):
            binding = binding_of(own)
            found.append((binding.inode, binding.born_ns))
    return found


def shelf_path(fileset: Fileset, name: str) -> bytes:
    """Return the path at which something lies there, for messages."""
    return join(fileset.root, b"/".join(filter(None, (PRIVATE, _SHELF, fileset.id.encode(), name.encode()))))
