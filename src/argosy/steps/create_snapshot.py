"""`dynamo.tasks.create_snapshot`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import Exists
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site, left_at
from argosy.snapshots.naming import checked_name
from argosy.snapshots.turning import turning
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot:
    """Take a snapshot of a fileset under a name of your own. No rotation removes it."""

    snapshot: Annotated[str, "Name of the snapshot"]

    def __post_init__(self) -> None:
        """Refuse a name that cannot be.

        Raises:
            Invalid: it cannot.
        """
        checked_name(self.snapshot)

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Hold the fileset still, and list it.

        Raises:
            Exists: a discovery made a snapshot of that name.
        """
        fileset, seconds = site.fileset(entry.path), site.policy.snapshot_retry
        with turning(fileset, seconds=seconds, check=site.check_lease, left_at=partial(left_at, site)) as held:
            if held.rotates(self.snapshot):
                raise Exists(
                    f"snapshot {self.snapshot} was made by a discovery and will be rotated: choose another name"
                )
            if held.is_there(self.snapshot) and site.attempt == 1:
                raise Exists(f"there is a snapshot {self.snapshot} already: choose another name")
            held.take(self.snapshot)
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that a snapshot would be taken."""
        site.fileset(entry.path)
        return Planned(entry=entry, says=f"snapshot {self.snapshot} would be taken", looks=())
