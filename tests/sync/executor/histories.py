"""What users do between two runs on real trees, chosen by a seed; and what must hold after every run."""

import random
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from argosy.sync.planner.options import Options, Policy
from argosy.sync.planner.trees import SIDES, Kind, Tree
from tests.sync.executor.dying import POINTS, survives
from tests.sync.executor.pair import RealPair, Round
from tests.sync.executor.trees import RealDisk
from tests.sync.planner import histories
from tests.sync.planner.disks import UNASKED

NAMES = [b"a", b"b", b"c", b"d.x", b"\xff\x80", "\u00e9".encode()]


class Users(histories.Users):
    """Those of the planner's histories, and what only a real disk has."""

    def _deed(self, disk: RealDisk, rng: random.Random) -> None:  # type: ignore[override]
        before, self.rng, whole = len(self.log), rng, self.rng
        try:
            rng.choices(DEEDS, WEIGHTS)[0](self, disk)
        except (OSError, IndexError):
            del self.log[before:]
        finally:
            self.rng = whole

    def attach(self, disk: RealDisk) -> None:
        path, value = self.any(disk, Kind.FILE, Kind.DIRECTORY), self.text()
        self.note(disk, "attach", path, value)
        disk.attach(path, value)

    def chown(self, disk: RealDisk) -> None:
        path, uid = self.any(disk, *Kind), self.rng.choice([0, 1234])
        self.note(disk, "chown", path, uid)
        disk.chown(path, uid)


DEEDS: list[Callable[..., None]] = [*histories.DEEDS, Users.attach, Users.chown]
WEIGHTS = [*histories.WEIGHTS, 1, 1]


class Witness:
    """Remembers how things were before a run."""

    def __init__(self, pair: RealPair, agreed: "Agreed") -> None:
        self.pair = pair
        self.trees = [disk.tree() for disk in pair.disks]
        self.live = [disk.contents() for disk in pair.disks]
        self.agreed = agreed
        self.changed = [agreed.differs(side, pair.disks[side]) for side in SIDES]
        self.crossed = pair.crossed

    @cached_property
    def found(self) -> tuple[Tree, Tree]:
        """What scans find when all is over."""
        return self.pair.scan()

    def nothing_is_lost(self, *, on_its_way: bool = False) -> None:
        """What was live anywhere is live or saved (I1); `on_its_way`: or where the next start looks."""
        now = set().union(*(disk.contents() for disk in self.pair.disks))
        saved = set().union(*(side.saved(on_its_way=on_its_way) for side in self.pair.sides))
        assert self.live[0] | self.live[1] <= now | saved, "lost"

    def what_was_new_is_visible(self) -> None:
        """What somebody wrote since the last run is under a name on both sides, not only in the trash (I1)."""
        new = (self.live[0] | self.live[1]) - self.agreed.contents
        for disk in self.pair.disks:
            assert new <= disk.contents(), "only in the trash"

    def both_are_equal(self) -> None:
        """Types, contents, targets, metadata, empty directories (I2)."""
        one, two = (disk.tree() for disk in self.pair.disks)
        assert one == two, {
            path: (one.get(path), two.get(path)) for path in one.keys() | two.keys() if one.get(path) != two.get(path)
        }

    def the_next_run_does_nothing(self) -> None:
        """And finds no conflict (I3)."""
        made = self.pair.planned(self.pair.told(self.found)).plan
        assert made.operations == ()
        assert (made.conflicts, made.held) == ((), ())

    def what_is_gone_stays_gone(self) -> None:
        """Removed on one side and untouched on the other, the directories above as well: removed (I4)."""
        now = self.pair.disks[0].contents()
        for side in SIDES:
            for content in self.agreed.untouched(side.other, self.trees[side.other]):
                alone = self.agreed.once(content) and self._once(side.other, content)
                if alone and content not in self.live[side]:
                    assert content not in now, f"came back: {content}"

    def _once(self, side: int, content: tuple[Kind | None, bytes]) -> bool:
        return sum(entry[:2] == content for entry in self.trees[side].values()) == 1

    def one_sided_change_is_copied(self, made: Round) -> None:
        """If one side alone changed, the result is that side's tree and there is no conflict (I5, I6)."""
        for side in SIDES:
            if not self.changed[side.other]:
                assert self.pair.disks[0].tree() == self.trees[side]
                assert made.plan.conflicts == ()

    def every_operation_is_accounted_for(self, made: Round) -> None:
        """Each was told of once (I10)."""
        for side in SIDES:
            told = sorted(each.number for each in made.outcomes[side])
            assert told == sorted(each.number for each in made.operations[side])

    def everything_was_done(self, made: Round) -> None:
        assert made.undone == [], [(each.act.name, each.reason) for each in made.undone]

    def what_was_told_is_so(self, made: Round) -> None:
        """What outcomes say that a side has is what a scan finds (I9)."""
        for scanned, after in zip(self.found, self.pair.after(made), strict=True):
            found = {
                (each.binding, each.parent, each.name, each.metadata, each.links, each.version)
                for each in scanned.entries
                if each.kind is not Kind.DIRECTORY
            }
            told = {
                (each.binding, each.parent, each.name, each.metadata, each.links, each.version)
                for each in after.entries.values()
                if each.kind is not Kind.DIRECTORY
            }
            assert found == told, (found - told, told - found)

    def the_base_is_what_both_have(self) -> None:
        """The base says exactly what both sides have, by the inodes they have it by (I9)."""
        base = self.pair.base.values()
        for side in SIDES:
            bound = {(each.on[side].binding, each.on[side].version, each.name, each.metadata) for each in base}
            entries = self.found[side].entries
            files = {(e.binding, e.version, e.name, e.metadata) for e in entries if e.kind is not Kind.DIRECTORY}
            assert files <= bound, (files - bound, bound - files)
            assert len(base) == len(entries)

    def bytes_cross_once(self, made: Round) -> None:
        """Nothing crosses for a move or for metadata, and no content crosses twice (I8)."""
        assert self.pair.crossed - self.crossed == sum(each.bytes for each in made.plan.operations)

    def nothing_is_left_over(self) -> None:
        for side in self.pair.sides:
            assert side.temporaries() == [], side.temporaries()

    def no_file_is_half(self) -> None:
        """At any instant a visible file is wholly what it was on one of the sides (I7)."""
        whole = self.live[0] | self.live[1]
        for disk in self.pair.disks:
            assert disk.contents() <= whole


