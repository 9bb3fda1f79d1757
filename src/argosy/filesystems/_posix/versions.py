"""Taking what was seen, and nothing else, from its name: compare, move, and look again at what was moved."""

import contextlib
import os
from collections.abc import Callable

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.filesystems._posix.entry import entry_of, same
from argosy.filesystems._posix.root import Spot
from argosy.linux.rename import noreplace


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
    try:
        found = spot.stat()
    except FileNotFoundError:
        return False
    if seen.kind is Kind.DIRECTORY:
        now = entry_of(seen.path, found)
        return (now.kind, now.inode) == (seen.kind, seen.inode)
    return same(found, seen)


def keep(spot: Spot, place: Spot, seen: Entry) -> None:
    """Give what was seen a further name in the version store, durably.

    Raises:
        Changed: what is there is not what was seen.
    """
    expect(spot, seen)
    try:
        os.link(spot.name, place.name, src_dir_fd=spot.directory, dst_dir_fd=place.directory, follow_symlinks=False)
    except OSError:
        expect(spot, seen)
        raise
    try:
        expect(place, seen)
    except Changed:
        let_go(place)
        raise
    os.fsync(place.directory)


def let_go(place: Spot) -> None:
    """Take back the further name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.name, dir_fd=place.directory)


def put_aside(spot: Spot, place: Spot, seen: Entry) -> None:
    """Move what was seen, no directory, to a shelf, durably there.

    Raises:
        Changed: what is there is not what was seen; it is left as it is.
    """
    expect(spot, seen)
    take(spot, place, seen)
    os.fsync(place.directory)


def take(
    spot: Spot, place: Spot, seen: Entry, *, lost: Callable[[], object] = lambda: None, point: str = "hsm:trash"
) -> None:
    """Move what was seen; where something else was moved, put that back.

    `lost`: called where that cannot be, because its name was taken again; it stays where it was moved to.

    Raises:
        Changed: what was there is not what was seen.
    """
    try:
        noreplace(spot.directory, spot.name, place.directory, place.name)
    except FileNotFoundError:
        expect_any(spot, seen)
        raise
    failpoint(point)
    try:
        expect_any(place, seen)
    except Changed:
        try:
            noreplace(place.directory, place.name, spot.directory, spot.name)
        except (FileExistsError, FileNotFoundError):
            lost()
        raise
