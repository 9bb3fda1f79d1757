"""One site as this agent serves it: its trees, the stores it was given access to, its index and its locks."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from argosy.agent.doings import Doings
from argosy.agent.filesets import Filesets
from argosy.agent.index import Index
from argosy.agent.lease import Lease
from argosy.agent.reached import Silent, reached
from argosy.agent.roots import Roots
from argosy.agent.shelves import Shelves
from argosy.agent.syncing.recovering import recover
from argosy.core import wire
from argosy.core.config import SiteConfig
from argosy.core.entry import Stored
from argosy.core.errors import ArgosyError, Denied
from argosy.core.faults import NoSitelink, OutsideRoots, RootUnserved, Undeclared
from argosy.core.fileset import Fileset
from argosy.core.options import parse
from argosy.core.order import Link, Order, Policy, StoreAccess
from argosy.core.paths import absolute, below, display
from argosy.core.pointer import Binding
from argosy.filesystems.base import Filesystem, Pointed
from argosy.filesystems.posix import Posix
from argosy.site import UNSEEN, Note
from argosy.stores.base import STORES, Store
from argosy.stores.posix import PosixStore

log = structlog.get_logger()

REBUILD = "mount all its disks and run `argosy rebuild`"
"""What an index needs that knows nothing."""


class Place:
    """What outlives the tasks of a site."""

    def __init__(self, config: SiteConfig, directory: Path, *, shelves: Collection[str] = ()) -> None:
        """`shelves`: the directories that may be datastores. The hub may name them; only the configuration allows."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = config.name
        self.locks = Locks()
        self.trees = [Posix(root=absolute(os.fsencode(root)), key=_key(directory)) for root in config.roots]
        self._roots = Roots(config.name, directory / "roots", {tree.root for tree in self.trees})
        self.index = Index(directory / "index.db", trees=self._roots.known())
        self.doings = Doings(directory / "doings.db")
        self._served: dict[bytes, tuple[Posix, str]] = {}
        """The trees that are served, each with its identity, by root."""
        self._swept: set[str] = set()
        """Trees that were swept since this agent began: what it has in staging is its own."""
        self._recovered: set[str] = set()
        """Filesets in which what a killed agent had on its way was brought home since this one began."""
        self._opening = threading.Lock()
        self.filesets = Filesets(config.name, directory / "filesets", config.filesets, self._tree_at)
        self.unserved = {tree.root: "it was not looked at yet" for tree in self.trees}
        """Why a root is not served."""
        self._shelves = frozenset(shelves)
        self._known_shelves = Shelves(directory / "stores")
        self._stores: dict[bytes, Store] = {}
        self._lock = threading.Lock()
        self._read: dict[int, int] = {}
        """Bytes of the content that was read to check it, by job."""

    def start(self) -> None:
        """Look at the roots: serve those that can be, after clearing what a killed agent left there, and no others.

        A root where another directory lies than before may have lost its disk, or have it again.
        """
        for tree in self.trees:
            with self._opening:
                if not self._is_served(tree.root):
                    self._open(tree)
        self.filesets.look()
        for fileset in self.filesets.known():
            if fileset.id not in self._recovered:
                self._recovered.add(fileset.id)
                recover(self._tree_at(fileset.path), fileset)

    def _is_served(self, root: bytes) -> bool:
        if root not in self._served:
            return False
        tree, ident = self._served[root]
        try:
            identity = tree.identity()
        except ArgosyError:
            return False
        return identity is not None and identity.id == ident

    def _open(self, tree: Posix) -> None:
        self._served.pop(tree.root, None)
        try:
            lying = tree.as_it_lies()
            is_new = self._roots.admit(lying)
            identity = lying.identity()
            ident = identity.id if identity is not None else ""
            self.index.locate(ident, lying.binding(tree.root))
            if is_new:  # nothing in it was ours before
                self.index.make_whole(ident)
                self.index.make_surveyed(ident)
            if ident not in self._swept:
                lying.sweep()
                self._swept.add(ident)
        except (ArgosyError, OSError) as error:
            self.unserved[tree.root] = error.message if isinstance(error, ArgosyError) else str(error)
        else:
            self._served[tree.root] = lying, ident
            self.unserved.pop(tree.root, None)

    def served(self) -> list[Posix]:
        """Return the trees that are served now."""
        return [tree for tree, _ in self._served.values() if tree.is_there()]

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds the path, which is looked at: its disk may have been unmounted.

        Raises:
            Denied: none does.
            Unavailable: its root is not served now.
        """
        for tree in self.trees:
            if below(path, tree.root):
                if not self._serves(tree.root):
                    self.start()
                return self._served_now(tree.root)
        roots = ", ".join(display(tree.root) for tree in self.trees)
        raise OutsideRoots(f"{display(path)} is outside the roots of site {self.name}: {roots}")

    def fileset(self, path: bytes) -> Fileset:
        """Return the fileset whose top is the path, looked at just now.

        Raises:
            Invalid: there is none.
            Denied: the path is outside the roots.
            Unavailable: its root is not served now, or what lies there is not known to be the fileset.
        """
        self.tree(path)
        return self.filesets.at(path)

    def _tree_at(self, path: bytes) -> Posix:
        """Return the tree that holds the path, as it is served; roots are not looked at for it."""
        root = next((tree.root for tree in self.trees if below(path, tree.root)), None)
        if root is None:
            raise OutsideRoots(f"{display(path)} is outside the roots of site {self.name}: add its root")
        return self._served_now(root)

    def _serves(self, root: bytes) -> bool:
        return root in self._served and self._served[root][0].is_there()

    def _served_now(self, root: bytes) -> Posix:
        if (reason := self.unserved.get(root)) is not None:
            raise RootUnserved(f"root {display(root)} of site {self.name} is not served: {reason}")
        return self._served[root][0]

    def every_tree(self) -> Sequence[Filesystem]:
        """Return all trees that were ever served here, each looked at just now.

        Raises:
            Unavailable: one of them cannot be served, or is there no longer.
            Denied: the index is younger than they are, and was not rebuilt: it does not know where stubs were left.
        """
        trees = [self.tree(tree.root) for tree in self.trees]
        self._roots.expect(self.trees)
        if self.unsurveyed():
            raise Denied(f"the index of site {self.name} began anew, and does not know all its stubs: {REBUILD}")
        return trees

    def unsurveyed(self) -> list[bytes]:
        """Return the roots that are served and whose stubs the index does not know."""
        return [root for root, (_, ident) in self._served.items() if not self.index.is_surveyed(ident)]

    def trouble(self) -> str:
        """Say what is to be done at the site, although its roots are served; nothing, where all is well."""
        roots = ", ".join(map(display, self.unsurveyed()))
        return f"the index began anew, and does not know all stubs below {roots}: {REBUILD}" if roots else ""

    def retired(self) -> list[bytes]:
        """Return the roots that were served once and that the configuration has no longer."""
        return list(self._roots.retired().values())

    def forget(self, roots: Collection[str]) -> None:
        """Forget roots that are retired, as people read them: nobody needs their stubs any more."""
        for ident, root in self._roots.retired().items() if roots else ():
            if display(root) in roots:
                self.index.forget_tree(ident, [other for _, other in self._served.values()])
                self._roots.forget(ident)
                log.warning("root forgotten", site=self.name, root=display(root))

    def survey(self, root: bytes) -> None:
        """Remember that the stubs below a root were noted; of another path, nothing."""
        if root in self._served:
            self.index.make_surveyed(self._served[root][1])

    def identities(self) -> list[str]:
        """Return which trees these are; "" for one that has no identity yet."""
        return [identity.id if (identity := tree.identity()) else "" for tree in self.trees]

    def store(self, access: StoreAccess) -> Store:
        """Return the store, opened once for each way it was described.

        Raises:
            Denied: it is a directory that the configuration does not list.
            Unavailable: it is a directory, and not the one it was before.
        """
        store = self._opened(access)
        if isinstance(store, PosixStore):
            self._known_shelves.admit(access.name, store)
        return store

    def check_store(self, access: StoreAccess) -> None:
        """Return where the store, if it is a directory, is the one that objects were put into.

        Raises:
            Unavailable: it is not, or is gone.
        """
        store = self._opened(access)
        if isinstance(store, PosixStore) and not self._known_shelves.admit(access.name, store):
            store.check()

    def _opened(self, access: StoreAccess) -> Store:
        described = wire.dump(access)
        with self._lock:
            if described not in self._stores:
                plugin = STORES.get(access.type.lower())
                store = parse(plugin, access.settings, noun=f"datastore {access.name}")
                self._check_shelf(access.name, store)
                self._stores[described] = store
            return self._stores[described]

    def _check_shelf(self, name: str, store: Store) -> None:
        """Whoever commands the hub must not come to write anywhere on this machine."""
        if isinstance(store, PosixStore) and store.path not in self._shelves:
            raise Undeclared(
                f"datastore {name} at {store.path} is not among the POSIX datastores of this agent's configuration: "
                "declare it there"
            )

    def may_read(self, job: int, size: int, most: int) -> bool:
        """Take `size` from the `most` bytes that may be read for the job; the count begins anew with the agent.

        What is larger than all of them is read where it is the first.
        """
        with self._lock:
            read = self._read.get(job, 0)
            if read and read + size > most:
                return False
            self._read[job] = read + size
            return True

    def close(self) -> None:
        """Let go of the files of its own."""
        self.doings.close()
        self.index.close()


class Locks:
    """Named locks of this process, forgotten when nobody holds them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[bytes, tuple[threading.Lock, int]] = {}

    @contextmanager
    def held(self, name: bytes) -> Iterator[None]:
        """Hold the lock `name`."""
        with self._guard:
            lock, users = self._held.get(name, (threading.Lock(), 0))
            self._held[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._held[name]
                if users == 1:
                    del self._held[name]
                else:
                    self._held[name] = (lock, users - 1)


@dataclass(frozen=True, slots=True)
class OrderSite:
    """The site as one order sees it: `argosy.site.Site`."""

    place: Place
    links: Sequence[Link]
    accesses: Mapping[str, StoreAccess]
    policy: Policy
    lease: Lease
    job: int = 0
    task: str = ""
    attempt: int = 1
    begun_ns: int = 0
    own: bool = False
    """Whether the hub began the work for itself."""
    silent: Silent | None = None
    """Datastores that are asked nothing more, for they did not answer; None: every question is asked."""

    @classmethod
    def of(cls, place: Place, order: Order, lease: Lease) -> "OrderSite":
        """Return the place with the links and stores that the order grants."""
        accesses = {access.name: access for access in order.stores}
        begun_ns = time.time_ns() - int(order.age * 1e9)
        work = (order.job, order.task, order.attempt, begun_ns, order.own)
        return cls(place, order.links, accesses, order.policy, lease, *work)

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.place.name

    @property
    def check_lease(self) -> Callable[[], None]:
        """Raise `LeaseLost` when called after the task was lost."""
        return self.lease.check

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds the path."""
        return self.place.tree(path)

    def trees(self) -> Sequence[Filesystem]:
        """Return all trees of the site."""
        return self.place.every_tree()

    @property
    def filesets(self) -> Sequence[Fileset]:
        """Return the filesets that are what they were registered for."""
        return self.place.filesets.known()

    def fileset(self, path: bytes) -> Fileset:
        """Return the fileset whose top is the path."""
        return self.place.fileset(absolute(path))

    def link(self, path: bytes, datastore: str | None = None) -> Link:
        """Return the sitelink with the longest site path."""
        fitting = [link for link in self.links if below(path, link.site_path) and datastore in {None, link.datastore}]
        if not fitting:
            wanted = "" if datastore is None else f" to datastore {datastore or repr(datastore)}"
            remedy = "add one" if datastore is None else "correct the name of the datastore, or add one"
            raise NoSitelink(f"site {self.name} has no sitelink{wanted} for {display(path)}: {remedy}")
        return max(fitting, key=lambda link: len(link.site_path))

    def access(self, datastore: str) -> StoreAccess:
        """Return what is known of a linked datastore."""
        try:
            return self.accesses[datastore]
        except KeyError:
            raise NoSitelink(f"site {self.name} is not linked to datastore {datastore}") from None

    def numbered(self, number: int) -> StoreAccess:
        """Return what is known of the linked datastore that pointers call by this number."""
        for access in self.accesses.values():
            if access.id == number:
                return access
        raise NoSitelink(
            f"site {self.name} is not linked to datastore number {number}, to which a file's attribute points: "
            "add a sitelink to it"
        )

    def store(self, datastore: str) -> Store:
        """Return the linked datastore."""
        if self.silent is None:
            return self.place.store(self.access(datastore))
        with self.silent.asking(datastore):
            return reached(self.place.store(self.access(datastore)), datastore, self.silent)

    def check_store(self, number: int) -> None:
        """Return where the datastore is still the one that objects were put into."""
        access = self.numbered(number)
        with nullcontext() if self.silent is None else self.silent.meeting(access.name):
            self.place.check_store(access)

    def intend(self, uuid: bytes, key: str) -> None:
        """Note an object about to be written."""
        self.place.index.intend(uuid, key)

    def forgo(self, uuid: bytes) -> None:
        """Forget an object that was not written after all."""
        self.place.index.forgo(uuid)

    def intended(self, uuid: bytes) -> bool:
        """Say whether nothing here points to an object this site began."""
        return self.place.index.intended(uuid)

    def remember(self, stored: Stored, path: bytes, *, at_once: bool = False) -> None:
        """Note key and path of an object."""
        self.place.index.remember(stored, path)
        if at_once:
            self.place.index.write(stored.uuid)

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object."""
        return self.place.index.key_of(uuid)

    def datastore_of(self, uuid: bytes) -> str | None:
        """Return the datastore of an object."""
        return self.place.index.datastore_of(uuid)

    def unpointed(self) -> Iterator[tuple[bytes, str]]:
        """Yield objects that nothing here came to point to."""
        return self.place.index.unpointed()

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at."""
        return self.place.index.path_of(uuid)

    def note(self, binding: Binding, note: Note, *, at_once: bool = False) -> None:
        """Remember something of an inode."""
        self.place.index.note(binding, note)
        if at_once:
            self.place.index.settle()

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode."""
        return self.place.index.noted(binding)

    def read_whole(self, uuid: bytes) -> None:
        """Remember that the object was read whole just now."""
        self.place.index.read_whole(uuid, time.time_ns())

    def last_read_ns(self, uuid: bytes) -> int:
        """Return when the object was last read whole."""
        return self.place.index.last_read_ns(uuid)

    def may_read(self, size: int, most: int) -> bool:
        """Take bytes from those that may be read for this job."""
        return self.place.may_read(self.job, size, most)

    def meet(self, found: Pointed) -> bool:
        """Remember a file that points to an object."""
        index, pointer = self.place.index, found.pointer
        if index.intended(pointer.uuid):
            index.point(pointer.uuid, found.path)
        noted = index.noted(found.binding)
        if not found.handle or (noted is not None and noted.handle):
            return bool(found.handle)
        is_stub = pointer.state.is_stub and pointer.binding == found.binding
        fresh = Note(pointer.uuid if is_stub else UNSEEN, 0, stub=is_stub)
        index.note(found.binding, (noted or fresh)._replace(handle=found.handle))
        return False

    def held(self, filesystems: Collection[bytes]) -> Iterator[tuple[Binding, Note]]:
        """Yield every inode of the filesystems that was noted with its handle."""
        return self.place.index.held(filesystems)

    def unheld(self) -> Iterator[Binding]:
        """Yield every inode that was left as a stub and noted without its handle."""
        return self.place.index.unheld()

    def left_as(self, binding: Binding) -> Collection[bytes]:
        """Return the objects of which the inode was left as a stub."""
        return self.place.index.left_as(binding)

    def leave(self, inodes: Iterable[tuple[Binding, Note]]) -> None:
        """Forget inodes that are no more."""
        self.place.index.leave(inodes)

    def stub_places(self) -> Mapping[tuple[bytes, int], bool]:
        """Return filesystem and subvolume of every stub that is remembered, and whether handles open them all."""
        return self.place.index.stub_places()

    def knows_all(self) -> bool:
        """Say whether every file that points to an object was noted at some time."""
        return all(self.place.index.is_whole(tree) for tree in self.place.identities())

    def survey(self, root: bytes) -> None:
        """Remember that the stubs below a root were noted; of another path, nothing."""
        self.place.survey(root)

    def know_all(self) -> None:
        """Remember that all were met."""
        for tree in self.place.identities():
            self.place.index.make_whole(tree)

    def locked(self, name: bytes) -> AbstractContextManager[None]:
        """Hold the lock `name`."""
        return self.place.locks.held(name)


def _key(directory: Path) -> bytes:
    """Return the site's secret for attributes that users could forge, made at first need, whole or not at all."""
    file = directory / "attribute.key"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        descriptor, new = tempfile.mkstemp(prefix="attribute.key.", dir=directory)
        with os.fdopen(descriptor, "wb") as key:
            key.write(os.urandom(32))
            key.flush()
            os.fsync(key.fileno())
        with suppress(FileExistsError):
            os.link(new, file)
        os.unlink(new)
        return file.read_bytes()
