"""`dynamo.tasks.purge_kept`."""

from dataclasses import dataclass

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome, Planned
from argosy.filesystems.base import Shelf
from argosy.hsm.tree.shelves import shelved
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeKept:
    """Remove what lies in a trash or version store, for good."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove one entry."""
        tree, kept = shelved(entry, site)
        site.check_lease()
        tree.purge(kept)
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that one entry would be removed; whatever has its path by then has nothing to do with that."""
        _, kept = shelved(entry, site)
        shelf = "trash" if kept.shelf is Shelf.TRASH else "version store"
        return Planned(entry=entry, says=f"would be removed from the {shelf} for good", looks=())
