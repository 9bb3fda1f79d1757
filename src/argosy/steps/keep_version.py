"""`dynamo.tasks.keep_version`."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, Unsupported
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import digest_of
from argosy.hsm.tree.removal import locked, remove_locked
from argosy.hsm.tree.shelves import days_kept
from argosy.site import Site
from argosy.steps.base import HUBS

_WHOLE: Final = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}
_REMEDY: Final = "nothing was done: look at both, sync again and choose anew"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a conflict as a sync saw it at this site. `content`: BLAKE3 of a file, target of a symlink."""

    kind: Kind
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    content: bytes


@HUBS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class KeepVersion:
    """Settle a conflict at one site: one of two versions has the name, and the other one lies on a shelf.

    The entry is the conflict copy. The next sync of the fileset does the same at the other site.
    """

    keeps: Annotated[Literal["this", "other"], "Which one is kept: that which has the name, or the conflict copy"]
    name: Annotated[bytes, "The path of the name"]
    this: Annotated[Version, "What has the name"]
    other: Annotated[Version, "The conflict copy"]

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove the copy to the trash, or give it the name; what it replaces goes to the version store.

        Done once, it is done: a second run finds that, and changes nothing.

        Raises:
            Changed: one of both is not what it was; nothing was done.
            Unsupported: the site keeps nothing of what is removed.
        """
        if days_kept(entry.path, site) <= 0:
            raise Unsupported(
                f"site {site.name} keeps no trash: the other version would be lost. Set its `trash_days`, or remove "
                f"one of both yourself"
            )
        tree = site.tree(entry.path)
        named, copy = present(tree, self.name), present(tree, entry.path)
        if copy is None and self._is_done(named, tree, site):
            return Outcome.skipped(entry, "is so already")
        named = _expected(self.this, named, self.name, tree, site)
        copy = _expected(self.other, copy, entry.path, tree, site)
        with locked(tree, copy):
            site.check_lease()
            if self.keeps == "this":
                remove_locked(copy, tree, site)
            else:
                tree.move(entry.path, copy, self.name, replacing=named)
        return Outcome.processed(entry)

    def _is_done(self, named: Entry | None, tree: Filesystem, site: Site) -> bool:
        wanted = self.this if self.keeps == "this" else self.other
        return named is not None and _is(wanted, named, tree, site)


def _expected(wanted: Version, found: Entry | None, path: bytes, tree: Filesystem, site: Site) -> Entry:
    if found is None:
        raise Changed(f"{display(path)}: is gone; {_REMEDY}")
    if not _is(wanted, found, tree, site):
        raise Changed(f"{display(path)}: changed since it was synced; {_REMEDY}")
    return found


def _is(wanted: Version, found: Entry, tree: Filesystem, site: Site) -> bool:
    """Say whether that is the version; where another inode or ctime leaves that open, by what it holds."""
    if (found.kind, found.size) != (wanted.kind, wanted.size):
        return False
    if (found.inode, found.mtime_ns, found.ctime_ns) == (wanted.inode, wanted.mtime_ns, wanted.ctime_ns):
        return True
    if found.kind is Kind.SYMLINK:
        return tree.readlink(found.path) == wanted.content
    return found.mtime_ns == wanted.mtime_ns and _digest(found, tree, site) == wanted.content


def _digest(found: Entry, tree: Filesystem, site: Site) -> bytes:
    """Return the hash of a file, of a stub that of what it stands for; empty where nobody can tell."""
    with tree.open(found.path, inode=found.inode) as file:
        state, pointer = look(file, site)
        if state in _WHOLE:
            return digest_of(file)
        return pointer.digest if state is State.STUB and pointer is not None else b""
