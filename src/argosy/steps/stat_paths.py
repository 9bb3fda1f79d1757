"""`dynamo.tasks.stat_paths`."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.outcome import Outcome
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class StatPaths:
    """Look at entries as they are now; their attributes travel on as facts."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Return the entry as it is, with its attributes."""
        tree = site.tree(entry.path)
        found = msgspec.structs.replace(tree.stat(entry.path), state=entry.state, facts=entry.facts)
        if found.kind is Kind.FILE:
            with tree.open(entry.path) as file:
                return Outcome.processed(found.learned(attributes=file.attributes()))
        target = tree.readlink(entry.path) if found.kind is Kind.SYMLINK else None
        return Outcome.processed(found.learned(attributes=tree.attributes(entry.path), target=target))
