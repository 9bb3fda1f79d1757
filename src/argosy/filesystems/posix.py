"""`posix`: a tree on any Linux filesystem."""

import copy
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Self

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import Changed, Invalid
from argosy.core.paths import absolute, display
from argosy.core.pointer import Binding
from argosy.filesystems._posix import (
    fileset,
    inode,
    locks,
    making,
    moving,
    naming,
    parking,
    pointers,
    protected,
    removing,
    resolve,
    restoring,
    scan,
    shelves,
    shelving,
    staged,
    undoing,
    versions,
)
from argosy.filesystems._posix.entry import binding_of, entry_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.file import OpenFile
from argosy.filesystems._posix.identity import Identity, read_identity, write_identity
from argosy.filesystems._posix.root import Root, closing
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems._posix.staged import StagedFile
from argosy.filesystems._posix.together import Name
from argosy.filesystems.base import FILESYSTEMS, Kept, OnError, Origin, Pointed, Shelf, Stands
from argosy.filesystems.undoing import Record
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.syncing import fsync


@FILESYSTEMS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Posix:
    """A tree on any Linux filesystem.

    Argosy keeps staging and version store in `.argosy` below the root. Whatever the tree holds, and whatever becomes
    of it meanwhile, nothing outside the root is read, written or listed.
    """

    root: Annotated[bytes, "Directory at the top of the tree"]
    key: Annotated[bytes, "Secret that seals attributes where the agent is not privileged, 16 bytes or more"] = b""
    _only: tuple[int, int] | None = field(default=None, init=False)

    def stat(self, path: bytes) -> Entry:
        """Return the entry as it is now, symlinks not followed."""
        with translated(path), self._root.spot(path) as spot:
            return entry_of(path, spot.stat())

    def names(self, path: bytes, seen: Entry) -> bool:
        """Say whether the path names the inode that was seen: number and kind, and not born later."""
        with translated(path), self._root.spot(path) as spot:
            return versions.names(spot, seen)

    def scan(self, path: bytes, *, on_error: OnError, after: bytes | None = None) -> Iterator[Entry]:
        """Yield `path` and all beneath it.

        A directory that cannot be listed is yielded and told to `on_error`; a mount point below is only told.
        """
        return scan.scan(self._root, absolute(path), on_error, after)

    def resolve(self, path: bytes) -> bytes:
        """Return the path with symlinks among its parents followed, as long as they stay beneath the root."""
        return resolve.resolve(self._root, path)

    def locked(self, path: bytes) -> AbstractContextManager[int]:
        """Hold the lock on the inode that `path` names, and yield its number.

        Raises:
            Unsupported: the filesystem has no byte-range locks; a lock of this process alone would not do.
        """
        return locks.locked(self._root, path)

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> OpenFile:
        """Open a regular file for reading, or for `writing` as well."""
        return OpenFile.open(self._root, path, self._seal, inode=inode, writing=writing)

    def attributes(self, path: bytes) -> Attributes:
        """Return the attributes of a directory or symlink; a symlink has neither user xattrs nor ACLs on Linux."""
        with translated(path), self._root.spot(path) as spot:
            found = spot.stat()
            if not stat.S_ISDIR(found.st_mode):
                return inode.of_stat(found)
            with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
                return inode.read(directory)

    def readlink(self, path: bytes) -> bytes:
        """Return where the symlink points."""
        with translated(path), self._root.spot(path) as spot:
            if not stat.S_ISLNK(spot.stat().st_mode):
                raise Invalid(f"{display(path)}: is not a symlink")
            return os.readlink(spot.name, dir_fd=spot.directory)

    def stage(self, beside: bytes) -> StagedFile:
        """Begin a file that is to appear at `beside`."""
        return StagedFile(self._root, beside, self._seal)

    def make_directory(
        self, path: bytes, attributes: Attributes, *, overwrite: bool = False, granting: bool = True,
        inode: int | None = None,
    ) -> bool:  # fmt: skip
        """Make sure the directory exists; say whether anything had to be done."""
        with translated(path):
            return making.make_directory(
                self._root, path, attributes, overwrite=overwrite, granting=granting, inode=inode
            )

    def receive_directory(
        self, path: bytes, attributes: Attributes, origin: Origin, *, replacing: Entry | None = None
    ) -> None:
        """Make the directory anew; an extended attribute tells of which it is a copy, where there are such."""
        with translated(path):
            naming.receive_directory(self._root, path, attributes, origin, replacing)

    def origin(self, path: bytes) -> Origin | None:
        """Return what the directory at the path was told when it was made anew."""
        with translated(path):
            return naming.origin_of(self._root, path)

    def stand_for(self, path: bytes, seen: Entry, stands: Stands) -> None:
        """Note it in an extended attribute; without those, or the right to have one, the directory knows nothing."""
        with translated(path):
            naming.stand_for(self._root, path, seen.inode, stands)

    def stands_for(self, path: bytes) -> Stands | None:
        """Return what it was told, if it is no copy of the one that was."""
        with translated(path):
            return naming.stands_for(self._root, path)

    def binding(self, path: bytes) -> Binding:
        """Return which inode the directory at the path is."""
        with translated(path), self._root.opened(path, DIRECTORY) as directory:
            return binding_of(directory)

    def make_symlink(
        self, path: bytes, target: bytes, attributes: Attributes, *, replacing: Entry | None = None
    ) -> None:
        """Make the symlink, atomically."""
        with translated(path):
            naming.make_symlink(self._root, path, target, attributes, replacing=replacing)

    def dress_symlink(self, path: bytes, seen: Entry, attributes: Attributes) -> bool:
        """Give it this owner and mtime; say whether any differed."""
        with translated(path), self._root.spot(path) as spot:
            versions.expect(spot, seen)
            with closing(os.open(spot.name, os.O_PATH | os.O_NOFOLLOW, dir_fd=spot.directory)) as opened:
                found = os.fstat(opened)
                if not stat.S_ISLNK(found.st_mode) or found.st_ino != seen.inode:
                    raise Changed(f"{display(path)}: is not what was seen before; it was left as it is")
                if inode.same_symlink(inode.of_stat(found), attributes):
                    return False
                inode.dress_symlink(opened, attributes)
                return True

    def make_link(self, existing: bytes, path: bytes, *, inode: int, replacing: Entry | None = None) -> None:
        """Give the file at `existing` a further name."""
        with translated(path):
            naming.make_link(self._root, existing, path, inode=inode, replacing=replacing)

    def put_aside(self, path: bytes, seen: Entry) -> None:
        """Move what `seen` describes (not a directory) to the version store."""
        root = self._root
        with (
            translated(path),
            shelves.room(root, Shelf.VERSIONS, root.below(path)) as place,
            root.spot(path, DIRECTORY) as spot,
        ):
            versions.expect(spot, seen)
            above = spot.directory, root.below(path).rpartition(b"/")[0]
            shelving.shelve(root, spot, place, seen, keeping=partial(root.keeping_times, above))
            fsync(place.directory)

    def together(self, path: bytes, task: str, *, again: bool) -> str:
        """Return an id for what is at the path and beneath, to be removed in one go."""
        with translated(path):
            return shelves.together(self._root, path, task, again=again)

    def remove(self, path: bytes, seen: Entry, *, together: str | None = None, durable: bool = True) -> str:
        """Move what `seen` describes to the trash; the parent's mtime stays as it was."""
        return removing.remove(self._root, path, seen, together, durable=durable)

    def refuse_protected(self, path: bytes) -> None:
        """Return where what is at the path may be removed or moved."""
        with translated(path), self._root.spot(path, DIRECTORY) as spot:
            protected.refuse_protected(self._root, spot, path)

    def sync_removed(self, path: bytes, together: str) -> None:
        """Return when what was removed from the directory is durably in the trash."""
        removing.sync(self._root, path, together)

    def unlink(self, path: bytes, seen: Entry, *, durable: bool = True) -> None:
        """Remove what `seen` describes for good, by way of `.argosy/moving`."""
        removing.unlink(self._root, path, seen, durable=durable)

    def park(self, path: bytes, seen: Entry, *, bound_for: bytes | None = None) -> moving.ParkedEntry:
        """Take what `seen` describes from its name, on its way to another."""
        return moving.ParkedEntry(self._root, path, seen, bound_for)

    def put_backs(self, path: bytes) -> int:
        """Return a number that is another one once something was put back at the path."""
        return parking.put_backs(self._root, self._root.below(path))

    def move(self, source: bytes, seen: Entry, path: bytes, *, replacing: Entry | None = None) -> None:
        """Give what `seen` describes another name; what it replaces is displaced in one step too, after a parking."""
        moving.move(self._root, source, seen, path, replacing)

    def kept(self, shelf: Shelf, below: bytes | None = None) -> Iterator[Kept]:
        """Yield what lies on a shelf, the oldest first; memory does not grow with what lies there."""
        with translated(self.root):
            yield from shelves.kept(self._root, shelf, below)

    def restore(self, kept: Kept, path: bytes | None = None) -> bytes:
        """Give it the name it had, or `path`; a directory of that name is the one, and what it was given it keeps."""
        name = kept.entry.path if path is None else path
        restoring.restore(self._root, kept, name)
        return name

    def lying(self, kept: Kept) -> Entry | None:
        """Return what lies under that id now; None where only a room for something else does."""
        with translated(kept.entry.path):
            return shelves.lying(self._root, kept)

    def give_back(self, kept: Kept, path: bytes, *, replacing: Entry) -> None:
        """Swap it with what is at the path, which is looked at again then, and is in the version store afterwards."""
        restoring.give_back(self._root, kept, path, replacing)

    def undoable(self, fileset: str, run: str) -> Iterator[Record]:
        """Yield what a round of a sync noted of what it took from names in a fileset, by the ids of both."""
        with translated(self.root):
            yield from undoing.noted(self._root, fileset, run)

    def purge(self, kept: Kept) -> None:
        """Remove it from its shelf for good; a directory that still holds something stays for that, unlisted."""
        with translated(kept.entry.path):
            shelves.purge(self._root, kept)

    def freed_by(self, kept: Kept) -> int:
        """Return the bytes of its blocks, if nothing else has them and it is no stub."""
        with translated(kept.entry.path):
            return shelves.freed_by(self._root, kept, self._seal)

    def every_pointer(self, *, on_forged: OnError = lambda *_: None) -> Iterator[Pointed]:
        """Yield each file that has an attribute, and what that says; no file is opened, what is mounted below is in."""
        with translated(self.root):
            yield from pointers.every_pointer(self._root, self._seal, on_forged)

    def pointer_walk(self, *, on_forged: OnError = lambda *_: None) -> pointers.PointerWalk:
        """Return what goes through them pass by pass."""
        return pointers.PointerWalk(self._root, self._seal, on_forged)

    def free(self) -> tuple[int, int]:
        """Return the bytes that are free to others than root, and all there are."""
        with translated(self.root), self._root.top() as top:
            found = os.fstatvfs(top)
            return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def sync_directory(self, path: bytes) -> None:
        """Return when the name at `path` is on the disk and, where it is a directory, what it holds and is."""
        with translated(path), self._root.spot(path, DIRECTORY) as spot:
            fsync(spot.directory)
            if stat.S_ISDIR(spot.stat().st_mode):
                with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as directory:
                    fsync(directory)

    def name(self, path: bytes) -> Name:
        """Return the name at `path`, to be synced with others."""
        return Name(self._root, absolute(path))

    def sweep(self) -> None:
        """Remove what a killed agent left in staging, and put back what it had on its way to another name."""
        with translated(self.root):
            staged.sweep(self._root)
            parking.sweep(self._root)
            shelves.sweep(self._root)

    def identity(self) -> Identity | None:
        """Return which tree lies at the root now; None where it was never given an identity.

        Raises:
            Corrupt: it cannot be read.
            Denied: it is not ours to read.
        """
        return read_identity(self._root)

    def identify(self, given: Identity, *, replacing: bool = False) -> None:
        """Give what lies at the root an identity, durably; one that it has stays, unless it is replaced."""
        write_identity(self._root, given, replacing=replacing)

    def fileset_at(self, path: bytes) -> fileset.Top:
        """Return the directory at the path, and the marker of a fileset that it has.

        Raises:
            Corrupt: the marker cannot be read, or its MAC does not fit.
            Unsupported: a newer Argosy wrote it.
        """
        return fileset.top_at(self._root, self._seal, path)

    def mark_fileset(self, path: bytes, given: fileset.Mark) -> None:
        """Give the directory the marker was made for that marker, durably.

        Raises:
            Changed: another lies at the path.
            Unsupported: the filesystem keeps no attributes.
        """
        fileset.mark(self._root, self._seal, path, given)

    def fileset_now(self, handle: bytes, binding: Binding) -> bytes | None:
        """Return where the top of a fileset lies that had the handle; None where that cannot be told."""
        return fileset.path_now(self._root, handle, binding)

    def as_it_lies(self) -> Self:
        """Return the tree of the very directory at the root: its verbs raise `Unavailable` where another lies there.

        Raises:
            NotFound: nothing lies there.
        """
        with translated(self.root):
            found = os.stat(self.root)
        tree = copy.copy(self)
        object.__setattr__(tree, "_only", (found.st_dev, found.st_ino))
        return tree

    def is_there(self) -> bool:
        """Say whether the directory of which this is the tree lies at the root."""
        try:
            found = os.stat(self.root)
        except OSError:
            return False
        return self._only in {None, (found.st_dev, found.st_ino)}

    @property
    def beneath(self) -> Root:
        """How paths of the tree are reached, for what works in it by descriptors."""
        return self._root

    @property
    def seal(self) -> Seal:
        """How attributes of Argosy are written and read in it."""
        return self._seal

    @property
    def _root(self) -> Root:
        return Root(self.root, self._only, self._seal)

    @property
    def _seal(self) -> Seal:
        return Seal(self.key)
