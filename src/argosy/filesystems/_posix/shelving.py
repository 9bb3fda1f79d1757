"""Taking what was seen, no directory, from its name to a shelf, where nothing changes it any more."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from argosy.core.entry import Entry
from argosy.core.errors import Changed, Unsupported
from argosy.filesystems._posix import astray, versions
from argosy.filesystems._posix.copying import Copy, copied
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import Root, Spot
from argosy.linux.rename import noreplace
from argosy.linux.syncing import fsync


def shelve(
    root: Root, spot: Spot, place: Spot, seen: Entry, *, keeping: Callable[[], AbstractContextManager[None]],
    together: str = "", point: str = "hsm:trash", look: Callable[[], None] = lambda: None,
) -> os.stat_result | None:  # fmt: skip
    """Move what was seen to a shelf; of a file with further names, a copy, durably. Return what that file is now.

    `together`: the go of which it is a part: further names of one file stay such. `keeping`: what to do the move in.
    `look`: called once it was taken; what that raises has it put back.

    Raises:
        Changed: what is there is not what was seen; it is left as it is.
        Exhausted: there is no room for a copy; it is left as it is.
    """
    with copied(root, spot, seen.path, together=together) as copy:
        if copy is None:
            with astray.given_back(root, place, seen.path), keeping():
                _take(spot, place, seen, point, (look, lambda: versions.expect_alone(place, seen)))
            return None
        taken = copy.beside(seen)
        copy.give(place)
        try:
            with astray.given_back(root, taken, seen.path), keeping():
                _take(spot, taken, seen, point, (look, lambda: copy.expect(seen)))
        except BaseException:
            versions.let_go(place)
            raise
        os.unlink(taken.name, dir_fd=taken.directory)
        copy.remember(place)
        return copy.left()


def _take(spot: Spot, taken: Spot, seen: Entry, point: str, looks: tuple[Callable[[], None], ...]) -> None:
    versions.take(spot, taken, seen, point=point)
    try:
        for look in looks:
            look()
    except Changed as changed:
        try:
            bring(noreplace, taken, spot)
        except (OSError, Unsupported):
            raise versions.Astray from changed
        raise


def put(displaced: Spot, place: Spot, seen: Entry, copy: Copy | None) -> None:
    """Have what was displaced lie on a shelf, or the copy of it that was made before.

    Raises:
        Changed: it was written to since it was copied, or got a further name.
    """
    if copy is None:
        versions.expect_alone(displaced, seen)
        noreplace(displaced.directory, displaced.name, place.directory, place.name)
        return
    copy.expect(seen)
    copy.give(place)
    os.unlink(displaced.name, dir_fd=displaced.directory)
    fsync(displaced.directory)
    copy.remember(place)
