"""Sites for tests of steps: real trees and a real store in a directory, no hub."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite, Place
from argosy.agent.runner import run
from argosy.core.config import FilesetConfig, SiteConfig
from argosy.core.entry import Entry
from argosy.core.fileset import SnapshotKind
from argosy.core.order import Link, Order, Policy, StoreAccess
from argosy.core.outcome import Outcome
from argosy.core.paths import join, relative
from argosy.core.report import Batch, Report
from argosy.core.syncing import Applied, Piece, Wanted
from argosy.filesystems.posix import Posix
from argosy.steps.base import HUBS

STUBS = Policy(unguarded_stubs=True, min_stub_size=0)
"""Of a site that makes stubs of all files, whatever reads them."""

HUBS_STEPS = frozenset(HUBS.names())

_OPEN: "list[Side]" = []


def close_all() -> None:
    """Close the sites that a test made: thousands of tests would use up the files that a process may open."""
    while _OPEN:
        _OPEN.pop().close()


class NoHub:
    """A hub for orders that need none; it keeps the batches of a discovery."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        return None

    def renew(self, task: str, attempt: int) -> float | None:
        return None

    def batch(self, batch: Batch) -> bool:
        self.batches.append(batch)
        return True

    def report(self, report: Report) -> None:
        pass

    def clock(self) -> int:
        return time.time_ns()

    def piece(self, piece: Piece) -> bool:
        return False

    def operations(self, wanted: Wanted) -> bytes | None:
        return None

    def applied(self, told: Applied) -> bool:
        return False


class Side:
    """One site: `root` is its only root, `tree` is linked to `projects/` of the datastore `cloud`.

    With `snapshots` it is a fileset, too, which is held still in that way.
    """

    def __init__(
        self, top: Path, name: str, *, layout: str = "native", store: Path | None = None, policy: Policy = STUBS,
        agent: Path | None = None, below: str = "projects",
        snapshots: SnapshotKind | None = None, datastore_path: bytes = b"projects/",
    ) -> None:  # fmt: skip
        self.name = name
        self.job = 1
        self.attempt = 1
        self.began: float | None = None
        self.policy = policy
        self.root = top / name
        self.tree = self.root / below
        self.tree.mkdir(parents=True, exist_ok=True)
        self.store = store or top / "store"
        self.store.mkdir(exist_ok=True)
        fileset = FilesetConfig(name="projects", path=str(self.tree), snapshots=snapshots or "index")
        self.config = SiteConfig(name=name, roots=(str(self.root),), filesets=(fileset,) if snapshots else ())
        self.agent = agent or top / f"agent-{name}"
        self.start()
        self.hub = NoHub()
        self.access = StoreAccess(id=7, name="cloud", type="POSIX", layout=layout, settings={"path": str(self.store)})
        self.links = (Link(site_path=bytes(self.tree), datastore="cloud", datastore_path=datastore_path),)
        _OPEN.append(self)

    def start(self) -> None:
        """Begin to serve the site, which nobody else does."""
        self.place = Place(self.config, self.agent, shelves=[str(self.store)])
        self.place.start()
        self.pool = ThreadPoolExecutor(4)

    def restart(self) -> None:
        """Have the agent begin anew."""
        self.close()
        self.start()

    def serve(self, tree: Posix) -> None:
        """Have the root be served as this tree, of which a verb does something else, say."""
        self.place.trees[0] = tree
        self.place._served.clear()
        self.place.start()

    def close(self) -> None:
        """Let go of threads and files; harmless when repeated."""
        self.pool.shutdown(wait=False)
        self.place.close()

    def order(self, step: str, *entries: Entry, **options: Any) -> Order:
        if self.attempt == 1 or self.began is None:
            self.began = time.time()
        return Order(
            task="task", attempt=self.attempt, age=time.time() - self.began, job=self.job, site=self.name,
            step=f"dynamo.tasks.{step}", options=options, own=f"dynamo.tasks.{step}" in HUBS_STEPS,
            entries=entries, lease=60.0, links=self.links, stores=(self.access,), policy=self.policy,
        )  # fmt: skip

    def site(self, order: Order | None = None) -> OrderSite:
        order = order or self.order("none")
        return OrderSite.of(self.place, order, Lease("task", 1, asked_at=now(), seconds=60.0))

    def report(self, step: str, *entries: Entry, **options: Any) -> Report:
        order = self.order(step, *entries, **options)
        return run(order, self.site(order), self.hub, self.pool)

    def references(self) -> set[bytes]:
        """Return the objects that files of the site need, as garbage collection asks; raise what stopped it."""
        self.hub.batches.clear()
        report = self.report("references", Entry(path=bytes(self.root)))
        if report.error:
            raise RuntimeError(report.reason)
        found = [entry for batch in self.hub.batches for entry in batch.entries]
        return {entry.facts.stored.uuid for entry in found if entry.path and entry.facts.stored}

    def do(self, step: str, *entries: Entry, **options: Any) -> list[Outcome]:
        report = self.report(step, *entries, **options)
        assert not report.error, report.reason
        return list(report.outcomes)

    def planned(self, step: str, *entries: Entry, **options: Any) -> list[Outcome]:
        """Have the step say what it would do."""
        order = msgspec.structs.replace(self.order(step, *entries, **options), dry_run=True)
        report = run(order, self.site(order), self.hub, self.pool)
        assert not report.error, report.reason
        return list(report.outcomes)

    def entry(self, path: Path | bytes) -> Entry:
        path = bytes(path) if isinstance(path, Path) else path
        return self.place.tree(path).stat(path)

    def entries(self, top: Path | None = None) -> list[Entry]:
        """Return all entries as a discovery finds them."""
        self.hub.batches.clear()
        self.report("recursive_action", Entry(path=bytes(top or self.tree)))
        return [entry for batch in self.hub.batches for entry in batch.entries]


def carried(outcomes: list[Outcome], origin: Side, target: Side) -> list[Entry]:
    """Return the entries that go on, at their paths at the other site."""
    return [
        msgspec.structs.replace(
            outcome.entry, path=join(bytes(target.tree), relative(outcome.entry.path, bytes(origin.tree)))
        )
        for outcome in outcomes
        if outcome.state.goes_on
    ]


def send(origin: Side, target: Side, *entries: Entry, overwrite: bool = False) -> list[Outcome]:
    """Do what the workflow `send` does, and return what became of the entries at the destination."""
    copied = origin.do("migrate", *entries, premigrate=True, overwrite=overwrite)
    assert all(outcome.state.goes_on for outcome in copied), copied
    return target.do("reverse_stub", *carried(copied, origin, target), hydrate=True, overwrite=overwrite)
