"""Agents and hub over the local connection."""

import os
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from argosy.agent.link import Call, Hello, LocalHub, within
from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.errors import Busy, Invalid, NotFound, Unavailable
from argosy.core.order import Order, StoreAccess
from argosy.core.report import Batch, Probed, Report
from argosy.embedded import exchange
from argosy.embedded.exchange import Exchange, bind
from tests.argosy_up import until

ORDER = Order(
    task="t", attempt=2, job=3, site="london", step="dynamo.tasks.migrate", lease=60.0,
    entries=(Entry(path=b"/srv/\xff"),), stores=(StoreAccess(id=1, name="c", type="S3", settings={"key": "x"}),),
)  # fmt: skip


class Desk:
    """A small hub that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.adoptions: list[bool] = []
        self.threads: set[int] = set()
        self.meanwhile = threading.Event()
        self.meanwhile.set()

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        self.threads.add(threading.get_ident())
        self.meanwhile.wait(10)
        self.asked.append((task, attempt, node))
        if task == "missing":
            raise NotFound("there is no such task")
        if task == "bug":
            raise ZeroDivisionError
        return ORDER if task == "t" else None

    def renew(self, task: str, attempt: int) -> float | None:
        return 42.5 if task == "t" else None

    def batch(self, batch: Batch) -> bool:
        self.asked.append(batch)
        return batch.sequence == 0

    def report(self, report: Report) -> None:
        self.asked.append(report)

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        return ORDER.stores if site == "london" else ()

    def probed(self, told: Probed) -> None:
        self.asked.append(told)

    def adopt_orphans(self, *, died: bool) -> None:
        self.adoptions.append(died)


class Office:
    """The hub's side, which can go away and come back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = Desk()
        self.open()

    def open(self) -> None:
        self.exchange = Exchange(served=os.geteuid())
        self.exchange.serve(bind(self.path), self.desk)

    def shut(self) -> None:
        self.exchange.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    deep = tmp_path / ("long" * 40)
    deep.mkdir()
    office = Office(deep / "hub.sock")
    yield office
    office.shut()


@pytest.fixture
def hub(office: Office) -> Iterator[LocalHub]:
    hub = LocalHub(office.path)
    yield hub
    hub.close()


def test_values_cross_unchanged(office: Office, hub: LocalHub) -> None:
    assert hub.claim("t", 2, "node") == ORDER
    assert hub.claim("gone", 1, "node") is None
    assert (hub.renew("t", 2), hub.renew("gone", 2)) == (42.5, None)
    batch = Batch(task="t", attempt=2, sequence=0, entries=(Entry(path=b"/\xfe"),))
    assert hub.batch(batch) is True
    assert hub.batch(Batch(task="t", attempt=2, sequence=1, entries=())) is False
    report = Report(task="t", attempt=2, reason="because")
    hub.report(report)
    assert batch in office.desk.asked
    assert office.desk.asked[-1] == report


def test_what_is_asked_and_told_of_datastores_crosses_unchanged(office: Office, hub: LocalHub) -> None:
    assert hub.unprobed("london") == ORDER.stores != ()
    assert hub.unprobed("dublin") == ()
    told = Probed(datastore="cloud", fingerprint="f", abilities={"conditions": True})
    hub.probed(told)
    assert office.desk.asked[-1] == told


def test_errors_of_the_hub_arrive_as_what_they_are(hub: LocalHub) -> None:
    with pytest.raises(NotFound, match="there is no such task"):
        hub.claim("missing", 1, "node")


def test_a_failure_nobody_foresaw_is_told_as_unavailable_and_the_connection_goes_on(hub: LocalHub) -> None:
    with pytest.raises(Unavailable, match="the hub failed"):
        hub.claim("bug", 1, "node")
    assert hub.claim("t", 2, "node") == ORDER


def test_every_thread_has_a_connection_of_its_own(office: Office, hub: LocalHub) -> None:
    threads = [threading.Thread(target=hub.claim, args=("t", 2, "node")) for _ in range(4)]
    office.desk.meanwhile.clear()
    for thread in threads:
        thread.start()
    until(lambda: len(office.desk.threads) == 4, what="four calls at once")
    office.desk.meanwhile.set()
    for thread in threads:
        thread.join()


