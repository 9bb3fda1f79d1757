"""What a filesystem is: a tree below a root that is scanned, read, written and never left.

Paths are absolute bytes at the site. Every verb resolves its path beneath the root without following symlinks, so that
nothing a user puts into the tree makes Argosy touch what lies outside. Errors of the system come as ours: `NotFound`,
`Denied` (permission, or a symlink where a directory should be), `Exists`, `Exhausted` (disk or quota full), `Busy`,
`Unsupported`, else `Unavailable`; each names the path.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, Self

from argosy.core.entry import Attributes, Entry
from argosy.core.errors import ArgosyError
from argosy.core.pointer import Binding, Pointer
from argosy.core.room import Room

Version = tuple[int, int]
"""Data version of a file: (mtime_ns, size)."""

OnError = Callable[[bytes, ArgosyError], None]
"""Told of each path a scan could not look at."""


class File(Protocol):
    """A regular file of the tree held open, whatever becomes of its name. Close it; it is a context manager."""

    entry: Entry
    """As it was when opened or last looked at; `facts.links` and `facts.extents` are filled."""

    @property
    def size(self) -> int:
        """Bytes it had when last looked at."""

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

    def binding(self) -> Binding:
        """Return which inode this is."""

    def pointer(self) -> Pointer | None:
        """Return what the inode says of its copy; None where it says nothing, or says it of another inode (a copy).

        Raises:
            Corrupt: the attribute cannot be read, or its MAC does not fit.
        """

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

    def close(self) -> None:
        """Let go; harmless when repeated."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Staged(Protocol):
    """A file being made out of sight, on the filesystem it is to appear on.

    A context manager: what was not published is discarded.
    """

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at `offset`; what is never written stays a hole."""

    def truncate(self, size: int) -> None:
        """Give it its size."""

    def dress(self, attributes: Attributes) -> None:
        """Give it mode, owner, xattrs and ACLs, and last its mtime."""

    def binding(self) -> Binding:
        """Return which inode this is."""

    def point(self, pointer: Pointer) -> None:
        """Write Argosy's attribute."""

    def sync(self) -> None:
        """Return when data and attributes are on the disk."""

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

    def discard(self) -> None:
        """Remove it if it was not published; harmless when repeated."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Filesystem(Protocol):
    """A tree below one root."""

    @property
    def root(self) -> bytes:
        """Absolute path of its top."""

    def stat(self, path: bytes) -> Entry:
        """Return the entry as it is now, symlinks not followed."""

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

    def open(self, path: bytes) -> File:
        """Open a regular file for reading.

        Raises:
            Invalid: it is not a regular file.
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

    def make_directory(self, path: bytes, attributes: Attributes, *, overwrite: bool = False) -> bool:
        """Make sure the directory exists; say whether anything had to be done.

        One that is new, or that was made only because something beneath it was staged, is given the attributes; one
        that was there before keeps its own unless `overwrite`.

        Raises:
            Exists: something else holds the name.
        """

    def dress(self, path: bytes, seen: Entry, attributes: Attributes) -> bool:
        """Give the file that `seen` describes these attributes; say whether any differed.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
        """

    def make_symlink(
        self, path: bytes, target: bytes, attributes: Attributes, *, replacing: Entry | None = None
    ) -> None:
        """Make the symlink, atomically; `replacing`: in the place of what it describes, kept in the version store.

        Raises:
            Exists: the name is taken.
            Changed: what is there is not what `replacing` describes; it is left as it is.
        """

    def make_link(self, existing: bytes, path: bytes, *, replacing: Entry | None = None) -> None:
        """Give the file at `existing` a further name, atomically; `replacing` as `make_symlink` has it.

        Raises:
            Exists: the name is taken.
            Changed: what is there is not what `replacing` describes; it is left as it is.
        """

    def put_aside(self, path: bytes, seen: Entry) -> None:
        """Move what `seen` describes (not a directory) to the version store.

        Raises:
            Changed: what is there is not what was seen; it is left as it is.
        """

    def sync_directory(self, path: bytes) -> None:
        """Return when the name at `path` is on the disk; a directory's own names and attributes, too."""

    def sweep(self) -> None:
        """Remove what a killed agent left in staging. Call it before anything is staged."""


FILESYSTEMS: Room[Filesystem] = Room("argosy.filesystems", noun="filesystem type")
