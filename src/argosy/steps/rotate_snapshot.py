"""`dynamo.tasks.rotate_snapshot`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import LeaseLost
from argosy.core.fileset import Fileset
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site, left_at
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning, turning
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSnapshot:
    """Have the next discovery of what changed in a fileset begin at a new snapshot; snapshots nobody needs go.

    The hub has it run at the end of every job with such a discovery, which took that snapshot. In a workflow of your
    own it takes one, and no discovery finds any more what changed before. Snapshots that people made stay.
    """

    discovery: Annotated[str, "Task that found what changed, as the hub says; without, a snapshot is taken"] = ""
    forward: Annotated[
        bool, "Have the next discovery begin at the new snapshot; else it begins where it would, and only the rest goes"
    ] = True

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Write the last-snap file first, and delete last: killed in between, what is left is done by a later run."""
        fileset = site.fileset(entry.path)
        alone = self.forward and not self.discovery
        with turning(
            fileset, seconds=site.policy.snapshot_retry, check=site.check_lease, left_at=partial(left_at, site)
        ) as held:
            turned = _renewed(held, fileset, site) if alone else held.turn(self.discovery, forward=self.forward)
        return Outcome.processed(entry) if turned else Outcome.skipped(entry, "the last snapshot stays the same")

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that what was begun would be ended."""
        site.fileset(entry.path)
        return Planned(entry=entry, says="snapshots would be rotated", looks=())


def _renewed(held: Turning, fileset: Fileset, site: Site) -> bool:
    """Take a snapshot, as a discovery does that finds nothing, and turn to it.

    Raises:
        SnapdiffLockError: a discovery or its job is under way in the fileset.
    """
    with Rotate(fileset) as rotate:
        rotate.lock(site.task, site.policy.lock_threshold)
        try:
            held.indexes(site.task)
            return held.turn(site.task, forward=True)
        except LeaseLost:
            raise  # another attempt goes on
        except BaseException:
            rotate.unlock(site.task)
            raise
