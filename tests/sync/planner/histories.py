"""What users do between two runs, chosen by a seed; and what must hold after every run."""

import random
from collections.abc import Callable
from contextlib import suppress

from argosy.sync.planner.options import Options, Policy, Rules
from argosy.sync.planner.plans import Act, Plan, Shelf
from argosy.sync.planner.trees import SIDES, Kind, Side
from tests.sync.planner.disks import TOP_INODE, UNASKED, Disk, Node, digest
from tests.sync.planner.executor import Crash, Pair

NAMES = [b"a", b"b", b"c", b"d.x"]
Content = tuple[Kind | None, bytes]


class Users:
    """Does random things to a disk; everything written is told apart, but for what two sides write alike."""

    def __init__(
        self, rng: random.Random, left_out: frozenset[int] = frozenset(), deeds: "Deeds | None" = None
    ) -> None:
        self.rng = rng
        self.deeds = USUAL if deeds is None else deeds
        self.left_out = left_out
        self.names = NAMES
        self.told = 0
        self.written = 0
        self.log: list[str] = []

    def act(self, disk: Disk, times: int) -> None:
        for _ in range(times):
            seed = self.rng.getrandbits(32)  # of its own: leaving a deed out leaves the others what they are
            self.told += 1
            if self.told - 1 not in self.left_out:
                self._deed(disk, random.Random(seed))

    def act_by(self, deed: "Callable[[Users, Disk], None]", disk: Disk) -> None:
        with suppress(FileExistsError, IndexError):
            deed(self, disk)

    def fifo(self, disk: Disk) -> None:
        path = self.fresh(disk)
        disk.create(path, b"", None)
        self.note(disk, "fifo", path)

    def hide(self, disk: Disk) -> None:
        path = self.any(disk, Kind.DIRECTORY)
        disk.unlisted.add(disk.at(path).inode)
        self.note(disk, "cannot be listed:", path)

    def cover(self, disk: Disk) -> None:
        path = self.any(disk, Kind.DIRECTORY)
        disk.covered.add(disk.at(path).inode)
        self.note(disk, "is mounted over:", path)

    def veil(self, disk: Disk) -> None:
        """Move something to where nobody can look."""
        self.move(disk)
        path = self.any(disk, Kind.DIRECTORY)
        self.rng.choice([disk.unlisted, disk.covered]).add(disk.at(path).inode)
        self.note(disk, "is out of sight:", path)

    def shut(self, disk: Disk) -> None:
        path = self.any(disk, Kind.FILE)
        disk.opaque.add(disk.at(path).inode)
        self.note(disk, "cannot be read:", path)

    def _deed(self, disk: Disk, rng: random.Random) -> None:
        before, self.rng, whole = len(self.log), rng, self.rng
        try:
            rng.choices(list(self.deeds), list(self.deeds.values()))[0](self, disk)
        except (FileExistsError, IndexError):
            del self.log[before:]
        finally:
            self.rng = whole

    def note(self, disk: Disk, *words: object) -> None:
        self.log.append(f"{disk.name.decode()}: " + " ".join(map(str, words)))

    def text(self) -> bytes:
        if self.rng.random() < 0.1:
            return b"SAME"
        self.written += 1
        return b"%d" % self.written if self.rng.random() < 0.5 else b"%03d" % self.written

    def any(self, disk: Disk, *kinds: Kind) -> bytes:
        return self.rng.choice(sorted(path for path, _, _, node in disk.walk() if node.kind in kinds))

    def fresh(self, disk: Disk) -> bytes:
        above = self.rng.choice([b"", *sorted(path for path, _, _, node in disk.walk() if node.kind is Kind.DIRECTORY)])
        name = self.rng.choice(self.names)
        return above + b"/" + name if above else name

    def create(self, disk: Disk) -> None:
        path, text = self.fresh(disk), self.text()
        self.note(disk, "create", path, text)
        disk.create(path, text)

    def mkdir(self, disk: Disk) -> None:
        path = self.fresh(disk)
        self.note(disk, "mkdir", path)
        disk.mkdir(path)

    def symlink(self, disk: Disk) -> None:
        path, text = self.fresh(disk), self.text()
        self.note(disk, "symlink", path, text)
        disk.symlink(path, text)

    def edit(self, disk: Disk) -> None:
        path, text = self.any(disk, Kind.FILE), self.text()
        self.note(disk, "edit", path, text)
        disk.edit(path, text)

    def save(self, disk: Disk) -> None:
        path, text = self.any(disk, Kind.FILE), self.text()
        self.note(disk, "save", path, text)
        disk.save(path, text)

    def rotate(self, disk: Disk) -> None:
        path, text = self.any(disk, Kind.FILE), self.text()
        self.note(disk, "rotate", path, text)
        if not disk.has(path + b"~"):
            disk.move(path, path + b"~")
            disk.create(path, text)

    def remove(self, disk: Disk) -> None:
        path = self.any(disk, *Kind)
        self.note(disk, "remove", path)
        disk.remove(path)

    def move(self, disk: Disk) -> None:
        old, new = self.any(disk, *Kind), self.fresh(disk)
        if (new + b"/").startswith(old + b"/") or (old + b"/").startswith(new + b"/"):
            return
        if disk.has(new) and Kind.DIRECTORY in (disk.at(new).kind, disk.at(old).kind):
            return
        self.note(disk, "move", old, new)
        disk.move(old, new)

    def swap(self, disk: Disk) -> None:
        one, two = self.any(disk, *Kind), self.any(disk, *Kind)
        if not (two + b"/").startswith(one + b"/") and not (one + b"/").startswith(two + b"/"):
            self.note(disk, "swap", one, two)
            disk.swap(one, two)

    def chmod(self, disk: Disk) -> None:
        path, mode = self.any(disk, *Kind), self.rng.choice([0o600, 0o640, 0o755])
        self.note(disk, "chmod", path, oct(mode))
        disk.chmod(path, mode)

    def touch(self, disk: Disk) -> None:
        path = self.any(disk, Kind.FILE)
        self.note(disk, "touch", path)
        disk.touch(path)

    def link(self, disk: Disk) -> None:
        old, new = self.any(disk, Kind.FILE), self.fresh(disk)
        self.note(disk, "link", old, new)
        disk.link(old, new)

    def part(self, disk: Disk) -> None:
        """Have a name that is a file of its own, and looks as before."""
        path = self.any(disk, Kind.FILE)
        self.note(disk, "part", path)
        node = disk.at(path)
        metadata, mtime = node.metadata, node.mtime
        disk.save(path, node.data)
        disk.at(path).metadata = metadata
        disk.touch(path, mtime)

    def retype(self, disk: Disk) -> None:
        path, text = self.any(disk, *Kind), self.text()
        kind = self.rng.choice([each for each in Kind if each is not disk.at(path).kind])
        self.note(disk, "retype", path, kind.name, text)
        disk.remove(path)
        disk.create(path, b"" if kind is Kind.DIRECTORY else text, kind)


