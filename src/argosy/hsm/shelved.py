"""Entries that lie on a shelf: their `source` says where."""

from argosy.core.entry import Entry
from argosy.core.errors import Invalid
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Kept
from argosy.site import Site


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
