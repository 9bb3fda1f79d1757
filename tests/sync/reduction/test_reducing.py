"""A plan of what is picked from files is the plan of everything."""

import random

import msgspec
import pytest

from argosy.core.errors import Corrupt, Invalid, NotFound
from argosy.sync.planner.naming import conflict_name, hexed
from argosy.sync.planner.options import Options, Policy, Rules
from argosy.sync.planner.planning import plan
from argosy.sync.planner.trees import Version
from argosy.sync.reduction.base import Base, Place
from argosy.sync.reduction.engine import USUAL, Room
from argosy.sync.reduction.reducing import reduce
from argosy.sync.reduction.sides import Scanned
from tests.sync.planner.disks import UNASKED
from tests.sync.reduction import worlds
from tests.sync.reduction.context import missing
from tests.sync.reduction.worlds import PLAIN, World

RULES = {
    "plain": PLAIN,
    "caseless": (Rules(), Rules(case_insensitive=True)),
    "normalising": (Rules(normalising=True), Rules()),
    "both": (Rules(case_insensitive=True, normalising=True), Rules(hard_links=False)),
}
ALL = Options()
WHAT_COUNTS = ("refusals", "needs", "conflicts", "held", "left", "operations", "drift", "unknown")


def reduced(world, folder, rules=PLAIN, chunks=1, room=USUAL):
    base, one, two = world.write(folder, chunks)
    return reduce(Base.open(base), (Scanned(index=one), Scanned(index=two)), rules=rules, room=room)


def assert_same(world, folder, options=ALL, **more):
    """Return what was told, and the plan, which is that of everything."""
    trees = reduced(world, folder, options.rules, **more)
    order = [known for number in range(more.get("chunks", 1)) for known in world.known[number :: more.get("chunks", 1)]]
    ours, all_told = plan(trees, options), plan(msgspec.structs.replace(world.trees(), base=order), options)
    for field in WHAT_COUNTS:
        assert getattr(ours, field) == getattr(all_told, field), field
    return trees, ours


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", range(5))
def test_a_plan_of_what_is_picked_is_the_plan_of_everything(tmp_path, seed, rules):
    rng = random.Random(seed)
    options = Options(policy=rng.choice(list(Policy)), one_way=rng.random() < 0.3, rules=RULES[rules], guards=UNASKED)
    size, changes = rng.choice([4, 8, 15]), rng.choice([(1, 1), (3, 3), (6, 0), (2, 8)])
    world = World(seed, parts=150, size=size, changes=changes, hashed=1, rules=options.rules)
    world.grow_dim(seed)
    trees, _ = assert_same(world, tmp_path, options)
    assert missing(trees, world.trees(), options.rules) == []
    assert len(trees.base) < len(world.known)


@pytest.mark.parametrize("seed", range(40))
def test_small_trees_are_refused_and_need_hashes_all_the_same(tmp_path, seed):
    world = World(seed, size=20, changes=(3, 12), hashed=0.5)
    world.grow_dim(seed)
    assert_same(world, tmp_path, Options(one_way=seed % 3 == 0))


def test_of_what_nobody_changed_nothing_is_told(tmp_path):
    world = World(1, parts=50, changes=(0, 0))
    trees = reduced(world, tmp_path)
    assert (len(trees.base), len(trees.sides[0].entries), len(trees.sides[1].entries)) == (0, 0, 0)
    assert trees.totals.objects == len(world.known)
    assert trees.totals.entries == (50, 50)


def test_what_is_gone_by_half_is_refused_without_telling_the_other_half(tmp_path):
    world = World(2, parts=40, size=6, changes=(0, 0))
    one = world.sides[0]
    for number in range(30):
        one.remove((one.top.number, b"part%d" % number))
    trees, made = assert_same(world, tmp_path)
    assert made.refusals
    assert len(trees.base) < len(world.known)


def test_a_base_in_chunks_is_the_same_base(tmp_path):
    world = World(3, parts=40)
    world.grow_dim(3)
    trees, _ = assert_same(world, tmp_path, Options(guards=UNASKED), chunks=3)
    assert trees.spots == world.spots
    there = world.write(tmp_path, 3)[0]
    assert Base.open(there[::-1]) == Base.open(there)


def test_little_memory_is_enough(tmp_path):
    world = World(4, parts=100)
    room = Room(memory="60MB", temporary=tmp_path, threads=1)
    assert_same(world, tmp_path, Options(guards=UNASKED), room=room)
    assert not list(tmp_path.glob("argosy-scratch-*"))


