"""A side in memory, as hostile as a real one: inode numbers are used again by the very next create, as ext4 does."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from heapq import heappop, heappush

from blake3 import blake3

from argosy.sync.planner.options import Guard
from argosy.sync.planner.trees import Binding, Entry, Kind, Metadata, Obstacle, Tree, Version

SECOND = 10**9
PLAIN = Metadata(0o644, 0, 0)
TOP_INODE = 2
UNASKED = (Guard(share=100, roots=1 << 62), Guard(share=100, roots=1 << 62))
"""Guards that let everything pass: of users who mean what they do."""


@lru_cache(maxsize=1 << 16)
def digest(data: bytes) -> bytes:
    return blake3(data).digest()


class Clock:
    """Every change anywhere has a time of its own, so far from the last that no tie hides an order."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def tick(self) -> int:
        self.now += 10 * SECOND
        return self.now


class Node:
    __slots__ = ("born", "children", "ctime", "data", "inode", "kind", "links", "metadata", "mtime", "other")

    def __init__(self, inode: int, kind: Kind | None, data: bytes, time: int) -> None:
        self.inode = inode
        self.kind = kind
        self.data = data
        self.metadata = PLAIN
        self.children: dict[bytes, Node] = {}
        self.links = 0
        self.born = self.mtime = self.ctime = time
        self.other = ""

    def copy(self, nodes: "dict[int, Node]") -> "Node":
        """Return another node that looks the same, with all below; what has two names there is copied once."""
        made = nodes.get(self.inode)
        if made is None:
            made = nodes[self.inode] = Node(self.inode, self.kind, self.data, self.born)
            made.metadata, made.links, made.mtime, made.ctime = self.metadata, self.links, self.mtime, self.ctime
            made.children = {name: node.copy(nodes) for name, node in self.children.items()}
        return made


