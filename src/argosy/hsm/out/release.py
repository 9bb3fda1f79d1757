"""Free the blocks of a file whose copy is verified: the file becomes a stub.

Never before the copy is recorded in the inode and on the disk, never while anybody else has the file open, and never
unless its bytes are those that were stored: whoever is killed in between leaves a file that says which object is it.
"""

import time
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Busy, Changed, Exhausted, NotFound, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.file.alone import digest_alone, expect_alone
from argosy.hsm.file.copied import SETTLED_NS, Recorded
from argosy.hsm.file.local import expect_named
from argosy.hsm.file.state import State, look, refuse_unguarded
from argosy.hsm.out.premigrate import Premigration
from argosy.hsm.repair.recovery import become_stub, give_back, kept_whole
from argosy.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How files are made stubs. `stub_size`: about how many bytes stay on disk, from the beginning."""

    premigration: Premigration
    stub_size: int = 0

    def prepare(self, entry: Entry, site: Site) -> "Releasable | Recorded | Outcome":
        """Copy one entry to its store and record it; a file that is too small for a stub is done with that.

        Raises:
            Unsupported: there must be no stubs here.
            Changed: the file changed while it was read.
        """
        if entry.kind is not Kind.FILE:
            return self.premigration.prepare(entry, site)
        refuse_unguarded(site)
        tree = site.tree(entry.path)
        _wait_until_settled(tree.stat(entry.path))
        copied = self.premigration.prepare(entry, site)
        if isinstance(copied, Outcome):
            return copied
        if self.is_too_small(copied.file, site):
            return _small(copied)
        if copied.file.loses_rights():
            reason = "stays premigrated: a stub would lose its capabilities, or the bits that have it run as its owner"
            return Recorded(msgspec.structs.replace(copied.outcome, reason=reason), copied.file)
        kept = self._kept(copied.file)
        copied.close()
        return Releasable(copied.outcome, kept, site, tree)

    def is_too_small(self, file: File, site: Site) -> bool:
        """Say whether a stub of the file would keep all its bytes, or the site makes none of files like it."""
        return file.size <= self._kept(file) or file.size < site.policy.min_stub_size

    def _kept(self, file: File) -> int:
        return -(-self.stub_size // file.block) * file.block


def _small(copied: Recorded) -> Recorded:
    """Return what is told of a file that is too small for a stub: where nothing was done to it, that as well."""
    if copied.outcome.state is not FileState.SKIPPED:
        return copied
    reason = f"{copied.outcome.reason}, and keeps its bytes: it is too small for a stub"
    return Recorded(msgspec.structs.replace(copied.outcome, reason=reason), copied.file)


@dataclass(frozen=True, slots=True)
class Releasable:
    """A file with a copy, closed: another name of it may be in the same batch."""

    copied: Outcome
    kept: int
    site: Site
    tree: Filesystem

    def sync(self) -> None:
        """Have the index know the key of the object: the inode of a stub does not. The disk is waited for later.

        A full disk does not keep the file from being freed: that the index is behind costs a rebuild at worst.
        """
        stored = self.copied.entry.facts.stored
        with suppress(Exhausted):
            assert stored is not None
            self.site.remember(stored, self.copied.entry.path, at_once=True)

    def commit(self) -> Recorded:
        """Make the file a stub.

        Raises:
            Changed: it was written to, moved or removed since it was copied, or is in use (`Busy`): it stays as it is.
            Unsupported: the filesystem has no leases or frees no blocks: it stays as it is.
            Exhausted: the disk is too full to free anything; if nothing was freed, it stays as it is.
            Unavailable: the store is a directory, and its path leads to another by now: it stays as it is.
        """
        path = self.copied.entry.path
        try:
            with self.tree.locked(path) as inode:
                if inode != self.copied.entry.inode:
                    raise Changed(f"{display(path)}: another file has its name since it was copied; both stay")
                file = self.tree.open(path, inode=inode)
                try:
                    return Recorded(self._release_or_sync(file), file)
                except BaseException:
                    file.close()
                    raise
        except NotFound as error:
            raise Changed(f"{display(path)} was moved or removed since it was copied") from error

    def close(self) -> None:
        """Hold nothing."""

    def _release_or_sync(self, file: File) -> Outcome:
        try:
            return self._release(file)
        except Changed:
            file.sync()  # it stays premigrated, and nobody else makes that durable
            raise

    def _release(self, file: File) -> Outcome:
        entry = self.copied.entry.learned(extents=None)
        if look(file, self.site).state is State.STUB:  # by another name, or by somebody else
            return msgspec.structs.replace(Outcome.skipped(entry, "is a stub already"), moved=self.copied.moved)
        file.seize()
        try:
            failpoint("hsm:lease")
            pointer = self._proved(file)
            self._mark(file, msgspec.structs.replace(pointer, kept=self.kept))
            self._free(file, msgspec.structs.replace(pointer, kept=self.kept))
        finally:
            file.let_go()
        expect_named(file, "made a stub")
        return Outcome.processed(entry, moved=self.copied.moved)

    def _proved(self, file: File) -> Pointer:
        """Return the pointer, now that nobody can write: the file holds the very bytes it points to.

        Raises:
            Changed: it does not.
        """
        seen = look(file, self.site)
        stored = self.copied.entry.facts.stored
        if seen.state is not State.PREMIGRATED or seen.pointer is None or stored is None:
            raise Changed(f"{display(self.copied.entry.path)} was written to since it was copied: it stays as it is")
        if seen.pointer.uuid != stored.uuid:
            raise Changed(f"{display(self.copied.entry.path)} was copied anew meanwhile: it stays as it is")
        if not (self._is_untouched(file, seen.pointer) or digest_alone(file) == seen.pointer.digest):
            file.point(msgspec.structs.replace(seen.pointer, clean=False))  # so that the next run does not skip it
            raise Changed(f"{display(self.copied.entry.path)} was written to without a trace: the next run copies it")
        return seen.pointer

    def _is_untouched(self, file: File, pointer: Pointer) -> bool:
        """Say whether nobody can have written since the bytes were read, so that they need not be hashed again."""
        noted = self.site.noted(file.binding())
        if noted is None or not pointer.clean:
            return False
        told = noted.ctime_ns - pointer.mtime_ns >= SETTLED_NS  # a write since would show in the mtime at least
        return told and (noted.uuid, noted.ctime_ns) == (pointer.uuid, file.changed_ns())

    def _mark(self, file: File, pointer: Pointer) -> None:
        """Say durably that blocks may be missing, unless somebody wants the file already."""
        self.site.check_lease()
        expect_alone(file)
        file.point(msgspec.structs.replace(pointer, state=StubState.RELEASING))
        file.sync()
        failpoint("hsm:mark")

    def _free(self, file: File, pointer: Pointer) -> None:
        """Free the blocks; where somebody wants the file now, or blocks cannot be freed, leave it premigrated.

        A disk that fails, or is too full to note what is free, may have freed some: then the next run compares.
        """
        self.site.check_lease()
        try:
            self.site.check_store(pointer.datastore)  # which was the right one when it took the object
        except ArgosyError:
            give_back(file, pointer, self.site, clean=pointer.clean)
            raise
        try:
            file.punch(pointer.kept)
        except (Busy, Unsupported):
            give_back(file, pointer, self.site, clean=pointer.clean)
            raise
        except ArgosyError:
            with suppress(ArgosyError):
                kept_whole(file, pointer, self.site)
            raise
        become_stub(file, pointer, self.site)


def _wait_until_settled(found: Entry) -> None:
    """Let a file that was written just now grow old enough; one from the future is hashed again in any case."""
    age = time.time_ns() - found.mtime_ns
    if 0 <= age < SETTLED_NS:
        time.sleep((SETTLED_NS - age) / 1e9)
