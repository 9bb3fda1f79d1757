"""Two sites that are kept in sync by their agents' own steps: what the hub does between them is done here, in short."""

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite
from argosy.agent.runner import run
from argosy.core.entry import Entry as Listed
from argosy.core.entry import Facts
from argosy.core.entry import Kind as ListedKind
from argosy.core.fileset import SnapshotKind
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.paths import join, relative
from argosy.core.report import Report
from argosy.sync.executor.after import After
from argosy.sync.executor.outcomes import Became
from argosy.sync.executor.outcomes import Outcome as Done
from argosy.sync.planner.agreeing import agree
from argosy.sync.planner.options import Options
from argosy.sync.planner.planning import plan
from argosy.sync.planner.plans import Operation, Plan
from argosy.sync.planner.trees import SIDES, Binding, Entry, Kind, Known, Side, Tree, Trees
from argosy.sync.transfers import Learned, Sent, Transfer, transfers
from tests.agent.syncing.hub import SyncHub
from tests.agent.syncing.stubs import Contents, Disk
from tests.sites import STUBS
from tests.sites import Side as Site
from tests.sync.executor.dying import forked
from tests.sync.executor.pair import tree_of
from tests.sync.executor.trees import Clock
from tests.sync.planner.disks import UNASKED

WHOLE = msgspec.structs.replace(STUBS, unguarded_stubs=False)
"""Of a site that has no stubs."""
_NO_FACTS = Facts()
_KINDS = {Kind.FILE: ListedKind.FILE, Kind.DIRECTORY: ListedKind.DIRECTORY, Kind.SYMLINK: ListedKind.SYMLINK}


class _Lease(Lease):
    """One that may be lost at a certain look at it."""

    lasting: tuple[int, Callable[[], None]]

    def check(self) -> None:
        left, lost = self.lasting
        if left == 1:
            lost()
            self.revoke("the hub took the task back")
        self.lasting = left - 1, lost
        super().check()


class Round(msgspec.Struct, kw_only=True):
    """One round of a run, and what became of it."""

    run: str
    plan: Plan
    trees: tuple[Tree, Tree]
    hashes: dict[tuple[Side, Binding], bytes]
    operations: tuple[list[Operation], list[Operation]]
    transferred: list[Outcome] = []
    sent: dict[int, Sent] = {}
    applied: tuple[list[Done], list[Done]] = msgspec.field(default_factory=lambda: ([], []))
    hashed: int = 0

    @property
    def undone(self) -> list[Done]:
        return [each for side in self.applied for each in side if each.became is not Became.DONE]


