"""What is so at a tree of this machine, as an agent would tell it of a fileset, and nothing of the tree is changed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from argosy.core.errors import ArgosyError, Denied
from argosy.core.syncing import Circumstances
from argosy.filesystems._posix.root import Root, closing, make_private
from argosy.linux.statx import statx
from argosy.sync.preview.trees import Place
from argosy.sync.probing import Found, looked, settled, tried


def circumstances(place: Place, top: int, *, clock_off_ns: int = 0) -> Circumstances:
    """Return what is so at the place, whose top is open, now.

    Where Argosy keeps something of its own on that filesystem, and lets us in, names are tried out there.
    """
    found, longest = settled(top, _found(place, top))
    return Circumstances(clock_off_ns=clock_off_ns, longest_name=longest, **found._asdict())


def _found(place: Place, top: int) -> Found:
    with suppress(ArgosyError, OSError), _room(place, top) as own:
        return tried(own)
    return looked(top)


@contextmanager
def _room(place: Place, top: int) -> Iterator[int]:
    """Yield a directory of ours on the filesystem of the top; it is gone afterwards.

    Raises:
        Denied: there is none, or not for us.
    """
    root, name = Root(place.root), b"probe-%d" % os.getpid()
    if not root.has_private():
        raise Denied("nothing of ours is there, and nothing is to be changed")
    with closing(root.home()) as home:
        if _lies_on(home) != _lies_on(top):
            raise Denied("what is ours there lies on another filesystem")
        try:
            with closing(make_private(home, [name])) as own:
                yield own
        finally:
            with suppress(OSError):
                os.rmdir(name, dir_fd=home)


def _lies_on(directory: int) -> tuple[tuple[int, int], int]:
    found = statx(directory)
    return found.device, found.mount