class Disk:
    def __init__(self, name: bytes, clock: Clock, *, fold: Callable[[bytes], bytes] = bytes) -> None:
        self.name = name
        self.clock = clock
        self.fold = fold
        self.free: list[int] = []
        self.last = TOP_INODE
        self.top = Node(TOP_INODE, Kind.DIRECTORY, b"", clock.tick())
        self.parked: dict[str, tuple[Node, Node, bytes]] = {}
        self.kept: list[Node] = []
        """Trash and version store: inodes that are still taken."""
        self.saved: set[tuple[Kind | None, bytes]] = set()
        """Every content that ever went there."""
        self.marked = self.whole = True
        self.unlisted: set[int] = set()
        self.unreadable: set[bytes] = set()
        self.covered: set[int] = set()
        """Directories on which something else is mounted."""
        self.opaque: set[int] = set()
        """Files that can be seen and not read."""

    def copy(self, clock: Clock) -> "Disk":
        """Return another disk that looks the same; nothing is kept or parked on it."""
        made = Disk(self.name, clock, fold=self.fold)
        made.free, made.last = list(self.free), self.last
        nodes: dict[int, Node] = {}
        made.top = self.top.copy(nodes)
        return made

    # inodes

    def make(self, kind: Kind | None, data: bytes = b"") -> Node:
        if self.free:
            number = heappop(self.free)
        else:
            self.last += 1
            number = self.last
        return Node(number, kind, data, self.clock.tick())

    def attach(self, parent: Node, name: bytes, node: Node) -> None:
        if self.find(parent, name) is not None:
            raise FileExistsError(name)
        parent.children[name] = node
        node.links += 1
        node.ctime = parent.mtime = parent.ctime = self.clock.tick()

    def detach(self, parent: Node, name: bytes) -> Node:
        if name not in parent.children:
            name = next(each for each in parent.children if self.fold(each) == self.fold(name))
        node = parent.children.pop(name)
        node.links -= 1
        node.ctime = parent.mtime = parent.ctime = self.clock.tick()
        return node

    def forget(self, node: Node) -> None:
        """Free the inode of a node that has no name any more, and of all below."""
        if node.links == 0:
            for child in node.children.values():
                child.links -= 1
                self.forget(child)
            heappush(self.free, node.inode)

    def keep(self, node: Node) -> None:
        self.saved.add((node.kind, node.data))
        self.kept.append(node)

    def purge(self) -> None:
        for node in dict.fromkeys(self.kept):  # a file of two names is kept twice, and has one number to give back
            self.forget(node)
        self.kept.clear()

    def find(self, parent: Node, name: bytes) -> Node | None:
        if self.fold is bytes:
            return parent.children.get(name)
        return next((node for each, node in parent.children.items() if self.fold(each) == self.fold(name)), None)

    def at(self, path: bytes) -> Node:
        node = self.top
        for name in filter(None, path.split(b"/")):
            found = self.find(node, name)
            if found is None:
                raise FileNotFoundError(path)
            node = found
        return node

    def split(self, path: bytes) -> tuple[Node, bytes]:
        above, _, name = path.rpartition(b"/")
        return self.at(above), name

    def has(self, path: bytes) -> bool:
        try:
            self.at(path)
        except FileNotFoundError:
            return False
        return True

    # what users do

    def create(self, path: bytes, data: bytes, kind: Kind | None = Kind.FILE) -> Node:
        node = self.make(kind, data)
        self.attach(*self.split(path), node)
        return node

    def mkdir(self, path: bytes) -> None:
        self.create(path, b"", Kind.DIRECTORY)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.create(path, target, Kind.SYMLINK)

    def edit(self, path: bytes, data: bytes) -> None:
        node = self.at(path)
        node.data = data
        node.mtime = node.ctime = self.clock.tick()

    def remove(self, path: bytes) -> None:
        self.forget(self.detach(*self.split(path)))

    def save(self, path: bytes, data: bytes) -> None:
        """Write beside and rename over, as editors do."""
        self.remove(path)
        self.make(Kind.FILE)  # what was freed is taken by something else, as it may be
        self.create(path, data)

    def move(self, old: bytes, new: bytes) -> None:
        if self.has(new) and self.at(new) is self.at(old):
            return  # as rename does it: two names of one file stay what they are
        node = self.detach(*self.split(old))
        if self.has(new):
            self.remove(new)
        self.attach(*self.split(new), node)

    def link(self, old: bytes, new: bytes) -> None:
        self.attach(*self.split(new), self.at(old))

    def swap(self, one: bytes, two: bytes) -> None:
        (first, name), (second, other) = self.split(one), self.split(two)
        nodes = self.detach(first, name), self.detach(second, other)
        self.attach(first, name, nodes[1])
        self.attach(second, other, nodes[0])

    def chmod(self, path: bytes, mode: int) -> None:
        node = self.at(path)
        node.metadata = node.metadata._replace(mode=mode)
        node.ctime = self.clock.tick()

    def touch(self, path: bytes, mtime: int | None = None) -> None:
        node = self.at(path)
        node.ctime = self.clock.tick()
        node.mtime = node.ctime if mtime is None else mtime

    # what a scan sees

    def binding(self, node: Node) -> Binding:
        return Binding(self.name, 5, node.inode, node.born)

    def entry(self, parent: Node, name: bytes, node: Node, *, hashed: bool = False) -> Entry:
        assert node.kind is not None
        content = node.data if node.kind is Kind.SYMLINK else digest(node.data) if hashed else None
        size = 0 if node.kind is Kind.DIRECTORY else len(node.data)
        version = Version(size, node.mtime, node.ctime)
        binding, above = self.binding(node), self.binding(parent)
        return Entry(binding, above, name, node.kind, version, node.metadata, content, node.links)

    def walk(self) -> Iterator[tuple[bytes, Node, bytes, Node]]:
        """Yield path, parent, name and node of everything below the top."""
        waiting: list[tuple[bytes, Node]] = [(b"", self.top)]
        while waiting:
            above, parent = waiting.pop()
            for name, node in parent.children.items():
                path = above + b"/" + name if above else name
                yield path, parent, name, node
                if node.kind is Kind.DIRECTORY:
                    waiting.append((path, node))

    def scan(self, *, hashed: bool = False) -> Tree:
        entries, unsyncable, unknown, boundaries = [], [], [], []
        waiting = [(b"", self.top)]
        while waiting:
            above, parent = waiting.pop()
            if parent.inode in self.unlisted:
                continue
            for name, node in parent.children.items():
                path = above + b"/" + name if above else name
                if node.inode in self.covered:
                    boundaries.append(Obstacle(self.binding(parent), name, "a mount point"))
                elif path in self.unreadable:
                    unknown.append(Obstacle(self.binding(parent), name, "could not be read"))
                elif node.kind is None:
                    unsyncable.append(Obstacle(self.binding(parent), name, node.other or "a fifo"))
                else:
                    entries.append(self.entry(parent, name, node, hashed=hashed))
                    if node.kind is Kind.DIRECTORY:
                        waiting.append((path, node))
        unlisted = frozenset(self.binding(node) for _, _, _, node in self.walk() if node.inode in self.unlisted)
        if TOP_INODE in self.unlisted:
            unlisted |= {self.binding(self.top)}
        return Tree(
            top=self.binding(self.top), entries=entries, unsyncable=unsyncable, unknown=unknown, boundaries=boundaries,
            unlisted=unlisted, marked=self.marked, complete=self.whole,
        )  # fmt: skip

    def show_all(self) -> None:
        """Have nothing out of sight any more."""
        for each in (self.unlisted, self.covered, self.opaque, self.unreadable):
            each.clear()

    def tree(self) -> dict[bytes, tuple[object, ...]]:
        """Return all that two sides must have alike."""
        found: dict[bytes, tuple[object, ...]] = {}
        for path, _, _, node in self.walk():
            mtime = node.mtime if node.kind is Kind.FILE else 0
            found[path] = (node.kind, node.data, node.metadata, mtime)
        return found

    def contents(self) -> set[tuple[Kind | None, bytes]]:
        """Return every content that has a name."""
        return {(node.kind, node.data) for _, _, _, node in self.walk() if node.kind in (Kind.FILE, Kind.SYMLINK)}

    def groups(self) -> set[frozenset[bytes]]:
        """Return which names share an inode."""
        found: dict[int, set[bytes]] = {}
        for path, _, _, node in self.walk():
            if node.kind is Kind.FILE:
                found.setdefault(node.inode, set()).add(path)
        return {frozenset(names) for names in found.values() if len(names) > 1}
