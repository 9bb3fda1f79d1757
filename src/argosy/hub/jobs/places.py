"""Which roots and datastores tasks need: one that is dead is nothing to those that need others."""

from collections.abc import Hashable, Iterable, Sequence

import msgspec

from argosy.core.order import Link
from argosy.core.paths import below
from argosy.hub.jobs.blobs import Carried
from argosy.hub.jobs.failures import hash_of
from argosy.hub.sites.links import covering


class Places:
    """The roots and datastores of a site."""

    def __init__(self, roots: Sequence[str] = (), links: Sequence[Link] = ()) -> None:
        self._roots = [root.encode() for root in roots]
        self._links = links
        self._is_one = len(roots) <= 1 and len(links) <= 1

    def of(self, carried: Iterable[Carried]) -> Hashable:
        """Return what the entries need, as far as their paths tell: equal for those that need the same."""
        if self._is_one:
            return ()
        return tuple(sorted({need for item in carried for path in _paths(item) for need in [self._at(item, path)]}))

    def _at(self, item: Carried, path: bytes) -> tuple[bytes, str]:
        root = next((root for root in self._roots if below(path, root)), b"")
        if (stored := item.entry.facts.stored) is not None:
            return root, stored.datastore
        link = covering(self._links, path)
        return root, "" if link is None else link.datastore


def _paths(item: Carried) -> Iterable[bytes]:
    return (item.entry.path,) if item.entry.source is None else (item.entry.path, item.entry.source)


def numbered(needs: Hashable, options: object) -> int:
    """Return the number of what is done with these options to entries that need this; others may share it."""
    return hash_of(msgspec.json.encode((needs, options), order="deterministic"))
