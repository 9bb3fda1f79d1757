"""What a filesystem is: a tree below a root that is scanned, read, written and never left.

Paths are absolute bytes at the site. Every verb resolves its path beneath the root without following symlinks, so that
nothing a user puts into the tree makes Argosy touch what lies outside. Errors of the system come as ours: `NotFound`,
`Denied` (permission, or a symlink where a directory should be), `Exists`, `Exhausted` (disk or quota full), `Busy`,
`Unsupported`, else `Unavailable`; each names the path.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import msgspec

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import ArgosyError, Invalid
from argosy.core.numbers import Numbers
from argosy.core.paths import PRIVATE, display, join, relative
from argosy.core.pointer import Binding, Pointer
from argosy.core.room import Room

Version = tuple[int, int]
"""Data version of a file: (mtime_ns, size)."""

OnError = Callable[[bytes, ArgosyError], None]
"""Told of each path a scan could not look at."""

Extents = tuple[tuple[int, int], ...]
"""(offset, length) of data, in order."""


class Shelf(StrEnum):
    """Where a tree keeps what is no longer in it."""

    TRASH = "trash"
    """Entries that were removed."""
    VERSIONS = "versions"
    """Contents that were replaced."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One entry on a shelf."""

    shelf: Shelf
    id: str
    """Names it on its shelf: `<time>-<8 hex digits>`; what was removed in one go shares it."""
    since_ns: int
    """When it came there, ns since 1970."""
    entry: Entry
    """As it lies there; `path` is where it was in the tree."""

    def place(self, root: bytes) -> bytes:
        """Return the path at which it lies, below the root of its tree."""
        shelf = join(join(root, PRIVATE), self.shelf.encode())
        return join(join(shelf, self.id.encode()), relative(self.entry.path, root))

    @classmethod
    def at(cls, place: bytes, root: bytes, entry: Entry) -> Self:
        """Return what `place` says of the entry that lies there.

        Raises:
            Invalid: it is no place on a shelf.
        """
        names = relative(place, root).split(b"/", 3)
        shelves = {shelf.encode(): shelf for shelf in Shelf}
        if len(names) < 4 or names[0] != PRIVATE or names[1] not in shelves:
            raise Invalid(f"{display(place)}: is no place in a trash or version store")
        _, shelf, name, rest = names
        lying = msgspec.structs.replace(entry, path=join(root, rest), source=None)
        return cls(shelf=shelves[shelf], id=name.decode("utf-8", "replace"), since_ns=0, entry=lying)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Of which directory another is a copy, and which task made it."""

    task: str
    binding: Binding


class Stands(msgspec.Struct, frozen=True, kw_only=True):
    """For which directory of another site one stands, since something was moved there and so here."""

    object: bytes
    """Whatever has the same is the same directory."""
    since_ns: int
    """Of when it was found what moved."""


class File(Protocol):
    """A regular file of the tree held open, whatever becomes of its name. Close it; it is a context manager."""

    entry: Entry
    """As it was when opened or last looked at; `facts.links` and `facts.extents` are filled."""

    @property
    def size(self) -> int:
        """Bytes it had when last looked at."""

    @property
    def block(self) -> int:
        """Bytes of a block: `punch` frees whole ones."""

    def look(self) -> None:
        """Look again: `entry` and `size` are afterwards as the file is now, and its extents not older than they."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        Raises:
            Changed: the file has become shorter.
        """

    def version(self) -> Version:
        """Return the data version as it is now."""

    def attributes(self) -> Attributes:
        """Return mode, owner, times, user xattrs and ACLs as they are now; Argosy's own attribute is not among them."""

    def has_capabilities(self) -> bool:
        """Say whether a program run from it gets capabilities; whoever writes to it or frees its blocks takes them."""

    def loses_rights(self) -> bool:
        """Say whether to free blocks of it would take from it what it gives those who run it."""

    def binding(self) -> Binding:
        """Return which inode this is."""

    def handle(self) -> bytes:
        """Return what opens the inode under any name, b"" where nothing does."""

    def pointer(self) -> Pointer | None:
        """Return what the inode says of its copy; None where it says nothing, or says it of another inode (a copy).

        Raises:
            Corrupt: the attribute cannot be read, or its MAC does not fit.
        """

    def stray(self) -> Pointer | None:
        """Return what the attribute says, of whichever inode it says it: that of a copy is not to be believed.

        Raises:
            Corrupt: as `pointer`.
        """

    def links(self) -> int:
        """Return how many names it has now."""

    def has_holes(self) -> bool:
        """Say whether not all of it is data now."""

    def point(self, pointer: Pointer) -> None:
        """Write the attribute whole. It is durable after `sync`."""

    def forget(self) -> None:
        """Remove the attribute, if any."""

    def unwritten(self) -> AbstractContextManager[Callable[[], bool]]:
        """Hold a read lease; what it yields says whether nobody had, or took, the file for writing meanwhile."""

    def is_being_written(self) -> bool:
        """Say whether somebody has it open for writing; False where the filesystem cannot tell."""

    def sync(self) -> None:
        """Return when data and attributes are on the disk."""

    def sync_with(self, others: Sequence[Any]) -> bool:
        """As `Syncing`; only of files that were left. Bytes that were written before are to be on the disk by then."""

    def leave(self) -> None:
        """Have it open no more, so that others can seize it; harmless when repeated. It can still be synced."""

    def is_fixed(self) -> bool:
        """Say whether it is marked immutable or append-only: nothing can be noted on it, nor blocks of it freed."""

    def changed_ns(self) -> int:
        """Return its ctime as it is now."""

    def data(self) -> Extents:
        """Return where it has data as it is now, block by block as the filesystem tells; () for a hole of any size."""

    def seize(self) -> None:
        """Have the file to ourselves, for writing: whoever opens it from now on waits, for some 45 s at most.

        Afterwards the methods below may be used.

        Raises:
            Busy: somebody else has it open or mapped.
            Unsupported: the filesystem has no leases.
        """

    def is_seized(self) -> bool:
        """Say whether we have it to ourselves and nobody waits for it."""

    def let_go(self) -> None:
        """Let others have it again; harmless when repeated. `close` does so too."""

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`, within the quota of the file's owner. Needs `writing`, or `seize`.

        Raises:
            Exhausted: disk or quota is full.
        """

    def reserve(self, size: int) -> None:
        """Make sure that `size` bytes from the beginning can be written; holes stay holes to those who read.

        Raises:
            Exhausted: disk or quota is full; nothing is kept reserved.
        """

    def punch(self, keep: int, *, upto: int | None = None) -> None:
        """Free the blocks from `keep`, rounded up to a block, to `upto` or the end. The size stays; mtime changes.

        A block that ends behind `upto` is left as it is, unless the file ends within it. To the end of a file that is
        seized, what is reserved behind that goes as well, where it can.

        Raises:
            Busy: it was seized, all to the end is to be freed, and somebody waits for it: nothing was freed.
            Unsupported: the filesystem frees no blocks.
        """

    def truncate(self, size: int) -> None:
        """Give it another size: what is beyond goes, and what is added is a hole. As `write`."""

    def stamp(self, mtime_ns: int | None, *, atime_ns: int | None = None) -> None:
        """Give it these times; None leaves one as it is."""

    def dress(self, attributes: Attributes) -> None:
        """Give it mode, owner, xattrs and ACLs, and last its mtime."""

    def close(self) -> None:
        """Let go; harmless when repeated."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Parked(Protocol):
    """An entry on its way from one name to another, out of sight.

    A context manager: what was not placed goes back; so does, at the next `sweep`, what a killed agent left.
    """

    entry: Entry
    """As it was when it was parked."""

    def place(self, path: bytes, *, replacing: Entry | None = None) -> None:
        """Give it the name, durably; `replacing`: in the place of what it describes, kept in the version store.

        Raises:
            Exists: the name is taken, or `replacing` describes a directory that holds something.
            Changed: what is there is not what `replacing` describes; it is left as it is.
            Invalid: it is a directory, and the name lies in itself.
            Protected: what `replacing` describes may not be displaced.
        """

    def expect(self, path: bytes, *, replacing: Entry | None = None) -> None:
        """Return where `place` would, as far as can be told before; nothing is done.

        Raises:
            Exists, Changed, Invalid, Protected: as `place`.
        """

    def put_back(self) -> str:
        """Give it its old name again, if it was not placed; where that was taken, the one it was bound for.

        Where both are taken, it gets a name beside its old one, `NAME.moved-conflict`, or `NAME.moved-conflict-2`; the
        version store has it where no name is to be had there. Say in words where it is, "" for its old name. Harmless
        when repeated.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Syncing(Protocol):
    """Something that is to be on the disk, perhaps together with others of its kind."""

    def sync_with(self, others: Sequence[Any]) -> bool:
        """Send it and all others to the disk at once; False where each is to be synced alone.

        That is so where it takes no less, where one of them is on another disk, and where something goes wrong. If it
        was done they are on the disk as soon as one of them, whichever, was synced alone as well without an error.
        """


class Staged(Protocol):
    """A file being made out of sight, on the filesystem it is to appear on.

    A context manager: what was not published is discarded.
    """

    def give(self, attributes: Attributes) -> None:
        """Give it its owner, before it gets its bytes: they count as his, and his limits hold for them."""

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`, within the quota of the file's owner; what is never written stays a hole.

        Raises:
            Exhausted: disk or quota is full.
        """

    def truncate(self, size: int) -> None:
        """Give it its size."""

    def dress(self, attributes: Attributes) -> int:
        """Give it mode, owner, xattrs and ACLs, and last its mtime; return that as the filesystem keeps it."""

    def binding(self) -> Binding:
        """Return which inode this is."""

    def handle(self) -> bytes:
        """Return what opens the inode under any name, b"" where nothing does."""

    def point(self, pointer: Pointer) -> None:
        """Write Argosy's attribute."""

    def sync(self) -> None:
        """Return when data and attributes are on the disk."""

    def sync_with(self, others: Sequence[Any]) -> bool:
        """As `Syncing`, and then of each `expect_written`."""

    def expect_written(self) -> None:
        """Return where all bytes could be written that were sent to the disk with others.

        Raises:
            DiskBroken, Exhausted: not all could. A sync that is tried afterwards may not tell.
        """

    def publish(self, path: bytes) -> None:
        """Give it its name, atomically; the parents' mtimes stay as they were.

        Raises:
            Exists: the name is taken; it is left as it is.
        """

    def replace(self, path: bytes, seen: Entry) -> None:
        """Take the place of what `seen` describes, atomically; that is kept in the version store before it goes.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
        """

    def pass_on(self, take: Callable[[int, bytes], None]) -> None:
        """Leave it to somebody who gives it a name elsewhere on this filesystem, where it is Argosy's own still.

        `take`: called with an open directory and the name there, which it has no more when that returns.
        """

    def discard(self) -> None:
        """Remove it if it was not published; harmless when repeated."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Pointed(NamedTuple):
    """A file that has Argosy's attribute."""

    path: bytes
    pointer: Pointer
    binding: Binding
    """Which inode it is, whichever the attribute says."""
    handle: bytes
    """What opens it under any name; b"" where nothing does."""


