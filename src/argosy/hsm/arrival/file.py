"""One file of a store on its way to a path of this site: what is there decides what is to be done."""

from dataclasses import dataclass

import msgspec

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.paths import below
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.filesystems.base import Filesystem, Staged
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import Made, finished
from argosy.hsm.arrival.renewal import renewed
from argosy.hsm.back.landing import Landing
from argosy.hsm.back.recall import Recall
from argosy.hsm.file.copied import pointer_to, settled
from argosy.hsm.file.local import Local, has_content, held, is_hollow, made_of, present
from argosy.hsm.file.state import HOLLOW
from argosy.hsm.object.stored import expect, is_place_of, pinned
from argosy.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file, what is known of it, and where it goes."""

    entry: Entry
    attributes: Attributes
    """As the entry has them."""
    granting: bool
    """Whether they may give a file that is there to others, or it more rights than it has."""
    stored: Stored
    whole: bool
    """Whether its bytes are to be here; else it is a stub."""
    mtime_ns: int | None
    """What its mtime is to be, if not that of its attributes."""
    preferred: Preferred
    site: Site
    tree: Filesystem

    def prepare(self) -> Made | Outcome:
        """Make the file, out of sight, unless it is there."""
        if self.entry.facts.links > 1:
            with self.site.locked(b"object:" + self.stored.uuid):
                return self._linked()
        return self._made()

    def _made(self) -> Made | Outcome:
        path = self.entry.path
        there = present(self.tree, path)
        if there is not None:
            if there.kind is Kind.FILE and has_content(self.tree, path, self.stored, self.site):
                return self._already(there)
            if not self.preferred.takes_place_of(there, self.attributes):
                return self.preferred.stays(self.entry)
        return self.made(path, there)

    def made(self, beside: bytes, there: Entry | None = None) -> Made:
        """Make the file out of sight, on the filesystem that it is to appear on, whatever is at its path."""
        self.site.check_lease()
        staged = self.tree.stage(beside)
        try:
            return self._fetched(staged, there) if self.whole else self._stub(staged, there)
        except BaseException:
            staged.discard()
            raise

    def _fetched(self, staged: Staged, there: Entry | None) -> Made:
        staged.give(self.attributes)
        landing = Landing(self.stored, staged.write)
        for chunk in pinned(self.site.store(self.stored.datastore), self.stored):
            failpoint("hsm:fetch")
            landing.take(chunk)
            failpoint("hsm:partial_write")
        stored = landing.settled()
        failpoint("hsm:hash_check")
        made = self._dressed(staged, stored, there, StubState.PREMIGRATED)
        failpoint("hsm:unmark")
        return made

    def _stub(self, staged: Staged, there: Entry | None) -> Made:
        expect(self.stored, self.site)
        return self._dressed(staged, self.stored, there, StubState.STUB)

    def _dressed(self, staged: Staged, stored: Stored, there: Entry | None, state: StubState) -> Made:
        attributes = self.attributes
        if self.mtime_ns is not None:
            attributes = msgspec.structs.replace(attributes, mtime_ns=self.mtime_ns)
        staged.truncate(stored.size)
        pointer = self._pointer(stored, staged.dress(attributes), staged, state)
        staged.point(pointer)
        return Made(self.entry.learned(stored=stored), stored, pointer, self.site, self.tree, staged, there)

    def _pointer(self, stored: Stored, mtime_ns: int, staged: Staged, state: StubState) -> Pointer:
        datastore = self.site.access(stored.datastore).id
        pointer = pointer_to(stored, datastore, mtime_ns, staged.binding(), clean=True)
        return msgspec.structs.replace(pointer, state=state)

    def _already(self, there: Entry) -> Outcome:
        """Leave the content, which is the same. Attributes follow where they are preferred; those of a stub always."""
        with held(self.tree, there, self.site) as local:
            self.preferred.check(self.entry, local.file.attributes(), self.attributes)
            changed = self._followed(there, local)
            pointer = local.file.pointer()
        if pointer is not None and is_place_of(pointer, self.stored):
            self.site.remember(self.stored, self.entry.path)
        entry = self.entry
        return self._filled(Outcome.processed(entry) if changed else Outcome.skipped(entry, "already there"))

    def _followed(self, there: Entry, local: Local) -> bool:
        """Give what is there the attributes where they are preferred, or to a stub; say whether any differed."""
        follows = local.seen.state in HOLLOW or self.preferred.prevails(there, self.attributes)
        return follows and self._renewed(local)

    def _renewed(self, local: Local) -> bool:
        attributes = self.attributes if self.granting else self.attributes.restrained(local.file.attributes())
        return renewed(local, attributes, self.stored, self.site, repoint=True)

    def _filled(self, outcome: Outcome) -> Outcome:
        """Recall what is there and a stub, where it is to be whole."""
        if not (self.whole and is_hollow(self.tree, self.entry.path, self.site)):
            return outcome
        recalled = settled(Recall(update_mtime=self.mtime_ns is not None).bring(self.entry, self.site))
        if recalled.state is FileState.SKIPPED:
            return outcome
        return Outcome.processed(self.entry, moved=recalled.moved)

    def _linked(self) -> Outcome:
        """Make a file of several names: the first of them is made of the object, the others are links to it.

        Under the object's lock from beginning to end, and known to the index before it has its name, so that two
        names never become two files, whenever we are killed.
        """
        twin, path = self.site.path_of(self.stored.uuid), self.entry.path
        if twin is None or twin == path or not below(twin, self.tree.root):
            return finished(self._made())
        inode = made_of(self.tree, twin, self.stored, self.site)
        if inode is None:
            return finished(self._made())
        self.site.check_lease()
        return self._filled(self._link(twin, inode))

    def _link(self, twin: bytes, inode: int) -> Outcome:
        path = self.entry.path
        there = present(self.tree, path)
        if there is not None:
            if there.inode == inode:
                return self._already(there)
            if not self.preferred.takes_place_of(there, self.attributes):
                return self.preferred.stays(self.entry)
        self.tree.make_link(twin, path, inode=inode, replacing=there)
        self.tree.sync_directory(path)
        if (linked := present(self.tree, path)) is not None and linked.inode == inode:
            with held(self.tree, linked, self.site) as local:  # it has the attributes it was made with
                self._followed(linked, local)
        return Outcome.processed(self.entry)
