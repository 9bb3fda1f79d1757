"""`dynamo.tasks.delete_snapshot`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.site import Site
from argosy.snapshots.keeping import keeping
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSnapshot:
    """Remove a snapshot that discovery `snapshots` found, for good. Files of the fileset stay as they are."""

    last_too: Annotated[
        bool, "The last-snap file too, and the one that it names: the next run finds that everything was created"
    ] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove one snapshot; the one that the last-snap file names is skipped unless it is meant as well.

        Raises:
            SnapdiffLockError: a discovery is under way in the fileset.
        """
        top, name = named(entry)
        with keeping(site.fileset(top), site.check_lease) as kept:
            gone = kept.remove(name, threshold=site.policy.lock_threshold, last_too=self.last_too)
        if gone:
            return Outcome.processed(entry)
        return Outcome.skipped(entry, "the last-snap file names it: the next discovery begins there")

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say that one snapshot would be removed."""
        site.fileset(named(entry)[0])
        return Planned(entry=entry, says="would be removed for good", looks=())


def named(entry: Entry) -> tuple[bytes, str]:
    """Return the top of the fileset and the name of the snapshot that the discovery found.

    Raises:
        Invalid: something else found the entry.
    """
    if entry.source is None:
        raise Invalid(f"{display(entry.path)}: is no snapshot: use discovery `snapshots`")
    return entry.source, entry.path.rpartition(b"/")[2].decode("utf-8", "replace")
