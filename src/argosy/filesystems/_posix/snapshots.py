"""Where what a fileset looked like is kept: `.argosy/snapshots/ID` below its root."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from argosy.core.faults import FilesetRefused
from argosy.core.fileset import Fileset
from argosy.core.paths import PRIVATE, ROTATE, display, join
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


@contextmanager
def opened_top(fileset: Fileset, flags: int = DIRECTORY) -> Iterator[int]:
    """Hold the top of the fileset open: a descriptor of the very directory that was found to be it.

    Raises:
        FilesetRefused: another lies there by now.
    """
    with translated(fileset.path):
        top = Root(fileset.root).opened(fileset.path, flags)
    with top as descriptor:
        if binding_of(descriptor) != fileset.binding:
            raise FilesetRefused(
                f"{display(fileset.path)}: another directory lies there than the top of fileset {fileset.name}: see "
                "`argosy fileset check`, and run this again"
            )
        yield descriptor


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
