"""`dynamo.tasks.list_kept`."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.hsm.tree.shelves import shelved
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ListKept:
    """Tell of what lies in a trash or version store under which id it does, as the reason of the outcome."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Tell of one entry; nothing is done."""
        _, kept = shelved(entry, site)
        return msgspec.structs.replace(Outcome.processed(entry), reason=kept.id)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that one entry would be told of."""
        shelved(entry, site)
        return Planned(entry=entry, says="would be listed", leaves=Leaves.AS_IT_WAS, looks=())
