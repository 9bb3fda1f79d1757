"""Verbs at work on one file, in one process and with one hand, so that each call they make can be seen."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite, Place
from argosy.agent.runner import run
from argosy.core.config import SiteConfig
from argosy.core.entry import Entry, Facts
from argosy.core.errors import LeaseLost
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer, StubState
from tests.sites import STUBS, NoHub, Side, carried
from tests.verbs.evidence import ATTRIBUTE
from tests.verbs.recorded import Event, Recorder, recording
from tests.verbs.scenarios import OLD, write

SIZE = 100_000


class Bench:
    """Two sites, one of them with a second root, and a file; hands come one after the other."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.london, self.dublin = Side(top, "london"), Side(top, "dublin")
        self.other = top / "other"
        self.other.mkdir()
        self.london.place.close()
        config = SiteConfig(name="london", roots=(str(self.london.root), str(self.other)))
        self.london.place = Place(config, top / "agent-london", shelves=[str(self.london.store)])
        self.london.place.start()
        for side in (self.london, self.dublin):
            side.pool = ThreadPoolExecutor(1)
        self.file = self.london.tree / "f"
        write(self.file, random.Random(1).randbytes(SIZE))
        self.holding: AbstractContextManager[object] = nullcontext()
        """What is held while the verb runs."""

    @property
    def roots(self) -> list[Path]:
        """All roots of both sites."""
        return [self.london.root, self.dublin.root, self.other]

    def close(self) -> None:
        """Let go of both sites."""
        self.london.close()
        self.dublin.close()

    def entry(self, path: Path | None = None) -> Entry:
        """Return what is there, as a discovery finds it."""
        return self.london.entry(path or self.file)

    def bound_for(self, path: Path, source: Path | None = None) -> Entry:
        """Return what is there as it is to be moved."""
        entry = self.entry(source)
        return msgspec.structs.replace(entry, path=bytes(path), source=entry.path)

    def do(self, step: str, *entries: Entry, **options: Any) -> list[Outcome]:
        return self.london.do(step, *(entries or [self.entry()]), **options)

    def trashed(self) -> Path:
        """Return where the file lies in the trash."""
        (kept,) = (self.london.root / ".argosy/trash").rglob(self.file.name)
        return kept

    def mark(self, state: StubState) -> None:
        """Leave the file as a verb does that is killed right after it has marked it."""
        pointer = Pointer.decode(os.getxattr(self.file, ATTRIBUTE))
        os.setxattr(self.file, ATTRIBUTE, msgspec.structs.replace(pointer, state=state).encode())

    def write_past(self) -> None:
        with self.file.open("r+b") as file:
            file.write(b"written past the guard")
        os.utime(self.file, ns=(OLD, OLD))


Run = tuple[Side, str, list[Entry], dict[str, Any]]
"""Where, which step, of what, with which options."""


def premigrate(bench: Bench) -> Run:
    return bench.london, "migrate", [bench.entry()], {"premigrate": True}


