"""What steps and discoveries may use of the site they run at."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from argosy.core.entry import Stored
from argosy.core.fileset import Fileset
from argosy.core.order import Link, Policy, StoreAccess
from argosy.core.pointer import Binding
from argosy.filesystems.base import Filesystem, Pointed
from argosy.stores.base import Store

UNSEEN: Final = bytes(16)
"""Stands for the object of a note that only says how to find the inode: nobody looked whether it has its bytes."""


class Note(NamedTuple):
    """What a site remembers of an inode beside what the inode says."""

    uuid: bytes
    """The object it points to; `UNSEEN` where nobody but its attribute told of it, which may be an old one."""
    ctime_ns: int
    """Its ctime when nobody else could have written to it since its pointer was; 0 where that is not known.

    Negative: what the pointer's writer left, so soon after the file was written that its mtime proves nothing.
    """
    stub: bool
    """Whether it was left without its bytes."""
    handle: bytes = b""
    """What opens it under any name; b"" where that is not known: what is known of it already stays known."""


class Site(Protocol):
    """A site as its steps and discoveries see it, for as long as one task runs."""

    @property
    def name(self) -> str:
        """Name of the site."""

    @property
    def task(self) -> str:
        """Id of the task that runs."""

    @property
    def attempt(self) -> int:
        """Which attempt at the task this is: one above 1 may find done what those before it did."""

    @property
    def begun_ns(self) -> int:
        """When the first attempt began, ns since 1970 by the clock of this machine."""

    @property
    def own(self) -> bool:
        """Whether the hub began the work for itself: in work of others no object is removed."""

    @property
    def policy(self) -> Policy:
        """What the site has settled for its files."""

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds `path`.

        Raises:
            Denied: the path is outside the site's roots.
            Unavailable: its root cannot be served now.
        """

    def trees(self) -> Sequence[Filesystem]:
        """Return all trees of the site, and all that ever were its.

        Raises:
            Unavailable: one of them cannot be served now, or is there no longer.
        """

    @property
    def filesets(self) -> Sequence[Fileset]:
        """The filesets of the site that are, as far as was seen a moment ago, what they were registered for."""

    def fileset(self, path: bytes) -> Fileset:
        """Return the fileset whose top is `path`, which was looked at just now.

        Raises:
            NoFileset: no fileset of the site has its top there; the message says which one the path lies in, if any.
            FilesetRefused: what lies there is not known to be it; the message says why and what to do.
            Denied, Unavailable: as `tree`.
        """

    def link(self, path: bytes, datastore: str | None = None) -> Link:
        """Return the sitelink for `path`, to `datastore` where one is named: the longest site path wins.

        Raises:
            Invalid: no sitelink covers the path.
        """

    def access(self, datastore: str) -> StoreAccess:
        """Return what is known of a linked datastore.

        Raises:
            Invalid: the site is not linked to it.
        """

    def numbered(self, number: int) -> StoreAccess:
        """Return what is known of the linked datastore that pointers call by this number.

        Raises:
            Invalid: the site is not linked to it.
        """

    def store(self, datastore: str) -> Store:
        """Return the linked datastore, opened once.

        Raises:
            Invalid: the site is not linked to it.
            Denied: it is a directory that the agent's configuration does not list.
            Unavailable: it is a directory, and not the one it was before.
        """

    def check_store(self, number: int) -> None:
        """Return where the linked datastore of this number is the one that objects were put into.

        Call it before blocks are freed that are in an object from then on: no server is asked anything.

        Raises:
            Invalid: the site is not linked to it.
            Unavailable: it is a directory, and not the one it was before.
        """

    def intend(self, uuid: bytes, key: str) -> None:
        """Note that an object is about to be written and that nothing points to it yet."""

    def forgo(self, uuid: bytes) -> None:
        """Forget an object that was to be written, and of which no byte was sent."""

    def intended(self, uuid: bytes) -> bool:
        """Say whether this site wrote the object, or began to, and never came to point to it."""

    def remember(self, stored: Stored, path: bytes, *, at_once: bool = False) -> None:
        """Note key and path of an object that the inode at `path` points to; `at_once`: before this returns."""

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object; None where the index does not know it."""

    def datastore_of(self, uuid: bytes) -> str | None:
        """Return the name of the datastore of an object; None where the index does not know it."""

    def unpointed(self) -> Iterator[tuple[bytes, str]]:
        """Yield uuid and key of each object that this site began to write and never came to point to."""

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path at which an inode last came to point to the object; None where the index does not know."""

    def note(self, binding: Binding, note: Note, *, at_once: bool = False) -> None:
        """Remember something of an inode: a hint, whose loss costs a second look at the file.

        `at_once`: it is on the disk when this returns.

        Raises:
            Exhausted: it was to be written at once, and the disk of the index is full.
        """

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode."""

    def meet(self, found: Pointed) -> bool:
        """Remember a file that points to an object; say whether its handle was remembered already."""

    def held(self, filesystems: Collection[bytes]) -> Iterator[tuple[Binding, Note]]:
        """Yield every inode of the filesystems that was noted with its handle, those of one together."""

    def unheld(self) -> Iterator[Binding]:
        """Yield every inode that was left as a stub and was noted without its handle."""

    def left_as(self, binding: Binding) -> Collection[bytes]:
        """Return the objects of which the inode was left as a stub, as far as is remembered.

        Of a filesystem that keeps no birth times, those of all inodes that had this number.
        """

    def leave(self, inodes: Iterable[tuple[Binding, Note]]) -> None:
        """Forget inodes that are no more."""

    def stub_places(self) -> Mapping[tuple[bytes, int], bool]:
        """Return filesystem and subvolume of every inode that was left without its bytes, as far as is remembered.

        With each: whether all of those inodes were noted with their handles.
        """

    def knows_all(self) -> bool:
        """Say whether every file of the trees that points to an object was noted at some time, as far as Argosy knows.

        What a killed agent had noted a moment before, and what people copied since, may be missing.
        """

    def survey(self, root: bytes) -> None:
        """Remember that all stubs below a root were noted; of a path that is no root, nothing is remembered."""

    def know_all(self) -> None:
        """Remember that all were met."""

    def read_whole(self, uuid: bytes) -> None:
        """Remember that the object was read whole just now, and is what was stored."""

    def last_read_ns(self, uuid: bytes) -> int:
        """Return when the object was last read whole and was what was stored, ns since 1970; 0 where nobody knows."""

    def may_read(self, size: int, most: int) -> bool:
        """Take `size` from the `most` bytes this agent may read for this job; False: not so many are left."""

    def locked(self, name: bytes) -> AbstractContextManager[None]:
        """Hold the lock `name` (an object's uuid) within this process; inodes are locked by their tree."""

    @property
    def check_lease(self) -> Callable[[], None]:
        """Call it before every change.

        Raises (when called):
            LeaseLost: the task is no longer ours.
        """


def left_at(site: Site, binding: Binding) -> int:
    """Return with which ctime Argosy left a file when it wrote a pointer into it; 0 where that is not known."""
    note = site.noted(binding)
    return 0 if note is None else abs(note.ctime_ns)
