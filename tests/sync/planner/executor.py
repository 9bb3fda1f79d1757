"""Applies plans to two disks in memory: staging, compare-and-swap, trash, version store, crash and recovery."""

import random
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from argosy.sync.planner.agreeing import agree, spots
from argosy.sync.planner.options import Options
from argosy.sync.planner.planning import plan
from argosy.sync.planner.plans import Act, Operation, Plan
from argosy.sync.planner.trees import SIDES, TOP, Binding, Entry, Kind, Known, Side, Spot, Trees
from tests.sync.planner.disks import Clock, Disk, Node, digest


class Crash(Exception):
    """Power went."""


class Changed(Exception):
    """What is there is not what the plan saw."""


class Pair:
    """Two disks, and the base that they last agreed on."""

    def __init__(
        self, options: Options | None = None, folds: Sequence[Callable[[bytes], bytes]] = (bytes, bytes)
    ) -> None:
        self.options = options or Options()
        self.clock = Clock()
        self.disks = (Disk(b"F1", self.clock, fold=folds[0]), Disk(b"F2", self.clock, fold=folds[1]))
        self.base: dict[str, Known] = {}
        self.spots: tuple[frozenset[Spot], frozenset[Spot]] = (frozenset(), frozenset())
        self.ids = count(1)
        self.rounds = 0
        self.failed: list[Operation] = []
        self.done: list[Operation] = []
        self.watch: Callable[[], None] | None = None
        """Called after every operation."""
        self.lost: Callable[[Operation], bool] = lambda _: False
        """Says of which operations the bytes cannot be brought: the source has them no more."""

    def copy(self) -> "Pair":
        """Return another pair that looks the same."""
        made = Pair(self.options)
        made.clock.now = self.clock.now
        made.disks = (self.disks[0].copy(made.clock), self.disks[1].copy(made.clock))
        made.base, made.spots = dict(self.base), self.spots
        made.ids = count(len(self.base) + 100)
        return made

    def plan(self, options: Options | None = None) -> Plan:
        """Scan, plan, hash what the planner needs, plan again."""
        sides = (self.disks[0].scan(), self.disks[1].scan())
        self.trees = Trees(base=list(self.base.values()), sides=sides, spots=self.spots)
        known: dict[tuple[Side, Binding], bytes] = {}
        unread: set[tuple[Side, Binding]] = set()
        for self.rounds in range(8):
            told = msgspec.structs.replace(self.trees, hashes=known, unread=frozenset(unread))
            made = plan(told, options or self.options)
            if not made.needs:
                return made
            assert not made.operations
            for need in made.needs:
                key = need.side, need.binding
                assert key not in known, "asked twice"
                assert key not in unread, "asked twice"
                if need.binding.inode in self.disks[need.side].opaque:
                    unread.add(key)
                else:
                    known[key] = self._hash(need.side, need.path, need.binding)
        raise AssertionError("the planner asks for ever")

    def _hash(self, side: Side, path: bytes, binding: object) -> bytes:
        disk = self.disks[side]
        node = disk.at(path)
        assert disk.binding(node) == binding, "a need names another file"
        return digest(node.data)

    def sync(
        self, *, crash: int | None = None, order: random.Random | None = None, options: Options | None = None
    ) -> Plan:
        """One run: plan, apply, commit. With `crash`, power goes before that operation, and nothing is committed.

        Raises:
            Crash: it did.
        """
        made = self.plan(options)
        run = _Run(self, made)
        run.stage()
        operations = _interleaved(made.operations, order)
        for number, operation in enumerate(operations):
            if number == crash:
                raise Crash
            run.apply(operation)
            if self.watch is not None:
                self.watch()
        if crash is not None and crash >= len(operations):
            raise Crash
        self.failed, self.done = run.failed, run.done
        self.recover()
        self._commit(made, run)
        for disk in self.disks:
            disk.purge()
        return made

    def recover(self) -> None:
        """Bring home what was parked, the last first; what finds its place taken gets a name beside."""
        for disk in self.disks:
            for _, (node, parent, name) in reversed(disk.parked.items()):
                there = parent is disk.top or any(each is parent for _, _, _, each in disk.walk())
                self._home(disk, parent if there else disk.top, name, node)
            disk.parked.clear()

    def _home(self, disk: Disk, parent: Node, name: bytes, node: Node) -> None:
        while disk.find(parent, name) is not None:
            name += b".recovered"
        disk.attach(parent, name, node)

    def _commit(self, made: Plan, run: "_Run") -> None:
        after = tuple(run.seen(side) for side in SIDES)
        tops = (self.disks[0].binding(self.disks[0].top), self.disks[1].binding(self.disks[1].top))
        agreed = agree(
            list(self.base.values()),
            made,
            (after[0], after[1]),
            tops=tops,
            mint=lambda: f"id{next(self.ids)}",
            rules=self.options.rules,
        )
        for identity in agreed.drop:
            del self.base[identity]
        self.base.update((known.id, known) for known in agreed.put)
        self.spots = spots(self.trees, made)