class Pair:
    """Two sites with a fileset each, one store, and the base."""

    def __init__(
        self, top: Path, *, policies: tuple[Policy, Policy] = (WHOLE, WHOLE), options: Options | None = None,
        hydrate: bool | None = None, below: str = "projects", snapshots: SnapshotKind = "index",
    ) -> None:  # fmt: skip
        top.mkdir(exist_ok=True)
        self.hub = SyncHub(top / "hub")
        self.sites = (
            Site(top, "one", policy=policies[0], below=below, snapshots=snapshots),
            Site(top, "two", policy=policies[1], below=below, snapshots=snapshots),
        )
        self.clock = Clock()
        self.contents = Contents()
        one, two = (
            Disk(site.tree, site.name, self.clock, self.contents, partial(self._recall, site)) for site in self.sites
        )
        self.disks = (one, two)
        self.options = options or Options(guards=UNASKED)
        self.hydrate = hydrate
        self.base: dict[str, Known] = {}
        self.ids = itertools.count(1)
        self.runs = itertools.count(1)
        self.tasks = itertools.count(1)
        self.between: Callable[[str], None] = lambda _phase: None
        """Called before each phase."""
        self.scans = ["", ""]
        self.lasting: tuple[int, Callable[[], None]] = (0, lambda: None)
        """How often a lease can be looked at before it is lost, and what is done then; 0: always."""

    def _recall(self, site: Site, path: bytes) -> None:
        if os.path.isfile(path) and not os.path.islink(path):
            site.do("recall", site.entry(path))

    # orders

    def report(
        self, side: Side, step: str, *entries: Listed, own: bool = True, attempt: int = 1, task: str = "",
        **options: Any,
    ) -> Report:  # fmt: skip
        site = self.sites[side]
        order = msgspec.structs.replace(
            site.order(step, *entries, **options), own=own, attempt=attempt, task=task or self.new_task()
        )
        lease = _Lease(order.task, attempt, asked_at=now(), seconds=60.0)
        lease.lasting = self.lasting
        return run(order, OrderSite.of(site.place, order, lease), self.hub, site.pool)

    def new_task(self) -> str:
        return f"task{next(self.tasks)}"

    def do(self, side: Side, step: str, *entries: Listed, own: bool = True, **options: Any) -> list[Outcome]:
        report = self.report(side, step, *entries, own=own, **options)
        assert not report.error, report.reason
        return list(report.outcomes)

    def top(self, side: Side) -> Listed:
        return Listed(path=bytes(self.sites[side].tree), kind=ListedKind.DIRECTORY)

    # phases

    def scan(self, side: Side, name: str) -> Tree:
        earlier, self.scans[side] = self.scans[side], self.new_task()
        [outcome] = self.do(side, "scan_fileset", self.top(side), task=self.scans[side], run=name, earlier=earlier)
        index = self.hub.index(self.scans[side])
        assert outcome.entry.facts.digest == blake3(index.read_bytes()).digest()
        return tree_of(index)

    def plan(self) -> Round:
        name = f"run-{next(self.runs)}"
        self.between("scan")
        trees = (self.scan(Side.ONE, name), self.scan(Side.TWO, name))
        hashes: dict[tuple[Side, Binding], bytes] = {}
        unread: set[tuple[Side, Binding]] = set()
        while True:
            told = Trees(base=list(self.base.values()), sides=trees, hashes=hashes, unread=frozenset(unread))
            made = plan(told, self.options)
            assert not made.refusals, made.refusals
            if not made.needs:
                operations = tuple([each for each in made.operations if each.side is side] for side in SIDES)
                return Round(
                    run=name, plan=made, trees=trees, hashes=hashes, operations=(operations[0], operations[1]),
                    hashed=len(hashes),
                )  # fmt: skip
            self.between("hash")
            for need in made.needs:
                found = self._hash(trees[need.side], need.side, need.path, need.binding)
                if found is None:
                    unread.add((need.side, need.binding))
                else:
                    hashes[need.side, need.binding] = found

    def _hash(self, tree: Tree, side: Side, path: bytes, binding: Binding) -> bytes | None:
        entry = next(each for each in tree.entries if each.binding == binding)
        [outcome] = self.do(side, "hash_paths", self.listed(side, path, entry))
        return outcome.entry.facts.digest if outcome.state.goes_on else None

    def listed(self, side: Side, path: bytes, entry: Entry, facts: Facts = _NO_FACTS) -> Listed:
        return Listed(
            path=join(bytes(self.sites[side].tree), path), kind=_KINDS[entry.kind], size=entry.version.size,
            mtime_ns=entry.version.mtime_ns, ctime_ns=entry.version.ctime_ns, inode=entry.binding.inode, facts=facts,
        )  # fmt: skip

    def transfer(self, made: Round) -> None:
        self.between("transfer")
        wanted = list(transfers(made.plan, Trees(base=(), sides=made.trees)))
        for origin, to, whole in itertools.product(SIDES, SIDES, (True, False)):
            some = [each for each in wanted if (each.origin, each.to, each.whole) == (origin, to, whole)]
            if some:
                self._send(made, origin, to, some)

    def _send(self, made: Round, origin: Side, to: Side, some: Sequence[Transfer]) -> None:
        entries = [
            self.listed(
                origin,
                each.path,
                each.entry,
                Facts(operation=each.number, digest=(each.entry.content or b"") if each.whole else b""),
            )
            for each in some
        ]
        if some[0].whole:
            told = self.do(origin, "migrate", *entries, own=False, premigrate=True, overwrite=True, abort_missing=True)
        else:
            told = self.do(origin, "stat_paths", *entries, own=False)
        going = [each.entry for each in told if each.state.goes_on]
        for each in going:
            if some[0].whole and each.facts.stored is not None:
                made.sent[each.facts.operation] = Sent(each.facts.stored.digest, each.ctime_ns)
        here = bytes(self.sites[origin].tree)
        there = [
            msgspec.structs.replace(each, path=join(bytes(self.sites[to].tree), relative(each.path, here)))
            for each in going
        ]
        self.between("stage")
        staged = self.do(to, "stage", *there, run=made.run, hydrate=self.hydrate) if there else []
        made.transferred += [each for each in told if not each.state.goes_on] + staged

    def apply(self, made: Round) -> None:
        learned = Learned(made.sent, made.plan.operations)
        for side in SIDES:
            made.operations[side][:] = map(learned.told, made.operations[side])
        for side in SIDES:
            self.between("apply")
            task = self.new_task()
            self.hub.give(task, made.operations[side])
            self.do(side, "apply_operations", self.top(side), task=task, run=made.run)
            made.applied[side].extend(self.hub.told(task))

    def agree(self, made: Round) -> None:
        every = [*made.operations[0], *made.operations[1]]
        after = []
        for side in SIDES:
            matched = Learned(made.sent, every).matched(side, made.plan.matched[side])
            one = After(side, matched, every, base=self.base.values(), hashes=made.hashes)
            for done in made.applied[side]:
                one.note(done)
            after.append(one)
        agreed = agree(
            list(self.base.values()), made.plan, (after[0].entries, after[1].entries),
            tops=(made.trees[0].top, made.trees[1].top), mint=lambda: f"id{next(self.ids)}", rules=self.options.rules,
            given=(after[0].given, after[1].given),
        )  # fmt: skip
        for identity in agreed.drop:
            del self.base[identity]
        self.base.update((known.id, known) for known in agreed.put)

    def rotate(self) -> None:
        for side in SIDES:
            self.do(side, "rotate_snapshot", self.top(side), own=False, discovery=self.scans[side])
            self.scans[side] = ""

    def sync(self) -> Round:
        """One run, all of its phases."""
        made = self.plan()
        self.transfer(made)
        self.apply(made)
        self.agree(made)
        self.rotate()
        return made

    # what there is

    def restart(self) -> None:
        """Have both agents begin anew, as after a kill."""
        for site in self.sites:
            site.restart()

    def survives(self, act: Callable[[], None]) -> bool:
        """Have agents of a process of its own do it, which may be killed; say whether it was not."""
        for site in self.sites:
            site.close()

        def begin() -> None:
            for site in self.sites:
                site.start()
            act()

        try:
            return forked(begin)
        finally:
            for site in self.sites:
                site.start()

    def saved(self, side: Side, *, on_its_way: bool = False) -> set[tuple[Kind | None, bytes]]:
        """Return every content that trash and version store of a site keep, or that a killed run had on its way."""
        own = self.sites[side].root / ".argosy"
        kept = [own / shelf for shelf in ("trash", "versions") if (own / shelf).exists()]
        if on_its_way:
            kept += [*own.glob("sync/*/parked"), *own.glob("sync/*/displaced")]
        return set().union(*map(self.contents.below, kept))

    def temporaries(self, side: Side) -> list[str]:
        """Return what a run may not leave behind."""
        found = []
        for name in ("staging", "moving", "sync"):
            for above, _, files in os.walk(self.sites[side].root / ".argosy" / name):
                found += [f"{above}/{each}" for each in files if each != "lock" and not above.endswith("/undo")]
        return found
