"""`dynamo.tasks.one_step_move_paths_on_gpfs`."""

from dataclasses import dataclass

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.move_paths_on_gpfs import Moving


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class OneStepMovePathsOnGpfs(Moving):
    """Move each entry from its `source` straight to its path; where two swap, one ends in the version store.

    What is at the path goes to the version store. Between two roots entries are copied, compared and then removed.
    """

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Move one entry."""
        move = self.begin(entry, site)
        return move if isinstance(move, Outcome) else move.at_once()
