"""A sync that is killed at any of its named points goes on, loses nothing, and makes both sites equal."""

import os
from pathlib import Path

import pytest

from tests.argosy_up import until
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
