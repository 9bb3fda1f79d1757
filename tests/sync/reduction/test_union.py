"""A first sync that is planned of what differs is the one that is planned of everything."""

import random

import pyarrow.parquet as pq
import pytest

from argosy.sync.planner.options import Options, Policy, Rules
from argosy.sync.planner.planning import plan
from argosy.sync.planner.trees import SIDES, Kind
from argosy.sync.reduction import objects, pieces
from argosy.sync.reduction.engine import USUAL, Room, engine
from argosy.sync.reduction.hashes import with_hashes
from argosy.sync.reduction.reducing import reduce
from argosy.sync.reduction.sides import Scanned
from argosy.sync.reduction.union import unite
from tests.sync.reduction import worlds
from tests.sync.reduction.worlds import PLACES, PLAIN, World

ALL = Options()


def united(world, folder, options=ALL, room=USUAL):
    """Return what both have alike, and the trees of the rest."""
    _, one, two = world.write(folder)
    sides = Scanned(index=one), Scanned(index=two)
    found = unite(sides, folder, policy=options.policy, room=room)
    return found, reduce(found.base, found.sides, rules=options.rules)


def told(operations):
    """Return what operations do, whatever their objects are called; the mtime of a directory is nobody's."""
    return sorted(
        repr(
            (each.side, each.act, each.kind, each.path, each.target, each.name, each.expects, alike(each.source),
             each.content, each.size, each.metadata, each.kind is Kind.DIRECTORY or each.mtime_ns, each.shelf,
             each.bytes)
        )
        for each in operations
    )  # fmt: skip


def alike(source):
    """Return what matters of a source: of several files with the same content any will do."""
    return source and (source[0], source[1].kind, source[1].content)


def conflicts(made):
    return sorted((each.dispute, each.path, each.kept, each.winner) for each in made.conflicts)


def places(world, side):
    """Return each name of a side by its path."""
    paths, found = {world.sides[side].top.number: b""}, {}
    for parent, name, inode in world.sides[side].rows():
        if inode is not world.sides[side].top:
            path = paths[parent.number] + b"/" + name
            found[path] = inode
            if inode.kind == 2:
                paths[inode.number] = path
    return found


