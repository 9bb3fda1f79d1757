"""The worker against a hub that is here: what it claims, runs, spools and delivers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from argosy.agent import worker as agent_worker
from argosy.agent.place import Place
from argosy.agent.spool import Spool
from argosy.agent.worker import Worker
from argosy.core.config import Config, SiteConfig
from argosy.core.entry import Entry
from argosy.core.errors import Invalid, Unavailable, Unsupported
from argosy.core.fileset import Registered
from argosy.core.order import Link, Order, StoreAccess
from argosy.core.report import Batch, Present, Probed, Report
from argosy.core.states import FileState
from tests.argosy_up import until


class Desk:
    """A hub that gives out the orders it has and keeps what it is told, unless it is away."""

    def __init__(self, *orders: Order) -> None:
        self.orders = {order.task: order for order in orders}
        self.reports: list[Report] = []
        self.batches: list[Batch] = []
        self.nodes: list[Present] = []
        self.forgotten: tuple[str, ...] = ()
        self.registered: list[tuple[Registered, ...]] = [()]
        """What is answered to each question for filesets; the last of it to all further ones."""
        self.away = threading.Event()

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        self._answer()
        return self.orders.pop(task, None)

    def renew(self, task: str, attempt: int) -> float | None:
        self._answer()
        return 60.0

    def batch(self, batch: Batch) -> bool:
        self._answer()
        self.batches.append(batch)
        return True

    def report(self, report: Report) -> None:
        self._answer()
        self.reports.append(report)

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        return ()

    def probed(self, told: Probed) -> None:
        pass

    def present(self, told: Present) -> tuple[str, ...]:
        self._answer()
        self.nodes.append(told)
        return self.forgotten

    def filesets(self, site: str) -> tuple[Registered, ...]:
        self._answer()
        return self.registered.pop(0) if len(self.registered) > 1 else self.registered[0]

    def _answer(self) -> None:
        if self.away.is_set():
            raise Unavailable("the hub is away")


def stat_of(path: Path, task: str = "t") -> Order:
    return Order(
        task=task, attempt=1, job=1, site="london", step="dynamo.tasks.stat_paths",
        entries=(Entry(path=bytes(path)),), lease=60.0,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "london"


@pytest.fixture
def desk(root: Path) -> Desk:
    return Desk(stat_of(root / "f"), stat_of(root / "f", "u"))


@pytest.fixture
def worker(tmp_path: Path, root: Path, desk: Desk) -> Iterator[Worker]:
    one = Worker(Config(sites=(SiteConfig(name="london", roots=(str(root),)),)), tmp_path / "data", desk, "node1")
    yield one
    one.stop(5)


def grown(root: Path) -> None:
    root.mkdir()
    (root / "f").touch()


def test_a_bell_has_the_task_claimed_run_and_reported(root: Path, desk: Desk, worker: Worker) -> None:
    grown(root)
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert (report.task, report.attempt, report.error) == ("t", 1, "")
    assert [outcome.state for outcome in report.outcomes] == [FileState.PROCESSED]


def test_the_hub_is_told_that_a_site_is_served_and_at_once_when_a_root_of_it_is(
    root: Path, desk: Desk, worker: Worker
) -> None:
    worker.start()
    (first, *_) = until(lambda: desk.nodes)
    assert (first.site, first.node, list(first.unserved)) == ("london", "node1", [str(root)])
    grown(root)
    assert not until(lambda: desk.nodes[1:])[0].unserved


def test_a_fileset_that_the_hub_registers_is_served_and_told(
    root: Path, desk: Desk, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_worker, "REDELIVERY", 0.02)
    monkeypatch.setattr(agent_worker, "LEARNING", 0.02)
    grown(root)
    worker.start()
    until(lambda: desk.nodes)
    desk.registered = [(Registered(name="all", path=bytes(root)),)]
    (seen,) = until(lambda: desk.nodes[-1].filesets)
    assert (seen.name, seen.path, seen.state, seen.number) == ("all", bytes(root), "ok", 1)
    desk.registered = [()]
    until(lambda: not desk.nodes[-1].filesets, what="it is told no more")


def test_what_came_of_an_adoption_is_told_at_once_also_where_it_is_as_it_was(
    root: Path, desk: Desk, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_worker, "REDELIVERY", 0.02)
    grown(root)
    one = Registered(name="none", path=bytes(root / "none"))
    desk.registered = [(one,)]
    worker.start()
    until(lambda: desk.nodes and desk.nodes[-1].filesets)
    told = len(desk.nodes)
    desk.registered = [(msgspec.structs.replace(one, adopt=True),), (one,)]
    (again, *_) = until(lambda: desk.nodes[told:])
    assert [seen.state for seen in again.filesets] == ["missing"]


def test_bells_for_others_and_for_what_is_gone_are_harmless(root: Path, desk: Desk, worker: Worker) -> None:
    grown(root)
    worker.start()
    worker.ring("atlantis", "t", 1, "transfer")
    worker.ring("london", "gone", 1, "transfer")
    worker.ring("london", "t", 1, "transfer")
    assert [report.task for report in until(lambda: desk.reports)] == ["t"]


def test_a_report_that_cannot_be_sent_is_delivered_later(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    grown(root)
    worker.start()
    real, lost = desk.report, []

    def lose(report: Report) -> None:
        if not lost:
            lost.append(report)
            raise Unavailable("the hub went away")
        real(report)

    desk.report = lose  # type: ignore[method-assign]
    worker.ring("london", "t", 1, "transfer")
    assert until(lambda: desk.reports) == lost
    until(lambda: not list((tmp_path / "data/agent/london/spool").iterdir()), what="the spool is empty")


def test_a_report_that_the_hub_does_not_take_does_not_hold_up_those_behind_it(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_worker, "REDELIVERY", 0.02)
    spool = Spool(tmp_path / "data/agent/london/spool")
    for task in ("poisoned", "poisoned too", "good", "better"):
        spool.put(Report(task=task, attempt=1))
    real = desk.report

    def take(report: Report) -> None:
        if report.task == "poisoned too":
            raise ZeroDivisionError
        if report.task == "poisoned":
            raise Unavailable("the hub cannot record: CHECK constraint failed")
        real(report)

    desk.report = take  # type: ignore[method-assign]
    grown(root)
    worker.start()
    until(lambda: {report.task for report in desk.reports} == {"good", "better"}, what="the others are delivered")
    assert {report.task for _, report in spool.unsent()} == {"poisoned", "poisoned too"}


def test_a_task_whose_report_the_hub_will_never_take_is_said_to_have_failed(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    real = desk.report

    def take(report: Report) -> None:
        if report.outcomes:
            raise Invalid("the hub cannot record this: CHECK constraint failed")
        real(report)

    desk.report = take  # type: ignore[method-assign]
    grown(root)
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert (report.task, report.attempt, report.error, report.retry) == ("t", 1, "error", False)
    assert "the hub refused what was reported: the hub cannot record this: CHECK" in report.reason
    spool = tmp_path / "data/agent/london/spool"
    until(lambda: [file.suffix for file in spool.iterdir()] == [".refused"], what="it is set aside")


def test_a_site_whose_root_is_missing_is_served_when_it_appears(root: Path, desk: Desk, worker: Worker) -> None:
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    assert "t" in desk.orders, "an order is not claimed by a site that cannot run it"
    grown(root)

    def served() -> list[Report]:
        worker.ring("london", "t", 1, "transfer")
        return desk.reports

    assert until(served, every=0.2)[0].outcomes[0].state is FileState.PROCESSED


def test_a_missing_root_stops_none_of_the_others_and_is_logged_once(
    root: Path, tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(root)
    away, looked, start = tmp_path / "away", [], Place.start
    monkeypatch.setattr("argosy.agent.worker.REDELIVERY", 0.01)
    monkeypatch.setattr(Place, "start", lambda place: looked.append(place) or start(place))
    config = Config(sites=(SiteConfig(name="london", roots=(str(away), str(root))),))
    with capture_logs() as logged:
        one = Worker(config, tmp_path / "data", desk, "node1")
        one.start()
        one.ring("london", "t", 1, "transfer")
        assert until(lambda: desk.reports)[0].outcomes[0].state is FileState.PROCESSED
        until(lambda: len(looked) > 5)
        away.mkdir()
        until(lambda: [line for line in logged if line["event"] == "root is served"])
        one.stop(5)
    told = [(line["event"], line["root"]) for line in logged if "root" in line]
    assert told == [("root is not served", str(away)), ("root is served", str(away))]


def test_a_posix_datastore_of_the_hub_that_the_configuration_lacks_is_refused(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    grown(root)
    (tmp_path / "etc").mkdir()
    desk.orders["t"] = Order(
        task="t", attempt=1, job=1, site="london", step="dynamo.tasks.migrate", options={"premigrate": True},
        entries=(Entry(path=bytes(root / "f")),), lease=60.0,
        links=(Link(site_path=bytes(root), datastore="evil", datastore_path=b""),),
        stores=(StoreAccess(id=1, name="evil", type="POSIX", settings={"path": str(tmp_path / "etc")}),),
    )  # fmt: skip
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert "is not among the POSIX datastores of this agent's configuration" in str(report)
    assert not list((tmp_path / "etc").iterdir())


def test_a_step_nobody_knows_breaks_its_task_with_a_message(root: Path, desk: Desk, worker: Worker) -> None:
    grown(root)
    desk.orders["t"] = Order(task="t", attempt=1, job=1, site="london", step="dynamo.tasks.dance", lease=60.0)
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert (report.error, report.retry) == ("invalid", False)
    assert "dynamo.tasks.dance" in report.reason


def test_an_order_that_cannot_be_read_is_reported(root: Path, desk: Desk, worker: Worker) -> None:
    def claim(task: str, attempt: int, node: str) -> Order:
        raise Unsupported("Order of version 2")

    desk.claim = claim  # type: ignore[method-assign]
    grown(root)
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert (report.task, report.error, report.reason) == ("t", "unsupported", "Order of version 2")


def test_a_report_that_no_disk_takes_is_sent_all_the_same(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    grown(root)
    worker.start()
    (tmp_path / "data/agent/london/spool").rmdir()
    worker.ring("london", "t", 1, "transfer")
    (report,) = until(lambda: desk.reports)
    assert [outcome.state for outcome in report.outcomes] == [FileState.PROCESSED]


def test_a_site_that_cannot_be_opened_is_told_and_the_others_are_served(
    tmp_path: Path, root: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_worker, "REDELIVERY", 0.02)
    grown(root)
    dublin = tmp_path / "data" / "agent" / "dublin" / "index.db"
    dublin.mkdir(parents=True)
    sites = (
        SiteConfig(name="dublin", roots=(str(tmp_path),)),
        SiteConfig(name="london", roots=(str(root),)),
    )
    worker = Worker(Config(sites=sites), tmp_path / "data", desk, "node1")
    worker.start()
    worker.ring("london", "t", 1, "transfer")
    assert until(lambda: desk.reports)[0].task == "t"
    told = until(lambda: [node for node in desk.nodes if node.site == "dublin"])[0]
    assert "cannot be opened" in told.unserved[str(tmp_path)]
    dublin.rmdir()
    until(lambda: [node for node in desk.nodes if node.site == "dublin" and not node.unserved])
    worker.stop(5)


def test_a_root_that_the_hub_says_is_to_be_forgotten_is_forgotten(
    tmp_path: Path, root: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_worker, "PRESENCE", 0.01)
    monkeypatch.setattr(agent_worker, "REDELIVERY", 0.02)
    grown(root)
    gone = tmp_path / "gone"
    gone.mkdir()
    before = Place(SiteConfig(name="london", roots=(str(gone),)), tmp_path / "data" / "agent" / "london")
    before.start()
    before.close()
    worker = Worker(Config(sites=(SiteConfig(name="london", roots=(str(root),)),)), tmp_path / "data", desk, "node1")
    worker.start()
    assert until(lambda: desk.nodes)[0].retired == (str(gone),)
    desk.forgotten = (str(gone),)
    until(lambda: not desk.nodes[-1].retired)
    worker.stop(5)


def spooled(tmp_path: Path, *reports: Report) -> Spool:
    spool = Spool(tmp_path / "data/agent/london/spool")
    for report in reports:
        spool.put(report)
    return spool


def test_how_an_attempt_ended_is_told_before_the_next_is_claimed(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    grown(root)
    worker.start()
    until(lambda: desk.nodes, what="its spool was looked through")
    spool = spooled(tmp_path, Report(task="t", attempt=3), Report(task="u", attempt=3))
    claimed: list[list[str]] = []

    def claim(task: str, attempt: int, node: str) -> None:
        claimed.append([report.task for report in desk.reports])

    desk.claim = claim  # type: ignore[method-assign]
    worker.ring("london", "t", 4, "transfer")
    until(lambda: claimed)
    assert claimed[0][:1] == ["t"]
    until(lambda: not list(spool.unsent()), what="the spool is empty")


def test_an_attempt_is_made_although_the_hub_never_takes_how_the_last_one_ended(
    root: Path, tmp_path: Path, desk: Desk, worker: Worker
) -> None:
    grown(root)
    worker.start()
    until(lambda: desk.nodes, what="its spool was looked through")
    spooled(tmp_path, Report(task="t", attempt=1))
    refused: list[int] = []

    def refuse(report: Report) -> None:
        refused.append(report.attempt)
        raise Unavailable("the hub failed")

    desk.report = refuse  # type: ignore[method-assign]
    worker.ring("london", "t", 2, "transfer")
    until(lambda: refused)
    assert "t" in desk.orders, "not while it may still be taken"

    def rung() -> bool:
        worker.ring("london", "t", 2, "transfer")
        return "t" not in desk.orders

    until(rung, what="it is claimed")
