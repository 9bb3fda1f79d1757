"""Whatever is killed or flushed, it costs time and no work: every file arrives, and is counted once."""

import os
import signal
from pathlib import Path

import pytest

from tests.argosy_up import until
from tests.distributed.fleet import Fleet

FILES = 1000


@pytest.fixture(scope="module")
def many(lasting: Fleet) -> Fleet:
    """A fleet with two nodes of one site, and one of the other."""
    for node in ("london-1", "london-2", "dublin-1"):
        lasting.agent(node.partition("-")[0], node)
    return lasting


def begin(one: Fleet, folder: str) -> int:
    """Return a job that is under way."""
    job = one.send(one.fill(folder, FILES))
    until(lambda: one.arrived(folder) > 50, what="files arrive")
    return job


def comes_to_its_end(one: Fleet, folder: str, job: int) -> None:
    ended = one.wait(job)
    assert ended["state"] == "SUCCESS", one.logs()[-6000:]
    assert (ended["numfiles"], ended["numfailedfiles"]) == (FILES + 1, 0)  # the directory is one
    assert ended["numprocessedfiles"] + ended["numskippedfiles"] == FILES + 1
    one.has_arrived(folder)


def test_an_agent_that_is_killed_and_begins_anew_gets_back_what_it_had(many: Fleet) -> None:
    job = begin(many, "agent")
    for node in ("london-1", "dublin-1"):
        many.agents[node].kill()
        many.agents[node].start()
    comes_to_its_end(many, "agent", job)


def test_processes_of_the_hub_that_are_killed_are_started_again(many: Fleet) -> None:
    job = begin(many, "processes")
    for pid in many.hub.children():
        os.kill(pid, signal.SIGKILL)
    comes_to_its_end(many, "processes", job)


def test_a_hub_that_is_killed_goes_on_when_it_is_started_again(many: Fleet) -> None:
    job = begin(many, "hub")
    many.hub.kill()
    many.start_hub()
    comes_to_its_end(many, "hub", job)


def test_redis_may_lose_all_it_has_and_be_away(many: Fleet) -> None:
    job = begin(many, "redis")
    many.redis.ask("FLUSHALL")
    many.redis.stop()
    many.redis.start()
    comes_to_its_end(many, "redis", job)


def test_nobody_keeps_running_when_the_hub_is_killed(many: Fleet) -> None:
    children = many.hub.children()
    assert len(children) == 3
    assert many.hub.process is not None
    many.hub.process.kill()
    until(lambda: not any(map(lives, children)), what="its processes end")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
