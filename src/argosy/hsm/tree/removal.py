"""Remove entries, and whole trees: what was seen goes to the trash, and nothing else does."""

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import (
    ArgosyError,
    Changed,
    Exhausted,
    Exists,
    LeaseLost,
    NotFound,
    Protected,
    Unavailable,
    Unsupported,
)
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.file.local import present
from argosy.hsm.tree.listing import Listing
from argosy.hsm.tree.shelves import days_kept, make_room
from argosy.site import Site

_ENOUGH: Final = 16 << 20
"""Bytes: where so much was freed and there still is no room, it is not for want of that."""


def remove(
    seen: Entry, tree: Filesystem, site: Site, *, together: str | None = None, durable: bool = True
) -> str | None:
    """Move what was seen to the trash, durably, or remove it where the site keeps none; return its id there, if any.

    On a full disk the oldest on the shelves go for it. Without `durable` it is durable after
    `Filesystem.sync_removed`.

    Raises:
        NotFound: it is gone.
        Changed: something else is there; it stays.
        Exists: it is a directory that holds something.
        Protected: it is the root or the top of a fileset, or marked so that nobody may remove it.
        Exhausted: the disk is full, and there is nothing on the shelves that can go.
    """
    with locked(tree, seen), _told_if_gone(seen.path, tree):
        return remove_locked(seen, tree, site, together=together, durable=durable)


@contextmanager
def _told_if_gone(path: bytes, tree: Filesystem) -> Iterator[None]:
    """Have what is not what was seen, for it is nothing any more, be told as such: somebody else removed it.

    Raises:
        NotFound: that is so.
    """
    try:
        yield
    except Changed as error:
        if present(tree, path) is None:
            raise NotFound(f"{display(path)}: is gone") from error
        raise


def remove_locked(
    seen: Entry, tree: Filesystem, site: Site, *, together: str | None = None, durable: bool = True
) -> str | None:
    """Do as `remove` does, with the lock held already."""
    if days_kept(seen.path, site) <= 0:
        site.check_lease()
        tree.unlink(seen.path, seen, durable=durable)
        return None

    def trashed() -> str:
        site.check_lease()
        return tree.remove(seen.path, seen, together=together, durable=durable)

    return _with_room(trashed, tree, together)


def expect_older(seen: Entry, tree: Filesystem, site: Site) -> None:
    """Return where what was seen is nothing that came after an earlier attempt at the task had begun.

    That attempt may have removed what was meant, and somebody else made this since.

    Raises:
        Changed: it is.
    """
    if site.attempt == 1 or seen.ctime_ns <= site.begun_ns:
        return
    if not tree.names(seen.path, msgspec.structs.replace(seen, ctime_ns=site.begun_ns)):
        raise Changed(f"{display(seen.path)}: came after an earlier attempt had begun; it was left as it is")


def _with_room(act: Callable[[], str], tree: Filesystem, together: str | None) -> str:
    try:
        return act()
    except Exhausted as error:
        if not _is_full(error):
            raise
        freed = 0
        for room in make_room(tree, sparing=together):
            with suppress(Exhausted):
                return act()
            freed += room
            if freed >= _ENOUGH:
                break
        raise


def _is_full(error: Exhausted) -> bool:
    """Say whether it is disk or quota that is used up: no other limit is met by what is removed from the shelves."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in {errno.ENOSPC, errno.EDQUOT}


def locked(tree: Filesystem, seen: Entry) -> AbstractContextManager[object]:
    """Hold the lock on a file, so that no verb is at work on it; nothing works on other entries."""
    return tree.locked(seen.path) if seen.kind is Kind.FILE else nullcontext()


def remove_tree(top: Entry, tree: Filesystem, site: Site) -> bool:
    """Remove a directory and what it holds now, and no more: what comes meanwhile stays, with what it lies in.

    Filesets and what is protected stay silently, with the directories above them. Say whether anything went.

    Raises:
        Changed: another directory is at the path by now, and nothing was done; or something in it was changed, or came,
            since it was listed: that is there, and all else is gone.
        ArgosyError: something could not be removed; it is there, and all else is gone.
    """
    if top.path == tree.root:
        return False
    together = tree.together(top.path, site.task, again=site.attempt > 1)
    removal = _TreeRemoval(tree, site, together)
    with Listing() as listing:
        for entry in tree.scan(top.path, on_error=removal.not_listed):
            if entry.path == top.path:
                with _told_if_gone(top.path, tree):
                    _expect(top, entry, tree)
            listing.add(entry)
        removal.run(listing.backward())
    removal.judge()
    return removal.any


def _expect(top: Entry, found: Entry, tree: Filesystem) -> None:
    """Return where the walk, which has what it found open, begins at what was listed."""
    if (found.kind, found.inode) != (top.kind, top.inode) or not tree.names(top.path, top):
        raise Changed(f"{display(top.path)}: is not what was listed; it was left as it is")


@dataclass(slots=True)
class _TreeRemoval:
    tree: Filesystem
    site: Site
    together: str
    """Id in the trash of what is removed."""
    any: bool = False
    """Whether anything was."""
    unsynced: dict[bytes, str] = field(default_factory=dict)
    """Directories from which something was removed not yet durably, each with the id it has in the trash."""
    staying: set[bytes] = field(default_factory=set)
    """What stays, and the directories above."""
    failed: list[ArgosyError] = field(default_factory=list)
    changed: list[ArgosyError] = field(default_factory=list)

    def not_listed(self, path: bytes, error: ArgosyError) -> None:
        """Take note of what a walk could not look at: a mount point, which is another fileset, or one it may not."""
        self._stays(path)
        if not isinstance(error, Unsupported):
            self.failed.append(error)

    def run(self, listed: Iterator[Entry]) -> None:
        """Remove what was listed; what a directory held is durably in the trash before the directory goes."""
        try:
            for seen in listed:
                self._sync(seen.path)
                self._remove(seen)
        finally:
            for path in list(self.unsynced):
                self._sync(path)

    def _sync(self, path: bytes) -> None:
        if (together := self.unsynced.pop(path, None)) is not None:
            self.tree.sync_removed(path, together)

    def judge(self) -> None:
        """Raise the first of what went wrong, telling how much did."""
        for errors in (self.failed, self.changed):
            if errors:
                first = errors[0]
                more = f" ({len(errors) - 1} more like it)" if len(errors) > 1 else ""
                raise type(first)(first.message + more)

    def _remove(self, seen: Entry) -> None:
        try:
            expect_older(seen, self.tree, self.site)
            name = remove(seen, self.tree, self.site, together=self.together, durable=False)
            self.any = True
            self._note(seen.path.rpartition(b"/")[0], name or self.together)
        except (Unavailable, LeaseLost):
            raise
        except NotFound:
            pass
        except Protected:
            self._stays(seen.path)
        except Exists:
            if seen.path not in self.staying:
                self.changed.append(Changed(f"{display(seen.path)}: holds what came after it was listed; it stays"))
            self._stays(seen.path)
        except ArgosyError as error:
            (self.changed if isinstance(error, Changed) else self.failed).append(error)
            self._stays(seen.path)

    def _note(self, parent: bytes, name: str) -> None:
        if self.unsynced.get(parent, name) != name:
            self._sync(parent)
        self.unsynced[parent] = self.together = name

    def _stays(self, path: bytes) -> None:
        self.staying |= {path, path.rpartition(b"/")[0]}