class Agreed:
    """How both sides were after the last run."""

    def __init__(self, pair: RealPair) -> None:
        self.trees = [disk.tree() for disk in pair.disks]
        self.inodes = [disk.inodes() for disk in pair.disks]
        self.contents = set().union(*(disk.contents() for disk in pair.disks))

    def differs(self, side: int, disk: RealDisk) -> bool:
        return disk.tree() != self.trees[side] or disk.inodes() != self.inodes[side]

    def once(self, content: tuple[Kind | None, bytes]) -> bool:
        return sum(entry[:2] == content for entry in self.trees[0].values()) == 1

    def untouched(self, side: int, now: dict[bytes, tuple[object, ...]]) -> list[tuple[Kind | None, bytes]]:
        """Return the files that the side has exactly as they were, directories above as well."""
        before, inodes = self.trees[side], self.inodes[side]

        def same(path: bytes) -> bool:
            above = path.rpartition(b"/")[0]
            return now.get(path) == before[path] and (not above or same(above))

        return [
            (entry[0], entry[1])  # type: ignore[misc]
            for path, entry in before.items()
            if entry[0] is Kind.FILE and path in now and path in inodes and same(path)
        ]


class History:
    """A story told by a number: deeds on both sides, a run, and what must hold then; three times."""

    def __init__(self, seed: int, scratch: Path, *, rounds: int = 3) -> None:
        self.rng = random.Random(seed)
        policy = self.rng.choice(list(Policy)) if self.rng.random() < 0.5 else Policy.NEWEST
        self.pair = RealPair(scratch, Options(policy=policy, guards=UNASKED), scans=True)
        self.users = Users(self.rng)
        self.users.names = NAMES
        self.rounds = rounds

    def begin(self) -> Agreed:
        """Have two trees that agree."""
        self.users.act(self.pair.disks[0], self.rng.randrange(3, 12))  # type: ignore[arg-type]
        self.users.note(self.pair.disks[0], "-- first sync")
        self.pair.sync()
        return Agreed(self.pair)

    def act(self) -> None:
        deeds = [self.rng.randrange(7), self.rng.randrange(7)]
        for side in SIDES:
            self.users.act(self.pair.disks[side], deeds[side])  # type: ignore[arg-type]

    def run(self) -> None:
        agreed = self.begin()
        for _ in range(self.rounds):
            self.act()
            luck = self.rng.random()
            if luck < 0.25:
                self.disturb(agreed)
            elif luck < 0.5:
                self.crash(agreed)
            agreed = self.check(agreed, told_apart=luck >= 0.5)

    def crash(self, agreed: Agreed) -> None:
        """Be killed somewhere in a run, or before what it did is agreed on; users may go on before the next."""
        witness = Witness(self.pair, agreed)
        point, hit = self.rng.choice(POINTS), self.rng.randrange(1, 5)
        self.users.note(self.pair.disks[0], f"-- killed at {point}, {hit}")
        survives(self.pair, self.pair.plan(), point, hit)
        witness.no_file_is_half()
        self.pair.restart()
        witness.nothing_is_lost()
        witness.nothing_is_left_over()
        if self.rng.random() < 0.5:
            self.users.act(self.rng.choice(self.pair.disks), 1)  # type: ignore[arg-type]

    def disturb(self, agreed: Agreed) -> None:
        """Have somebody change things between scan and application."""
        witness = Witness(self.pair, agreed)

        def meanwhile() -> None:
            self.users.note(self.pair.disks[0], "-- meanwhile")
            for disk in self.pair.disks:
                self.users.act(disk, self.rng.randrange(1, 4))  # type: ignore[arg-type]
            for disk in self.pair.disks:
                witness.live += [disk.contents()]

        self.pair.between = meanwhile
        made = self.pair.sync()
        self.pair.between = lambda: None
        self.users.note(self.pair.disks[0], "-- sync, disturbed")
        witness.every_operation_is_accounted_for(made)
        witness.nothing_is_left_over()
        now = set().union(*(disk.contents() for disk in self.pair.disks))
        saved = self.pair.sides[0].saved() | self.pair.sides[1].saved()
        assert witness.live[2] | witness.live[3] <= now | saved, "lost"

    def check(self, agreed: Agreed, *, told_apart: bool = True) -> Agreed:
        """Sync, and see that every invariant holds."""
        witness = Witness(self.pair, agreed)
        self.users.note(self.pair.disks[0], "-- sync")
        self.pair.watch = witness.no_file_is_half
        made = self.pair.sync()
        self.pair.watch = None
        witness.every_operation_is_accounted_for(made)
        witness.everything_was_done(made)
        witness.nothing_is_lost()
        witness.both_are_equal()
        if told_apart:
            witness.what_was_new_is_visible()
            witness.what_is_gone_stays_gone()
            witness.one_sided_change_is_copied(made)
        witness.bytes_cross_once(made)
        witness.what_was_told_is_so(made)
        witness.the_base_is_what_both_have()
        witness.nothing_is_left_over()
        witness.the_next_run_does_nothing()
        return Agreed(self.pair)
