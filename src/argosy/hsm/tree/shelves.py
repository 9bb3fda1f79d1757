"""What lies on the shelves of a tree: where an entry lies there, and room on a disk that is full, the oldest first."""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

import structlog

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, Invalid
from argosy.core.paths import below, display
from argosy.filesystems import ids
from argosy.filesystems.base import Filesystem, Kept, Shelf
from argosy.site import Site

log = structlog.get_logger()

_SPARED: Final = 30 * 86_400 * 10**9

Lying = tuple[Filesystem, Kept]
"""What lies on a shelf of a tree."""


def shelved(entry: Entry, site: Site) -> tuple[Filesystem, Kept]:
    """Return what lies where the entry came from, and its tree.

    Raises:
        Invalid: the entry does not come from a shelf.
    """
    if entry.source is None:
        raise Invalid(
            f"{display(entry.path)}: nothing says where it lies: find it with the discovery trash or versions"
        )
    tree = site.tree(entry.source)
    return tree, Kept.at(entry.source, tree.root, entry)


def days_kept(path: bytes, site: Site) -> float:
    """Return how long what is removed or replaced at the path is kept: as its fileset has it, else as the site has."""
    for fileset in site.filesets:
        if fileset.trash_days is not None and below(path, fileset.path):
            return fileset.trash_days
    return site.policy.trash_days


def oldest_first(trees: Iterable[Filesystem]) -> Iterator[Lying]:
    """Yield all that lies on the shelves."""
    shelves = (_shelf(tree, shelf) for tree in trees for shelf in Shelf)
    return heapq.merge(*shelves, key=lambda lying: lying[1].since_ns)


def is_spared(kept: Kept, now: int | None = None) -> bool:
    """Say whether it goes on nobody's account but by name: nobody asked to remove it, and its owner may not know yet.

    Anything else goes when the `trash_days` of its fileset, or of the site, are over, or for want of space. `now`: the
    time, ns since 1970; where it is not known, the weeks that it is spared are not over.
    """
    return ids.is_rescued(kept.id) and (now is None or kept.since_ns > now - _SPARED)


def purged(tree: Filesystem, kept: Kept) -> bool:
    """Remove it for good if that can be, and say whether it could; what cannot be removed is logged and left."""
    try:
        tree.purge(kept)
    except ArgosyError as error:
        path = display(kept.entry.path)
        log.warning("stays on its shelf", shelf=kept.shelf, id=kept.id, path=path, reason=error.message)
        return False
    return True


def make_room(tree: Filesystem, *, sparing: str | None) -> Iterator[int]:
    """Remove the oldest whose removal makes room, one at each step, and yield the bytes it had.

    `sparing`: the id of what is being removed now, which is not to be halved.
    """
    for _, kept in oldest_first([tree]):
        if kept.id != sparing and not is_spared(kept) and (freed := tree.freed_by(kept)) and purged(tree, kept):
            yield freed


def _shelf(tree: Filesystem, shelf: Shelf) -> Iterator[Lying]:
    return ((tree, kept) for kept in tree.kept(shelf))