class _Run:
    def __init__(self, pair: Pair, made: Plan) -> None:
        self.pair = pair
        self.made = made
        self.staged: dict[int, bytes] = {}
        self.ok: set[int] = set()
        self.done: list[Operation] = []
        self.failed: list[Operation] = []
        self.nodes: tuple[dict[str, Node], dict[str, Node]] = ({}, {})
        self.where: tuple[dict[str, tuple[Node, bytes]], dict[str, tuple[Node, bytes]]] = ({}, {})
        self._look()

    def _look(self) -> None:
        for side in SIDES:
            disk = self.pair.disks[side]
            ids = {(entry.parent, entry.name): identity for identity, entry in self.made.matched[side].items()}
            for _, parent, name, node in disk.walk():
                identity = ids.get((disk.binding(parent), name))
                if identity is not None:
                    self.nodes[side][identity] = node
                    self.where[side][identity] = (parent, name)

    def stage(self) -> None:
        """Fetch all bytes before anything is changed."""
        nodes = [{disk.binding(node): node for _, _, _, node in disk.walk()} for disk in self.pair.disks]
        for operation in self.made.operations:
            if (
                operation.source is not None
                and operation.act in (Act.CREATE, Act.REPLACE)
                and not self._is_lost(operation)
            ):
                side, entry = operation.source
                node = nodes[side][entry.binding]
                assert (
                    operation.content is None
                    or operation.kind is not Kind.FILE
                    or digest(node.data) == operation.content
                )
                self.staged[operation.number] = node.data

    def _is_lost(self, operation: Operation) -> bool:
        return bool(operation.bytes) and self.pair.lost(operation)

    def apply(self, operation: Operation) -> None:
        disk = self.pair.disks[operation.side]
        try:
            self._ready(operation)
            getattr(self, operation.act.name.lower())(disk, operation)
        except (Changed, FileExistsError):
            self.failed.append(operation)
        else:
            self.ok.add(operation.number)
            self.done.append(operation)

    def _ready(self, operation: Operation) -> None:
        if not all(number in self.ok for number in operation.after):
            raise Changed("what it needs was not done")

    def park(self, disk: Disk, operation: Operation) -> None:
        parent, name = self._expected(disk, operation)
        disk.parked[operation.object] = (disk.detach(parent, name), parent, name)

    def trash(self, disk: Disk, operation: Operation) -> None:
        parent, name = self._expected(disk, operation)
        if parent.children[name].children:
            raise Changed("not empty")
        disk.keep(disk.detach(parent, name))
        del self.where[operation.side][operation.object], self.nodes[operation.side][operation.object]

    def create(self, disk: Disk, operation: Operation) -> None:
        parent = self._into(disk, operation)
        if disk.find(parent, operation.name) is not None:
            raise FileExistsError(operation.name)
        node = self._new(disk, operation)
        disk.attach(parent, operation.name, node)
        self._at(operation, parent, operation.name, node)

    def unpark(self, disk: Disk, operation: Operation) -> None:
        node = disk.parked[operation.object][0]
        parent = self._into(disk, operation)
        disk.attach(parent, operation.name, node)
        del disk.parked[operation.object]
        self._at(operation, parent, operation.name, node)

    def replace(self, disk: Disk, operation: Operation) -> None:
        parent, name = self._expected(disk, operation)
        node = self._new(disk, operation)
        old = disk.detach(parent, name)
        disk.attach(parent, name, node)
        disk.keep(old)
        self._at(operation, parent, name, node)

    def metadata(self, disk: Disk, operation: Operation) -> None:
        parent, name = self._expected(disk, operation)
        self._dress(parent.children[name], operation)

    def mtime(self, disk: Disk, operation: Operation) -> None:
        assert operation.mtime_ns is not None
        self.nodes[operation.side][operation.object].mtime = operation.mtime_ns

    def _new(self, disk: Disk, operation: Operation) -> Node:
        if operation.linked:
            return self.nodes[operation.side][operation.linked]
        if operation.number not in self.staged:
            raise Changed("its bytes were not brought")
        node = disk.make(operation.kind, self.staged[operation.number])
        self._dress(node, operation)
        return node

    def _dress(self, node: Node, operation: Operation) -> None:
        if operation.metadata is not None:
            node.metadata = operation.metadata
        if operation.mtime_ns is not None:
            node.mtime = operation.mtime_ns
        node.ctime = self.pair.clock.tick()

    def _at(self, operation: Operation, parent: Node, name: bytes, node: Node) -> None:
        self.where[operation.side][operation.object] = (parent, name)
        self.nodes[operation.side][operation.object] = node

    def _expected(self, disk: Disk, operation: Operation) -> tuple[Node, bytes]:
        """Return where the object is, if that is still what the scan saw."""
        place = self.where[operation.side].get(operation.object)
        expects = operation.expects
        assert expects is not None
        if place is None or place[1] not in place[0].children:
            raise Changed("not there")
        node = place[0].children[place[1]]
        if disk.binding(node) != expects.binding:
            raise Changed("another")
        if node.kind is Kind.FILE and (len(node.data), node.mtime) != expects.version[:2]:
            raise Changed("written to")
        return place

    def _into(self, disk: Disk, operation: Operation) -> Node:
        if operation.parent == TOP:
            assert operation.into == disk.binding(disk.top)
            return disk.top
        node = self.nodes[operation.side].get(operation.parent)
        if node is None:
            raise Changed("its directory is not there")
        assert operation.into is None or operation.into == disk.binding(node)
        return node

    def seen(self, side: Side) -> dict[str, Entry]:
        """Return what the side has by now, by object."""
        disk = self.pair.disks[side]
        ids = {(id(parent), name): identity for identity, (parent, name) in self.where[side].items()}
        found = {}
        for _, parent, name, node in disk.walk():
            identity = ids.get((id(parent), name))
            if identity is not None and node.kind is not None:
                found[identity] = disk.entry(parent, name, node, hashed=node.inode not in disk.opaque)
        return found


def _interleaved(operations: Sequence[Operation], order: random.Random | None) -> list[Operation]:
    """Let both sides work at their own pace, each in its order."""
    if order is None:
        return list(operations)
    lanes = [[each for each in reversed(operations) if each.side is side] for side in SIDES]
    done = []
    while lanes[0] or lanes[1]:
        lane = lanes[0] if not lanes[1] or (lanes[0] and order.random() < 0.5) else lanes[1]
        done.append(lane.pop())
    return done
