"""Make entries at this site of what a store holds, stubs or whole, out of sight until each is complete."""

import time
from dataclasses import dataclass

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.filesystems.base import Filesystem
from argosy.hsm.arrival.file import Arrival
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import Made
from argosy.hsm.file.local import present
from argosy.hsm.file.state import refuse_unguarded
from argosy.hsm.object.described import described_at
from argosy.hsm.object.trust import NO_OWNERS, Owners
from argosy.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydration:
    """How entries are made of what a store holds."""

    preferred: Preferred
    hydrate: bool = True
    stub_size: int = 0
    """Files up to it are whole in any case, and so are those that the site makes no stubs of."""
    endpoint: str | None = None
    owners: Owners = NO_OWNERS
    """Of entries whose object records no owner, or one that is not believed."""
    update_mtime: bool = False

    def prepare(self, entry: Entry, site: Site) -> Made | Outcome:
        """Make one entry in staging; directories, symlinks and further names of a file are made at once.

        Of an entry that comes without facts is made what the object under its path says.

        Raises:
            Exists: something that differs holds the name and may not be replaced; it is left as it is.
            NotFound: the object is gone from the store.
            Corrupt: the bytes are not those that were stored; nothing is visible.
            Unsupported: there must be no stubs here.
        """
        if not self.hydrate:
            refuse_unguarded(site)
        tree = site.tree(entry.path)
        site.check_lease()
        granting = True
        if not is_known(entry):
            entry, granting = described_at(entry, site, endpoint=self.endpoint, owners=self.owners)
        if entry.kind is Kind.DIRECTORY:
            return self._directory(entry, tree, granting=granting)
        if entry.kind is Kind.SYMLINK:
            return self._symlink(entry, tree)
        return self._arrival(entry, site, tree, granting=granting).prepare()

    def _arrival(self, entry: Entry, site: Site, tree: Filesystem, *, granting: bool) -> Arrival:
        stored = stored_of(entry)
        return Arrival(
            entry=entry,
            attributes=attributes_of(entry),
            granting=granting,
            stored=stored,
            whole=self.is_whole(stored.size, site),
            mtime_ns=time.time_ns() if self.update_mtime else None,
            preferred=self.preferred,
            site=site,
            tree=tree,
        )

    def is_whole(self, size: int, site: Site) -> bool:
        """Say whether a file of this size has its bytes from the first moment."""
        return self.hydrate or size <= self.stub_size or size < site.policy.min_stub_size

    def _directory(self, entry: Entry, tree: Filesystem, *, granting: bool) -> Outcome:
        there, attributes = present(tree, entry.path), attributes_of(entry)
        if there is not None and there.kind is Kind.DIRECTORY:
            self.preferred.check(entry, tree.attributes(entry.path), attributes)
        prevails = there is not None and self.preferred.prevails(there, attributes)
        seen = None if there is None or there.kind is not Kind.DIRECTORY else there.inode
        made = tree.make_directory(entry.path, attributes, overwrite=prevails, granting=granting, inode=seen)
        tree.sync_directory(entry.path)
        return Outcome.processed(entry) if made else Outcome.skipped(entry, "already there")

    def _symlink(self, entry: Entry, tree: Filesystem) -> Outcome:
        link_target = entry.facts.target
        if link_target is None:
            raise Invalid(f"{display(entry.path)}: nothing says where the symlink points; send it from its site")
        there, attributes = present(tree, entry.path), attributes_of(entry)
        if there is not None:
            if there.kind is Kind.SYMLINK and tree.readlink(entry.path) == link_target:
                prevails = self.preferred.prevails(there, attributes)
                dressed = prevails and tree.dress_symlink(entry.path, there, attributes)
                tree.sync_directory(entry.path)  # whoever made it may have been killed before he did
                return Outcome.processed(entry) if dressed else Outcome.skipped(entry, "already there")
            if not self.preferred.takes_place_of(there, attributes):
                return self.preferred.stays(entry)
        tree.make_symlink(entry.path, link_target, attributes, replacing=there)
        tree.sync_directory(entry.path)
        return Outcome.processed(entry)


def is_known(entry: Entry) -> bool:
    """Say whether an earlier link learned what is to be made."""
    return entry.facts.attributes is not None and (entry.kind is not Kind.FILE or entry.facts.stored is not None)


def stored_of(entry: Entry) -> Stored:
    """Return where the bytes of the entry are.

    Raises:
        Invalid: nothing says that.
    """
    if entry.facts.stored is None:
        raise Invalid(f"{display(entry.path)}: nothing says where its bytes are; send it from its site")
    return entry.facts.stored


def attributes_of(entry: Entry) -> Attributes:
    """Return what attributes the entry is to have.

    Raises:
        Invalid: nothing says that.
    """
    if entry.facts.attributes is None:
        raise Invalid(f"{display(entry.path)}: nothing says what its attributes are; send it from its site")
    return entry.facts.attributes
