"""`dynamo.tasks.move_in_cloud`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome, Planned
from argosy.hsm.out.relocation import Relocation
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class MoveInCloud:
    """Give the objects of entries that were moved the keys of their new paths.

    The file at the new path points to the new object from then on. The old one goes once the hub has found that
    nothing refers to it: stubs elsewhere may. The bytes come and go through the site, and their hash is checked.
    """

    endpoint: Annotated[str | None, "Datastore in which to move where several are linked to the path"] = None

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Move the object of one entry from `source` to `path`."""
        return Relocation(entry, site, endpoint=self.endpoint).move()

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say which object would get another key."""
        return Relocation(entry, site, endpoint=self.endpoint).foreseen()