def premigrate_over(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    write(bench.file, b"new" * 30_000, OLD + 1)
    return bench.london, "migrate", [bench.entry()], {"premigrate": True, "overwrite": True}


def migrate(bench: Bench) -> Run:
    return bench.london, "migrate", [bench.entry()], {}


def migrate_again(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    return migrate(bench)


def migrate_what_is_open(bench: Bench) -> Run:
    bench.holding = bench.file.open("rb")
    return migrate(bench)


def recall(bench: Bench) -> Run:
    bench.do("migrate")
    return bench.london, "recall", [bench.entry()], {}


def recall_and_forget(bench: Bench) -> Run:
    *verb, _ = recall(bench)
    return (*verb, {"delete_remote": True})


def recall_what_was_written_to(bench: Bench) -> Run:
    verb = recall(bench)
    bench.write_past()
    return verb


def recall_what_a_killed_release_left(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    bench.mark(StubState.RELEASING)
    return bench.london, "recall", [bench.entry()], {}


def migrate_what_a_killed_recall_left(bench: Bench) -> Run:
    start = bench.file.read_bytes()[:8192]
    bench.do("migrate")
    with bench.file.open("r+b") as file:
        file.write(start)
    os.utime(bench.file, ns=(OLD, OLD))
    bench.mark(StubState.RECALLING)
    return migrate(bench)


def sync_metadata(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    bench.file.chmod(0o666)
    return bench.london, "ngenea_sync_metadata", [bench.entry()], {}


def forget(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    return bench.london, "remove_from_cloud", [bench.entry()], {}


def arrive(bench: Bench, *, over: bool = False, **options: bool) -> Run:
    copied = bench.do("migrate", premigrate=True)
    if over:
        write(bench.dublin.tree / "f", b"old" * 1000)
    return bench.dublin, "reverse_stub", carried(copied, bench.london, bench.dublin), options | {"overwrite": over}


def reverse_stub(bench: Bench) -> Run:
    return arrive(bench)


def reverse_stub_over(bench: Bench) -> Run:
    return arrive(bench, over=True)


def reverse_stub_twice(bench: Bench) -> Run:
    g = bench.file.with_name("g")
    g.hardlink_to(bench.file)
    copied = bench.do("migrate", bench.entry(), bench.entry(g), premigrate=True)
    return bench.dublin, "reverse_stub", carried(copied, bench.london, bench.dublin), {}


def hydrate(bench: Bench) -> Run:
    return arrive(bench, hydrate=True)


def hydrate_over(bench: Bench) -> Run:
    return arrive(bench, over=True, hydrate=True)


def delete(bench: Bench) -> Run:
    write(bench.london.tree / "g", b"another")
    return bench.london, "delete_paths_from_gpfs", [bench.entry(), bench.entry(bench.london.tree / "g")], {}


def delete_for_good(bench: Bench) -> Run:
    bench.london.policy = msgspec.structs.replace(STUBS, trash_days=0)
    return delete(bench)


def purge(bench: Bench) -> Run:
    bench.do("delete_paths_from_gpfs")
    return bench.london, "purge_kept", [Entry(path=bytes(bench.file), source=bytes(bench.trashed()))], {}


def restore(bench: Bench) -> Run:
    bench.do("delete_paths_from_gpfs")
    return bench.london, "restore_kept", [Entry(path=bytes(bench.file), source=bytes(bench.trashed()))], {}


def moved(bench: Bench, step: str, path: Path, *, over: bool = False) -> Run:
    bench.do("migrate", premigrate=True)
    path.parent.mkdir(exist_ok=True)
    if over:
        write(path, b"old" * 1000)
    return bench.london, step, [bench.bound_for(path)], {}


def move(bench: Bench) -> Run:
    return moved(bench, "move_paths_on_gpfs", bench.london.tree / "there/f")


def move_over(bench: Bench) -> Run:
    return moved(bench, "move_paths_on_gpfs", bench.london.tree / "there/f", over=True)


def move_at_once(bench: Bench) -> Run:
    return moved(bench, "one_step_move_paths_on_gpfs", bench.london.tree / "there/f")


def move_at_once_over(bench: Bench) -> Run:
    return moved(bench, "one_step_move_paths_on_gpfs", bench.london.tree / "there/f", over=True)


def carry(bench: Bench) -> Run:
    return moved(bench, "move_paths_on_gpfs", bench.other / "f")


def carry_over(bench: Bench) -> Run:
    return moved(bench, "move_paths_on_gpfs", bench.other / "f", over=True)


def carry_tree(bench: Bench) -> Run:
    top = bench.london.tree / "d"
    (top / "e").mkdir(parents=True)
    write(top / "e/f", b"content")
    (top / "link").symlink_to("e")
    return bench.london, "one_step_move_paths_on_gpfs", [bench.bound_for(bench.other / "d", top)], {}


def adopt(bench: Bench, *, zeros: bool = False) -> Run:
    bench.do("migrate")
    value = os.getxattr(bench.file, ATTRIBUTE)
    new = bench.file.with_name("new")
    write(new, bytes(SIZE))
    if zeros:
        new.write_bytes(bytes(SIZE))
    new.rename(bench.file)
    os.setxattr(bench.file, ATTRIBUTE, value)
    os.utime(bench.file, ns=(OLD, OLD))
    return bench.london, "adopt", [bench.entry()], {}


def adopt_zeros(bench: Bench) -> Run:
    return adopt(bench, zeros=True)


def relocate(bench: Bench) -> Run:
    bench.do("migrate", premigrate=True)
    now = bench.file.rename(bench.file.with_name("g"))
    entry = msgspec.structs.replace(bench.entry(now), source=bytes(bench.file))
    return bench.london, "move_in_cloud", [entry], {}


def doom_objects(bench: Bench) -> Run:
    side, _, entries, _ = remove_objects(bench, doomed=False)
    return side, "doom_objects", entries, {}


def remove_objects(bench: Bench, *, doomed: bool = True) -> Run:
    g = bench.file.with_name("g")
    write(g, b"another" * 1000)
    bench.do("migrate", bench.entry(), bench.entry(g))
    unneeded = bench.do("recall", bench.entry(), bench.entry(g), delete_remote=True)
    entries = [
        Entry(path=outcome.entry.path, state="asked", facts=Facts(stored=stored))
        for outcome in unneeded
        for stored in outcome.unneeded
    ]
    if doomed:
        bench.do("doom_objects", *entries)
    return bench.london, "delete_objects", entries, {}


Verb = Callable[[Bench], Run]
"""Brings about what is there before, and returns what is to be run."""
VERBS: list[Verb] = [
    premigrate, premigrate_over, migrate, migrate_again, migrate_what_is_open, recall, recall_and_forget,
    recall_what_was_written_to, recall_what_a_killed_release_left, migrate_what_a_killed_recall_left, forget,
    reverse_stub, reverse_stub_twice, reverse_stub_over, hydrate, hydrate_over, sync_metadata, delete,
    delete_for_good, purge, restore,
    move, move_over, move_at_once, move_at_once_over, carry, carry_over, carry_tree, adopt, adopt_zeros, relocate,
    doom_objects, remove_objects,
]  # fmt: skip
"""All, and of most more than one way that they take."""


def calls_of(verb: Verb, top: Path) -> list[Event]:
    """Return the calls that a verb makes, with nothing in its way but what `verb` put there."""
    with _benched(verb, top) as (run, recorder):
        run()
    return recorder.events


def calls_losing(verb: Verb, top: Path, point: str) -> tuple[list[Event], bool]:
    """Return the calls that a verb makes whose task is lost when it first comes to a point; and whether it reports."""
    with _benched(verb, top) as (run, recorder):
        recorder.at = lambda name: run.lease.revoke("somebody else has it") if name == point else None
        try:
            run()
        except LeaseLost:
            return recorder.events, False
    return recorder.events, True


class _Running:
    """A verb that is about to be run, and the lease of its task."""

    def __init__(self, side: Side, order: Order) -> None:
        self.lease = Lease("task", 1, asked_at=now(), seconds=600.0)
        self._side, self._order = side, order

    def __call__(self) -> None:
        report = run(self._order, OrderSite.of(self._side.place, self._order, self.lease), NoHub(), self._side.pool)
        assert not report.error, report.reason


@contextmanager
def _benched(verb: Verb, top: Path) -> Iterator[tuple[_Running, Recorder]]:
    top.mkdir(exist_ok=True)
    bench = Bench(top)
    try:
        side, step, entries, options = verb(bench)
        with bench.holding, recording(*bench.roots) as recorder:
            yield _Running(side, side.order(step, *entries, **options)), recorder
    finally:
        bench.close()
