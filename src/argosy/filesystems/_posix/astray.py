"""What was displaced and nobody asked to remove: it gets a name beside the one it had, or the version store has it.

What is under way may also be taken away: by a user, or out of sight by another agent that is started, which takes it
for what a killed one left. It loses nothing by that; but things are no longer where we put them.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from argosy.core.errors import ArgosyError, Changed
from argosy.core.paths import display, join
from argosy.filesystems._posix import shelves, versions
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import Root, Spot
from argosy.linux.rename import noreplace
from argosy.linux.syncing import fsync

log = structlog.get_logger()

_CONFLICT: Final = b".moved-conflict"
_CONFLICTS: Final = 100
_LONGEST: Final = 255


@contextmanager
def given_back(root: Root, place: Spot, path: bytes) -> Iterator[None]:
    """Find a name for what a `versions.take` in the block took and could not put back; the error says which.

    Raises:
        Changed: that was so, or somebody else took it away.
    """
    try:
        yield
    except versions.Astray as error:
        if is_gone(place):
            raise _taken_away(path) from error
        where = settle(root, place, root.below(path))
        message = f"{display(path)}: became something else just as it was taken, and the name was given again"
        raise Changed(f"{message}: what it was is now {where}") from error


@contextmanager
def not_taken_away(taken: Spot, path: bytes) -> Iterator[None]:
    """Do something with what was taken, which is to be there still.

    Raises:
        Changed: somebody else took it away.
    """
    try:
        yield
    except FileNotFoundError as error:
        if is_gone(taken):
            raise _taken_away(path) from error
        raise


def settle(root: Root, spot: Spot, relative: bytes) -> str:
    """Give what has no name one beside the path below the root that it had, durably; say in words where it is now.

    Where none is to be had there, the version store has it; where that has no room, it stays where it is.
    """
    for name in beside(relative):
        if named(root, spot, name):
            return display(join(root.path, name))
    return rescued(root, spot, relative)


def rescued(root: Root, spot: Spot, relative: bytes) -> str:
    """Put it into the version store, if that can be; say in words where it is now."""
    path = display(join(root.path, relative))
    try:
        return f"{path}@{shelves.rescue(root, spot, relative)} in the version store"
    except (OSError, ArgosyError) as error:
        if is_gone(spot):
            return "where somebody else put it meanwhile"
        there = display(join(os.readlink(b"/proc/self/fd/%d" % spot.directory), spot.name))
        log.warning("what was displaced found no better place", path=path, where=there, reason=str(error))
        return f"{there}, for want of another place"


def is_gone(spot: Spot) -> bool:
    """Say whether nothing is there any more."""
    try:
        spot.stat()
    except FileNotFoundError:
        return True
    return False


def _taken_away(path: bytes) -> Changed:
    return Changed(
        f"{display(path)}: somebody else took it away while it was under way. Another agent that is started does so, "
        "and gives it a name that it had or was to have, or has the version store keep it: look there, and have one "
        "agent serve a root"
    )


def beside(relative: bytes) -> Iterator[bytes]:
    """Yield the names that something may have where its own is taken."""
    parent, slash, name = relative.rpartition(b"/")
    for number in range(1, _CONFLICTS):
        ending = _CONFLICT if number == 1 else b"%s-%d" % (_CONFLICT, number)
        yield parent + slash + name[: _LONGEST - len(ending)] + ending


def named(root: Root, spot: Spot, name: bytes) -> bool:
    """Give it the name, a path below the root, durably, if that can be."""
    try:
        with root.changing(join(root.path, name)) as there:
            _unless_there(spot, there)
            fsync(there.directory)
    except (OSError, ArgosyError):
        return False
    return True


def _unless_there(spot: Spot, there: Spot) -> None:
    """Move it; where a killed move without RENAME_NOREPLACE left it both names, the one in the tree stays."""
    try:
        bring(noreplace, spot, there)
    except FileExistsError:
        found, held = spot.stat(), there.stat()
        if stat.S_ISDIR(found.st_mode) or not os.path.samestat(found, held):
            raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(spot.name, dir_fd=spot.directory)
