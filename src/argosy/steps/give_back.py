"""`dynamo.tasks.give_back`."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind, Left
from argosy.core.errors import Changed, NotFound
from argosy.core.faults import Removed
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Kept
from argosy.hsm.file.local import present
from argosy.hsm.file.state import HOLLOW, look
from argosy.hsm.object.content import digest_of
from argosy.site import Site
from argosy.steps.base import STEPS
from argosy.steps.foresight import expect_parents, refuse_written
from argosy.steps.restore_kept import shelved_here

_AGAIN = "was given back already"
_BITS = 0o7777


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Give what a sync took from its name that name again; what the sync left there goes to the version store.

    Whatever else has the name by now stays, and nothing is given back.
    """

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Give one entry back."""
        tree, kept = shelved_here(entry, site)
        site.check_lease()
        there = present(tree, entry.path)
        if _has_it(there, entry, kept, tree, site):
            _settle(tree, kept, entry, there)
            return Outcome.skipped(entry, _AGAIN)
        if _comes_alone(there, entry):
            tree.restore(kept, entry.path)
        else:
            tree.give_back(kept, entry.path, replacing=_expect_left(there, entry, kept, tree, site))
        found = msgspec.structs.replace(tree.stat(entry.path), state=entry.state, facts=entry.facts)
        return Outcome.processed(found)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would be given back; what is there is not read for that."""
        tree, kept = shelved_here(entry, site)
        there = present(tree, entry.path)
        if _has_it(there, entry, kept, tree, site):
            return Planned.nothing(entry, _AGAIN)
        looks = () if entry.kind is Kind.DIRECTORY else (entry.path,)
        if _comes_alone(there, entry):
            expect_parents(entry.path, tree)
            return Planned(entry=entry, says="would come back", looks=looks)
        left = _expect_alike(there, entry, kept, tree, site)
        sure = there is not None and there.ctime_ns == left.ctime_ns
        says = "would take its name again from what the sync left there, which the version store keeps"
        return Planned(entry=entry, says=says if sure else f"{says}, if that was not changed", looks=looks)


def _comes_alone(there: Entry | None, entry: Entry) -> bool:
    """Say whether nothing has to give way to it."""
    if there is None:
        return entry.facts.left is None
    return there.kind is entry.kind is Kind.DIRECTORY


def _is_it(there: Entry, entry: Entry) -> bool:
    """Say whether what is there is what was taken; of a directory that went, another was kept."""
    if entry.kind is Kind.DIRECTORY or there.kind is not entry.kind:
        return False
    return (there.inode, there.size, there.mtime_ns) == (entry.inode, entry.size, entry.mtime_ns)


def _is_like(there: Entry, entry: Entry) -> bool:
    """Say whether what is there came back as a copy: what has further names on its shelf does."""
    left = entry.facts.left
    if entry.kind is not Kind.FILE or (left is not None and there.inode == left.inode):
        return False
    return (there.kind, there.size, there.mtime_ns) == (entry.kind, entry.size, entry.mtime_ns)


def _has_it(there: Entry | None, entry: Entry, kept: Kept, tree: Filesystem, site: Site) -> bool:
    """Say whether the name has again what was taken from it.

    Raises:
        NotFound: it has not, and nothing of it is kept any more.
        Changed: nor is what is kept what was taken.
    """
    if there is not None and (_is_it(there, entry) or _is_like(there, entry)):
        return True
    lies = tree.lying(kept)
    if lies is not None and (entry.kind is Kind.DIRECTORY or _is_it(lies, entry)):
        return False
    if there is not None and there.kind is entry.kind is Kind.DIRECTORY:
        return True
    if lies is None or (entry.facts.left is not None and lies.inode == entry.facts.left.inode):
        raise _gone(kept)
    what = f"what lies in the {kept.shelf} under {kept.id} is not what the sync took any more: it was written to"
    raise Changed(f"{display(entry.path)}: {what}: {_other_way(kept, site)}")


def _settle(tree: Filesystem, kept: Kept, entry: Entry, there: Entry | None) -> None:
    """Have what it replaced lie in the version store as such, if a kill kept it from that."""
    lies, left = tree.lying(kept), entry.facts.left
    if there is not None and lies is not None and left is not None and lies.inode == left.inode != there.inode:
        tree.give_back(kept, entry.path, replacing=there)


def _expect_left(there: Entry | None, entry: Entry, kept: Kept, tree: Filesystem, site: Site) -> Entry:
    """Return what is there, if it is what the sync left.

    Raises:
        Changed: it is not, or somebody has it open for writing (`Busy`).
    """
    left = _expect_alike(there, entry, kept, tree, site)
    assert there is not None
    if there.ctime_ns != left.ctime_ns and not _holds(there, left, tree, site):
        raise _changed(entry, kept, site)
    if there.kind is Kind.FILE:
        with tree.open(entry.path, inode=there.inode) as file:
            refuse_written(entry, written=file.is_being_written())
    return there


def _expect_alike(there: Entry | None, entry: Entry, kept: Kept, tree: Filesystem, site: Site) -> Left:
    """Return what the sync left, if what is there is that, as far as it can be told without reading it.

    Raises:
        Changed: it is not.
    """
    left = entry.facts.left
    if there is None:
        raise Removed(f"{display(entry.path)}: what the sync left there was removed since: {_other_way(kept, site)}")
    if left is None:
        raise Changed(f"{display(entry.path)}: something else has its name by now, and stays: {_other_way(kept, site)}")
    if there.kind is Kind.DIRECTORY or entry.kind is Kind.DIRECTORY:
        raise Changed(f"{display(entry.path)}: a {there.kind} has its name by now, and stays: {_other_way(kept, site)}")
    seen = (there.kind, there.inode, there.size, there.mtime_ns)
    if seen != (left.kind, left.inode, left.size, left.mtime_ns):
        raise _changed(entry, kept, site)
    if there.kind is Kind.FILE and there.ctime_ns != left.ctime_ns:
        with tree.open(entry.path, inode=there.inode) as file:
            now = file.attributes()
        if (now.mode & _BITS, now.uid, now.gid) != (left.mode, left.uid, left.gid):
            raise _changed(entry, kept, site)
    return left


def _changed(entry: Entry, kept: Kept, site: Site) -> Changed:
    return Changed(f"{display(entry.path)}: was changed since the sync, and stays as it is: {_other_way(kept, site)}")


def _gone(kept: Kept) -> NotFound:
    what = f"{display(kept.entry.path)}: is no longer in the {kept.shelf} under {kept.id}"
    return NotFound(f"{what}: somebody restored or purged it, or it was kept for as long as the site keeps such")


def _other_way(kept: Kept, site: Site) -> str:
    named = f"{display(kept.entry.path)}@{kept.id}"
    return f"`argosy {kept.shelf} restore {named} --site {site.name} --to PATH` gives what it had another name"


def _holds(seen: Entry, left: Left, tree: Filesystem, site: Site) -> bool:
    """Say whether something whose ctime changed is what the sync left all the same."""
    if seen.kind is Kind.SYMLINK:
        return tree.readlink(seen.path) == left.content
    with tree.open(seen.path, inode=seen.inode) as file:
        state = look(file, site)
        if state.state in HOLLOW and state.pointer is not None:
            return state.pointer.digest == left.content
        return digest_of(file) == left.content