class Unmarked(NamedTuple):
    """A file without that attribute which was left as a stub, for all that its number tells."""

    path: bytes
    binding: Binding
    handle: bytes
    """What opens it under any name; b"" where nothing does."""


class Held(NamedTuple):
    """An inode that was found without its name."""

    path: bytes
    """Where it lies, if the kernel happens to know."""
    pointer: Pointer | None


class PointerWalk(Protocol):
    """Passes through all attributes of a tree: the first reads all, each further one what changed since the last began.

    A context manager. Where there are several trees, let every one `begin` before any goes on: what is moved from the
    one to the other shows as a change in the next pass then.
    """

    changed: bytes
    """A directory that moved, or in which names changed, since the pass before this began; b"" where none did."""
    strange: bytes
    """A directory that no earlier pass had come to, and that is not newer than the first; b"" where there was none."""

    @property
    def is_still(self) -> bool:
        """Whether the tree was, when this pass began, as it was read: a first pass never knows."""

    @property
    def met(self) -> set[tuple[bytes, int]]:
        """Filesystem and subvolume of every directory so far, and of what is mounted below the root."""

    @property
    def lasting(self) -> set[bytes]:
        """Filesystems so far on which we may open what we have the handle of, until it is removed."""

    def begin(self) -> None:
        """Begin the next pass."""

    def pointers(self, known: Numbers, left: Numbers) -> Iterator[Pointed | Unmarked]:
        """Yield what the pass meets; some more than once, under several names.

        `known`: inodes, by filesystem and subvolume, that need not be looked at. `left`: those that are yielded without
        the attribute as well, by `core.pointer.brief` of the filesystem and the subvolume.

        Raises:
            Denied, Corrupt, Unavailable: there is something that cannot be told; what was yielded is not all.
        """

    @property
    def pause(self) -> float:
        """Seconds after which another pass makes sense: sooner, it counts again what changed just before this one."""

    def find(self, filesystem: bytes, handle: bytes) -> Held | None:
        """Return what the inode says now, wherever on one of `lasting` it lies; None where it is no more.

        Raises:
            Corrupt: its attribute cannot be read.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Filesystem(Protocol):
    """A tree below one root."""

    @property
    def root(self) -> bytes:
        """Absolute path of its top."""

    def stat(self, path: bytes) -> Entry:
        """Return the entry as it is now, symlinks not followed."""

    def names(self, path: bytes, seen: Entry) -> bool:
        """Say whether the path names the inode that was seen, and not one that got its number; whatever it holds now.

        A filesystem that knows no times of birth tells by kind and number alone.
        """

    def scan(self, path: bytes, *, on_error: OnError, after: bytes | None = None) -> Iterator[Entry]:
        """Yield `path` and all beneath it, depth first, siblings in byte order, a directory before what it holds.

        `after`: begin behind that path in this order. Private names (`.argosy` at a root) are left out, and so is
        what vanishes meanwhile. `on_error` is told of a directory that cannot be listed, which is yielded all the same,
        and of a mount point below, which is not: what is mounted there belongs to another root. Memory is bounded by
        the largest single directories on the way down.
        """

    def resolve(self, path: bytes) -> bytes:
        """Return the path with symlinks among its parents followed, as long as they stay beneath the root.

        Raises:
            Denied: a symlink leads outside the root.
            NotFound: a parent does not exist.
        """

    def locked(self, path: bytes) -> AbstractContextManager[int]:
        """Hold the lock on the inode that `path` names, and yield its number: one verb of Argosy at a time on each.

        It holds against every process that serves this root. Take it before the file is opened, since a file that
        somebody waits for with an open descriptor cannot be seized; and take no second one while you hold one.

        Raises:
            NotFound: nothing has the name.
            Occupied: another verb works on it, and has not done in the time that is given to it.
        """

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> File:
        """Open a regular file for reading, or for `writing` as well.

        Raises:
            Invalid: it is not a regular file.
            Changed: it is not the inode `inode`.
        """

    def attributes(self, path: bytes) -> Attributes:
        """Return the attributes of a directory or symlink."""

    def readlink(self, path: bytes) -> bytes:
        """Return where the symlink points."""

    def stage(self, beside: bytes) -> Staged:
        """Begin a file that is to appear at `beside`.

        Parents that do not exist are made like the nearest one that does (mode, owner, group), and marked as made
        for want of better: `make_directory` gives them their attributes when they arrive.
        """

    def make_directory(
        self, path: bytes, attributes: Attributes, *, overwrite: bool = False, granting: bool = True,
        inode: int | None = None,
    ) -> bool:  # fmt: skip
        """Make sure the directory exists; say whether anything had to be done.

        One that is new, or that was made only because something beneath it was staged, is given the attributes; one
        that was there before keeps its own unless `overwrite`, and its owner and the rights it does not give anybody
        in any case unless `granting`. `inode`: which one is there; none is made then.

        Raises:
            Exists: something else holds the name.
            Changed: it is not the inode `inode`.
            Denied: it holds something, is to have another owner or, if it is root's, to give others more rights, and
                others than root and its owner could have moved it there.
        """

    def receive_directory(
        self, path: bytes, attributes: Attributes, origin: Origin, *, replacing: Entry | None = None
    ) -> None:
        """Make the directory anew, durably but for its name; it knows of which it is a copy.

        One that is there and knows that it is a copy of the same is given the attributes.

        `replacing`: in the place of the empty one that it describes, in one step; that is kept in the version store.

        Raises:
            Exists: the name is taken, or what `replacing` describes holds something.
            Changed: what is there is not what `replacing` describes; it is left as it is.
            Protected: what `replacing` describes may not be displaced.
        """

    def origin(self, path: bytes) -> Origin | None:
        """Return what the directory at the path was told when it was made anew; nobody else can have told it."""

    def stand_for(self, path: bytes, seen: Entry, stands: Stands) -> None:
        """Have the directory that `seen` describes know for which it stands, wherever it goes, where it can.

        Raises:
            Changed: what is there is not what was seen.
        """

    def stands_for(self, path: bytes) -> Stands | None:
        """Return for which directory the one at the path stands, if it was told that; nobody else can have told it."""

    def binding(self, path: bytes) -> Binding:
        """Return which inode the directory at the path is."""

    def make_symlink(
        self, path: bytes, target: bytes, attributes: Attributes, *, replacing: Entry | None = None
    ) -> None:
        """Make the symlink, atomically; `replacing`: in the place of what it describes, kept in the version store.

        Raises:
            Exists: the name is taken.
            Changed: what is there is not what `replacing` describes; it is left as it is.
        """

    def dress_symlink(self, path: bytes, seen: Entry, attributes: Attributes) -> bool:
        """Give the symlink that `seen` describes this owner and mtime; say whether any differed.

        Where we may not change owners, it keeps its own.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
        """

    def make_link(self, existing: bytes, path: bytes, *, inode: int, replacing: Entry | None = None) -> None:
        """Give the file at `existing` a further name, atomically; `replacing` as `make_symlink` has it.

        Raises:
            Exists: the name is taken.
            Changed: `existing` is not the inode `inode`, or what is there is not what `replacing` describes; nothing
                was done.
        """

    def put_aside(self, path: bytes, seen: Entry) -> None:
        """Move what `seen` describes (not a directory) to the version store.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
        """

    def together(self, path: bytes, task: str, *, again: bool) -> str:
        """Return an id for what is at the path and beneath, to be removed in one go.

        `again`: that which an earlier attempt at the task has begun to use, if there is one.
        """

    def remove(self, path: bytes, seen: Entry, *, together: str | None = None, durable: bool = True) -> str:
        """Move what `seen` describes to the trash, durably; return its id there. A directory must be empty.

        `together`: the id of what was removed in the same go, which it is to share; another of the same go is returned
        where something else lies there already. Without `durable` it is so after `sync_removed` only.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
            Exists: it is a directory that holds something.
            Protected: it is the root, a mount point or subvolume or in one, or marked immutable or append-only.
        """

    def refuse_protected(self, path: bytes) -> None:
        """Return where `remove` and `park` would not refuse what is at the path for what it is.

        Raises:
            Protected: they would.
        """

    def sync_removed(self, path: bytes, together: str) -> None:
        """Return when what was removed from the directory `path` under that id is durably in the trash."""

    def unlink(self, path: bytes, seen: Entry, *, durable: bool = True) -> None:
        """Remove what `seen` describes for good, without room for anything: a full disk does not hinder it.

        Without `durable` it is so after `sync_removed` only.

        Raises:
            Changed, Exists, Protected: as `remove`.
        """

    def park(self, path: bytes, seen: Entry, *, bound_for: bytes | None = None) -> Parked:
        """Take what `seen` describes, a directory with all it holds, from its name, on its way to another.

        `bound_for`: the name it is to have, which it gets where it is not placed and its own was taken meanwhile.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
            Protected: it is the root, a mount point or subvolume or in one, or marked immutable or append-only.
        """

    def put_backs(self, path: bytes) -> int:
        """Return a number that is another one once this process has put back at `path` what was parked, or may have."""

    def move(self, source: bytes, seen: Entry, path: bytes, *, replacing: Entry | None = None) -> None:
        """Give what `seen` describes another name in one step, durably; parents are made as `stage` makes them.

        Raises:
            Exists, Invalid, Protected: as `park` and `Parked.place`.
            Changed: what is at `source` is not `seen`, or what is at `path` not `replacing`; both are left.
        """

    def kept(self, shelf: Shelf, below: bytes | None = None) -> Iterator[Kept]:
        """Yield what lies on a shelf, the oldest first, directories after what they held.

        `below`: only what has that path, or was beneath it.
        """

    def restore(self, kept: Kept, path: bytes | None = None) -> bytes:
        """Give it the name it had, or `path`, durably; return that name. Missing parents are made.

        A directory of that name is the one: it gets the attributes if it was made for want of better only. What a
        directory still holds on its shelf stays there. Directories above it that are missing are made as they were
        when it was removed; what is there in their stead may give nobody more.

        Raises:
            Exists: the name is taken, or a directory belongs to somebody else than before or gives more rights; all is
                left as it is.
            NotFound: it is no longer on its shelf.
        """

    def lying(self, kept: Kept) -> Entry | None:
        """Return what lies under that id now where it did, with the path that it had; None where nothing does."""

    def give_back(self, kept: Kept, path: bytes, *, replacing: Entry) -> None:
        """Give it, no directory, the name of what `replacing` describes, in one step, durably.

        That goes to the version store, under an id of its own; where a kill kept it from that, a repetition sees to it.

        Raises:
            Changed: what is there is not what `replacing` describes; it is left as it is.
            NotFound: it is no longer on its shelf.
            Protected: what is there may not be displaced.
        """

    def purge(self, kept: Kept) -> None:
        """Remove it from its shelf for good; that it is gone is no error."""

    def freed_by(self, kept: Kept) -> int:
        """Return the bytes that its purge makes free: 0 of a stub, a directory, and what has further names."""

    def every_pointer(self, *, on_forged: OnError = lambda *_: None) -> Iterator[Pointed]:
        """Yield each file that has an attribute, and what it says whichever inode it says it of.

        In the tree, on the shelves and in what is being made or moved. A file that cannot be read ends it. `on_forged`
        is told of attributes that no agent of the site wrote: anybody can write them, and they say nothing.

        Raises:
            Denied, Corrupt, Unavailable, Changed: there is something that cannot be told; what was yielded is not all.
        """

    def pointer_walk(self, *, on_forged: OnError = lambda *_: None) -> PointerWalk:
        """Return what goes through them pass by pass, for those who have more than one tree to go through."""

    def free(self) -> tuple[int, int]:
        """Return the bytes that are free on the filesystem, and all it has."""

    def sync_directory(self, path: bytes) -> None:
        """Return when the name at `path` is on the disk; a directory's own names and attributes, too."""

    def name(self, path: bytes) -> "Syncing":
        """Return the name at `path`, to be made durable with others."""

    def sweep(self) -> None:
        """Remove what a killed agent left in staging, and put back what it had parked; before anything is staged."""


