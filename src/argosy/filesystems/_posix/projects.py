"""Bringing entries into directories that hand down a quota project, as `mv` does: what comes counts to that project."""

import errno
import os
import stat
from collections.abc import Callable
from typing import Final

from argosy.core.errors import Unsupported
from argosy.core.paths import display, join
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.projects import assign, handed_down, project

Rename = Callable[[int, bytes, int, bytes], None]

_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def bring(act: Rename, spot: Spot, there: Spot) -> None:
    """Rename as `act` does; where the project is in the way, it is changed first.

    Raises:
        Unsupported: it is, and cannot be changed: of a directory all that it holds would have to be.
    """
    try:
        act(spot.directory, spot.name, there.directory, there.name)
    except OSError as error:
        wanted = handed_down(there.directory)
        if error.errno != errno.EXDEV or wanted is None:
            raise
        _bring_over(act, spot, there, wanted)


def _bring_over(act: Rename, spot: Spot, there: Spot, wanted: int) -> None:
    mode = spot.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _kept_out(there, wanted, "only files and empty directories can be given another one")
    with closing(os.open(spot.name, _READING, dir_fd=spot.directory)) as held:
        before = project(held)
        if before == wanted:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        if stat.S_ISDIR(mode) and os.listdir(held):
            raise _kept_out(there, wanted, f"and the directory that was to come, with what it holds, to {before}")
        assign(held, wanted, directory=stat.S_ISDIR(mode))
        try:
            act(spot.directory, spot.name, there.directory, there.name)
        except OSError:
            assign(held, before)
            raise


def _kept_out(there: Spot, wanted: int, why: str) -> Unsupported:
    where = os.readlink(b"/proc/self/fd/%d" % there.directory)
    remedy = "move it with `mv`, or give it that project (`xfs_quota -c 'project -s'`, `chattr -p`)"
    said = f"what lies here counts to the quota project {wanted}, {why}"
    return Unsupported(f"{display(join(where, there.name))}: {said}: {remedy}")