DEEDS: list[Callable[[Users, Disk], None]] = [
    Users.create, Users.mkdir, Users.symlink, Users.edit, Users.save, Users.rotate, Users.remove,
    Users.move, Users.swap, Users.chmod, Users.touch, Users.link, Users.retype,
]  # fmt: skip
WEIGHTS = [5, 3, 1, 4, 2, 1, 4, 6, 2, 1, 1, 1, 2]
Deeds = dict[Callable[[Users, Disk], None], int]
USUAL: Deeds = dict(zip(DEEDS, WEIGHTS, strict=True))
"""What users do, and how often."""
LINKING: Deeds = USUAL | {
    Users.create: 3, Users.mkdir: 1, Users.edit: 1, Users.save: 1, Users.move: 3, Users.chmod: 2, Users.touch: 4,
    Users.link: 8, Users.part: 2, Users.retype: 0,
}  # fmt: skip
"""Of users who work with hard links."""
DRIFTING: Deeds = USUAL | {
    Users.edit: 1, Users.save: 0, Users.remove: 0, Users.move: 6, Users.swap: 1, Users.link: 5, Users.retype: 0,
}  # fmt: skip
"""Of users who give names more often than they write."""


class History:
    """A story told by a number: trees that agree, deeds on both sides, crashes, a run, and what must hold then."""

    def __init__(self, seed: int, left_out: frozenset[int] = frozenset(), deeds: Deeds | None = None) -> None:
        self.rng, self.more, self.line = random.Random(seed), random.Random(seed + 1), random.Random(seed + 2)
        policy = self.rng.choice(list(Policy)) if self.rng.random() < 0.5 else Policy.NEWEST
        self.folds = self.rng.random() < 0.08
        rules = (Rules(), Rules(case_insensitive=self.folds, hard_links=self.rng.random() < 0.9))
        self.options = Options(policy=policy, one_way=self.rng.random() < 0.2, guards=UNASKED, rules=rules)
        self.pair = Pair(self.options, (bytes, bytes.lower if self.folds else bytes))
        self.users = Users(self.rng, left_out, deeds)
        self.users.names = [*NAMES, b"A", b"B"] if self.folds else NAMES

    def run(self) -> None:
        pair, rng = self.pair, self.rng
        self.users.act(pair.disks[0], rng.randrange(1, 9))
        self.users.note(pair.disks[0], "-- first sync")
        pair.sync()
        for _ in range(rng.choice([1, 1, 2])):
            deeds = [rng.randrange(4), rng.randrange(4)]
            for side in SIDES:
                self.users.act(pair.disks[side], deeds[side])
            obstructed = rng.random() < 0.15
            if obstructed:
                self.obstruct()
            crashes = rng.random() < 0.3
            if crashes:
                self.crash()
            loses = self.line.random() < 0.1
            if loses:
                self.lose()
            self.check(told_apart=not (crashes or obstructed or loses or self.folds))

    def obstruct(self) -> None:
        """Have a run meet what cannot be synced and what cannot be listed; then that is gone."""
        for disk in self.pair.disks:
            if self.rng.random() < 0.5:
                self.users.act_by(Users.fifo, disk)
            if self.rng.random() < 0.5:
                self.users.act_by(Users.hide, disk)
        self.hinder()
        witness = Witness(self.pair)
        made = self.pair.sync(order=self.rng)
        self.users.note(self.pair.disks[0], "-- sync, obstructed")
        witness.everything_was_done()
        witness.nothing_is_lost()
        witness.nothing_hidden_is_touched()
        witness.nothing_hidden_is_gone(made)
        again = self.pair.plan()
        assert again.operations == () or self.options.one_way
        witness.nothing_hidden_is_gone(again)
        for disk in self.pair.disks:
            disk.show_all()
            for path in [path for path, _, _, node in disk.walk() if node.kind is None]:
                disk.remove(path)
            self.users.note(disk, "obstacles are gone")

    def lose(self) -> None:
        """Have a run that cannot bring all bytes: what they were to come from is gone by then, perhaps."""
        before = Witness(self.pair)
        self.pair.lost = lambda _: self.line.random() < 0.5
        self.pair.sync(order=self.line)
        self.pair.lost = lambda _: False
        self.users.note(self.pair.disks[0], "-- sync, of which not all came")
        before.nothing_is_lost()
        if self.line.random() < 0.5:
            whole, self.users.rng = self.users.rng, self.line
            self.users.act(self.pair.disks[0], 2)
            self.users.rng = whole

    def hinder(self) -> None:
        """Have more out of sight; chosen by numbers of its own, so that other deeds stay what they were."""
        whole, self.users.rng = self.users.rng, self.more
        for disk in self.pair.disks:
            for deed in (Users.cover, Users.veil, Users.shut, Users.shut):
                if self.more.random() < 0.3:
                    self.users.act_by(deed, disk)
        self.users.rng = whole

    def crash(self) -> None:
        """Lose power somewhere in a run; users may go on before the next."""
        before = Witness(self.pair)
        try:
            self.pair.sync(crash=self.rng.randrange(12), order=self.rng)
        except Crash:
            self.users.note(self.pair.disks[0], "-- crash")
        self.pair.recover()
        before.nothing_is_lost()
        if self.rng.random() < 0.5:
            self.users.act(self.rng.choice(self.pair.disks), 1)

    def check(self, *, told_apart: bool = True) -> None:
        """Sync, and see that every invariant holds.

        After a crash both sides have changed, one of them by our hand; and a side that takes names for the same cannot
        become what the other is. Then it is not `told_apart` what which side wanted.
        """
        witness = Witness(self.pair)
        self.pair.watch = witness.no_file_is_half
        self.users.note(self.pair.disks[0], "-- sync")
        made = self.pair.sync(order=self.rng)
        self.pair.watch = None
        witness.everything_was_done()
        witness.nothing_is_lost()
        witness.bytes_cross_once(made)
        if self.options.one_way:
            witness.the_source_is_as_it_was()
            if told_apart:
                witness.the_destination_follows(made)
        else:
            witness.both_are_equal()
            witness.what_was_new_is_visible()
            witness.what_is_gone_stays_gone()
            if told_apart:
                witness.one_sided_change_is_copied(made)
            witness.the_base_is_what_both_have()
        witness.the_next_run_does_nothing()


