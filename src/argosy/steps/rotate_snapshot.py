"""`dynamo.tasks.rotate_snapshot`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site
from argosy.snapshots.turning import turning
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSnapshot:
    """End a discovery of what changed in a fileset: the next begins where it did, and snapshots nobody needs go.

    The hub has it run at the end of every job with such a discovery. Snapshots that people made stay.
    """

    discovery: Annotated[str, "Task that found what changed"] = ""
    forward: Annotated[bool, "Have the next discovery begin at the snapshot of this one, not where it had begun"] = True

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Write the last-snap file first, and delete last: killed in between, what is left is done by a later run."""
        with turning(site.fileset(entry.path), seconds=site.policy.snapshot_retry, check=site.check_lease) as held:
            turned = held.turn(self.discovery, forward=self.forward)
        return Outcome.processed(entry) if turned else Outcome.skipped(entry, "the last snapshot stays the same")

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that what was begun would be ended."""
        site.fileset(entry.path)
        return Planned(entry=entry, says="snapshots would be rotated", looks=())
