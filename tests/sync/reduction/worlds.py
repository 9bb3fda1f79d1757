"""Random filesets in memory: a base, what two sides made of it, and both as files and as the planner's trees."""

import random
from pathlib import Path

import msgspec
import pyarrow as pa

from argosy.snapshots import schema
from argosy.snapshots.index import IndexWriter
from argosy.sync.planner.naming import folding
from argosy.sync.planner.options import Rules
from argosy.sync.planner.trees import (
    TOP,
    Binding,
    Entry,
    Found,
    Kind,
    Known,
    Metadata,
    Obstacle,
    Tree,
    Trees,
    Version,
)
from argosy.sync.reduction import base as bases
from tests.sync.reduction.rows import rows_of

FILE, DIRECTORY, SYMLINK, OTHER, BOUNDARY = 1, 2, 3, 4, 5
PLACES = (bases.Place("a1" * 16, 5), bases.Place("b2" * 16, 0))
NAMES = [
    b"a",
    b"b",
    b"A",
    b"c.txt",
    b"C.txt",
    "é".encode(),
    "e\u0301".encode(),
    b"a.conflict-site1-0123456789ab",
    b"a.CONFLICT-site1-0123456789ab",
    b"\xff",
    b"\xff\n'\"\\x41;--",
]
PLAIN = (Rules(), Rules())
MODES = [0o644, 0o600, 0o755]


class Inode(msgspec.Struct, eq=False):
    number: int
    born: int
    kind: int
    content: int = 0
    mode: int = 0o644
    mtime: int = 1_000
    ctime: int = 1_000
    unknown: int = 0

    @property
    def bytes(self):
        return b"%032d" % self.content

    @property
    def size(self):
        return 0 if self.kind in (DIRECTORY, OTHER, BOUNDARY) else 10 + self.content % 3


class Side:
    """The names and inodes of one side, all below one top."""

    def __init__(self, first, hashed):
        self.next, self.clock, self.hashed, self.fold, self.complete = first, 5_000, hashed, bytes, True
        self.birth = 7 if first < 2**63 else -7  # below 0: a filesystem without times of birth
        self.top = self.make(DIRECTORY)
        self.names = {}

    def make(self, kind, content=0, **more):
        self.next += 1
        self.clock += 10_000_000_000
        return Inode(
            self.next, self.next % 2**40 * self.birth, kind, content, mtime=self.clock, ctime=self.clock, **more
        )

    def children(self, directory):
        return {name: inode for (parent, name), inode in self.names.items() if parent == directory.number}

    def below(self, top):
        """Return a directory and all those below it, and the names in them."""
        by_parent = {}
        for key in self.names:
            by_parent.setdefault(key[0], []).append(key)
        found, keys = [top], []
        for each in found:
            here = by_parent.get(each.number, ())
            keys += here
            found += [self.names[key] for key in here if self.names[key].kind == DIRECTORY]
        return found, keys

    def inside(self, directory, other):
        """Say whether a directory is the other or lies below it."""
        return directory in self.below(other)[0]

    def remove(self, key):
        inode = self.names.pop(key)
        for name in [each for each in self.names if each[0] == inode.number] if inode.kind == DIRECTORY else ():
            self.remove(name)

    def rows(self):
        """Yield parent, name and inode in walk order, the top first."""
        by_parent = {}
        for (parent, name), inode in self.names.items():
            by_parent.setdefault(parent, []).append((name, inode))
        yield self.top, b"", self.top
        waiting = [
            (self.top, name, inode)
            for name, inode in sorted(by_parent.get(self.top.number, ()), reverse=True, key=lambda e: e[0])
        ]
        while waiting:
            parent, name, inode = waiting.pop()
            yield parent, name, inode
            if inode.kind == DIRECTORY:
                below = sorted(by_parent.get(inode.number, ()), reverse=True, key=lambda e: e[0])
                waiting += [(inode, name, each) for name, each in below]

    def links(self):
        count = {}
        for inode in self.names.values():
            count[inode.number] = count.get(inode.number, 0) + 1
        return count


def change(rng, side, directory=None, *, hard=True):
    """Do one random thing to a side, below a directory of it."""
    top = directory or side.top
    inner, keys = side.below(top)
    act = rng.choice(
        [
            "create",
            "create",
            "edit",
            "move",
            "move",
            "remove",
            "save",
            "mkdir",
            "chmod",
            "link",
            "symlink",
            "odd",
            "swap",
        ]
    )
    parent, name = rng.choice(inner), rng.choice(NAMES)
    free = side.fold(name) not in {side.fold(other) for number, other in keys if number == parent.number}
    key = rng.choice(keys) if keys else None
    if act == "create" and free:
        side.names[parent.number, name] = side.make(FILE, rng.randrange(6))
    elif act == "symlink" and free:
        side.names[parent.number, name] = side.make(SYMLINK, rng.randrange(3))
    elif act == "mkdir" and free:
        side.names[parent.number, name] = side.make(DIRECTORY)
    elif act == "odd" and free and rng.random() < 0.4:
        kind, unknown = rng.choice([(OTHER, 0), (BOUNDARY, 0), (FILE, 1)])
        side.names[parent.number, name] = side.make(kind, unknown=unknown)
    elif key is not None:
        _change_there(rng, side, act, key, (parent, name), free, hard)


