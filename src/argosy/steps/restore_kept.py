"""`dynamo.tasks.restore_kept`."""

from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Exists, NotFound, Unsupported
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Kept
from argosy.hsm.file.local import present
from argosy.hsm.tree.shelves import shelved
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import expect_parents

_REMEDY: Final = ": move away what is there, or restore to another path"


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreKept:
    """Give what lies in a trash or version store its path; what is there by now stays, and the restore fails."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Restore one entry."""
        tree, kept = shelved_here(entry, site)
        site.check_lease()
        try:
            tree.restore(kept, entry.path)
        except NotFound:
            there = present(tree, entry.path)
            if there is None or not _is_it(there, entry, site):
                raise
            return Outcome.skipped(entry, "was restored already")
        except Exists as error:
            raise type(error)(f"{error.message}{_REMEDY}") from error
        found = msgspec.structs.replace(tree.stat(entry.path), state=entry.state, facts=entry.facts)
        return Outcome.processed(found)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would come back; a directory that has its name by then is the one."""
        tree, _ = shelved_here(entry, site)
        there = present(tree, entry.path)
        if there is None:
            expect_parents(entry.path, tree)
            looks = () if entry.kind is Kind.DIRECTORY else (entry.path,)
            return Planned(entry=entry, says="would come back", looks=looks)
        if not (there.kind is entry.kind is Kind.DIRECTORY):
            raise Exists(f"{display(entry.path)}: the name is taken{_REMEDY}")
        return Planned(entry=entry, says="would come back into the directory that is there", looks=())


def shelved_here(entry: Entry, site: Site) -> tuple[Filesystem, Kept]:
    """Return what lies on a shelf of the root that is to have it.

    Raises:
        Unsupported: it lies in another.
    """
    tree, kept = shelved(entry, site)
    if site.tree(entry.path).root != tree.root:
        raise Unsupported(f"{display(entry.path)}: lies in another root: restore it in its own, then move it")
    return tree, kept


def _is_it(there: Entry, entry: Entry, site: Site) -> bool:
    """Say whether what is there is what lay on the shelf; a directory is made anew when it is restored."""
    if there.kind is Kind.DIRECTORY:
        return entry.kind is Kind.DIRECTORY
    if entry.inode == 0:
        return site.attempt > 1
    return (there.kind, there.inode, there.mtime_ns) == (entry.kind, entry.inode, entry.mtime_ns)
