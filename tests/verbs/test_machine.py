"""Any sequence of verbs, of what programs do meanwhile, and of kills: what must be readable is readable."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from argosy.core.entry import Entry, Stored
from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer
from argosy.core.states import FileState
from tests.sites import Side
from tests.verbs.agents import KILLED, Call, Location, Server
from tests.verbs.evidence import ATTRIBUTE, Sight, assert_nothing_lost, leftovers, objects
from tests.verbs.scenarios import OLD, PremigrateOver, RecallAndForget

SECOND = 10**9
NAMES = st.sampled_from("abc")
SOME = st.sampled_from([{"a", "b", "c"}, {"a", "b"}, {"b", "c"}, {"a"}])
PICKS = st.integers(0, 2)
SIZES = st.sampled_from([70_001, 5000, 4096, 1, 0])
ALLOWED = {FileState.PROCESSED, FileState.SKIPPED, FileState.ABORTED}


class File:
    """What a file must hold, whatever its names."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.past: bytes | None = None
        """What somebody wrote to it while it was a stub; it is to be kept beside it."""
        self.unbound = False
        """Whether it is a copy of a stub."""


class Machine(RuleBasedStateMachine):
    """One site. `names` and `trash`: which file each name, and each path in the trash, stands for."""

    server: Server
    scratch: Path

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(dir=self.scratch))
        self.location = Location(self.server, self.top, self.top)
        self.side = Side(self.top, "london")
        self.names: dict[str, File] = {}
        self.trash: dict[Path, File] = {}
        self.unneeded: list[Stored] = []
        self.ticks = 0
        self.chance = random.Random(0)

    # What programs do.

    def path(self, name: str) -> Path:
        return self.side.tree / name

    def is_stub(self, name: str) -> bool:
        state = Sight(self.path(name)).state
        return state is not None and state.is_stub

    def is_clean(self, name: str) -> bool:
        """Say whether a program under a guard would get the file."""
        return name in self.names and not self.names[name].unbound and self.names[name].past is None

    def make_whole(self, name: str) -> bool:
        """Do what a guard does before a program may open the file."""
        if not self.is_clean(name):
            return False
        self.do("recall", {name})
        return True

    def stamp(self, name: str, mtime_ns: int | None = None) -> None:
        self.ticks += 1
        mtime_ns = OLD + self.ticks * SECOND if mtime_ns is None else mtime_ns
        os.utime(self.path(name), ns=(mtime_ns, mtime_ns))

    @initialize(sizes=st.tuples(SIZES, SIZES))
    def begin(self, sizes: tuple[int, int]) -> None:
        self.write("a", sizes[0])
        self.write("b", sizes[1])

    @rule(name=NAMES, size=SIZES)
    def write(self, name: str, size: int) -> None:
        if name in self.names and not self.make_whole(name):
            return
        data = self.chance.randbytes(size)
        self.path(name).write_bytes(data)
        self.stamp(name)
        self.names.setdefault(name, File(data)).content = data

    @precondition(lambda self: self.names)
    @rule(name=NAMES, kind=st.sampled_from(["append", "truncate", "sneak", "chmod"]))
    def change(self, name: str, kind: str) -> None:
        """Write to a file as programs do; `sneak`: and give it the mtime again that it had."""
        if not self.make_whole(name):
            return
        path, file, before = self.path(name), self.names[name], self.path(name).stat().st_mtime_ns
        if kind == "chmod":
            path.chmod(self.chance.choice([0o600, 0o640, 0o444]))
            return
        file.content = {
            "append": file.content + b"appended",
            "truncate": file.content[: len(file.content) // 2],
            "sneak": bytes(byte ^ 255 for byte in file.content[:10]) + file.content[10:],
        }[kind]
        with path.open("r+b") as opened:
            opened.write(file.content)
            opened.truncate()
        self.stamp(name, before if kind == "sneak" else None)

    @precondition(lambda self: self.names)
    @rule(pick=PICKS)
    def write_past_the_guard(self, pick: int) -> None:
        if not (stubs := self.stubs()):
            return
        name = stubs[pick % len(stubs)]
        past = bytes(byte ^ 255 for byte in self.names[name].content[:100])
        with self.path(name).open("r+b") as file:
            file.write(past)
        self.stamp(name)
        self.names[name].past = past

    @precondition(lambda self: self.names)
    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        if name == to or name not in self.names:
            return
        is_same = self.names.get(to) is self.names[name]
        self.path(name).rename(self.path(to))
        self.names[to] = self.names[name]
        if not is_same:  # two names of one file both stay
            del self.names[name]

    @precondition(lambda self: self.names and self.free())
    @rule(pick=PICKS)
    def link(self, pick: int) -> None:
        name, to = sorted(self.names)[pick % len(self.names)], self.free()[0]
        os.link(self.path(name), self.path(to))
        self.names[to] = self.names[name]

    @precondition(lambda self: self.names and self.free())
    @rule(pick=PICKS)
    def copy_a_stub_with_its_attributes(self, pick: int) -> None:
        if not (stubs := self.stubs()):
            return
        name, to = stubs[pick % len(stubs)], self.free()[0]
        origin = self.path(name)
        with self.path(to).open("xb") as copy:
            copy.truncate(origin.stat().st_size)
        for attribute in os.listxattr(origin):
            os.setxattr(self.path(to), attribute, os.getxattr(origin, attribute))
        self.stamp(to, origin.stat().st_mtime_ns)
        self.names[to] = File(self.names[name].content)
        self.names[to].unbound = True

    def stubs(self) -> list[str]:
        """Return the names of stubs that nobody did anything to."""
        return [
            name
            for name, file in sorted(self.names.items())
            if self.is_clean(name) and file.content and Sight(self.path(name)).is_clean_stub
        ]

    def free(self) -> list[str]:
        """Return names that nothing has."""
        return sorted({"a", "b", "c"} - self.names.keys())

    # The verbs.

    def paths(self, names: set[str]) -> list[Path]:
        return [self.path(name) for name in sorted(names) if name in self.names]

    def do(self, step: str, names: set[str], **options: object) -> list[Outcome]:
        entries = [self.side.entry(path) for path in self.paths(names)]
        outcomes = self.side.do(step, *entries, **options)
        for outcome in outcomes:
            self.learn(Path(os.fsdecode(outcome.entry.path)).name, outcome)
        return outcomes

    def learn(self, name: str, outcome: Outcome) -> None:
        """Take note of what the outcome says; it must be one that the file's state allows."""
        file = self.names[name]
        self.unneeded += outcome.unneeded
        if outcome.error in {"corrupt", "stub_written"}:
            assert file.past is not None, outcome.reason
            assert any(kept.startswith(file.past) for kept in self.kept_beside()), outcome.reason
            file.past = None
        elif outcome.error in {"invalid", "not_adopted"}:
            assert file.unbound, outcome.reason
        else:
            assert outcome.state in ALLOWED, outcome

    def kept_beside(self) -> Iterator[bytes]:
        for path in self.side.tree.iterdir():
            if ".hsm-conflict" in path.name:
                yield path.read_bytes()

    @rule(names=SOME, premigrate=st.booleans(), overwrite=st.booleans(), stub_size=st.sampled_from([0, 4096]))
    def migrate(self, names: set[str], premigrate: bool, overwrite: bool, stub_size: int) -> None:
        self.do("migrate", names, premigrate=premigrate, overwrite=overwrite, stub_size=stub_size)

    @precondition(lambda self: self.names)
    @rule(names=SOME, delete_remote=st.booleans())
    def recall(self, names: set[str], delete_remote: bool) -> None:
        self.do("recall", names, delete_remote=delete_remote)

    @precondition(lambda self: self.names)
    @rule(names=SOME)
    def adopt(self, names: set[str]) -> None:
        self.do("adopt", names)
        for name in names & self.names.keys():
            self.names[name].unbound = False

    @precondition(lambda self: self.names)
    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        name = sorted(self.names)[pick % len(self.names)]
        (outcome,) = self.side.do("delete_paths_from_gpfs", self.side.entry(self.path(name)))
        assert outcome.state is FileState.PROCESSED, outcome
        self.take_stock(self.names.pop(name), name)

    def take_stock(self, file: File, name: str) -> None:
        """Find what was moved to the trash."""
        found = set((self.side.root / ".argosy" / "trash").rglob(name)) - self.trash.keys()
        (path,) = (path for path in found if path.is_file())
        self.trash[path] = file

    @precondition(lambda self: self.trash and self.free())
    @rule(pick=PICKS)
    def restore(self, pick: int) -> None:
        path, name = list(self.trash)[pick % len(self.trash)], self.free()[0]
        (outcome,) = self.side.do("restore_kept", Entry(path=bytes(self.path(name)), source=bytes(path)))
        assert outcome.state is FileState.PROCESSED, outcome
        self.names[name] = self.trash.pop(path)

    # The hub, and the machine.

    @rule()
    def remove_what_is_unneeded(self) -> None:
        """Do as the hub does: what nothing refers to is removed from the store."""
        used = {pointer.uuid for pointer in self.pointers()}
        gone = [stored for stored in self.unneeded if stored.uuid not in used]
        entries = [Entry(path=b"/gone", state="asked").learned(stored=stored) for stored in gone]
        self.side.do("doom_objects", *entries)
        self.side.do("delete_objects", *entries)
        self.unneeded = []

    def pointers(self) -> Iterator[Pointer]:
        for path in self.side.root.rglob("*"):
            if path.is_file() and ATTRIBUTE in os.listxattr(path):
                yield Pointer.decode(os.getxattr(path, ATTRIBUTE))

    @precondition(lambda self: self.names)
    @rule(names=SOME, point=st.sampled_from(["punch", "mark", "lease", "xattr", "put"]), hit=st.sampled_from([1, 2]))
    def kill_a_migration(self, names: set[str], point: str, hit: int) -> None:
        for name in sorted(names):
            self.make_whole(name)
        self.kill("migrate", names, point, hit)

    @precondition(lambda self: self.names)
    @rule(names=SOME, point=st.sampled_from(PremigrateOver.points))
    def kill_a_premigration(self, names: set[str], point: str) -> None:
        self.kill("migrate", names, point, 1, premigrate=True, overwrite=True)

    @precondition(lambda self: self.names)
    @rule(names=SOME, point=st.sampled_from(RecallAndForget.points), hit=st.sampled_from([1, 2]))
    def kill_a_recall(self, names: set[str], point: str, hit: int) -> None:
        self.do("migrate", {name for name in names if self.is_clean(name)})
        self.kill("recall", names, point, hit, delete_remote=point == "forget")

    @rule(name=NAMES, point=st.sampled_from(["hash", "put", "recheck", "xattr"]), premigrate=st.booleans())
    def write_while_it_is_migrated(self, name: str, point: str, premigrate: bool) -> None:
        """Before the record of the copy is written that is noticed; afterwards the file is as it would be anyway."""
        if not self.make_whole(name):
            return
        path, file = self.path(name), self.names[name]
        with path.open("ab") as opened:  # so that there is something to copy
            opened.write(b"before")
        self.stamp(name)
        entry = self.side.entry(path)
        call = Call(step="migrate", entries=(entry,), options={"premigrate": premigrate})
        self.side.place.close()  # an index is one process's alone
        agent = self.location.begin(call, failpoints=f"hsm:{point}=pause")
        agent.until(lambda: agent.hits(f"hsm:{point}"))
        with path.open("ab") as opened:
            opened.write(b"during")
        file.content += b"beforeduring"
        agent.go(f"hsm:{point}")
        (outcome,) = agent.wait().outcomes
        self.restart()
        if point in {"hash", "put"} or not premigrate:
            assert outcome.state is FileState.ABORTED, outcome
        self.stamp(name)

    def kill(self, step: str, names: set[str], point: str, hit: int, **options: object) -> None:
        """Kill an agent at a point, if it comes there; start another."""
        clean = sorted(name for name in names if self.is_clean(name))
        entries = tuple(self.side.entry(self.path(name)) for name in clean)
        call = Call(step=step, entries=entries, options=options)
        self.side.place.close()
        ended = self.location.run(call, failpoints=f"hsm:{point}=kill#{hit}", threads=1)
        assert ended.status in {0, KILLED}, ended.errors
        self.restart()

    @rule()
    def restart(self) -> None:
        self.side.place.close()
        self.side.pool.shutdown()
        self.side = Side(self.top, "london")
        assert leftovers(self.location) == []

    # What must hold.

    @invariant()
    def nothing_is_lost(self) -> None:
        store = objects(self.side.store)
        places = [(self.path(name), file) for name, file in self.names.items()]
        for path, file in [*places, *self.trash.items()]:
            if file.unbound:
                assert file.content in store[Pointer.decode(os.getxattr(path, ATTRIBUTE)).uuid]
            elif file.past is None:
                assert_nothing_lost(path, file.content, store)

    def teardown(self) -> None:
        for number, path in enumerate(sorted(self.trash)):
            entry = Entry(path=bytes(self.path(f"restored-{number}")), source=bytes(path))
            assert self.side.do("restore_kept", entry)[0].state is FileState.PROCESSED
            self.names[f"restored-{number}"] = self.trash[path]
        self.adopt(set(self.names))
        for _ in range(2):
            self.do("recall", set(self.names))
        for name, file in self.names.items():
            assert not self.is_stub(name)
            assert self.path(name).read_bytes() == file.content
            assert file.past is None
        self.side.place.close()
        self.side.pool.shutdown()
        shutil.rmtree(self.top)


@pytest.mark.timeout(600)
def test_what_must_be_readable_is_readable(agents: Server, tmp_path: Path) -> None:
    Machine.server, Machine.scratch = agents, tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
