"""`dynamo.tasks.delete_paths_from_gpfs`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Exists, NotFound
from argosy.core.outcome import Outcome
from argosy.filesystems.base import Filesystem
from argosy.hsm.tree.removal import remove, remove_tree
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePathsFromGpfs:
    """Move entries to the trash of their root, where they are kept for the site's `trash_days`.

    What changed since it was listed stays. With `recursive` a directory goes with all that it holds at that moment;
    filesets in it (mount points, subvolumes) and what is immutable stay, silently.
    """

    recursive: Annotated[bool, "Remove directories with what they hold; otherwise only empty ones go"] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove one entry, and what it holds if that is asked for."""
        tree = site.tree(entry.path)
        try:
            return self._removed(entry, _listed(entry, tree), tree, site)
        except NotFound:
            return Outcome.skipped(entry, "is gone already")

    def _removed(self, entry: Entry, seen: Entry, tree: Filesystem, site: Site) -> Outcome:
        if self.recursive and seen.kind is Kind.DIRECTORY:
            if remove_tree(seen, tree, site):
                return Outcome.processed(entry)
            return Outcome.skipped(entry, "is a fileset or protected: it stays")
        try:
            remove(seen, tree, site)
        except Exists as error:
            raise Exists(f"{error.message}: set recursive to remove it with that, or empty it first") from error
        return Outcome.processed(entry)


def _listed(entry: Entry, tree: Filesystem) -> Entry:
    """Return the entry as it was listed; one that was only named is looked at.

    Raises:
        NotFound: it is gone.
    """
    now = tree.stat(entry.path)
    return entry if entry.inode else now
