"""Trees in which somebody works, some places of which a scan cannot look into; and a mirror that is told of it."""

import random
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from argosy.snapshots.differences import Difference
from argosy.snapshots.schema import Unknown
from tests.snapshots.indexes import TOP, boundary, directory, file, symlink

Rows = dict[str, dict[str, Any]]
DEEPEST = 4
MOUNT, UNLISTED = "mount", "unlisted"


class Thing:
    """An inode, whatever names it has."""

    def __init__(self, kind: int, inode: int, size: int, ctime: int) -> None:
        self.kind, self.inode, self.size, self.ctime = kind, inode, size, ctime
        self.mtime = self.links = 1
        self.names: dict[str, Thing] = {}

    def holds(self, other: "Thing") -> bool:
        """Say whether it is the other one, or that lies in it."""
        return self is other or any(below.holds(other) for below in self.names.values())


class Name(NamedTuple):
    above: Thing
    name: str
    thing: Thing


class World:
    """A tree. What is in `hidden` by its inode cannot be looked into."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.top = Thing(2, TOP, 1, 1)
        self.hidden: dict[int, str] = {}
        self._inode, self._now = 1000, 1

    def work(self, many: int) -> None:
        """Do so many things, some of which turn out to be none."""
        deeds = [self.make, self.make, self.make_directory, self.make_directory, self.remove, self.rename, self.rename]
        deeds += [self.rename, self.swap, self.link, self.write, self.save, self.into_itself, self.make_anew]
        deeds += [self.over_in_renamed]
        for _ in range(many):
            self.chance.choice(deeds)()

    def move_about(self, many: int) -> None:
        """Do so many things that make circles."""
        for _ in range(many):
            self.chance.choice([self.into_itself, self.into_itself, self.make_anew, self.rename, self.swap])()

    def hide(self) -> None:
        """Mount something over a directory, or have nobody list it any more."""
        directories = [one.thing for one in self.all() if one.thing.kind == 2]
        if directories:
            which = self.chance.choice(directories)
            self.hidden[which.inode] = self.chance.choice([MOUNT, UNLISTED])
            if self.hidden[which.inode] == UNLISTED:
                self._touch(which)

    def make(self) -> None:
        above, name = self._place()
        self._put(above, name, self._new(self.chance.choice([1, 1, 3])))

    def make_directory(self) -> None:
        above, name = self._place()
        if name not in above.names:
            self._put(above, name, self._new(2))

    def remove(self) -> None:
        for above, name, thing in self._some():
            del above.names[name]
            self._drop(thing)
            self._touch(above)

    def rename(self) -> None:
        for above, name, thing in self._some():
            there, new = self._place()
            there_is = there.names.get(new)
            if thing.holds(there) or there_is is thing or (there_is is not None and there_is.holds(above)):
                return
            del above.names[name]
            self._put(there, new, thing)
            self._touch(thing, above)

    def swap(self) -> None:
        for one in self._some():
            for two in self._some():
                if one.thing is two.thing or one.thing.holds(two.above) or two.thing.holds(one.above):
                    return
                one.above.names[one.name], two.above.names[two.name] = two.thing, one.thing
                self._touch(one.thing, two.thing, one.above, two.above)

    def link(self) -> None:
        for one in self._some(1):
            above, name = self._place()
            if name not in above.names:
                self._put(above, name, one.thing)
                one.thing.links += 1
                self._touch(one.thing)

    def write(self) -> None:
        for one in self._some(1):
            one.thing.size += 7
            self._touch(one.thing)
            one.thing.mtime = self._now

    def save(self) -> None:
        for one in self._some(1):
            self._put(one.above, one.name, self._new(1))

    def into_itself(self) -> None:
        for above, name, thing in self._some(2):
            above.names[name] = made = self._new(2)
            made.names[self._name()] = thing
            self._touch(thing, above)

    def make_anew(self) -> None:
        for above, name, thing in self._some(2):
            there, new = self._place()
            if thing.holds(there) or new in there.names:
                return
            del above.names[name]
            above.names[name] = made = self._new(2)
            there.names[new] = thing
            self._touch(thing, above, there)
            for kept, each in list(thing.names.items()):
                match self.chance.randint(0, 3):
                    case 0:
                        made.names[kept] = self._new(1)
                    case 1:
                        made.names[kept] = thing.names.pop(kept)
                        self._touch(each)

    def over_in_renamed(self) -> None:
        for above, name, thing in self._some(2):
            new = self._name()
            if new in above.names or thing.inode in self.hidden or len(thing.names) < 2:
                return
            above.names[new] = above.names.pop(name)
            first, then = self.chance.sample(sorted(thing.names), 2)
            if thing.names[first].kind == thing.names[then].kind and thing.names[first] is not thing.names[then]:
                moved = thing.names.pop(first)
                self._put(thing, then, moved)
                self._touch(moved)
            self._touch(thing, above)

    def true(self) -> Rows:
        """Return all that is there, hidden or not."""
        return dict(self._rows(self.top, "", {}))

    def seen(self) -> Rows:
        """Return what a scan sees."""
        return dict(self._rows(self.top, "", self.hidden))

    def all(self) -> list[Name]:
        """Return all names that somebody can get at, but for those below what was hidden before."""
        return [Name(above, name, thing) for above, _ in self._open() for name, thing in above.names.items()]

    def _open(self) -> list[tuple[Thing, int]]:
        found = [(self.top, 0)]
        for above, depth in found:
            if above.inode not in self.hidden:  # what is below a mount, or deep in what could never be listed, is lost
                found += [
                    (each, depth + 1)
                    for each in above.names.values()
                    if each.kind == 2 and self.hidden.get(each.inode) != MOUNT
                ]
        return found

    def _some(self, kind: int = 0) -> list[Name]:
        names = [one for one in self.all() if kind in {0, one.thing.kind} and one.above.inode not in self.hidden]
        names = [one for one in names if self.hidden.get(one.thing.inode) != MOUNT]
        return [self.chance.choice(names)] if names else []

    def _place(self) -> tuple[Thing, str]:
        above, _ = self.chance.choice([(above, depth) for above, depth in self._open() if depth < DEEPEST])
        return above, self._name()

    def _name(self) -> str:
        return self.chance.choice("abcd")

    def _new(self, kind: int) -> Thing:
        self._inode += 1
        self._now += 1
        return Thing(kind, self._inode, self.chance.randint(1, 5), self._now)

    def _touch(self, *things: Thing) -> None:
        for thing in things:
            self._now += 1
            thing.ctime = self._now

    def _put(self, above: Thing, name: str, thing: Thing) -> None:
        there = above.names.get(name)
        if there is not None:
            self._drop(there)
        above.names[name] = thing
        self._touch(above)

    def _drop(self, thing: Thing) -> None:
        if thing.kind != 2:
            thing.links -= 1
            self._touch(thing)
        for below in thing.names.values():
            self._drop(below)

    def _rows(self, above: Thing, path: str, hidden: dict[int, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, thing in above.names.items():
            how = hidden.get(thing.inode)
            if how == MOUNT:
                yield path + name, boundary(900_000 + thing.inode)
            elif thing.kind == 2:
                unknown = Unknown.CHILDREN if how == UNLISTED else Unknown.NOTHING
                yield path + name, directory(thing.inode, ctime_ns=thing.ctime, unknown=unknown)
                if how is None:
                    yield from self._rows(thing, f"{path}{name}/", hidden)
            elif thing.kind == 1:
                times = {"mtime_ns": thing.mtime, "ctime_ns": thing.ctime}
                yield path + name, file(thing.inode, size=thing.size, links=thing.links, **times)
            else:
                yield path + name, symlink(thing.inode, b"t%d" % thing.size) | {"ctime_ns": thing.ctime}


class Mirror:
    """A tree that was what another is, and has done to it what is told, as steps do it: what cannot be done stays."""

    def __init__(self, tree: Rows) -> None:
        self.tree = dict(tree)
        self.deleted: dict[str, dict[str, Any]] = {}

    def follow(self, found: list[Difference], new: Rows) -> None:
        """Do all of it, phase by phase."""
        for _, some in groupby(found, key=lambda one: one.phase):
            these = list(some)
            self._move([(one.source.decode(), one.path.decode()) for one in these if one.source is not None])
            for one in these:
                if one.change == "deleted":
                    self._delete(one.path.decode())
                elif one.change in {"created", "updated"}:
                    self.tree[one.path.decode()] = new[one.path.decode()]

    def _delete(self, path: str) -> None:
        for below in [each for each in self.tree if each == path or each.startswith(f"{path}/")]:
            self.deleted[below] = self.tree.pop(below)

    def _move(self, moves: list[tuple[str, str]]) -> None:
        taken = {}
        before = {target: self.tree.get(target) for _, target in moves}
        for source, target in sorted(moves, key=lambda move: -move[0].count("/")):
            along = [path for path in self.tree if path == source or path.startswith(f"{source}/")]
            taken[target] = source, {path.removeprefix(source): self.tree.pop(path) for path in along}
        for target in sorted(taken, key=lambda path: path.count("/")):
            source, along = taken[target]
            fits = self.tree.get(target) in (None, before[target])
            holds = any(path.startswith(f"{target}/") for path in self.tree)
            place = target if fits and not holds else source
            self.tree |= {place + rest: row for rest, row in along.items()}
