"""Verbs at work on three files: what is there before, what may be there at any instant, what must be in the end."""

import os
import random
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar

import msgspec

from argosy.core.entry import Entry, Facts
from argosy.core.outcome import Outcome
from argosy.core.paths import join, relative
from argosy.core.pointer import StubState
from tests.verbs.agents import Call, Location, Server, call
from tests.verbs.evidence import ATTRIBUTE, Sight, assert_nothing_lost, assert_state, leftovers, objects, shelved

CHUNK = 64 << 10
"""What the store gives out at once."""
OLD = 1_700_000_000_123_456_789
"""An mtime, which is to be there again in the end."""
SENT = ("hash", "sidecar", "put", "verify", "recheck", "xattr")
RELEASED = ("lease", "mark", "punch")
FETCHED = ("fetch", "partial_write", "hash_check", "unmark")


@cache
def content(name: str, version: int = 0) -> bytes:
    """Return what a file of that name holds: more than one chunk of bytes, holes, or little."""
    chance = random.Random(f"{name}{version}")
    if name == "large":
        return chance.randbytes(3 * CHUNK + 17)
    if name == "holes":
        return bytes(CHUNK) + chance.randbytes(70_001) + bytes(2 * CHUNK) + chance.randbytes(5000)
    return chance.randbytes(5000)


def write(path: Path, data: bytes, mtime_ns: int = OLD) -> None:
    """Write the file into the same inode, with holes where there are long runs of zeros."""
    with path.open("wb") as file:
        for start in range(0, len(data), 4096):
            block = data[start : start + 4096]
            if any(block):
                file.seek(start)
                file.write(block)
        file.truncate(len(data))
    os.utime(path, ns=(mtime_ns, mtime_ns))


class Scenario:
    """One verb. `points`: those it reaches, all of them, in the order in which it does."""

    points: ClassVar[tuple[str, ...]]
    names: ClassVar[tuple[str, ...]] = ("small", "holes", "large")
    rare: ClassVar[frozenset[str]] = frozenset({"sidecar"})
    """Points that it does not reach with each file."""
    is_whole: ClassVar[bool] = False
    """Whether its entries belong together."""
    changes_disk: ClassVar[bool] = True
    end: ClassVar[StubState | None]

    def __init__(self, server: Server, scratch: Path, top: Path) -> None:
        self.london, self.dublin = (
            Location(server, scratch, top, name, more=(("chunk", CHUNK),)) for name in ("london", "dublin")
        )
        self.prepare()

    @property
    def site(self) -> Location:
        """Where the verb runs."""
        return self.london

    @property
    def files(self) -> dict[Path, bytes]:
        """What programs are to find in the end."""
        return {self.site.tree / name: content(name) for name in self.names}

    def prepare(self) -> None:
        """Bring about what is there before."""
        self.grow(self.london)

    def grow(self, site: Location, version: int = 0) -> None:
        """Write files; one of them carries more than the metadata of an object holds."""
        for name in self.names:
            write(site.tree / name, content(name, version), OLD + version)
        os.setxattr(site.tree / self.names[0], "user.large", b"x" * 2500)

    @cached_property
    def verb(self) -> Call:
        """What is killed."""
        raise NotImplementedError

    def check_any_instant(self) -> None:
        """Nothing is lost, whatever state the files are in."""
        store = objects(self.site.store)
        for path, data in self.files.items():
            assert_nothing_lost(path, data, store)

    def check_restarted(self) -> None:
        """What an agent that was started and did nothing else leaves."""
        self.check_any_instant()
        assert leftovers(self.site) == []

    def check_end(self) -> None:
        """All is as if nothing had happened."""
        self.check_restarted()
        for path, data in self.files.items():
            self.check_done(path, data)

    def check_done(self, path: Path, data: bytes) -> None:
        """The file is as the verb leaves it."""
        assert_state(path, self.end, data, mtime_ns=OLD)


class Premigrate(Scenario):
    """A first copy."""

    points = SENT
    end = StubState.PREMIGRATED

    @cached_property
    def verb(self) -> Call:
        return call("migrate", *self.files, premigrate=True)


class PremigrateOver(Premigrate):
    """A copy of what was written to since the last, in its place."""

    points = ("hash", "sidecar", "preserve", "put", "verify", "recheck", "xattr")

    def prepare(self) -> None:
        self.grow(self.london, version=1)
        self.london.do(self.verb)
        self.grow(self.london)

    @cached_property
    def verb(self) -> Call:
        return call("migrate", *self.files, premigrate=True, overwrite=True)

    def check_any_instant(self) -> None:
        super().check_any_instant()
        kept = {data for versions in objects(self.site.store).values() for data in versions}
        assert {content(name, 1) for name in self.names} <= kept


class Migrate(Scenario):
    """From whole to stub."""

    points = (*SENT, *RELEASED)
    end = StubState.STUB

    @cached_property
    def verb(self) -> Call:
        return call("migrate", *self.files)


class MigrateAgain(Migrate):
    """From premigrated to stub."""

    points = RELEASED

    def prepare(self) -> None:
        super().prepare()
        self.london.do(call("migrate", *self.files, premigrate=True))


