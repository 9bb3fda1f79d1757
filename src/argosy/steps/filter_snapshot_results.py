"""`dynamo.tasks.filter_snapshot_results`."""

from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.hsm.file.local import present
from argosy.site import Site
from argosy.steps.base import STEPS

_LATER: Final = "the next run of snapdiff finds that"


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSnapshotResults:
    """Let those entries go on that are still what the comparison of two snapshots found.

    What changed since the newer of them ends there as skipped: the next run of the discovery finds what became of it.
    """

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Look whether one entry is still so."""
        why = _outdated(entry, site)
        return Outcome.needless(entry, f"{why}: {_LATER}") if why else Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would go on."""
        why = _outdated(entry, site)
        if why:
            return msgspec.structs.replace(Planned.nothing(entry, f"{why}: {_LATER}"), ends=True)
        return Planned(entry=entry, says="would go on: it is as it was found", leaves=Leaves.AS_IT_WAS)


def _outdated(entry: Entry, site: Site) -> str:
    """Return what became of an entry since it was found, "" for nothing."""
    now = present(site.tree(entry.path), entry.path)
    if entry.state == "deleted":
        return "" if now is None else "was deleted, and something is there again"
    if now is None:
        return "is gone"
    if now.kind is not entry.kind or (entry.inode and now.inode != entry.inode):
        return "something else is there"
    if now.kind is Kind.FILE and (now.size, now.mtime_ns) != (entry.size, entry.mtime_ns):
        return "was written to"
    return ""
