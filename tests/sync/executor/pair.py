"""Two real trees kept in sync without a hub: scanned, planned, staged from each other, applied, agreed on."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from argosy.core.errors import ArgosyError
from argosy.core.moments import modified_ns
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.root import Root, Spot
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems.posix import Posix
from argosy.linux.openat2 import open_beneath
from argosy.snapshots.attributes import digest
from argosy.snapshots.index import IndexFile
from argosy.sync.executor import executing, recovery, seeing, sources
from argosy.sync.executor.after import After
from argosy.sync.executor.area import Area
from argosy.sync.executor.attached import read
from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.executor.staging import Staging
from argosy.sync.planner.agreeing import agree
from argosy.sync.planner.options import Options
from argosy.sync.planner.planning import plan
from argosy.sync.planner.plans import Operation, Plan
from argosy.sync.planner.trees import SIDES, Binding, Entry, Kind, Known, Side, Tree, Trees
from argosy.sync.preview.hashing import hash_of
from argosy.sync.preview.trees import Place, scan
from argosy.sync.reduction import base as bases
from argosy.sync.reduction import objects
from argosy.sync.reduction.reducing import reduce
from argosy.sync.reduction.sides import Scanned, place_of
from tests.sync.executor.trees import OWN, Clock, RealDisk, contents_below
from tests.sync.planner.disks import UNASKED
from tests.sync.reduction.rows import rows_of

PRIVATE = ".argosy"


class OneSide:
    """A fileset below the root of a site."""

    def __init__(self, root: Path, below: str, name: str, clock: Clock, scratch: Path) -> None:
        self.root, self.top, self.name = root, root / below if below else root, name
        self.top.mkdir(parents=True, exist_ok=True)
        self.place = Place(name=name, path=os.fsencode(self.top), root=os.fsencode(root), registered=False)
        self.disk = RealDisk(self.top, name, clock)
        self.index = scratch / f"{name}.index"

    def scan(self) -> Tree:
        """Return what the scanner finds."""
        scan(self.place, self.index)
        return tree_of(self.index)

    def glance(self) -> Tree:
        """Return the same without an index file, and in a tenth of the time."""
        entries: list[Entry] = []
        waiting = [(b"", self.binding)]
        while waiting:
            above, directory = waiting.pop()
            descriptor = os.open(self.disk.path(above), os.O_RDONLY)
            for name in map(os.fsencode, os.listdir(descriptor)):
                if above or self.top != self.root or name not in OWN:
                    spot = Spot(descriptor, name)
                    found = seeing.look(spot)
                    content = os.readlink(name, dir_fd=descriptor) if found.kind is Kind.SYMLINK else None
                    entry = seeing.entry(spot, found, top=self.binding, directory=directory, content=content)
                    entries.append(entry)
                    if found.kind is Kind.DIRECTORY:
                        waiting.append((above + b"/" + name if above else name, entry.binding))
            os.close(descriptor)
        return Tree(top=self.binding, entries=entries)

    def area(self) -> Area:
        return Area(Root(os.fsencode(self.root)), self.place.path, f"{self.name:0>32}", self.binding, seal=Seal())

    @cached_property
    def binding(self) -> Binding:
        top = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        found = binding_of(top)
        os.close(top)
        return Binding(found.filesystem, found.subvolume, found.inode, found.born_ns)

    @property
    def filesystem(self) -> Posix:
        return Posix(root=os.fsencode(self.root))

    def saved(self, *, on_its_way: bool = False) -> set[tuple[Kind | None, bytes]]:
        """Return every content that trash and version store keep, or that a run that was killed had on its way."""
        kept = [self.root / PRIVATE / shelf for shelf in ("trash", "versions")]
        if on_its_way:
            own = self.root / PRIVATE / "sync"
            kept += [*own.glob("*/parked"), *own.glob("*/displaced")]
        return set().union(*(contents_below(shelf) for shelf in kept if shelf.exists()))

    def restart(self) -> None:
        """Do what an agent does when it starts."""
        self.filesystem.sweep()
        with self.area() as area:
            assert recovery.recover(area).whole

    def temporaries(self) -> list[str]:
        """Return what a run may not leave behind."""
        found = []
        for name in ("staging", "moving", "sync"):
            for above, _, files in os.walk(self.root / PRIVATE / name):
                found += [f"{above}/{each}" for each in files if each != "lock" and not above.endswith("/undo")]
        parked = list((self.root / PRIVATE / "sync").glob("*/parked/*"))
        return found + [str(each) for each in parked]


def tree_of(index: Path) -> Tree:
    """Return all that an index file tells, as the planner wants it."""
    about = IndexFile(bytes(index)).about
    place = bases.Place(about.filesystem, about.subvolume)
    table = pq.read_table(index)
    top, rows = table.slice(0, 1), table.slice(1)
    known = pc.and_(pc.less_equal(rows["kind"], 3), pc.not_equal(rows["unknown"], 1))
    rest = objects.Rest(rows.filter(pc.invert(known)), place)
    told = rows.filter(known)
    return Tree(
        top=objects.Columns(top).bindings(place)[0],
        entries=objects.entries(told, place),
        unsyncable=rest.unsyncable,
        boundaries=rest.boundaries,
        unknown=rest.unknown,
        unlisted=objects.unlisted(told, place),
    )


class Round(msgspec.Struct, kw_only=True):
    """What one run was made of, and what became of it."""

    plan: Plan
    trees: tuple[Tree, Tree]
    base: Sequence[Known]
    """What the plan was told of it."""
    hashes: dict[tuple[Side, Binding], bytes]
    operations: tuple[list[Operation], list[Operation]] = ([], [])
    outcomes: tuple[list[Outcome], list[Outcome]] = msgspec.field(default_factory=lambda: ([], []))

    def of(self, became: Became) -> list[Outcome]:
        return [each for side in self.outcomes for each in side if each.became is became]

    @property
    def undone(self) -> list[Outcome]:
        return [each for side in self.outcomes for each in side if each.became is not Became.DONE]


class RealPair:
    """Two sides, and the base that they last agreed on."""

    def __init__(
        self,
        scratch: Path,
        options: Options | None = None,
        *,
        tops: tuple[str, str] = ("", "data"),
        scans: bool = False,
    ) -> None:
        self.options = options or Options(guards=UNASKED)
        self.scans = scans
        """Whether sides are scanned as an agent does it."""
        self.clock = Clock()
        scratch.mkdir(exist_ok=True)
        self.sides = (
            OneSide(scratch / "one", tops[0], "one", self.clock, scratch),
            OneSide(scratch / "two", tops[1], "two", self.clock, scratch),
        )
        self.base: dict[str, Known] = {}
        self.ids = itertools.count(1)
        self.runs = itertools.count(1)
        self.crossed = 0
        """Bytes that went from one side to the other."""
        self.carried: set[tuple[Side, Binding]] = set()
        """What did in this run."""
        self.between: Callable[[], None] = lambda: None
        """Called after everything is staged, before anything is applied."""
        self.watch: Callable[[], None] | None = None
        """Called after every batch that was told."""

    @property
    def disks(self) -> tuple[RealDisk, RealDisk]:
        return self.sides[0].disk, self.sides[1].disk

    def plan(self) -> Round:
        """Scan, plan, hash what the planner needs, plan again."""
        return self.planned(self.told(self.scan()))

    def scan(self) -> tuple[Tree, Tree]:
        one, two = (side.scan() if self.scans else side.glance() for side in self.sides)
        return one, two

    def told(self, sides: tuple[Tree, Tree]) -> Trees:
        return Trees(base=list(self.base.values()), sides=sides)

    def reduced(self, folder: Path) -> Round:
        """Scan, and plan as a hub does: from index files and chunks of the base, told of no more than it needs."""
        for side in self.sides:
            side.scan()
        places = [place_of(IndexFile(bytes(self.sides[side].index)).about) for side in SIDES]
        about = bases.About(pair="one two", generation=1, sides=(places[0], places[1]))
        with bases.BaseWriter(folder / "base", about) as writer:
            known = list(self.base.values())
            writer.add(rows_of(known, [self._parents(each) for each in known]), sum(not each.parent for each in known))
            writer.finish()
        one, two = (Scanned(index=self.sides[side].index) for side in SIDES)
        return self.planned(reduce(bases.Base.open([folder / "base"]), (one, two)))

    def _parents(self, known: Known) -> list[tuple[int, int]]:
        tops = [side.binding for side in self.sides]
        above = [self.base[known.parent].on[side].binding for side in SIDES] if known.parent else tops
        return [(each.inode, each.born_ns) for each in above]

    def planned(self, trees: Trees) -> Round:
        """Plan, with what the planner needs hashed."""
        known: dict[tuple[Side, Binding], bytes] = {}
        while True:
            made = plan(msgspec.structs.replace(trees, hashes=known), self.options)
            if not made.needs:
                operations = [[each for each in made.operations if each.side is side] for side in SIDES]
                return Round(
                    plan=made, trees=trees.sides, base=trees.base, hashes=known,
                    operations=(operations[0], operations[1]),
                )  # fmt: skip
            for need in made.needs:
                known[need.side, need.binding] = self._hash(trees.sides, need.side, need.path, need.binding)

    def _hash(self, trees: tuple[Tree, Tree], side: Side, path: bytes, binding: Binding) -> bytes:
        entry = next(each for each in trees[side].entries if each.binding == binding)
        with self.opened(side) as top:
            return hash_of(top, path, binding.inode, entry.version)

    @contextlib.contextmanager
    def opened(self, side: Side) -> Iterator[int]:
        top = os.open(self.sides[side].top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield top
        finally:
            os.close(top)

    def stage(self, made: Round, side: Side, area: Area, run: str) -> None:
        """Bring to a side what its operations need."""
        paths = [sources.Paths(tree) for tree in made.trees]
        operations = {each.number: each for each in made.operations[side]}
        with Staging(area, run) as staged:
            for number, origin, entry, path in sources.contents(made.operations[side]):
                with contextlib.suppress(ArgosyError, OSError):
                    content = self._bring(staged, operations[number], origin, path, entry)
                    operations[number] = msgspec.structs.replace(operations[number], content=content)
            for known_as, (origin, entry) in sources.attached(made.plan, side).items():
                with contextlib.suppress(OSError), self.opened(origin) as top:
                    file = open_beneath(top, paths[origin].of(entry), os.O_RDONLY | os.O_NONBLOCK)
                    attached = read(file)
                    os.close(file)
                    if digest(attached) == known_as:
                        staged.attach(attached)
            staged.sync()
        made.operations[side][:] = operations.values()

    def _bring(self, staged: Staging, operation: Operation, origin: Side, path: bytes, entry: Entry) -> bytes:
        with self.opened(origin) as top, open(open_beneath(top, path, os.O_RDONLY), "rb") as file:
            content = staged.put(operation.number, iter(lambda: file.read(1 << 16), b""), content=operation.content)
            found = os.fstat(file.fileno())
        if (found.st_ino, found.st_size, modified_ns(found)) != (entry.binding.inode, *entry.version[:2]):
            os.unlink(staged.spot(operation.number).name, dir_fd=staged.directory)
        if origin is not operation.side and (operation.side, entry.binding) not in self.carried:
            self.carried.add((operation.side, entry.binding))  # what is there once can be copied there
            self.crossed += entry.version.size
        return content

    def apply(self, made: Round, areas: tuple[Area, Area], run: str) -> None:
        """Do the operations of both sides."""
        for side in SIDES:
            for outcome in executing.apply(areas[side], run, made.operations[side]):
                made.outcomes[side].append(outcome)
                if self.watch is not None:
                    self.watch()

    def sync(self, made: Round | None = None) -> Round:
        """One run: plan, stage, apply, agree."""
        made = made or self.plan()
        self.carried.clear()
        run = f"run{next(self.runs)}"
        with self.sides[0].area() as one, self.sides[1].area() as two:
            for side, area in zip(SIDES, (one, two), strict=True):
                self.stage(made, side, area, run)
            self.between()
            self.apply(made, (one, two), run)
        self.agree(made)
        return made

    def after(self, made: Round) -> tuple[After, After]:
        done = [*made.operations[0], *made.operations[1]]
        after = tuple(After(side, made.plan.matched[side], done, made.hashes, made.base) for side in SIDES)
        for side in SIDES:
            for outcome in made.outcomes[side]:
                after[side].note(outcome)
        return after[0], after[1]

    def agree(self, made: Round) -> None:
        one, two = self.after(made)
        agreed = agree(
            made.base,
            made.plan,
            (one.entries, two.entries),
            tops=(made.trees[0].top, made.trees[1].top),
            mint=lambda: f"{next(self.ids):032x}",
            rules=self.options.rules,
            given=(one.given, two.given),
        )
        for identity in agreed.drop:
            del self.base[identity]
        self.base.update((known.id, known) for known in agreed.put)

    def restart(self) -> None:
        for side in self.sides:
            side.restart()
