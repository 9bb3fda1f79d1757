"""`dynamo.tasks.doom_objects`."""

from dataclasses import dataclass

from argosy.core.entry import Entry
from argosy.core.errors import Exists, Invalid
from argosy.core.outcome import Outcome
from argosy.hsm.content import Bytes
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.stores import keys
from argosy.stores.base import Absent


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DoomObjects:
    """Mark objects that are about to be removed, so that no step comes to refer to one that is there already."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Mark the object of the entry, by a mark beside it; the step that removes it removes the mark."""
        stored = entry.facts.stored
        if stored is None:
            raise Invalid("an object is to be marked, and it is not said which")
        site.check_lease()
        try:
            site.store(stored.datastore).put(
                keys.doomed(stored.key, stored.uuid), Bytes(b""), metadata={}, condition=Absent()
            )
        except Exists:
            return Outcome.skipped(entry, "it is marked already")
        return Outcome.processed(entry)