def _change_there(rng, side, act, key, place, free, hard):  # noqa: C901 - one branch for each kind of change
    inode, (parent, name) = side.names[key], place
    if inode.kind > SYMLINK or inode.unknown == 1:
        return
    if act == "edit" and inode.kind == FILE:
        side.clock += 10_000_000_000
        inode.content, inode.mtime, inode.ctime = rng.randrange(6), side.clock, side.clock
    elif act == "chmod":
        side.clock += 10
        inode.mode, inode.ctime = rng.choice(MODES), side.clock
    elif act == "save" and inode.kind == FILE:
        side.names[key] = side.make(FILE, rng.randrange(6))
    elif act == "remove":
        side.remove(key)
    elif (
        act == "move"
        and (free or _renamed(side, key, parent, name))
        and not (inode.kind == DIRECTORY and side.inside(parent, inode))
    ):
        side.names[parent.number, name] = side.names.pop(key)
        inode.ctime += 1
    elif act == "link" and hard and free and inode.kind == FILE:
        side.names[parent.number, name] = inode
        inode.ctime += 1
    elif act == "swap":
        other = rng.choice([each for each in side.names if each[0] == key[0]])
        side.names[key], side.names[other] = side.names[other], side.names[key]
        side.names[key].ctime += 1
    elif act == "odd" and inode.kind == DIRECTORY and rng.random() < 0.3:
        inode.unknown = 2
        for each in [each for each in side.names if each[0] == inode.number and rng.random() < 0.7]:
            side.remove(each)


def _renamed(side, key, parent, name):
    """Say whether only the case of a name would change."""
    return key[0] == parent.number and key[1] != name and side.fold(key[1]) == side.fold(name)


