"""`dynamo.tasks.adopt`."""

from dataclasses import dataclass

from argosy.core.entry import Entry, Kind
from argosy.core.outcome import Outcome, Planned
from argosy.core.states import FileState
from argosy.hsm.file.copied import Recorded
from argosy.hsm.repair.adoption import adopt, foreseen
from argosy.site import Site
from argosy.steps.base import STEPS, Settling
from argosy.steps.foresight import refuse_fixed


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Make stubs of copies of stubs: files restored from a backup, or copied with all their attributes.

    Nothing believes what such a copy says of its bytes until it is adopted: its object is looked for, what the copy has
    of the bytes is compared with it, and the copy becomes one more reference to it. A copy of a file that had all its
    bytes loses the attribute that came with it and is a plain file.
    """

    def prepare(self, entry: Entry, site: Site) -> Settling | Outcome:
        """Adopt one file, if it is a copy of a stub; it becomes durable with the batch."""
        if entry.kind is not Kind.FILE:
            return Outcome.skipped(entry, "is no file")
        tree = site.tree(entry.path)
        with tree.locked(entry.path) as inode:
            file = tree.open(entry.path, inode=inode)
            try:
                outcome = adopt(file, entry, site)
            except BaseException:
                file.close()
                raise
        if outcome.state is FileState.PROCESSED:
            return Recorded(outcome, file)
        file.close()
        return outcome

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one file would be adopted."""
        if entry.kind is not Kind.FILE:
            return Planned.nothing(entry, "is no file")
        with site.tree(entry.path).open(entry.path) as file:
            planned = foreseen(file, entry, site)
            if planned.acts:
                refuse_fixed(file, entry.path)
        return planned
