"""The version store: what was replaced or put aside.

It lies at `<root>/.argosy/versions/<time>-<random>/<path below the root>`.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Invalid
from argosy.core.paths import display
from argosy.filesystems._posix.entry import same
from argosy.filesystems._posix.root import VERSIONS, Root, Spot, closing, make_private
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace


def expect(spot: Spot, seen: Entry) -> None:
    """Return where the name stands for what was seen.

    Raises:
        Changed: it does not.
        Invalid: what was seen is a directory.
    """
    if seen.kind is Kind.DIRECTORY:
        raise Invalid(f"{display(seen.path)}: is a directory: only files and symlinks are replaced or put aside")
    if not stands(spot, seen):
        raise Changed(f"{display(seen.path)}: is not what was seen before; it was left as it is")


def stands(spot: Spot, seen: Entry) -> bool:
    """Say whether the name stands for what was seen."""
    try:
        return same(spot.stat(), seen)
    except FileNotFoundError:
        return False


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
    """Move what was seen to the version store, durably there.

    Raises:
        Changed: what is there is not what was seen; it is left as it is.
    """
    expect(spot, seen)
    try:
        noreplace(spot.directory, spot.name, place.directory, place.name)
    except FileNotFoundError:
        expect(spot, seen)
        raise
    try:
        expect(place, seen)
    except Changed:
        with contextlib.suppress(FileExistsError):  # the name is taken again: then it stays in the version store
            noreplace(place.directory, place.name, spot.directory, spot.name)
        raise
    os.fsync(place.directory)


def rescue(root: Root, spot: Spot, relative: bytes) -> None:
    """Move something nobody has looked at to the version store, durably there."""
    with room(root, relative) as place:
        noreplace(spot.directory, spot.name, place.directory, place.name)
        os.fsync(place.directory)


@contextmanager
def room(root: Root, relative: bytes) -> Iterator[Spot]:
    """Make a place for one more version of a path below the root; where the block fails, an empty one goes."""
    parent, _, name = relative.rpartition(b"/")
    names = [_stamp(), *(part for part in parent.split(b"/") if part)]
    with closing(root.private(VERSIONS)) as top:
        try:
            with closing(make_private(top, names)) as directory:
                yield Spot(directory, name)
        except BaseException:
            _remove_empty(top, names)
            raise


def _stamp() -> bytes:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}".encode()


def _remove_empty(top: int, names: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while names:
            *above, name = names
            with closing(open_beneath(top, b"/".join(above), DIRECTORY)) as directory:
                os.rmdir(name, dir_fd=directory)
            names = above
