"""Taking what was seen, and nothing else, from its name: compare, move, and look again at what was moved."""

import contextlib
import os
from typing import Final

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Invalid, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.filesystems._posix.copying import copied
from argosy.filesystems._posix.entry import entry_of, same
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.linux.rename import noreplace
from argosy.linux.statx import statx
from argosy.linux.syncing import fsync

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def expect(spot: Spot, seen: Entry) -> None:
    """Return where the name stands for what was seen.

    Raises:
        Changed: it does not.
        Invalid: what was seen is a directory.
    """
    if seen.kind is Kind.DIRECTORY:
        raise Invalid(f"{display(seen.path)}: is a directory: only files and symlinks are replaced or put aside")
    expect_any(spot, seen)


def expect_any(spot: Spot, seen: Entry) -> None:
    """Return where the name stands for what was seen, which may be a directory.

    Raises:
        Changed: it does not.
    """
    if not stands(spot, seen):
        raise Changed(f"{display(seen.path)}: is not what was seen before; it was left as it is")


def stands(spot: Spot, seen: Entry) -> bool:
    """Say whether the name stands for what was seen. A directory is the same whatever it holds by now."""
    with contextlib.suppress(FileNotFoundError):
        found = spot.stat()
        alike = _is_one(found, seen) if seen.kind is Kind.DIRECTORY else same(found, seen)
        return alike and not _came_later(spot, found, seen)
    return False


def names(spot: Spot, seen: Entry) -> bool:
    """Say whether the name stands for the inode that was seen, whatever it holds by now."""
    with contextlib.suppress(FileNotFoundError):
        found = spot.stat()
        return _is_one(found, seen) and not _came_later(spot, found, seen)
    return False


def _is_one(found: os.stat_result, seen: Entry) -> bool:
    now = entry_of(seen.path, found)
    return (now.kind, now.inode) == (seen.kind, seen.inode)


def _came_later(spot: Spot, found: os.stat_result, seen: Entry) -> bool:
    """Say whether it was born after the last change of what was seen, and so has no more of it than its number.

    Filesystems give the number of what was removed to what is made next. Nor is it believed to be what was seen if it
    was changed before that was: the clock was set back, and nobody can tell what was born when.
    """
    if seen.ctime_ns in {0, found.st_ctime_ns}:
        return False
    if found.st_ctime_ns < seen.ctime_ns:
        return True
    with closing(os.open(spot.name, _LOOK, dir_fd=spot.directory)) as looked:
        known = statx(looked)
    return known.inode != found.st_ino or known.born_ns > seen.ctime_ns


def keep(root: Root, spot: Spot, place: Spot, seen: Entry) -> None:
    """Give what was seen a further name in the version store, durably; what has further names is copied there.

    Raises:
        Changed: what is there is not what was seen.
        Exhausted: there is no room for a copy.
    """
    expect(spot, seen)
    with copied(root, spot, seen.path) as copy:
        if copy is None:
            _link(spot, place, seen)
        else:
            copy.expect(seen)
            copy.give(place)


def _link(spot: Spot, place: Spot, seen: Entry) -> None:
    try:
        os.link(spot.name, place.name, src_dir_fd=spot.directory, dst_dir_fd=place.directory, follow_symlinks=False)
    except OSError:
        expect(spot, seen)
        raise
    try:
        expect(place, seen)
        _expect_links(place, seen, 2)
    except Changed:
        let_go(place)
        raise
    fsync(place.directory)


def expect_alone(spot: Spot, seen: Entry) -> None:
    """Return where what was taken has no other name, under which it could be written to.

    Raises:
        Changed: somebody gave it one just then.
    """
    _expect_links(spot, seen, 1)


def _expect_links(spot: Spot, seen: Entry, most: int) -> None:
    if seen.kind is Kind.FILE and spot.stat().st_nlink > most:
        raise Changed(f"{display(seen.path)}: got a further name just then; it was left as it is")


def let_go(place: Spot) -> None:
    """Take back the further name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.name, dir_fd=place.directory)


class Astray(Exception):
    """Something else than what was seen was taken, and its name given again before it could be put back."""


def take(spot: Spot, place: Spot, seen: Entry, *, point: str = "hsm:trash") -> None:
    """Move what was seen; where something else was moved, put that back.

    Raises:
        Changed: what was there is not what was seen.
        Astray: nor could it be put back; it is at `place`. To be called in `astray.given_back`.
    """
    try:
        bring(noreplace, spot, place)
    except FileNotFoundError:
        expect_any(spot, seen)
        raise
    failpoint(point)
    try:
        expect_any(place, seen)
    except (Changed, OSError):
        try:
            bring(noreplace, place, spot)
        except (OSError, Unsupported) as error:
            raise Astray from error
        raise
