"""A sync that is killed at any of its named points goes on, loses nothing, and makes both sites equal."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.argosy_up import ENDED, until
from tests.flows.test_site_sync import WithFilesets, bidirectional, filesets, run_now, tree

POINTS = ["stage", "park", "after_apply", "before_base_commit"]
"""Of each place where something is kept: a store and staging, a tree twice, the hub."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory):
    one = WithFilesets(tmp_path_factory.mktemp("up"), site_options="unguarded_stubs = true\nmin_stub_size = 0\n")
    try:
        one.start()
        until(lambda: all(each["state"] == "ok" for each in filesets(one)), what="all filesets are marked")
        yield one
    finally:
        one.kill()


@pytest.fixture(scope="module")
def schedule(up: WithFilesets) -> int:
    one, _ = (up.tree(site) / "both" for site in up.sites)
    (one / "directory").mkdir()
    (one / "directory" / "inner").write_text("inner")
    for name in "abcd":
        (one / name).write_text(f"{name} at first")
    return bidirectional(up, one)


def contents(top: Path) -> set[bytes]:
    return {path.read_bytes() for path in top.rglob("*") if path.is_file() and not path.is_symlink()}


def hits(up: WithFilesets) -> Path:
    """Return a directory in which hub and agents can say that they died: the hub writes below its own alone."""
    own = up.directory / "data" / "hub"
    points = own / "points"
    points.mkdir(exist_ok=True)
    os.chown(points, own.stat().st_uid, own.stat().st_gid)
    return points


@pytest.mark.parametrize("point", POINTS)
def test_a_sync_killed_at_a_point_loses_nothing_and_converges(up: WithFilesets, schedule: int, point: str) -> None:
    one, two = (up.tree(site) / "both" for site in up.sites)
    assert run_now(up, schedule)["state"] in {"SUCCESS", "SKIPPED"}
    assert tree(one) == tree(two)
    (one / "a").rename(one / "swap")
    (one / "b").rename(one / "a")
    (one / "swap").rename(one / "b")
    (one / "c").write_text(f"changed in london before {point}")
    (one / "d").unlink()
    (one / f"new {point}").write_text(f"new for {point}")
    (two / f"there {point}").write_text(f"new in dublin for {point}")
    next(two.glob("directory*")).rename(two / f"directory {point}")
    wanted = contents(one) | {f"new in dublin for {point}".encode()}
    up.kill()
    points = hits(up)
    up.env = {"ARGOSY_FAILPOINTS": f"sync:{point}=kill#1", "ARGOSY_FAILPOINTS_DIR": str(points)}
    up.start()
    begun = up.call("POST", f"/schedules/{schedule}/run/")["jobs"][0]
    until((points / f"sync:{point}.hit").exists, what=f"sync:{point} was hit")
    up.kill()
    up.env = {}
    up.start()
    job = up.wait(begun)
    said = up.call("GET", f"/syncs/{begun}/")
    assert job["state"] in {"SUCCESS", "SKIPPED"}, (said, [task["reason"] for task in up.tasks(begun)])
    run_now(up, schedule)
    assert tree(one) == tree(two)
    assert wanted <= contents(one)
    assert run_now(up, schedule)["state"] == "SKIPPED"
    (one / "d").write_text(f"d for the one after {point}")


def agents(up: WithFilesets) -> list[int]:
    """Return the processes of the agents: they alone are root's, beside the one that looks after all."""
    assert up.process is not None
    return [each for each in up.processes() if each != up.process.pid and Path(f"/proc/{each}").stat().st_uid == 0]


def committed(up: WithFilesets, point: Path, job: int) -> None:
    """Return when the base is committed and the job has still to end: nobody rotates its snapshots meanwhile."""
    for each in agents(up):
        os.kill(each, signal.SIGSTOP)
    point.with_suffix(".go").touch()
    until(lambda: up.call("GET", f"/syncs/{job}/")["state"] == "DONE", what="the base is committed")
    assert up.call("GET", f"/jobs/{job}/")["state"] not in ENDED


@pytest.mark.parametrize("after", ["recording", "commit"])
def test_a_hub_killed_while_it_commits_tells_conflicts_once_and_has_the_base_right(
    up: WithFilesets, schedule: int, after: str
) -> None:
    one, two = (up.tree(site) / "both" for site in up.sites)
    name = f"disputed {after}"
    (one / name).write_text("at first")
    assert run_now(up, schedule)["state"] in {"SUCCESS", "SKIPPED"}
    before = up.call("GET", "/syncs/", params={"page_size": 1})["results"][0]["base"]
    (one / name).write_text("of london")
    os.utime(one / name, ns=(10**18, 10**18))
    (two / name).write_text("of dublin, later")
    up.kill()
    points = hits(up)
    point = points / "sync:before_base_commit.hit"
    for each in (point, point.with_suffix(".go")):
        each.unlink(missing_ok=True)
    action = "kill#1" if after == "recording" else "pause#1"
    up.env = {"ARGOSY_FAILPOINTS": f"sync:before_base_commit={action}", "ARGOSY_FAILPOINTS_DIR": str(points)}
    up.start()
    begun = up.call("POST", f"/schedules/{schedule}/run/")["jobs"][0]
    until(point.exists, what="conflicts are recorded, and the base is not committed")
    if after == "commit":
        committed(up, point, begun)
    up.kill()
    up.env = {}
    up.start()
    assert up.wait(begun)["state"] == "SUCCESS", up.call("GET", f"/syncs/{begun}/")
    assert up.call("GET", f"/syncs/{begun}/")["base"] == before + 1

    def told() -> list[dict[str, Any]]:
        found = up.call("GET", "/conflicts/", params={"page_size": 0})["results"]
        return [each for each in found if each["path"] == name]

    (conflict,) = told()
    assert (conflict["job"], conflict["state"]) == (begun, "OPEN")
    assert {(top / name).read_text() for top in (one, two)} == {"of dublin, later"}
    assert run_now(up, schedule)["state"] == "SKIPPED", "the base knows all of it"
    assert told() == [conflict]
    (two / conflict["other"]["path"]).unlink()
    run_now(up, schedule)
    assert not (one / conflict["other"]["path"]).exists(), "it was known to both"
    assert [(each["state"], each["kept"]) for each in told()] == [("SETTLED", "this")]
