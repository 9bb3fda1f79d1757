"""`dynamo.tasks.restore_kept`."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Exists, NotFound, Unsupported
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.hsm.file.local import present
from argosy.hsm.tree.shelves import shelved
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreKept:
    """Give what lies in a trash or version store its path; what is there by now stays, and the restore fails."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Restore one entry."""
        tree, kept = shelved(entry, site)
        if site.tree(entry.path).root != tree.root:
            raise Unsupported(f"{display(entry.path)}: lies in another root: restore it in its own, then move it")
        site.check_lease()
        try:
            tree.restore(kept, entry.path)
        except NotFound:
            there = present(tree, entry.path)
            if there is None or not _is_it(there, entry, site):
                raise
            return Outcome.skipped(entry, "was restored already")
        except Exists as error:
            raise Exists(f"{error.message}: move away what is there, or restore to another path") from error
        found = msgspec.structs.replace(tree.stat(entry.path), state=entry.state, facts=entry.facts)
        return Outcome.processed(found)


def _is_it(there: Entry, entry: Entry, site: Site) -> bool:
    """Say whether what is there is what lay on the shelf; a directory is made anew when it is restored."""
    if there.kind is Kind.DIRECTORY:
        return entry.kind is Kind.DIRECTORY
    if entry.inode == 0:
        return site.attempt > 1
    return (there.kind, there.inode, there.mtime_ns) == (entry.kind, entry.inode, entry.mtime_ns)