@runtime_checkable
class Snapshots(Protocol):
    """How a fileset is held still: a frozen dataclass whose only field is the `fileset`.

    Each call does all or nothing, and is harmless when repeated; whoever calls tries again what failed.
    """

    def check(self) -> None:
        """Return, soon, where the fileset seems to be one that can be held still so.

        Raises:
            Unsupported: it is none; the message says what it would have to be.
        """

    def create(self, name: str) -> None:
        """Hold still, under the name, what is in the fileset now; what has the name already stays as it is.

        Raises:
            Unsupported: the fileset is none that can be held still so; the message says what it would have to be.
        """

    def names(self) -> Sequence[str]:
        """Return under which names something is held still, sorted."""

    def opened(self, name: str) -> AbstractContextManager[int]:
        """Hold the top of what has the name open, to be scanned: a descriptor.

        Raises:
            NotFound: nothing has the name.
        """

    def delete(self, name: str) -> None:
        """Let go of what has the name; that nothing has it is no error."""


SNAPSHOTS: Room[Snapshots] = Room("argosy.filesystems", noun="kind of snapshots", custom=None, contract=(Snapshots,))
"""By the `snapshots` of a fileset: index, btrfs, gpfs."""

FILESYSTEMS: Room[Filesystem] = Room("argosy.filesystems", noun="filesystem type")
