"""`kill -9` of the whole Argosy at random moments of a job costs time, never work."""

import os
import random
import threading
from pathlib import Path

import pytest

from tests.argosy_up import ENDED, Argosy
from tests.trees import compare

FILES = 2_000
KILLS = 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1851, 1912])
def test_a_job_of_2000_files_survives_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    up = Argosy(tmp_path)
    grow(up.tree("london") / "many", chance)
    try:
        up.start()
        job = up.send(up.tree("london") / "many")
        for _ in range(KILLS):
            kill_within(up, chance.uniform(0.05, 3.0))
            up.start()
            if up.call("GET", f"/jobs/{job}/")["state"] in ENDED:
                break
        ended = up.wait(job)
        assert ended["state"] == "SUCCESS", up.files(job, "failed")[:3]
        assert ended["numfiles"] == ended["numprocessedfiles"] + ended["numskippedfiles"]
        assert ended["numfiles"] == sum(1 for _ in (up.tree("london") / "many").rglob("*")) + 1
        assert {task["state"] for task in up.tasks(job)} == {"SUCCESS"}
        assert compare(up.tree("london") / "many", up.tree("dublin") / "many") == []
        up.leaves_nothing()
    finally:
        up.kill()


def grow(top: Path, chance: random.Random) -> None:
    for number in range(FILES):
        folder = top / f"{number % 40:02}" / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}").write_bytes(chance.randbytes(chance.randrange(0, 20_000)))
    os.utime(top, ns=(10**18, 10**18 + 1))


def kill_within(up: Argosy, seconds: float) -> None:
    timer = threading.Event()
    timer.wait(seconds)
    up.kill()
