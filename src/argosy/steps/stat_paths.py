"""`dynamo.tasks.stat_paths`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import NotFound
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class StatPaths:
    """Look at entries as they are now; their attributes travel on as facts."""

    skip_missing: Annotated[bool, "Let paths through although they are not on the filesystem"] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Return the entry as it is, with its attributes; one that is to be moved, as it is where it was before."""
        try:
            return Outcome.processed(_described(entry, site))
        except NotFound:
            if not self.skip_missing and entry.source is None:
                raise
        return Outcome.processed(entry)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Look at one entry, which is all that is done with it."""
        return Planned(entry=self.apply(entry, site).entry, says="would look at it", leaves=Leaves.AS_IT_WAS)


def _described(entry: Entry, site: Site) -> Entry:
    path = entry.path if entry.source is None else entry.source
    tree = site.tree(path)
    seen = tree.stat(path)
    found = msgspec.structs.replace(seen, path=entry.path, state=entry.state, source=entry.source, facts=entry.facts)
    if found.kind is Kind.FILE:
        with tree.open(path) as file:
            return found.learned(attributes=file.attributes())
    target = tree.readlink(path) if found.kind is Kind.SYMLINK else None
    return found.learned(attributes=tree.attributes(path), target=target)
