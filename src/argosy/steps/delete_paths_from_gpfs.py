"""`dynamo.tasks.delete_paths_from_gpfs`."""

from dataclasses import dataclass
from typing import Annotated, Final

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Exists, NotFound, Protected
from argosy.core.faults import NotEmpty
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.tree.removal import expect_older, remove, remove_tree
from argosy.hsm.tree.shelves import days_kept
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import held_by, holds_something

_REMEDY: Final = ": set recursive to remove it with that, or empty it first"


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePathsFromGpfs:
    """Move entries to the trash of their root, where they are kept for the `trash_days` of fileset or site.

    What changed since it was listed stays. With `recursive` a directory goes with all that it holds at that moment;
    filesets in it (mount points, subvolumes) and what is immutable stay, silently.
    """

    recursive: Annotated[bool, "Remove directories with what they hold; otherwise only empty ones go"] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove one entry, and what it holds if that is asked for."""
        tree = site.tree(entry.path)
        try:
            return self._removed(entry, _listed(entry, tree, site), tree, site)
        except NotFound:
            return Outcome.skipped(entry, "is gone already")

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would go to the trash, and what it would take along."""
        tree = site.tree(entry.path)
        try:
            now = tree.stat(entry.path)
        except NotFound:
            return Planned.nothing(entry, "is gone already")
        if entry.inode and not tree.names(entry.path, entry):
            raise Changed(f"{display(entry.path)}: is not what was listed; it would stay as it is")
        where = "to the trash" if days_kept(entry.path, site) > 0 else "for good: no trash is kept there"
        if self.recursive and now.kind is Kind.DIRECTORY:
            return _planned_tree(entry, tree, where)
        tree.refuse_protected(entry.path)
        if now.kind is Kind.DIRECTORY and holds_something(entry.path, tree):
            raise NotEmpty(f"{display(entry.path)}: is a directory that holds something{_REMEDY}")
        return Planned(entry=entry, says=f"would go {where}")

    def _removed(self, entry: Entry, seen: Entry, tree: Filesystem, site: Site) -> Outcome:
        if self.recursive and seen.kind is Kind.DIRECTORY:
            if remove_tree(seen, tree, site):
                return Outcome.processed(entry)
            tree.stat(entry.path)  # it is not there where another thread removed the directory above it meanwhile
            return Outcome.skipped(entry, "is a fileset or protected: it stays")
        try:
            remove(seen, tree, site)
        except Exists as error:
            raise type(error)(f"{error.message}{_REMEDY}") from error
        return Outcome.processed(entry)


def _planned_tree(entry: Entry, tree: Filesystem, where: str) -> Planned:
    try:
        tree.refuse_protected(entry.path)
    except Protected:
        return Planned.nothing(entry, "is a fileset or protected: it stays")
    held = held_by(entry.path, tree)
    says = f"would go {where} with all that it holds"
    return Planned(entry=entry, says=says, holds=held.digest, cost=Cost(along=held.entries - 1))


def _listed(entry: Entry, tree: Filesystem, site: Site) -> Entry:
    """Return the entry as it was listed; one that was only named is looked at.

    Raises:
        NotFound: it is gone.
        Changed: it came after an earlier attempt had begun.
    """
    now = tree.stat(entry.path)
    if entry.inode:
        return entry
    expect_older(now, tree, site)
    return now
