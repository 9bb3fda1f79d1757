"""`dynamo.tasks.purge_kept`."""

from dataclasses import dataclass

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
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
