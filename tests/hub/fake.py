"""An agent that does nothing but answer: it hears bells, claims, and reports what the test wants reported."""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self

from argosy.core.config import Config, DatastoreConfig, LinkConfig, SiteConfig
from argosy.core.entry import Entry, Kind
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.hub.jobs import clock as hub
from argosy.hub.jobs.delivery import Delivery
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.sites.services import reconcile

DISCOVERY = "dynamo.tasks.recursive_action"
STAT = "dynamo.tasks.stat_paths"
FINDING = {"recursive_action", "references", "objects", "rebuild"}

Act = Callable[[Order, Entry], Outcome]


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC)
        self.passed = 0.0

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.set(seconds)
        self.passed += seconds

    def set(self, seconds: float) -> None:
        """Set it to another time, as people do: nothing passes."""
        self.now += dt.timedelta(seconds=seconds)

    def hub(self) -> hub.Clock:
        """Return the clock of a hub that looks at this one."""
        return hub.Clock(self, lambda: self.passed)


def processed(order: Order, entry: Entry) -> Outcome:
    return Outcome.processed(entry, moved=entry.size if order.step.endswith("migrate") else 0)


class FakeAgent:
    """Serves every site. `tree` is what discoveries find, whatever they are given; `act` makes the outcomes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.rung: deque[tuple[str, str, int, str]] = deque()
        self.delivery = Delivery(self, clock=self.clock.hub())
        self.tree: list[Entry] = []
        self.finds: dict[tuple[str, str], list[Entry]] = {}
        """What other discoveries find, by site and last word of the step."""
        self.act: Act = processed
        self.batch_size = 40
        self.orders: list[Order] = []

    def __enter__(self) -> Self:
        self.delivery._recorder.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.delivery._recorder.stop()

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        self.rung.append((site, task, attempt, queue))

    def claim(self) -> Order | None:
        """Claim the next task it heard of; None where there is none, or it is gone."""
        try:
            _, task, attempt, _ = self.rung.popleft()
        except IndexError:
            return None
        return self.delivery.claim(task, attempt, "node1")

    def run(self) -> None:
        """Do what it hears of, until it hears nothing more."""
        while self.rung:
            if (order := self.claim()) is not None:
                self.do(order)

    def do(self, order: Order) -> None:
        self.orders.append(order)
        if order.step.rpartition(".")[2] in FINDING:
            found = self.finds.get((order.site, order.step.rpartition(".")[2]), [])
            for number, batch in enumerate(_batches(self.tree if order.step == DISCOVERY else found, self.batch_size)):
                assert self.delivery.batch(told(order, number, *batch))
            self.delivery.report(Report(task=order.task, attempt=order.attempt))
        else:
            self.delivery.report(report(order, [self.act(order, entry) for entry in order.entries]))


def told(order: Order, number: int, *entries: Entry, failed: Iterable[Outcome] = ()) -> Batch:
    return Batch(task=order.task, attempt=order.attempt, sequence=number, entries=tuple(entries), failed=tuple(failed))


def report(order: Order, outcomes: Iterable[Outcome] = (), **more: Any) -> Report:
    return Report(task=order.task, attempt=order.attempt, outcomes=tuple(outcomes), **more)


def _batches(entries: list[Entry], size: int) -> list[list[Entry]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def file(path: str | bytes, size: int = 10) -> Entry:
    return Entry(path=path if isinstance(path, bytes) else path.encode(), size=size)


def directory(path: str) -> Entry:
    return Entry(path=path.encode(), kind=Kind.DIRECTORY)


def config(**more: Any) -> Config:
    cloud = DatastoreConfig(
        name="cloud", type="S3", bucket="bkt", endpoint="http://127.0.0.1:1", accesskeyid="k", secretaccesskey="s3cret"
    )
    london = SiteConfig(
        name="london",
        roots=("/srv/london",),
        links=(LinkConfig(site_path="/srv/london/projects", datastore="cloud", datastore_path="projects/"),),
    )
    dublin = SiteConfig(
        name="dublin",
        roots=("/srv/dublin",),
        links=(LinkConfig(site_path="/srv/dublin/work", datastore="cloud", datastore_path="projects/"),),
    )
    return Config(datastores=(cloud,), sites=(london, dublin), **more)


def sites() -> None:
    reconcile(config())


def send(*paths: str, **fields: Any) -> Job:
    fields = {"destinationsite": "dublin", "hydrate": True} | fields
    return start("send", *paths, fields=fields)


def start(workflow: str, *paths: str, **more: Any) -> Job:
    given = [Entry(path=path.encode()) for path in paths or ("/srv/london/projects",)]
    return submit(Asked(site="london", workflow=workflow, paths=given, **more), owner=None)


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)
