"""Events while the hub is killed, started again and stopped: a whole Argosy."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from argosy.client import Client, follow
from argosy.core.errors import Unavailable
from tests.argosy_up import PASSWORD, Argosy, argosy, until


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Argosy]:
    with argosy(tmp_path) as running:
        yield running


@pytest.fixture
def client(up: Argosy) -> Iterator[Client]:
    with Client(up.url) as client:
        client.login("admin", PASSWORD)
        yield client


def process_of(up: Argosy, name: bytes) -> int:
    """Return the process of the hub or the agents, 0 while there is none."""
    for process in up.processes():
        with suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if b"argosy.embedded" in words and name in words:
                return process
    return 0


def kill_hub(up: Argosy) -> None:
    """Kill the hub, and return when another answers."""
    old = process_of(up, b"hub")
    os.kill(old, signal.SIGKILL)
    until(lambda: process_of(up, b"hub") not in {0, old}, what="another hub")
    until(lambda: _answers(up), what="it answers")


def _answers(up: Argosy) -> bool:
    with Client(up.url) as client, suppress(Unavailable):
        return bool(client.login("admin", PASSWORD).access)
    return False


def test_after_a_kill_who_comes_again_is_told_to_load_anew_and_what_the_job_is_now(up: Argosy, client: Client) -> None:
    (up.tree("london") / "a").write_text("a")
    job = up.send(up.tree("london"))
    up.wait(job)
    with closing(client.events(jobs=[job])) as events:
        after = next(event.id for event in events if event.type == "job")
        kill_hub(up)
        with pytest.raises(Unavailable):
            list(events)
    with closing(client.events(jobs=[job], after=after)) as events:
        told = [next(event for event in events if event.type) for _ in range(2)]
    assert (told[0].type, told[0].data) == ("reset", {"reason": "gone"})
    assert (told[1].type, told[1].data["state"], told[1].data["numfiles"]) == ("job", "SUCCESS", 2)


def test_a_job_is_followed_to_its_end_over_a_kill_of_the_hub(up: Argosy, client: Client) -> None:
    os.kill(process_of(up, b"agents"), signal.SIGSTOP)  # the job lasts until we end it
    number = up.send(up.tree("london"))
    job = follow(client, number)
    assert next(job).state == "PENDING"
    kill_hub(up)
    assert next(job).state == "PENDING"
    up.call("POST", f"/jobs/{number}/cancel/")
    *_, last = job
    assert (last.id, last.state) == (number, "CANCELLED")


def test_a_hub_that_is_stopped_ends_streams_in_order_and_is_not_kept_by_them(up: Argosy, client: Client) -> None:
    with closing(client.events(types=["job"])) as events:
        assert next(event for event in events if event.type == "reset")
        assert up.process is not None
        up.process.terminate()
        began = time.monotonic()
        assert not [event.type for event in events if event.type]  # to the end of the stream, without an error
        assert up.process.wait(60) == 0
    assert time.monotonic() - began < 4.5
    up.process = None
    assert "Exception" not in up.log.read_text()
