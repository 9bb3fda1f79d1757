"""The site as a plan sees it: it may look at everything and change nothing, whatever it tries."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, Self, cast

from argosy.agent.place import OrderSite
from argosy.core.entry import Stored
from argosy.core.errors import ArgosyError, Unsupported
from argosy.core.fileset import Fileset
from argosy.core.foreseen import Foretold, Leaves
from argosy.core.order import Link, Policy, StoreAccess
from argosy.core.pointer import Binding
from argosy.filesystems.base import File, Filesystem, Pointed
from argosy.site import Note
from argosy.stores.base import Store

_OF_A_STORE: Final = frozenset({"head", "get", "list"})
_OF_A_TREE: Final = frozenset(
    {
        "root",
        "stat",
        "names",
        "scan",
        "resolve",
        "attributes",
        "readlink",
        "origin",
        "stands_for",
        "kept",
        "lying",
        "undoable",
        "freed_by",
        "free",
        "put_backs",
        "refuse_protected",
    }
)
_OF_A_FILE: Final = frozenset(
    {
        "entry", "size", "block", "look", "version", "attributes", "has_capabilities", "loses_rights", "binding",
        "pointer", "stray", "is_being_written", "is_fixed", "changed_ns", "data", "has_holes", "links", "close",
    }
)  # fmt: skip
"""Its content is not read: that would show in its atime, and take as long as the work itself."""


class Depends(ArgosyError):
    """What is there now does not tell what the step would meet: a link before it would have changed that."""


class _Only:
    """Something of which only some things may be used."""

    def __init__(self, real: object, allowed: frozenset[str]) -> None:
        self._real = real
        self._allowed = allowed

    def __getattr__(self, name: str) -> Any:
        if name not in self._allowed:
            raise Unsupported(f"a plan changes nothing, and {name} might: this step cannot be planned")
        return getattr(self._real, name)


class _File(_Only):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Uncopied(_File):
    """A file that would have forgotten its copy by then."""

    def pointer(self) -> None:
        return None

    def stray(self) -> None:
        return None


class _Tree(_Only):
    def __init__(self, real: Filesystem, allowed: frozenset[str], *, file: type[_File]) -> None:
        super().__init__(real, allowed)
        self._file = file

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> File:
        if writing:
            raise Unsupported("a plan changes nothing, and writing would: this step cannot be planned")
        return cast("File", self._file(cast("Filesystem", self._real).open(path, inode=inode), _OF_A_FILE))


class _Store:
    """A store that is opened when it is first looked into."""

    def __init__(self, opened: Callable[[], Store], *, settled: bool) -> None:
        self._opened = opened
        self._settled = settled

    def __getattr__(self, name: str) -> Any:
        if name in _OF_A_STORE and not self._settled:
            raise Depends("a step before it would have changed what the store has")
        return getattr(_Only(self._opened() if name in _OF_A_STORE else None, _OF_A_STORE), name)


class Looking:
    """`argosy.site.Site` for plans. What is only remembered of a look is forgotten."""

    def __init__(self, site: OrderSite, before: Sequence[Foretold] = ()) -> None:
        """`before`: what links before would have done with the only entry that is looked at."""
        changing = [link for link in before if link.changes]
        uncopied = any(link.leaves is Leaves.WITHOUT_COPY and link.site == site.name for link in changing)
        self._file = _Uncopied if uncopied else _File
        self._settled = all(link.leaves is Leaves.WITHOUT_COPY for link in changing)
        self._site = site
        self.name = site.name
        self.task = site.task
        self.attempt = site.attempt
        self.begun_ns = site.begun_ns
        self.own = False

    @property
    def policy(self) -> Policy:
        """What the site has settled for its files."""
        return self._site.policy

    @property
    def check_lease(self) -> Callable[[], None]:
        """Raise `LeaseLost` when called after the task was lost."""
        return self._site.check_lease

    def after(self, before: Sequence[Foretold]) -> "Looking":
        """Return the site as it would be after these links, as far as that is known."""
        return Looking(self._site, before) if before else self

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds the path, to be looked at."""
        return self._looked_at(self._site.tree(path))

    def trees(self) -> Sequence[Filesystem]:
        """Return all trees of the site, to be looked at."""
        return [self._looked_at(tree) for tree in self._site.trees()]

    def _looked_at(self, tree: Filesystem) -> Filesystem:
        return cast("Filesystem", _Tree(tree, _OF_A_TREE, file=self._file))

    @property
    def filesets(self) -> Sequence[Fileset]:
        """Return the filesets that are what they were registered for."""
        return self._site.filesets

    def fileset(self, path: bytes) -> Fileset:
        """Return the fileset whose top is the path."""
        return self._site.fileset(path)

    def link(self, path: bytes, datastore: str | None = None) -> Link:
        """Return the sitelink with the longest site path."""
        return self._site.link(path, datastore)

    def access(self, datastore: str) -> StoreAccess:
        """Return what is known of a linked datastore."""
        return self._site.access(datastore)

    def numbered(self, number: int) -> StoreAccess:
        """Return what is known of the linked datastore that pointers call by this number."""
        return self._site.numbered(number)

    def store(self, datastore: str) -> Store:
        """Return the linked datastore, to be looked at; it is opened where somebody does, since that leaves traces."""
        return cast("Store", _Store(partial(self._site.store, datastore), settled=self._settled))

    def check_store(self, number: int) -> None:
        """Return where the datastore is the one that objects were put into."""
        self._site.check_store(number)

    def intend(self, uuid: bytes, key: str) -> None:  # noqa: ARG002 - as a site has it
        """Refuse: nothing is written."""
        raise Unsupported("a plan changes nothing, and an object was to be written: this step cannot be planned")

    def forgo(self, uuid: bytes) -> None:
        """Do nothing: nothing was to be written."""

    def intended(self, uuid: bytes) -> bool:
        """Say whether nothing here points to an object this site began."""
        return self._site.intended(uuid)

    def remember(self, stored: Stored, path: bytes, *, at_once: bool = False) -> None:
        """Forget it."""

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object."""
        return self._site.key_of(uuid)

    def datastore_of(self, uuid: bytes) -> str | None:
        """Return the datastore of an object."""
        return self._site.datastore_of(uuid)

    def unpointed(self) -> Iterator[tuple[bytes, str]]:
        """Yield objects that nothing here came to point to."""
        return self._site.unpointed()

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at."""
        return self._site.path_of(uuid)

    def note(self, binding: Binding, note: Note, *, at_once: bool = False) -> None:
        """Forget it."""

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode."""
        return self._site.noted(binding)

    def meet(self, found: Pointed) -> bool:  # noqa: ARG002 - nothing is written
        """Forget it."""
        return True

    def held(self, filesystems: Collection[bytes]) -> Iterator[tuple[Binding, Note]]:
        """Yield every inode of the filesystems that was noted with its handle."""
        return self._site.held(filesystems)

    def unheld(self) -> Iterator[Binding]:
        """Yield every inode that was left as a stub and noted without its handle."""
        return self._site.unheld()

    def left_as(self, binding: Binding) -> Collection[bytes]:
        """Return the objects of which the inode was left as a stub."""
        return self._site.left_as(binding)

    def leave(self, inodes: Iterable[tuple[Binding, Note]]) -> None:
        """Do nothing: what is remembered stays."""

    def stub_places(self) -> Mapping[tuple[bytes, int], bool]:
        """Return filesystem and subvolume of every stub that is remembered."""
        return self._site.stub_places()

    def knows_all(self) -> bool:
        """Say whether every file that points to an object was noted at some time."""
        return self._site.knows_all()

    def survey(self, root: bytes) -> None:
        """Forget it."""

    def know_all(self) -> None:
        """Forget it."""

    def read_whole(self, uuid: bytes) -> None:
        """Forget it."""

    def last_read_ns(self, uuid: bytes) -> int:
        """Return when the object was last read whole."""
        return self._site.last_read_ns(uuid)

    def may_read(self, size: int, most: int) -> bool:  # noqa: ARG002 - as a site has it
        """Say no: a plan reads no content."""
        return False

    def locked(self, name: bytes) -> AbstractContextManager[None]:
        """Hold the lock `name` of this process."""
        return self._site.locked(name)