class World:
    """A base that both sides agreed on, and both sides since."""

    def __init__(
        self, seed, *, parts=1, size=8, changes=(3, 3), hashed=0.7, rules=PLAIN, links=True, pair="one two", grow=None
    ):
        rng, self.pair = random.Random(seed), pair
        self.sides = (Side(1000, hashed), Side(2**64 - 10**9, hashed))
        self.known, self.parents = [], []
        self.spots = (frozenset(), frozenset())
        one = self.sides[0]
        one.fold = folding(rules)
        tops = []
        for number in range(parts):
            directory = one.top
            if parts > 1:
                directory = one.names[one.top.number, b"part%d" % number] = one.make(DIRECTORY)
            tops.append(directory)
            for _ in range(rng.randrange(size) * 2):
                change(rng, one, directory, hard=links)
        if grow is not None:
            grow(one)
        self._settle(one)
        twins = self._mirror()
        for side, rule in zip(self.sides, rules, strict=True):
            side.fold = folding((rule, rule))
        for directory in tops:
            for side, count in zip(self.sides, changes, strict=True):
                here = directory if side is one else twins[directory.number]
                for _ in range(rng.randrange(count + 1)):
                    change(rng, side, here, hard=links)

    def _settle(self, side):
        """Leave out of the agreed tree what no base knows."""
        for key in [key for key, inode in side.names.items() if inode.kind > SYMLINK or inode.unknown == 1]:
            side.names.pop(key)
        for inode in side.names.values():
            inode.unknown = 0

    def _mirror(self):
        """Make the second side the same as the first, and the base of what both have."""
        one, two = self.sides
        twins = {one.top.number: two.top}
        ids = {one.top.number: TOP}
        for number, (parent, name, inode) in enumerate(one.rows()):
            if inode is one.top:
                continue
            if inode.number not in twins:
                twin = twins[inode.number] = two.make(inode.kind, inode.content, mode=inode.mode)
                twin.mtime = inode.mtime
            two.names[twins[parent.number].number, name] = twins[inode.number]
            identity = "%032x" % (number + 1)
            if inode.kind == DIRECTORY:
                ids[inode.number] = identity
            found = tuple(
                Found(binding(side, each), Version(each.size, each.mtime, each.ctime))
                for side, each in ((0, inode), (1, twins[inode.number]))
            )
            content = b"" if inode.kind == DIRECTORY else inode.bytes
            metadata = Metadata(inode.mode, 0, 0, None)
            self.known.append(
                Known(
                    identity,
                    ids[parent.number],
                    name,
                    Kind(inode.kind),
                    content,
                    inode.size,
                    inode.mtime,
                    metadata,
                    found,
                )
            )
            self.parents.append(tuple((each.number, each.born) for each in (parent, twins[parent.number])))
        return twins

    def trees(self, *, base=True):
        """Return everything there is to tell."""
        spots = self.spots if base else (frozenset(), frozenset())
        return Trees(base=self.known if base else (), sides=(self.tree(0), self.tree(1)), spots=spots)

    def grow_dim(self, seed):
        """Have the base record some of the places where nobody can look, and now and then a scan that missed things."""
        rng = random.Random(seed)
        share = rng.choice([0, 0.5, 1])
        one, two = (sorted(self.tree(number).spots) for number in (0, 1))
        self.spots = tuple(frozenset(each for each in spots if rng.random() < share) for spots in (one, two))
        for side in self.sides:
            side.complete = rng.random() < 0.9

    def tree(self, number):
        side = self.sides[number]
        links = side.links()
        entries, rest, unlisted = [], ([], [], []), set()
        for parent, name, inode in side.rows():
            if inode.unknown == 2:
                unlisted.add(binding(number, inode))
            if inode is side.top:
                continue
            above = binding(number, parent)
            if inode.unknown == 1:
                rest[2].append(Obstacle(above, name, "could not be looked at"))
            elif inode.kind == BOUNDARY:
                rest[1].append(Obstacle(above, name, "a mount point, subvolume or fileset"))
            elif inode.kind == OTHER:
                rest[0].append(Obstacle(above, name, "a fifo, socket or device"))
            else:
                entries.append(
                    Entry(
                        binding(number, inode),
                        above,
                        name,
                        Kind(inode.kind),
                        Version(inode.size, inode.mtime, inode.ctime),
                        Metadata(inode.mode, 0, 0, None),
                        self.content(number, inode),
                        1 if inode.kind == DIRECTORY else links[inode.number],
                    )
                )
        top = binding(number, side.top)
        return Tree(
            top=top,
            entries=entries,
            unsyncable=rest[0],
            boundaries=rest[1],
            unknown=rest[2],
            unlisted=frozenset(unlisted),
            complete=side.complete,
        )

    def content(self, number, inode):
        if inode.kind == SYMLINK:
            return inode.bytes
        hashed = (
            inode.kind == FILE and random.Random(inode.number * 31 + inode.content).random() < self.sides[number].hashed
        )
        return inode.bytes if hashed else None

    def write(self, folder: Path, chunks=1):
        """Write base and indexes; return the chunks of the base, and the path of each index."""
        base = [folder / f"base{number}" for number in range(chunks)]
        for number, path in enumerate(base):
            dark = tuple(
                tuple(
                    bases.Dark(each.directory.inode, each.directory.born_ns, each.name)
                    for each in sorted(spots)[number::chunks]
                )
                for spots in self.spots
            )
            about = bases.About(
                pair=self.pair, generation=3, chunk=number, chunks=chunks, sides=PLACES, dark=(dark[0], dark[1])
            )
            with bases.BaseWriter(path, about) as writer:
                known, parents = self.known[number::chunks], self.parents[number::chunks]
                writer.add(rows_of(known, parents), sum(each.parent == TOP for each in known))
                writer.finish()
        self.index(0, folder / "one")
        self.index(1, folder / "two")
        return base, folder / "one", folder / "two"

    def index(self, number, path):
        side = self.sides[number]
        links = side.links()
        columns = {name: [] for name in schema.SCHEMA.names}
        for parent, name, inode in side.rows():
            content = self.content(number, inode)
            row = {
                "inode": inode.number, "born_ns": inode.born, "parent_inode": parent.number,
                "parent_born_ns": parent.born, "name": name,
                "kind": inode.kind, "unknown": inode.unknown, "size": inode.size, "mtime_ns": inode.mtime,
                "ctime_ns": inode.ctime, "mode": inode.mode, "uid": 0, "gid": 0, "attributes": None,
                "links": 1 if inode.kind == DIRECTORY else links[inode.number],
                "target": content if inode.kind == SYMLINK else None, "hash": content if inode.kind == FILE else None,
                "pointer": None,
            }  # fmt: skip
            for each, value in row.items():
                columns[each].append(value)
        place = PLACES[number]
        said = schema.About(
            fileset="f" * 32, name="f", snapshot="s", filesystem=place.filesystem, subvolume=place.subvolume,
            host="h", began_ns=1, complete=side.complete,
        )  # fmt: skip
        with IndexWriter(bytes(path)) as writer:
            writer.add(pa.RecordBatch.from_pydict(columns, schema.SCHEMA))
            writer.finish(said)


def binding(number, inode):
    place = PLACES[number]
    return Binding(bytes.fromhex(place.filesystem), place.subvolume, inode.number, inode.born)