class Recall(Scenario):
    """From stub to premigrated."""

    points = FETCHED
    end = StubState.PREMIGRATED

    def prepare(self) -> None:
        super().prepare()
        self.london.do(call("migrate", *self.files))
        super().check_any_instant()

    @cached_property
    def verb(self) -> Call:
        return call("recall", *self.files)


class RecallAndForget(Recall):
    """From stub to resident; the hub is told what the file needs no more."""

    points = (*FETCHED, "forget")
    end = None

    @cached_property
    def verb(self) -> Call:
        return call("recall", *self.files, delete_remote=True)


class ReverseStub(Scenario):
    """From nothing to stubs at another site."""

    points = ("stage", "publish")
    end = StubState.STUB
    options: ClassVar[dict[str, bool]] = {}

    @property
    def site(self) -> Location:
        return self.dublin

    def prepare(self) -> None:
        self.grow(self.london)
        copied = self.london.do(call("migrate", *(self.london.tree / name for name in self.names), premigrate=True))
        self.arriving = list(carried(copied, self.london, self.dublin))

    @cached_property
    def verb(self) -> Call:
        return call("reverse_stub", *self.arriving, **self.options)

    def check_any_instant(self) -> None:
        store = objects(self.site.store)
        for path, data in self.files.items():
            if path.exists():
                assert_nothing_lost(path, data, store)


class ReverseStubOver(ReverseStub):
    """Stubs in the place of files that differ."""

    points = ("stage", "publish", "trash")
    options: ClassVar[dict[str, bool]] = {"overwrite": True}

    def prepare(self) -> None:
        super().prepare()
        for name in self.names:
            write(self.dublin.tree / name, content(name, 1))

    def check_any_instant(self) -> None:
        store, kept = objects(self.site.store), shelved(self.site, "versions")
        for path, data in self.files.items():
            old = content(path.name, 1)
            if path.read_bytes() != old:
                assert_nothing_lost(path, data, store)
                assert old in kept


class Hydrate(ReverseStub):
    """From nothing to whole files at another site."""

    points = ("stage", *FETCHED, "publish")
    end = StubState.PREMIGRATED
    options: ClassVar[dict[str, bool]] = {"hydrate": True}


class HydrateOver(ReverseStubOver):
    """Whole files in the place of files that differ."""

    points = ("stage", *FETCHED, "publish", "trash")
    end = StubState.PREMIGRATED
    options: ClassVar[dict[str, bool]] = {"hydrate": True, "overwrite": True}


class Delete(Scenario):
    """From the tree to the trash."""

    points = ("trash",)
    end = None

    @cached_property
    def verb(self) -> Call:
        listed = self.london.do(call("stat_paths", *self.files))
        return call("delete_paths_from_gpfs", *(outcome.entry for outcome in listed))

    def check_any_instant(self) -> None:
        trash = shelved(self.site, "trash")
        for path, data in self.files.items():
            assert path.exists() or data in trash
            assert not path.exists() or path.read_bytes() == data

    def check_done(self, path: Path, data: bytes) -> None:
        assert not path.exists()
        assert data in shelved(self.site, "trash")


class Restore(Scenario):
    """From the trash to the tree."""

    points = ()
    end = None

    def prepare(self) -> None:
        super().prepare()
        self.london.do(call("delete_paths_from_gpfs", *self.files))
        trash = self.london.root / ".argosy" / "trash"
        self.kept = {path.name: path for path in trash.rglob("*") if path.is_file()}

    @cached_property
    def verb(self) -> Call:
        return call(
            "restore_kept", *(Entry(path=bytes(path), source=bytes(self.kept[path.name])) for path in self.files)
        )

    def check_done(self, path: Path, data: bytes) -> None:
        super().check_done(path, data)
        assert data not in shelved(self.site, "trash")


class Move(Scenario):
    """From one directory to another: a whole file, a stub and a premigrated one."""

    points = ("stage", "publish")
    step: ClassVar[str] = "move_paths_on_gpfs"
    replaced: ClassVar[bool] = False

    def prepare(self) -> None:
        super().prepare()
        (self.london.tree / "there").mkdir()
        _, holes, large = (self.london.tree / name for name in self.names)
        self.london.do(call("migrate", holes))
        self.london.do(call("migrate", large, premigrate=True))
        self.states = {name: Sight(self.london.tree / name).state for name in self.names}
        if self.replaced:
            for name in self.names:
                write(self.london.tree / "there" / name, content(name, 1))

    @property
    def files(self) -> dict[Path, bytes]:
        return {self.london.tree / "there" / name: content(name) for name in self.names}

    @cached_property
    def verb(self) -> Call:
        listed = self.london.do(call("stat_paths", *(self.london.tree / name for name in self.names)))
        return call(
            self.step, *(bound_for(outcome, self.london.tree / "there" / self.name_of(outcome)) for outcome in listed)
        )

    def name_of(self, outcome: Outcome) -> str:
        """Return the name of the file."""
        return Path(os.fsdecode(outcome.entry.path)).name

    def check_any_instant(self) -> None:
        self.check_there(self.london.root)

    def check_restarted(self) -> None:
        self.check_there(self.london.tree)
        assert leftovers(self.site) == []

    def check_there(self, top: Path) -> None:
        """Each file has just one name below `top`; of what is replaced, each is there or in the version store."""
        store = objects(self.site.store)
        here = [path for path in top.rglob("*") if path.is_file()]
        for name in self.names:
            places = [path for path in here if path.stat().st_size == len(content(name))]
            ours = [path for path in places if path.read_bytes() != content(name, 1)]
            assert len(ours) == 1, (name, places)
            assert_nothing_lost(ours[0], content(name), store)
            if self.replaced:
                old = content(name, 1)
                assert old in shelved(self.site, "versions") or any(path.read_bytes() == old for path in here)

    def check_done(self, path: Path, data: bytes) -> None:
        assert_state(path, self.states[path.name], data, mtime_ns=OLD)
        assert not self.replaced or content(path.name, 1) in shelved(self.site, "versions")