def base_of(found):
    with engine(Room()) as db:
        db.view("base", [found.base.chunks[0]])
        return objects.known(db.table("SELECT * EXCLUDE (id, parent), replace(id::VARCHAR, '-', '') AS id,"
                                      " replace(parent::VARCHAR, '-', '') AS parent FROM base"), PLACES)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_first_sync_of_what_differs_is_that_of_everything(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(pieces, "_ROWS", 50)
    rng = random.Random(seed)
    rules = (Rules(), Rules(hard_links=rng.random() < 0.7))
    options = Options(policy=rng.choice(list(Policy)), one_way=rng.random() < 0.3, rules=rules)
    size, changes = rng.choice([4, 8, 15]), rng.choice([(1, 1), (3, 3), (6, 0), (2, 8)])
    world = World(seed, parts=80, size=size, changes=changes, hashed=1, links=False)
    found, trees = united(world, tmp_path, options)
    assert found.files == 0
    ours, all_told = plan(trees, options), plan(world.trees(base=False), options)
    assert told(ours.operations) == told(all_told.operations)
    assert conflicts(ours) == conflicts(all_told)
    assert sum(len(tree.entries) for tree in trees.sides) < sum(len(tree.entries) for tree in world.trees().sides)


@pytest.mark.parametrize("seed", range(6))
def test_what_both_have_alike_is_the_base_and_nothing_else_is(tmp_path, seed):
    world = World(seed, parts=40, changes=(4, 4), hashed=1)
    found, _ = united(world, tmp_path)
    names = {known.id: known for known in base_of(found)}

    def path(known):
        return (path(names[known.parent]) if known.parent in names else b"") + b"/" + known.name

    one, two = (places(world, side) for side in SIDES)
    wanted = {
        each
        for each, inode in one.items()
        if each in two and _alike(inode, two[each]) and 1 not in (inode.unknown, two[each].unknown)
    }
    assert {path(known) for known in names.values()} == wanted
    for known in names.values():
        for side, tree in zip(SIDES, (one, two), strict=True):
            inode = tree[path(known)]
            assert known.on[side].binding[2:] == (inode.number, inode.born)


def _alike(one, two):
    if one.kind != two.kind or one.kind > 3:
        return False
    same = (one.content, one.mode, one.mtime if one.kind == 1 else 0) == (
        two.content,
        two.mode,
        two.mtime if two.kind == 1 else 0,
    )
    return one.kind == 2 or same


def test_files_of_one_size_are_compared_and_never_taken_for_alike(tmp_path):
    world = World(3, parts=60, size=12, hashed=0)
    found, _ = united(world, tmp_path)
    one, two = (places(world, side) for side in SIDES)
    wanted = {
        each: inode.size
        for each, inode in one.items()
        if each in two and inode.kind == two[each].kind == 1 and inode.size == two[each].size
        and not inode.unknown and not two[each].unknown
    }  # fmt: skip
    rows = pq.read_table(found.open).to_pylist()
    assert {b"/" + row["path"]: row["size"] for row in rows} == wanted
    assert found.files == len(wanted)
    assert found.unread == (2 * len(wanted), 2 * sum(wanted.values()))
    assert all(
        inode not in {known.on[0].binding.inode for known in base_of(found)}
        for inode in (row["one_inode"] for row in rows)
    )


def test_with_their_hashes_the_plan_is_that_of_everything(tmp_path):
    world = World(4, parts=60, size=12, hashed=0, links=False)
    found, _ = united(world, tmp_path)
    sides = []
    for side, name in zip(SIDES, ("one", "two"), strict=True):
        inodes = {inode.number: inode for inode in world.sides[side].names.values()}
        hashes = (
            (row[f"{name}_row"], inodes[row[f"{name}_inode"]].bytes) for row in pq.read_table(found.open).to_pylist()
        )
        with_hashes(tmp_path / name, hashes, tmp_path / f"{name}.hashed")
        sides.append(Scanned(index=tmp_path / f"{name}.hashed"))
    again = unite((sides[0], sides[1]), tmp_path)
    assert again.files == 0
    trees = reduce(again.base, again.sides)
    for side in world.sides:
        side.hashed = 1
    hashes = {
        (side, entry.binding): entry.content
        for side in SIDES
        for entry in world.tree(side).entries
        if entry.kind is Kind.FILE
    }
    ours = plan(type(trees)(base=trees.base, sides=trees.sides, totals=trees.totals, hashes=hashes), Options())
    assert told(_without_content(ours)) == told(_without_content(plan(world.trees(base=False), Options())))


def _without_content(made):
    """Leave out what is only known of what was compared."""
    import msgspec

    return [
        msgspec.structs.replace(
            each, content=None, source=None, bytes=0, expects=each.expects and each.expects._replace(content=None)
        )
        for each in made.operations
    ]


def test_where_one_hash_is_known_only_the_other_file_is_read(tmp_path):
    def grow(side):
        side.names[side.top.number, b"x"] = side.make(worlds.FILE, 1)

    world = World(0, size=1, changes=(0, 0), grow=grow)
    world.sides[0].hashed, world.sides[1].hashed = 1, 0
    found, _ = united(world, tmp_path)
    assert found.unread == (1, 11)
    [row] = pq.read_table(found.open).to_pylist()
    assert (row["path"], row["one_known"], row["two_known"]) == (b"x", 1, 0)


def test_two_empty_trees_have_nothing_alike(tmp_path):
    world = World(0, size=1, changes=(0, 0))
    found, trees = united(world, tmp_path)
    assert (found.alike, found.files) == (0, 0)
    assert plan(trees, Options()).operations == ()


def test_a_side_without_anything_gets_everything(tmp_path):
    world = World(9, parts=10, size=10, changes=(0, 0), hashed=1)
    world.sides[1].names.clear()
    found, trees = united(world, tmp_path)
    made = plan(trees, Options())
    assert found.alike == 0
    assert {b"/" + each.target for each in made.operations if each.act == 3} == set(places(world, 0))
    assert not made.refusals


def test_little_memory_is_enough(tmp_path):
    world = World(5, parts=60, hashed=1)
    found, _ = united(world, tmp_path, room=Room(memory="60MB", temporary=tmp_path, threads=1))
    assert found.alike


@pytest.mark.parametrize("seed", range(4))
def test_names_that_one_side_takes_for_the_same_are_told_together(tmp_path, seed):
    rules = (Rules(), Rules(case_insensitive=True))
    world = World(seed, parts=60, changes=(6, 0), hashed=1, rules=rules, links=False)
    options = Options(rules=rules)
    found, trees = united(world, tmp_path, options)
    names = base_of(found)
    full = world.trees()
    top = [known._replace(parent="" if known.parent == "0" * 32 else known.parent) for known in names]
    all_told = plan(type(full)(base=top, sides=full.sides), options)
    assert told(plan(trees, options).operations) == told(all_told.operations)
    assert rules != PLAIN
