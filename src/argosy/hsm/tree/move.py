"""Move entries from one name to another within a site; nothing in a store changes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Exists, LeaseLost, NotFound, Unavailable, Unsupported
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Parked
from argosy.hsm.file.copied import drop_pointer
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, look
from argosy.hsm.tree.across_roots import carry
from argosy.hsm.tree.moved import as_found, expect_meant, named_before, source_of, standing
from argosy.hsm.tree.removal import expect_older, locked, remove, remove_tree
from argosy.hsm.tree.shelves import days_kept
from argosy.site import Site

_SECOND = 10**9


class Move:
    """One entry on its way from its source to its path."""

    def __init__(self, entry: Entry, site: Site, *, newest: int | None, forget: bool) -> None:
        """`newest`: a target with a later ctime, in seconds, stays. `forget`: drop the location of what was moved.

        Raises:
            NotFound: there is nothing at the source.
            Changed: what is there is not what was listed, or not what moved.
            Invalid: the entry has no source.
        """
        self.entry = entry
        self.source = source_of(entry)
        self._site = site
        self._newest = newest
        self._forget = forget
        self._here, self._there = site.tree(self.source), site.tree(entry.path)
        self._seen = self._here.stat(self.source)
        self._put_backs = self._there.put_backs(entry.path)
        self._before, self._inside = named_before(entry.path, self._there), self._parent()
        if entry.inode and not self._here.names(self.source, entry):
            raise Changed(f"{display(self.source)}: is not what was listed; it was left as it is")
        expect_meant(entry, self._seen, self._here)
        if not entry.inode:
            expect_older(self._seen, self._here, site)

    @property
    def across(self) -> bool:
        """Whether it goes from one root to another."""
        return self._here.root != self._there.root

    def park(self) -> Parked:
        """Take it from its source."""
        with locked(self._here, self._seen):
            self._site.check_lease()
            self._stand()
            return self._here.park(self.source, self._seen, bound_for=self.entry.path)

    def _stand(self) -> None:
        if (stands := standing(self.entry)) is not None:
            self._here.stand_for(self.source, self._seen, stands)

    @property
    def holds_others(self) -> bool:
        """Whether it is a directory, in which others may lie that are to be moved too."""
        return self._seen.kind is Kind.DIRECTORY

    def check(self, parked: Parked) -> Outcome | None:
        """Return where what was parked can get its name, now that all are parked that are moved along with it.

        Where what has the name is newer and stays, that is the outcome, and it is over.

        Raises:
            ArgosyError: it cannot; it has its old name.
        """
        with self._returning(parked):
            target = self._target()
            if self._stays(target):
                self._put_back(parked)
                return self._given_up(target)
            parked.expect(self.entry.path, replacing=target)
        return None

    def place(self, parked: Parked) -> Outcome:
        """Give what was parked its name; what was there before any was parked is in the version store.

        Raises:
            Changed: something has the name that had not then, such as what could not be moved away from it.
            ArgosyError: where it has not its old name again, the message says which it has.
        """
        with self._returning(parked):
            target = self._target()
            if target is not None and not (self._was_there(target) or self._came_along(target, parked)):
                raise Changed(f"{display(self.entry.path)}: appeared meanwhile, or was put back; it was left as it is")
            with self._appearing(target), self._holding(target):
                self._site.check_lease()
                parked.place(self.entry.path, replacing=target)
        return self._done(target)

    def _was_there(self, target: Entry) -> bool:
        before = self._before
        if before is None or before.inode != target.inode:
            return False
        if target.kind is Kind.DIRECTORY:  # its ctime is of when something was parked from it, perhaps
            return self._there.names(self.entry.path, before)
        return before.ctime_ns == target.ctime_ns or self._lost_or_got_a_name(before, target)

    def _lost_or_got_a_name(self, before: Entry, target: Entry) -> bool:
        """Say whether another name of the file was moved, which gave it another ctime; not this one, and back."""
        return (
            (target.size, target.mtime_ns) == (before.size, before.mtime_ns)
            and self._there.names(self.entry.path, before)
            and self._there.put_backs(self.entry.path) == self._put_backs
        )

    def _came_along(self, target: Entry, parked: Parked) -> bool:
        """Say whether it came with the directory that it lies in, which was moved here along with this one.

        Then it has been as it is since before this was parked; a directory that something was parked from is empty, or
        stays.
        """
        if self._parent() == self._inside:
            return False
        return target.kind is Kind.DIRECTORY or target.ctime_ns <= parked.entry.ctime_ns

    def _parent(self) -> int:
        """Return the inode of the directory that the path lies in, 0 where there is none."""
        found = named_before(self.entry.path.rpartition(b"/")[0], self._there)
        return 0 if found is None else found.inode

    @contextmanager
    def _returning(self, parked: Parked) -> Iterator[None]:
        """Put it back where that cannot be; tell where it is then."""
        try:
            yield
        except (Unavailable, LeaseLost):
            raise
        except ArgosyError as error:
            if where := parked.put_back():
                raise type(error)(f"{error.message}. {display(self.source)} is now {where}") from error
            raise

    def _put_back(self, parked: Parked) -> None:
        if where := parked.put_back():
            raise Changed(f"{display(self.source)}: the name was taken meanwhile; it is now {where}")

    def at_once(self) -> Outcome:
        """Give it its name in one step, or, on another root, by a copy."""
        target = self._target()
        if self._stays(target):
            return self._given_up(target)
        with self._appearing(target):
            if self.across:
                carry(self._seen, self._here, self.entry.path, self._there, self._site, replacing=target)
            else:
                self._rename(target)
        return self._done(target)

    def _rename(self, target: Entry | None) -> None:
        with locked(self._here, self._seen):
            self._site.check_lease()
            self._stand()
            self._here.move(self.source, self._seen, self.entry.path, replacing=target)

    def _target(self) -> Entry | None:
        return present(self._there, self.entry.path)

    def _stays(self, target: Entry | None) -> bool:
        return target is not None and self._newest is not None and target.ctime_ns // _SECOND > self._newest

    def _given_up(self, target: Entry | None) -> Outcome:
        where = "went to the trash" if days_kept(self.source, self._site) > 0 else "was removed"
        if self.holds_others:
            remove_tree(self._seen, self._here, self._site)
        else:
            remove(self._seen, self._here, self._site)
        return Outcome.skipped(as_found(self.entry, target), f"what is there is newer: the source {where}")

    @contextmanager
    def _appearing(self, target: Entry | None) -> Iterator[None]:
        try:
            yield
        except Exists as error:
            if target is not None:
                raise
            raise Changed(f"{display(self.entry.path)}: appeared meanwhile; it was left as it is") from error

    def _holding(self, target: Entry | None) -> AbstractContextManager[object]:
        return nullcontext() if target is None else locked(self._there, target)

    def _done(self, replaced: Entry | None) -> Outcome:
        said = [self._said_of(replaced)] if replaced is not None and replaced.inode != self._seen.inode else []
        if self._forget:
            said += forget_locations(self.entry.path, self._there, self._site)
        done = Outcome.processed(as_found(self.entry, self._target()))
        return msgspec.structs.replace(done, reason=". ".join(said))

    def _said_of(self, replaced: Entry) -> str:
        if days_kept(replaced.path, self._site) <= 0:
            return "what was there was replaced, and the site keeps no versions"
        return f"what was there is kept: see `argosy versions list {display(replaced.path)}`"


def forget_locations(path: bytes, tree: Filesystem, site: Site) -> list[str]:
    """Have what is at the path, and what it holds, forget copies; a stub keeps its location, which is all it has.

    Say what could not be looked at, and so has its location still; what is gone meanwhile has none.
    """
    failed: list[ArgosyError] = []
    for entry in tree.scan(path, on_error=lambda _, error: failed.append(error)):
        if entry.kind is Kind.FILE:
            try:
                _forget_location(entry.path, tree, site)
            except (NotFound, Changed):
                continue
            except (Unavailable, LeaseLost):
                raise
            except ArgosyError as error:
                failed.append(error)
    told = [error.message for error in failed if not isinstance(error, (NotFound, Unsupported))]
    return [f"{len(told)} may have their locations still, such as {told[0]}"] if told else []


def _forget_location(path: bytes, tree: Filesystem, site: Site) -> None:
    with tree.locked(path) as inode, tree.open(path, inode=inode) as file:
        seen = look(file, site)
        if seen.pointer is not None and seen.state in {State.PREMIGRATED, State.DIRTY}:
            drop_pointer(file, seen.pointer.uuid, site)