class MoveOver(Move):
    """Into the places of others."""

    points = ("stage", "publish", "trash")
    replaced = True


class MoveAtOnce(Move):
    """In one step."""

    points = ("publish",)
    step = "one_step_move_paths_on_gpfs"


class MoveAtOnceOver(MoveOver):
    """In one step, into the places of others."""

    step = "one_step_move_paths_on_gpfs"


class Rotate(Move):
    """Three files take each other's names."""

    is_whole = True

    @property
    def files(self) -> dict[Path, bytes]:
        return {self.london.tree / to: content(name) for name, to in self.turns.items()}

    @property
    def turns(self) -> dict[str, str]:
        """Which name becomes which."""
        return dict(zip(self.names, (*self.names[1:], self.names[0]), strict=True))

    @cached_property
    def verb(self) -> Call:
        listed = self.london.do(call("stat_paths", *(self.london.tree / name for name in self.names)))
        return call(
            self.step, *(bound_for(outcome, self.london.tree / self.turns[self.name_of(outcome)]) for outcome in listed)
        )

    def check_done(self, path: Path, data: bytes) -> None:
        was = {to: name for name, to in self.turns.items()}[path.name]
        assert_state(path, self.states[was], data, mtime_ns=OLD)


class Adopt(Scenario):
    """From copies of stubs, made with their attributes, to stubs; one of them was written out as zeros."""

    points = ("mark", "punch")
    rare = frozenset(points)
    end = StubState.STUB

    def prepare(self) -> None:
        super().prepare()
        self.london.do(call("migrate", *self.files))
        for path in self.files:
            value = os.getxattr(path, ATTRIBUTE)
            write(path.with_name("new"), bytes(path.stat().st_size))
            path.with_name("new").rename(path)
            os.setxattr(path, ATTRIBUTE, value)
        for name in self.names[:2]:
            with (self.london.tree / name).open("r+b") as file:
                file.write(bytes(file.seek(0, 2) - file.seek(0)))
            os.utime(self.london.tree / name, ns=(OLD, OLD))

    @cached_property
    def verb(self) -> Call:
        return call("adopt", *self.files)


class RemoveObjects(Scenario):
    """From the store to nothing, once nothing refers to them; the files have their bytes."""

    points = ("remote_delete",)
    changes_disk = False
    end = None
    state: ClassVar[str] = "asked"

    def prepare(self) -> None:
        super().prepare()
        self.london.do(call("migrate", *self.files))
        self.unneeded = self.london.do(call("recall", *self.files, delete_remote=True))
        self.london.do(call("doom_objects", *self.entries))

    @property
    def entries(self) -> list[Entry]:
        return [
            Entry(path=outcome.entry.path, state=self.state, facts=Facts(stored=stored))
            for outcome in self.unneeded
            for stored in outcome.unneeded
        ]

    @cached_property
    def verb(self) -> Call:
        return call("delete_objects", *self.entries)

    def check_done(self, path: Path, data: bytes) -> None:
        super().check_done(path, data)
        assert [data] not in objects(self.site.store).values()


class Collect(RemoveObjects):
    """As garbage."""

    points = ("gc",)
    state = "garbage"


def bound_for(outcome: Outcome, path: Path) -> Entry:
    """Return the entry as it is to be moved."""
    return msgspec.structs.replace(outcome.entry, path=bytes(path), source=outcome.entry.path)


def carried(outcomes: list[Outcome], origin: Location, target: Location) -> Iterator[Entry]:
    """Yield the entries at their paths at the other site."""
    for outcome in outcomes:
        path = join(bytes(target.tree), relative(outcome.entry.path, bytes(origin.tree)))
        yield msgspec.structs.replace(outcome.entry, path=path)


SCENARIOS: list[type[Scenario]] = [
    Premigrate, PremigrateOver, Migrate, MigrateAgain, Recall, RecallAndForget,
    ReverseStub, ReverseStubOver, Hydrate, HydrateOver, Delete, Restore, Move, MoveOver, MoveAtOnce, MoveAtOnceOver,
    Rotate, Adopt, RemoveObjects, Collect,
]  # fmt: skip
