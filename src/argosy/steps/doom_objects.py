"""`dynamo.tasks.doom_objects`."""

from dataclasses import dataclass
from typing import Annotated, Final

from argosy.core.entry import Entry, Stored
from argosy.core.errors import Denied, Exists, Invalid, NotFound
from argosy.core.outcome import Outcome
from argosy.hsm.object.content import Bytes
from argosy.site import Site
from argosy.steps.base import HUBS
from argosy.stores import keys
from argosy.stores.base import Absent, Object, Store

_SAYS: Final = "argosymark"


@HUBS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DoomObjects:
    """Mark objects that are about to be removed, so that no step comes to refer to one that is there already."""

    mark: Annotated[str, "What the marks say: which run made them"] = ""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Mark the object of the entry, by a mark beside it; the step that removes it removes the mark."""
        expect_own(site)
        stored = entry.facts.stored
        if stored is None:
            raise Invalid("an object is to be marked, and it is not said which")
        site.check_lease()
        store, key = site.store(stored.datastore), keys.doomed(stored.key, stored.uuid)
        content, says = Bytes(self.mark.encode()), {_SAYS: self.mark}  # the content gives each run's a tag of its own
        try:
            store.put(key, content, metadata=says, condition=Absent())
        except Exists:
            found = mark(store, stored)
            if found is not None and said(found) == self.mark:
                return Outcome.skipped(entry, "it is marked already")
            store.put(key, content, metadata=says)  # a run that came to no end left one
        return Outcome.processed(entry)


def expect_own(site: Site) -> None:
    """Return where the hub began the work for itself: it has seen to it that nothing refers to the objects.

    Raises:
        Denied: somebody else did, whichever way the step was come by.
    """
    if not site.own:
        raise Denied("objects are removed by garbage collection alone, and this is other work: nothing was done")


def mark(store: Store, stored: Stored) -> Object | None:
    """Return the mark of an object; None where it bears none."""
    try:
        return store.head(keys.doomed(stored.key, stored.uuid))
    except NotFound:
        return None


def said(mark: Object) -> str:
    """Return which run made the mark."""
    return mark.metadata.get(_SAYS, "")
