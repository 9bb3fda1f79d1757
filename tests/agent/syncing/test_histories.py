"""Whatever users do between two runs, both sites are alike after the next, by the agents' own work."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.sync.planner.trees import SIDES, Kind
from tests.agent.syncing.pair import WHOLE, Pair
from tests.sites import STUBS, close_all
from tests.sync.executor.dying import POINTS, switch_on
from tests.sync.executor.histories import NAMES, Users

SEEDS = range(4)
ROUNDS = 3


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


class History:
    def __init__(self, seed: int, scratch: Path) -> None:
        self.rng = random.Random(seed)
        one, two = (self.rng.choice([WHOLE, STUBS]) for _ in SIDES)
        self.pair = Pair(scratch, policies=(one, two))
        self.users = Users(self.rng)
        self.users.names = NAMES

    def run(self) -> None:
        self.users.act(self.pair.disks[0], self.rng.randrange(3, 12))
        self.pair.sync()
        for _ in range(ROUNDS):
            for disk in self.pair.disks:
                self.users.act(disk, self.rng.randrange(6))
            self.migrate()
            luck = self.rng.random()
            if luck < 0.3:
                self.disturbed()
            elif luck < 0.5:
                self.killed()
            self.check()

    def migrate(self) -> None:
        """Have some files be stubs now, where a site may have them, and some stubs be whole."""
        for site, disk in zip(self.pair.sites, self.pair.disks, strict=True):
            files = [path for path, _, _, node in disk.walk() if node.kind is Kind.FILE]
            for path in self.rng.sample(files, min(2, len(files))):
                step = self.rng.choice(["recall", "premigrate", "migrate"])
                if step == "recall":
                    site.do(step, site.entry(disk.path(path)))
                elif step == "premigrate" or site.policy.unguarded_stubs:
                    site.do("migrate", site.entry(disk.path(path)), premigrate=step == "premigrate")

    def live(self) -> set[tuple[Kind | None, bytes]]:
        return set().union(*(disk.contents() for disk in self.pair.disks))

    def saved(self) -> set[tuple[Kind | None, bytes]]:
        return set().union(*(self.pair.saved(side) for side in SIDES))

    def disturbed(self) -> None:
        """Have users go on while a run is under way; nothing is lost then, and the next run sees to the rest."""
        phase = self.rng.choice(["hash", "transfer", "stage", "apply"])
        live = set()

        def meanwhile(now: str) -> None:
            if now == phase and not live:
                self.users.note(self.pair.disks[0], f"-- meanwhile, before {phase}")
                for disk in self.pair.disks:
                    self.users.act(disk, self.rng.randrange(1, 4))
                live.update(self.live())

        self.pair.between = meanwhile
        self.pair.sync()
        self.pair.between = lambda _phase: None
        assert live <= self.live() | self.saved(), "lost"

    def killed(self) -> None:
        """Have the agents be killed while they apply; users may go on before the next run."""
        live, made = self.live(), self.pair.plan()
        self.pair.transfer(made)
        point, hit = self.rng.choice(POINTS), self.rng.randrange(1, 5)
        self.users.note(self.pair.disks[0], f"-- killed at {point}, {hit}")

        def act() -> None:
            switch_on(point, hit)
            self.pair.apply(made)

        self.pair.survives(act)
        assert live <= self.live() | self.saved(), "lost"
        if self.rng.random() < 0.5:
            self.users.act(self.rng.choice(self.pair.disks), 1)

    def check(self) -> None:
        self.users.note(self.pair.disks[0], "-- sync")
        live = self.live()
        made = self.pair.sync()
        assert not made.undone, [(each.act.name, each.reason) for each in made.undone]
        one, two = (disk.tree() for disk in self.pair.disks)
        assert one == two, {
            path: (one.get(path), two.get(path)) for path in one.keys() | two.keys() if one.get(path) != two.get(path)
        }
        assert self.pair.disks[0].groups() == self.pair.disks[1].groups()
        assert live <= self.live() | self.saved(), "lost"
        again = self.pair.sync()
        assert not again.plan.operations
        assert not again.plan.conflicts
        assert not any(self.pair.temporaries(side) for side in SIDES)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_sites_are_alike_after_a_run_and_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    history = History(seed, tmp_path / "history")
    try:
        history.run()
    except AssertionError as error:
        raise AssertionError("\n".join([f"seed {seed}: {error}", *history.users.log])) from error
