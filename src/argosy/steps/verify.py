"""`dynamo.tasks.verify`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.outcome import Outcome, Planned
from argosy.hsm.repair.verification import Verification
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Check that the objects of premigrated files and stubs are there and are the ones that were stored.

    Files that are not well fail, and say what is the matter: lost, stub-dirty, releasing, recalling, disputed, unbound
    stub. With a budget, content that was read in the last 30 days is not read again, so that run after run takes its
    turn.
    """

    content: Annotated[bool, "Read every object whole and hash it; one in an archive tier is asked back for that"] = (
        False
    )
    repair: Annotated[
        bool,
        "Finish what a killed migrate or recall left, settle of which object a disputed stub is, have copies forget "
        "whose they were and whole files forget a copy that is gone or damaged, and note in the index where objects "
        "were found; no data is touched",
    ] = False
    budget_gb: Annotated[
        float,
        "Read so many GiB of content in one job on one node, the rest another time; 0: all",
        msgspec.Meta(ge=0),
    ] = 0

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Check one file."""
        if entry.kind is not Kind.FILE:
            return Outcome.skipped(entry, "is no file")
        return self._verification().check(entry, site)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say what would be checked of one file; that its object is there is checked by that."""
        if entry.kind is not Kind.FILE:
            return Planned.nothing(entry, "is no file")
        return self._verification().foreseen(entry, site)

    def _verification(self) -> Verification:
        return Verification(content=self.content, repair=self.repair, budget=int(self.budget_gb * (1 << 30)))