def test_the_socket_is_for_its_owner_alone_and_its_path_may_be_long(office: Office) -> None:
    assert office.path.stat().st_mode & 0o777 == 0o600
    assert len(bytes(office.path)) > 108


def test_bells_reach_the_agents_also_those_that_rang_before_they_came(office: Office, hub: LocalHub) -> None:
    heard: list[tuple[str, str, int, str]] = []
    office.exchange.ring("london", "early", 1, "transfer")
    hub.listen(lambda *rung: heard.append(rung))
    office.exchange.ring("london", "late", 2, "discovery")
    until(lambda: len(heard) == 2, what="two bells")
    assert heard == [("london", "early", 1, "transfer"), ("london", "late", 2, "discovery")]


def test_the_tasks_of_a_lost_agents_process_are_offered_again_when_the_next_comes(office: Office) -> None:
    for died in (False, True, True):
        agents = LocalHub(office.path)
        agents.listen(lambda *_: None)
        assert agents.wait_welcomed(10)
        assert office.desk.adoptions[-1] == died
        agents.close()
    assert len(office.desk.adoptions) == 3


def test_tasks_are_not_offered_again_to_the_process_that_runs_them_when_the_hub_comes_back(
    office: Office, hub: LocalHub
) -> None:
    heard: list[str] = []
    hub.listen(lambda _site, task, *_: heard.append(task))
    assert hub.wait_welcomed(10)
    assert hub.claim("t", 2, "node") == ORDER
    office.shut()
    with pytest.raises(Unavailable):
        hub.claim("t", 2, "node")
    office.open()
    until(lambda: _answers(hub), what="the hub answers again")
    office.exchange.ring("london", "again", 1, "transfer")
    until(lambda: heard == ["again"], what="bells again")
    assert office.desk.adoptions == [False]


def _answers(hub: LocalHub) -> bool:
    try:
        return hub.renew("t", 2) == 42.5
    except Unavailable:
        return False


def test_a_hub_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"cannot be reached at .*hub\.sock"):
        LocalHub(tmp_path / "hub.sock").renew("t", 1)


def test_a_second_agents_process_is_turned_away_while_the_first_is_there(
    office: Office, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_PATIENCE", 0.2)
    hub.listen(lambda *_: None)
    assert hub.wait_welcomed(10)
    with pytest.raises(Busy, match="only one may serve"):
        LocalHub(office.path).renew("t", 1)
    assert office.desk.adoptions == [False]


def test_a_message_that_makes_no_sense_is_answered_and_harms_nobody(office: Office, hub: LocalHub) -> None:
    rude = _greeted(office.path)
    rude.send_bytes(b"\x80\x04not json")
    assert b"invalid" in rude.recv_bytes()
    rude.send_bytes(wire.dump(Call(method="__class__", body=b"{}")))
    assert b"unknown method" in rude.recv_bytes()
    rude.close()
    assert hub.renew("t", 2) == 42.5


def test_a_greeting_that_makes_no_sense_ends_the_connection(office: Office, hub: LocalHub) -> None:
    rude = within(office.path.parent, _connect, office.path.name)
    rude.send_bytes(b"hello?")
    with pytest.raises(EOFError):
        rude.recv_bytes()
    assert hub.renew("t", 2) == 42.5


def test_other_users_are_turned_away(office: Office) -> None:
    office.path.chmod(0o666)
    for folder in office.path.parents:
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o077 == 0:
            folder.chmod(0o711)
    child = os.fork()
    if child == 0:
        os._exit(_status_as_nobody(office.path))
    assert os.waitpid(child, 0)[1] == 0


def _status_as_nobody(path: Path) -> int:
    """Return 0 where the connection was made and ended without an answer; this process must not go on as a test."""
    try:
        os.setresuid(65534, 65534, 65534)
        _greeted(path).recv_bytes()
    except (EOFError, ConnectionError, BrokenPipeError):
        return 0
    except (OSError, Invalid):
        return 2
    return 1


def _connect(path: str) -> Connection:
    plug = socket.socket(socket.AF_UNIX)
    plug.connect(path)
    return Connection(plug.detach())


def _greeted(path: Path) -> Connection:
    connection = within(path.parent, _connect, path.name)
    connection.send_bytes(wire.dump(Hello(instance=LocalHub(path).instance, purpose="calls")))
    if b'"error":""' not in connection.recv_bytes():
        raise Invalid("not welcome")
    return connection
