"""`dynamo.tasks.doom_objects`."""

from dataclasses import dataclass

from argosy.core.entry import Entry, Stored
from argosy.core.errors import Exists, Invalid, NotFound
from argosy.core.outcome import Outcome
from argosy.hsm.object.content import Bytes
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.stores import keys
from argosy.stores.base import Absent, Store


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DoomObjects:
    """Mark objects that are about to be removed, so that no step comes to refer to one that is there already."""

    mark: str = ""
    """What the marks say: which run made them."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Mark the object of the entry, by a mark beside it; the step that removes it removes the mark."""
        stored = entry.facts.stored
        if stored is None:
            raise Invalid("an object is to be marked, and it is not said which")
        site.check_lease()
        store, key, said = site.store(stored.datastore), keys.doomed(stored.key, stored.uuid), self.mark.encode()
        try:
            store.put(key, Bytes(said), metadata={}, condition=Absent())
        except Exists:
            if mark(store, stored) == said:
                return Outcome.skipped(entry, "it is marked already")
            store.put(key, Bytes(said), metadata={})  # a run that came to no end left one
        return Outcome.processed(entry)


def mark(store: Store, stored: Stored) -> bytes | None:
    """Return what the mark of an object says; None where it bears none."""
    try:
        return b"".join(store.get(keys.doomed(stored.key, stored.uuid)))
    except NotFound:
        return None
