"""`dynamo.tasks.list_snapshot`."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site
from argosy.snapshots.keeping import keeping
from argosy.steps.base import STEPS
from argosy.steps.delete_snapshot import named


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshot:
    """Tell what is known of a snapshot that discovery `snapshots` found, as JSON, as the reason of the outcome."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Tell of one snapshot; nothing is done."""
        top, name = named(entry)
        with keeping(site.fileset(top), site.check_lease) as kept:
            told = kept.told(name)
        return msgspec.structs.replace(Outcome.processed(entry), reason=msgspec.json.encode(told).decode())

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that one snapshot would be told of."""
        site.fileset(named(entry)[0])
        return Planned(entry=entry, says="would be listed", leaves=Leaves.AS_IT_WAS, looks=())
