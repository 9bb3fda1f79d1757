"""A job that is cancelled at a random moment leaves no task behind and nothing half done, and can be done again."""

import os
import random
from pathlib import Path

import pytest

from tests.argosy_up import ENDED, Argosy, argosy, until
from tests.trees import compare

FILES = 400
ROUNDS = 3


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1488])
def test_a_job_cancelled_at_random_moments_leaves_no_task_and_nothing_half_done(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    seen = set()
    with argosy(tmp_path) as up:
        for number in range(ROUNDS):
            source, target = (up.tree(site) / f"round-{number}" for site in ("london", "dublin"))
            contents = grow(source, chance)
            job = up.send(source)
            cancelled_after(up, job, chance.randrange(FILES))
            seen.add(check_nothing_left(up, job, target, contents))
            again = up.wait(up.call("POST", f"/jobs/{job}/resubmit/")["id"])
            assert again["state"] == "SUCCESS", up.files(again["id"], "failed")[:3]
            assert compare(source, target) == []
            up.leaves_nothing()
    assert "CANCELLED" in seen


def grow(top: Path, chance: random.Random) -> dict[str, bytes]:
    top.mkdir()
    contents = {f"file-{number}": chance.randbytes(chance.randrange(1, 20_000)) for number in range(FILES)}
    for name, content in contents.items():
        (top / name).write_bytes(content)
    os.utime(top, ns=(10**18, 10**18 + 1))
    return contents


def cancelled_after(up: Argosy, job: int, files: int) -> None:
    """Cancel the job, twice, as soon as so many files are done."""

    def far_enough() -> bool:
        seen = up.call("GET", f"/jobs/{job}/")
        return seen["numprocessedfiles"] >= files or seen["state"] in ENDED

    until(far_enough, what=f"{files} files of job {job} done", every=0.01)
    states = [up.call("POST", f"/jobs/{job}/cancel/")["state"] for _ in range(2)]
    assert states[0] == states[1] in {"CANCELLED", "SUCCESS"}


def check_nothing_left(up: Argosy, job: int, target: Path, contents: dict[str, bytes]) -> str:
    ended = up.call("GET", f"/jobs/{job}/")
    counts = ("processed", "skipped", "failed", "aborted", "cancelled")
    assert ended["numfiles"] == sum(ended[f"num{name}files"] for name in counts)
    assert up.call("GET", "/tasks/", params={"job_id": job, "state": "PENDING,STARTED"})["count"] == 0
    up.leaves_nothing()
    for path in target.iterdir() if target.exists() else ():
        assert path.read_bytes() == contents[path.name], path
    return ended["state"]