def test_on_another_filesystem_no_inode_is_the_one_that_the_base_knows(tmp_path, monkeypatch):
    world = World(5, parts=10, changes=(0, 0))
    paths = world.write(tmp_path)
    monkeypatch.setattr(worlds, "PLACES", (Place("c3" * 16, 0), worlds.PLACES[1]))
    world.index(0, paths[1])
    trees = reduce(Base.open(paths[0]), (Scanned(index=paths[1]), Scanned(index=paths[2])))
    assert len(trees.base) == len(world.known)
    full = world.trees()
    for field in WHAT_COUNTS:
        assert getattr(plan(trees, Options()), field) == getattr(plan(full, Options()), field), field


def test_a_conflict_copy_does_not_get_the_name_of_one_that_is_there(tmp_path):
    taken = conflict_name(b"x", "site2", hexed(b"%032d" % 7))

    def grow(side):
        side.names[side.top.number, b"x"] = side.make(worlds.FILE, 1)
        side.names[side.top.number, taken] = side.make(worlds.FILE, 2)

    world = World(0, size=1, changes=(0, 0), hashed=1, grow=grow)
    for side, content in zip(world.sides, (7, 8), strict=True):
        inode = side.names[side.top.number, b"x"]
        side.clock += 10_000_000_000
        inode.content, inode.mtime, inode.ctime = content, side.clock, side.clock
    _, made = assert_same(world, tmp_path)
    assert [each.kept for each in made.conflicts] == [conflict_name(b"x", "site2", hexed(b"%032d" % 8), attempt=2)]


def test_of_a_directory_that_is_gone_all_is_told_that_the_base_has_below(tmp_path):
    def grow(side):
        above = side.top
        for name in (b"gone", b"moved", b"empty"):
            made = side.names[above.number, name] = side.make(worlds.DIRECTORY)
            above = made

    world = World(0, size=1, changes=(0, 0), grow=grow)
    one = world.sides[0]
    gone = one.names.pop((one.top.number, b"gone"))
    one.names[one.top.number, b"moved"] = one.names.pop((gone.number, b"moved"))
    trees, _ = assert_same(world, tmp_path)
    assert missing(trees, world.trees(), PLAIN) == []
    assert len(trees.base) == 3


def test_what_is_missing_from_a_top_that_could_not_be_listed_is_not_gone(tmp_path):
    world = World(9, parts=30, changes=(0, 0))
    two = world.sides[1]
    two.top.unknown = 2
    for number in range(20):
        two.remove((two.top.number, b"part%d" % number))
    trees, made = assert_same(world, tmp_path)
    assert trees.sides[1].unlisted == {trees.sides[1].top}
    assert (made.operations, made.refusals) == ((), ())


def test_an_inode_that_changed_its_ctime_alone_is_told(tmp_path):
    world = World(6, parts=5, changes=(0, 0))
    inode = next(inode for inode in world.sides[1].names.values() if inode.kind == worlds.FILE)
    inode.ctime += 1
    trees = reduced(world, tmp_path)
    told = {entry.binding: entry.version for entry in trees.sides[1].entries}
    assert told[worlds.binding(1, inode)] == Version(inode.size, inode.mtime, inode.ctime)


def test_a_marker_that_is_missing_is_handed_on(tmp_path):
    base, one, two = World(7).write(tmp_path)
    trees = reduce(Base.open(base), (Scanned(index=one, marked=False), Scanned(index=two)))
    assert plan(trees, Options()).refusals


def test_chunks_of_several_pairs_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    base = World(1).write(tmp_path / "a")[0]
    other = World(1, pair="another").write(tmp_path / "b")[0]
    with pytest.raises(Invalid, match="one pair"):
        Base.open([*base, *other])
    with pytest.raises(Invalid):
        Base.open([])


def test_a_file_that_is_no_chunk_is_told_from_a_missing_one(tmp_path):
    (tmp_path / "no").write_bytes(b"PAR1 or not")
    with pytest.raises(Corrupt):
        Base.open([tmp_path / "no"])
    with pytest.raises(NotFound):
        Base.open([tmp_path / "missing"])


def test_a_chunk_says_what_it_is(tmp_path):
    world = World(8, parts=4)
    base = Base.open(world.write(tmp_path)[0])
    assert (base.generation, base.rows, base.roots) == (3, len(world.known), 4)
    assert msgspec.structs.asdict(base)["pair"] == "one two"
