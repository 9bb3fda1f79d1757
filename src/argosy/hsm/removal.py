"""Remove entries, and whole trees: what was seen goes to the trash, and nothing else does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from argosy.core.entry import Entry, Kind
from argosy.core.errors import (
    ArgosyError,
    Changed,
    Exists,
    LeaseLost,
    NotFound,
    Protected,
    Unavailable,
    Unsupported,
)
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem, Kept, Shelf
from argosy.hsm.listing import Listing
from argosy.site import Site


def remove(seen: Entry, tree: Filesystem, site: Site, *, together: str | None = None) -> str:
    """Move what was seen to the trash, durably, and out of it where the site keeps none; return its id there.

    Raises:
        NotFound: it is gone.
        Changed: something else is there; it stays.
        Exists: it is a directory that holds something.
        Protected: it is the root or the top of a fileset, or marked so that nobody may remove it.
    """
    with locked(tree, seen):
        site.check_lease()
        name = tree.remove(seen.path, seen, together=together)
    if site.policy.trash_days == 0:
        tree.purge(Kept(shelf=Shelf.TRASH, id=name, since_ns=0, entry=seen))
    return name


def locked(tree: Filesystem, seen: Entry) -> AbstractContextManager[object]:
    """Hold the lock on a file, so that no verb is at work on it; nothing works on other entries."""
    return tree.locked(seen.path) if seen.kind is Kind.FILE else nullcontext()


def remove_tree(top: Entry, tree: Filesystem, site: Site) -> bool:
    """Remove a directory and what it holds now, and no more: what comes meanwhile stays, with what it lies in.

    Filesets and what is protected stay silently, with the directories above them. Say whether anything went.

    Raises:
        Changed: something was changed, or came, since it was listed; it is there, and all else is gone.
        ArgosyError: something could not be removed; it is there, and all else is gone.
    """
    if top.path == tree.root:
        return False
    removal = _TreeRemoval(tree, site)
    with Listing() as listing:
        for entry in tree.scan(top.path, on_error=removal.not_listed):
            listing.add(entry)
        removal.run(listing.backward())
    removal.judge()
    return removal.together is not None


@dataclass(slots=True)
class _TreeRemoval:
    tree: Filesystem
    site: Site
    staying: set[bytes] = field(default_factory=set)
    """What stays, and the directories above."""
    failed: list[ArgosyError] = field(default_factory=list)
    changed: list[ArgosyError] = field(default_factory=list)
    together: str | None = None
    """Id in the trash of what was removed."""

    def not_listed(self, path: bytes, error: ArgosyError) -> None:
        """Take note of what a walk could not look at: a mount point, which is another fileset, or one it may not."""
        self._stays(path)
        if not isinstance(error, Unsupported):
            self.failed.append(error)

    def run(self, listed: Iterator[Entry]) -> None:
        for seen in listed:
            self._remove(seen)

    def judge(self) -> None:
        """Raise the first of what went wrong, telling how much did."""
        for errors in (self.failed, self.changed):
            if errors:
                first = errors[0]
                more = f" ({len(errors) - 1} more like it)" if len(errors) > 1 else ""
                raise type(first)(first.message + more)

    def _remove(self, seen: Entry) -> None:
        try:
            self.together = remove(seen, self.tree, self.site, together=self.together)
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

    def _stays(self, path: bytes) -> None:
        self.staying |= {path, path.rpartition(b"/")[0]}