class Drift(History):
    """A history of a sync that goes one way, between two that change all the time, with more deeds and more links."""

    def __init__(self, seed: int, left_out: frozenset[int] = frozenset()) -> None:
        super().__init__(seed, left_out, DRIFTING)
        self.folds = False
        self.options = Options(policy=self.options.policy, one_way=True, guards=UNASKED)
        self.pair = Pair(self.options)
        self.users.names = NAMES

    def run(self) -> None:
        self.users.act(self.pair.disks[0], self.rng.randrange(1, 9))
        self.users.note(self.pair.disks[0], "-- first sync")
        self.pair.sync()
        for _ in range(self.rng.choice([1, 2, 2])):
            self.act(12)
            if self.rng.random() < 0.3:
                self.obstruct()
            if self.rng.random() < 0.3:
                self.crash()
            if self.line.random() < 0.2:
                self.lose()
            self.act(8)
            self.check(told_apart=False)

    def act(self, most: int) -> None:
        """Have users do something on both sides."""
        for disk in self.pair.disks:
            self.users.act(disk, self.rng.randrange(most))


class Witness:
    """Remembers how things were before a run."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.trees = [disk.tree() for disk in pair.disks]
        self.live = [disk.contents() for disk in pair.disks]
        self.agreed = {(known.kind, known.content) for known in pair.base.values()}
        self.untouched = [self._untouched(side) for side in SIDES]
        self.changed = [not self._as_agreed(side) for side in SIDES]
        self.hidden = [self._inside(disk) for disk in pair.disks]
        self.behind = [self._behind(side) for side in SIDES]
        self.opaque = [{node.inode: node.data for _, _, _, node in disk.walk() if node.inode in disk.opaque}
                       for disk in pair.disks]  # fmt: skip
        self.obstacles = [sum(node.kind is None for _, _, _, node in disk.walk()) for disk in pair.disks]
        self.inodes = [{disk.binding(node): len(node.data) for _, _, _, node in disk.walk()} for disk in pair.disks]

    def _untouched(self, side: Side) -> dict[str, Content]:
        """Return the content of each object that the side has exactly as it was, directories above as well."""
        disk, base = self.pair.disks[side], self.pair.base
        nodes = {(disk.binding(parent), name): node for _, parent, name, node in disk.walk()}
        top = disk.binding(disk.top)

        def same(identity: str) -> bool:
            known = base[identity]
            above = top if not known.parent else base[known.parent].on[side].binding
            node = nodes.get((above, known.name))
            if node is None or disk.binding(node) != known.on[side].binding or node.metadata != known.metadata:
                return False
            if node.kind is not Kind.DIRECTORY and (node.mtime, len(node.data)) != known.on[side].version[1::-1]:
                return False
            return not known.parent or same(known.parent)

        return {
            identity: (known.kind, known.content)
            for identity, known in base.items()
            if known.kind is Kind.FILE and same(identity)
        }

    def _as_agreed(self, side: Side) -> bool:
        """Say whether a side is the base: by paths, by values, and by inodes, since two alike may have been swapped."""
        base = self.pair.base

        def path(identity: str) -> bytes:
            known = base[identity]
            return path(known.parent) + b"/" + known.name if known.parent else known.name

        def time(kind: Kind | None, mtime: int) -> int:
            return mtime if kind is Kind.FILE else 0

        disk = self.pair.disks[side]
        seen = {
            (each, disk.binding(node), self._held(node), node.metadata, time(node.kind, node.mtime))
            for each, _, _, node in disk.walk()
        }
        agreed = {
            (path(each.id), each.on[side].binding, each.content, each.metadata, time(each.kind, each.mtime_ns))
            for each in base.values()
        }
        return seen == agreed

    def _held(self, node: Node) -> bytes:
        return digest(node.data) if node.kind is Kind.FILE else node.data

    def everything_was_done(self) -> None:
        """Every operation ended, and none failed while nobody else changed anything (I10)."""
        assert self.pair.failed == [], self.pair.failed

    def nothing_is_lost(self) -> None:
        """What was live anywhere is live on both sides or saved (I1)."""
        now = [disk.contents() for disk in self.pair.disks]
        saved = self.pair.disks[0].saved | self.pair.disks[1].saved
        for content in self.live[0] | self.live[1]:
            live = [content in each for each in now]
            assert any(live) or content in saved, f"lost: {content}"

    def nothing_hidden_is_touched(self) -> None:
        """What could not be listed, and what cannot be synced, is where it was or where its directory went."""
        for side in SIDES:
            disk = self.pair.disks[side]
            now = {node.inode for _, _, _, node in disk.walk()}
            assert disk.unlisted | disk.covered <= now
            assert self.obstacles[side] == sum(node.kind is None for _, _, _, node in disk.walk())
            for inode, inside in self.hidden[side].items():
                assert inside == self._inside(disk)[inode]

    def nothing_hidden_is_gone(self, made: Plan) -> None:
        """What lies where a side cannot look is not removed on the other.

        One-way a name of the destination's own can go to another nevertheless: what had it goes to the version store.
        """
        for operation in made.operations:
            if operation.act is Act.TRASH and not (self.pair.options.one_way and operation.shelf is Shelf.VERSIONS):
                assert operation.object not in self.behind[operation.side.other], operation.path

    def _inside(self, disk: Disk) -> dict[int, dict[bytes, Node]]:
        found = {node.inode: node for _, _, _, node in disk.walk()}
        return {inode: dict(found[inode].children) for inode in disk.unlisted | disk.covered if inode in found}

    def _behind(self, side: Side) -> set[str]:
        """Return the objects of the base that have a name out of sight and none in sight."""
        disk, bound = self.pair.disks[side], {}
        for known in self.pair.base.values():
            bound.setdefault(known.on[side].binding, set()).add(known.id)
        seen = {entry.binding for entry in disk.scan().entries}
        hidden = {disk.binding(node) for _, _, _, node in disk.walk()} - seen
        return {identity for binding in hidden for identity in bound.get(binding, ())}

    def what_was_new_is_visible(self) -> None:
        """What somebody wrote since the last run is under a name on both sides, not only in the trash (I1)."""
        now = [disk.contents() for disk in self.pair.disks]
        for kind, data in self.live[0] | self.live[1]:
            held = digest(data) if kind is Kind.FILE else data
            if (kind, held) not in self.agreed:
                assert (kind, data) in now[0], f"only in the trash: {data!r}"
                assert (kind, data) in now[1], f"only in the trash: {data!r}"

    def both_are_equal(self) -> None:
        """Types, contents, targets, metadata, empty directories (I2)."""
        assert self.pair.disks[0].tree() == self.pair.disks[1].tree()
        if all(rules.hard_links for rules in self.pair.options.rules):
            assert self.pair.disks[0].groups() == self.pair.disks[1].groups()

    def the_next_run_does_nothing(self) -> None:
        """And finds no conflict, unless one-way sync leaves one as it is (I3).

        One-way, what the destination was left with may be taken for something else once the base knows it anew: then
        one more run is needed, in about one of seven thousand histories.
        """
        made = self.pair.plan()
        if self.pair.options.one_way and made.operations:
            self.pair.sync()
            made = self.pair.plan()
        assert made.operations == ()
        assert self.pair.options.one_way or (made.conflicts, made.held) == ((), ())

    def what_is_gone_stays_gone(self) -> None:
        """Removed on one side and untouched on the other, the directories above as well: removed (I4)."""
        now = {(kind, digest(data)) for kind, data in self.pair.disks[0].contents()}
        for side in SIDES:
            there = {(kind, digest(data)) for kind, data in self.live[side]}
            other = {(kind, digest(data)) for kind, data in self.live[side.other]}
            held = list(self.untouched[side.other].values())
            for content in held:
                alone = held.count(content) == 1 and self._once(side.other, content)
                if alone and content in other and content not in there:
                    assert content not in now, f"came back: {content}"

    def _once(self, side: Side, content: Content) -> bool:
        return sum((entry[0], digest(entry[1])) == content for entry in self.trees[side].values()) == 1  # type: ignore[arg-type]

    def one_sided_change_is_copied(self, made: Plan) -> None:
        """If one side alone changed, the result is that side's tree and there is no conflict (I5, I6)."""
        for side in SIDES:
            if not self.changed[side.other]:
                assert self.pair.disks[0].tree() == self.trees[side]
                assert made.conflicts == ()
        if self.trees[0] == self.trees[1]:
            assert made.conflicts == ()

    def no_file_is_half(self) -> None:
        """At any instant a visible file is wholly what it was on one of the sides (I7)."""
        whole = self.live[0] | self.live[1]
        for disk in self.pair.disks:
            assert disk.contents() <= whole

    def bytes_cross_once(self, made: Plan) -> None:
        """Nothing crosses for a move or for metadata, and no content crosses twice (I8)."""
        crossed: set[object] = set()
        for operation in made.operations:
            if operation.bytes:
                assert operation.act in (Act.CREATE, Act.REPLACE)
                assert operation.source is not None
                side, entry = operation.source
                assert side is operation.side.other
                assert (side, entry.binding) not in crossed
                crossed.add((side, entry.binding))
                assert operation.bytes == self.inodes[side][entry.binding]

    def the_destination_follows(self, made: Plan) -> None:
        """One-way: a destination where nothing was done becomes the source; if nothing was done there, nothing is."""
        if not self.changed[1]:
            assert self.pair.disks[1].tree() == self.trees[0]
            assert made.conflicts == ()
        if not self.changed[0]:
            assert made.operations == ()
            assert made.drift or not self.changed[1] or self.trees[0] == self.trees[1]  # it put another alike there

    def the_base_is_what_both_have(self) -> None:
        """The base says exactly what both sides have, by the inodes they have it by (I9)."""
        base = self.pair.base
        for side in SIDES:
            disk = self.pair.disks[side]
            bound = {
                (known.on[side].binding, known.on[side].version, known.name, known.metadata) for known in base.values()
            }
            seen = {
                (entry.binding, entry.version, entry.name, entry.metadata)
                for entry in disk.scan().entries
                if entry.kind is not Kind.DIRECTORY
            }
            assert seen <= bound
            assert len(base) == sum(1 for _ in disk.walk())
        assert TOP_INODE not in {known.on[0].binding.inode for known in base.values()}

    def the_source_is_as_it_was(self) -> None:
        """One-way: nothing changes at the source; what only the destination has stays."""
        assert self.pair.disks[0].tree() == self.trees[0]


def failure(
    seed: int, left_out: frozenset[int] = frozenset(), story: Callable[..., History] = History
) -> tuple[str, History]:
    """Return how a history goes wrong, "" if it does not, and the history."""
    history = story(seed, left_out)
    try:
        history.run()
    except AssertionError as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else "?"
        return where, history
    return "", history


def shortened(seed: int, story: Callable[..., History] = History) -> str:
    """Return the history of a number in words, without every deed that it does not need to go wrong in the same way."""
    wrong, history = failure(seed, story=story)
    left_out: frozenset[int] = frozenset()
    for deed in range(history.users.told):
        if failure(seed, left_out | {deed}, story)[0] == wrong:
            left_out |= {deed}
    wrong, history = failure(seed, left_out, story)
    options = history.options
    words = [f"seed {seed}: {wrong}", f"{options.policy.value}, {'one-way' if options.one_way else 'bidirectional'}"]
    return "\n".join([*words, *history.users.log])
