"""Bells between a hub and nodes, by a real Redis: each hears what is for it, when it has a slot, whatever happens."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis as library

from argosy.agent import bells as agents
from argosy.core.broker import Broker
from argosy.distributed import bells as hubs
from argosy.distributed.news import CHANNEL
from tests.argosy_up import until
from tests.redis_server import Redis, running_redis


class Node:
    """What hears the bells of a site, with slots as they are given."""

    def __init__(self, broker: Broker, site: str, slots: int = 1000) -> None:
        self.heard: list[tuple[str, str, int, str]] = []
        self._slots = slots
        self._changed = threading.Condition()
        kinds = ["discovery", "transfer", "custom"]
        self.bells = agents.Bells(broker, site, kinds, ready=self._ready, ring=self._ring)

    def give(self, slots: int) -> None:
        with self._changed:
            self._slots += slots
            self._changed.notify_all()

    def _ready(self, _site: str, _kind: str, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.heard) < self._slots, timeout)

    def _ring(self, *rung: object) -> None:
        with self._changed:
            self.heard.append(rung)  # type: ignore[arg-type]


@contextmanager
def hearing(broker: Broker, site: str, slots: int = 1000) -> Iterator[Node]:
    node = Node(broker, site, slots)
    node.bells.start()
    try:
        yield node
    finally:
        node.bells.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with running_redis(tmp_path / "redis") as server:
        yield server


@contextmanager
def ringing(broker: Broker) -> Iterator[hubs.Bells]:
    bells = hubs.Bells(broker)
    try:
        yield bells
    finally:
        bells.stop()


def test_a_site_hears_its_bells_and_no_others(redis: Redis) -> None:
    broker = Broker(url=redis.url)
    with ringing(broker) as hub, hearing(broker, "london") as london, hearing(broker, "dublin") as dublin:
        hub.ring("london", "a", 1, "transfer")
        hub.ring("dublin", "b", 2, "discovery")
        until(lambda: london.heard and dublin.heard)
        assert (london.heard, dublin.heard) == ([("london", "a", 1, "transfer")], [("dublin", "b", 2, "discovery")])


def test_what_a_node_has_no_slot_for_stays_for_another(redis: Redis) -> None:
    broker = Broker(url=redis.url)
    with ringing(broker) as hub, hearing(broker, "london", slots=2) as full:
        for number in range(6):
            hub.ring("london", f"t{number}", 1, "transfer")
        until(lambda: len(full.heard) == 2)
        with hearing(broker, "london") as other:
            until(lambda: len(other.heard) == 4)
        full.give(2)
        hub.ring("london", "later", 1, "transfer")
        until(lambda: full.heard[-1][1] == "later")
        assert sorted(rung[1] for rung in full.heard + other.heard) == ["later", *(f"t{n}" for n in range(6))]


def test_a_bell_is_heard_at_once(redis: Redis) -> None:
    broker = Broker(url=redis.url)
    with ringing(broker) as hub, hearing(broker, "london") as london:
        hub.ring("london", "first", 1, "transfer")
        until(lambda: london.heard)
        began = time.monotonic()
        hub.ring("london", "second", 1, "transfer")
        until(lambda: len(london.heard) == 2, every=0.001)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("away", ["killed", "frozen", "flushed"])
def test_whatever_became_of_redis_bells_are_heard_again_by_themselves(redis: Redis, away: str) -> None:
    broker = Broker(url=redis.url)
    with ringing(broker) as hub, hearing(broker, "london") as london:
        hub.ring("london", "before", 1, "transfer")
        until(lambda: london.heard)
        if away == "killed":
            redis.stop()
            hub.ring("london", "meanwhile", 1, "transfer")
            redis.start()
        elif away == "frozen":
            redis.freeze()
            hub.ring("london", "meanwhile", 1, "transfer")
            time.sleep(6)  # longer than anybody waits for an answer
            redis.thaw()
        else:
            redis.ask("FLUSHALL")
            hub.ring("london", "meanwhile", 1, "transfer")
        until(lambda: "meanwhile" in {rung[1] for rung in london.heard}, seconds=30)


def test_to_ring_never_blocks_and_the_latest_bell_of_a_task_is_kept(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as server:
        server.stop()
        broker = Broker(url=server.url)
        with ringing(broker) as hub:
            began = time.monotonic()
            for attempt in range(1000):
                hub.ring("london", "same", attempt, "transfer")
            assert time.monotonic() - began < 2
            server.start()
            with hearing(broker, "london") as london:
                until(lambda: ("london", "same", 999, "transfer") in london.heard, seconds=30)
                assert len(london.heard) <= 2


def test_where_very_many_wait_no_more_are_put(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MOST", 10)
    with ringing(Broker(url=redis.url)) as hub:
        for number in range(50):
            hub.ring("london", f"t{number}", 1, "transfer")
        hub.ring("london", "end", 1, "discovery")
        until(lambda: redis.ask("LLEN", "argosy:london:london.discovery") == "1")
        assert redis.ask("LLEN", "argosy:london:london.transfer") == "10"


def test_by_tls_a_sites_user_hears_its_bells_and_reads_no_others(guarded: tuple[Redis, dict[str, Broker]]) -> None:
    _, brokers = guarded
    with ringing(brokers["hub"]) as hub, hearing(brokers["london"], "london") as london:
        hub.ring("london", "a", 1, "transfer")
        hub.ring("dublin", "b", 1, "transfer")
        until(lambda: london.heard == [("london", "a", 1, "transfer")])
        told = library.Redis.from_url(brokers["london"].located, **brokers["london"].tls)
        for look in (
            lambda: told.lrange("argosy:dublin:dublin.transfer", 0, -1),
            lambda: told.lpush("argosy:dublin:dublin.transfer", "x"),
            lambda: told.keys("*"),
            lambda: told.config_get("*"),
            lambda: told.publish(CHANNEL, "{}"),
            told.flushall,
        ):
            with pytest.raises(library.exceptions.NoPermissionError):
                look()
        with hearing(brokers["london"], "dublin") as thief:
            time.sleep(2)
            assert thief.heard == []
        with hearing(brokers["dublin"], "dublin") as dublin:
            until(lambda: dublin.heard == [("dublin", "b", 1, "transfer")])


def test_a_server_of_another_authority_is_told_nothing(guarded: tuple[Redis, dict[str, Broker]]) -> None:
    _, brokers = guarded
    known = brokers["hub"]
    with pytest.raises(library.exceptions.ConnectionError, match=r"(?i)certificate"):
        library.Redis.from_url(known.located, **Broker(url=known.url).tls).ping()
