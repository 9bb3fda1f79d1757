"""What processes of a hub tell each other of changes, by a real Redis, whatever becomes of it."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from argosy.core.broker import Broker
from argosy.distributed import news
from argosy.distributed.news import CHANNEL, News
from argosy.hub.common.changes import Changes, Kind
from tests.argosy_up import until
from tests.distributed.fleet import Fleet
from tests.redis_server import Redis, running_redis


class Process:
    """A process of a hub, as far as it keeps and hears of changes."""

    def __init__(self, broker: Broker, *, hears: bool = True) -> None:
        self.changes = Changes()
        self.news = News(broker, hears=hears, changes=self.changes)

    def settled(self) -> None:
        """Return once it hears, and has taken what it may have missed before."""
        self.await_many()
        for kind in Kind:
            self.changes.take(kind)

    def await_many(self) -> None:
        until(lambda: self.changes.forgot(Kind.JOB), seconds=40)
        for kind in Kind:
            self.changes.forgot(kind)

    def await_rows(self, kind: Kind, rows: set[int]) -> None:
        found: set[int] = set()

        def had() -> bool:
            found.update(self.changes.take(kind))
            return found >= rows

        until(had, seconds=20, what=f"{rows} of {kind}, not {found}")
        assert found == rows
        assert not self.changes.forgot(kind)


@contextmanager
def processes(broker: Broker) -> Iterator[tuple[Process, Process, Process]]:
    main, one, two = Process(broker, hears=False), Process(broker), Process(broker)
    for each in (main, one, two):
        each.news.start()
    try:
        for each in (one, two):
            each.settled()
        yield main, one, two
    finally:
        for each in (main, one, two):
            each.news.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with running_redis(tmp_path / "redis") as server:
        yield server


def test_what_one_process_changes_all_others_hear_once(redis: Redis) -> None:
    with processes(Broker(url=redis.url)) as (main, one, two):
        main.changes.note(Kind.JOB, [1, 2])
        main.changes.note(Kind.TASK, [7])
        for each in (one, two):
            each.await_rows(Kind.JOB, {1, 2})
            each.await_rows(Kind.TASK, {7})
        one.changes.note(Kind.SITE, [3])
        two.await_rows(Kind.SITE, {3})
        one.await_rows(Kind.SITE, {3})
        time.sleep(1)
        assert [each.changes.take(Kind.SITE) for each in (one, two)] == [set(), set()]
        main.changes.note_many(Kind.JOB)
        until(lambda: two.changes.forgot(Kind.JOB))


@pytest.mark.parametrize("away", ["killed", "frozen"])
def test_whatever_became_of_redis_nobody_takes_what_he_missed_for_nothing(redis: Redis, away: str) -> None:
    with processes(Broker(url=redis.url)) as (main, one, two):
        if away == "killed":
            redis.stop()
        else:
            redis.freeze()
        began = time.monotonic()
        main.changes.note(Kind.TASK, [7])
        assert time.monotonic() - began < 1
        time.sleep(6)  # longer than anybody waits for an answer
        if away == "killed":
            redis.start()
        else:
            redis.thaw()
        for each in (one, two):
            until(lambda each=each: each.changes.forgot(Kind.TASK), seconds=40)
        until(lambda: main.news._to_tell.take(Kind.TASK) == set())
        main.changes.note(Kind.TASK, [8])
        for each in (one, two):
            until(lambda each=each: 8 in each.changes.take(Kind.TASK) or each.changes.forgot(Kind.TASK), seconds=20)


def test_a_server_that_says_nothing_any_more_is_asked_anew(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "SILENCE", 1.0)
    monkeypatch.setattr(news, "BEAT", 60.0)
    with processes(Broker(url=redis.url)) as (_, one, _two):
        one.await_many()


def test_messages_of_strangers_change_nothing(redis: Redis) -> None:
    with processes(Broker(url=redis.url)) as (main, one, _):
        for message in (
            "nonsense",
            '{"by": 1}',
            '{"by": "x", "rows": {"job": ["a"]}}',
            '{"by": "x", "rows": {"what": []}}',
        ):
            redis.ask("PUBLISH", CHANNEL, message)
        main.changes.note(Kind.JOB, [5])
        one.await_rows(Kind.JOB, {5})


def test_the_hubs_own_user_of_a_redis_with_tls_may_tell_and_hear(guarded: tuple[Redis, dict[str, Broker]]) -> None:
    _, brokers = guarded
    with processes(brokers["hub"]) as (main, one, two):
        main.changes.note(Kind.JOB, [5])
        for each in (one, two):
            each.await_rows(Kind.JOB, {5})


def test_whichever_process_sends_a_stream_it_tells_of_what_agents_report(one: Fleet) -> None:
    one.agent("london", "london-1")
    one.agent("dublin", "dublin-1")
    one.call("GET", "/health/")
    streams = [_Stream(one) for _ in range(6)]  # of as many connections: each of the processes sends some
    job = one.send(one.fill("some", 100))
    assert one.wait(job)["state"] == "SUCCESS", one.logs()[-6000:]
    for stream in streams:
        until(lambda stream=stream: f'"id":{job},' in stream.told and '"SUCCESS"' in stream.told, seconds=20)
        stream.enough.set()
    for stream in streams:
        stream.thread.join(60)  # it ends with the next beat
        assert not stream.thread.is_alive()


class _Stream:
    """Reads events of jobs in a thread, which alone closes what it reads."""

    def __init__(self, fleet: Fleet) -> None:
        self.told = ""
        self.enough = threading.Event()
        context = ssl.create_default_context(cafile=str(fleet.directory / "hub" / "hub" / "pki" / "ca.crt"))
        headers = {"Authorization": f"Bearer {fleet._token}"}
        self._client = httpx.Client(base_url=fleet.url, verify=context, timeout=60, headers=headers)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        until(lambda: self.told, seconds=20)

    def _read(self) -> None:
        with self._client, self._client.stream("GET", "/api/events/stream/?types=job") as answer:
            for piece in answer.iter_text():
                self.told += piece
                if self.enough.is_set():
                    return
