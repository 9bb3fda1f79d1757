"""Stubs from end to end, with whole Argosies: made, sent, filled again, and what becomes of their objects."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.stores.s3 import S3Store
from tests.argosy_up import Argosy, argosy, until

STUBS = "unguarded_stubs = true\nmin_stub_size = 4096\n"
BYTES = bytes(range(256)) * 1024


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Argosy]:
    with argosy(tmp_path, site_options=STUBS, hub_options="garbage_days = 0\n") as one:
        yield one


def written(one: Argosy, name: str, content: bytes = BYTES, *, site: str = "london") -> Path:
    path = one.tree(site) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def is_stub(path: Path, size: int = len(BYTES)) -> bool:
    found = path.stat()
    return found.st_size == size and found.st_blocks * 512 < size


def objects(one: Argosy) -> list[str]:
    """Return the keys of the files in the local store, those that were replaced included, once nobody stages more.

    An agent may be trying what the store can do, for which it puts a small object; what stays in staging fails here.
    """
    store = one.directory / "store"
    staging = store / ".argosy" / "staging"
    until(lambda: not (staging.exists() and os.listdir(staging)), what="nothing in staging")
    files = [str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()]
    beside = (".argosy/locks/", ".argosy/store/", ".argosy/probe/")
    return sorted(key for key in files if not key.endswith(".argosy-dir") and not key.startswith(beside))


def workflow(one: Argosy, name: str, *steps: dict[str, Any]) -> None:
    """Add a workflow of our own, as an administrator would."""
    rules = json.dumps([{"state": "all", "type": "all", "action": list(steps)}])
    with sqlite3.connect(one.directory / "data" / "hub" / "hub.sqlite3", timeout=30) as db:
        db.execute(
            "INSERT INTO workflows_workflow (name, label, icon_classes, filter_rules, fields, discovery,"
            " discovery_options, enabled, visible, schedule_only, allow_missing_paths)"
            " VALUES (?, ?, '[]', ?, '[]', 'recursive', '{}', 1, 1, 0, 0)",
            (name, name, rules),
        )


def collections(one: Argosy) -> list[dict[str, Any]]:
    return one.call("GET", "/gc/")["results"]


def one_ended(one: Argosy) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        return next((run for run in collections(one) if run["completed"]), None)

    return until(ended, what="a run of garbage collection ended")


def test_a_tree_becomes_stubs_and_whole_again(up):
    path, small = written(up, "a"), written(up, "small", b"few bytes")
    mtime = path.stat().st_mtime_ns
    job = up.run("migrate", up.tree("london"))
    assert (job["state"], job["numfailedfiles"]) == ("SUCCESS", 0)
    assert is_stub(path)
    assert small.read_bytes() == b"few bytes"
    assert up.run("recall", up.tree("london"))["state"] == "SUCCESS"
    assert path.read_bytes() == BYTES
    assert path.stat().st_mtime_ns == mtime


def test_the_commands_migrate_and_recall_do_so_too(up):
    path = written(up, "a")
    done = up.cli("migrate", "--site", "london", str(path))
    assert (done.returncode, "1 entry processed" in done.stdout) == (0, True), done
    assert is_stub(path)
    done = up.cli("recall", "--site", "london", str(path))
    assert (done.returncode, "1 entry processed" in done.stdout) == (0, True), done
    assert path.read_bytes() == BYTES


@pytest.mark.feature("HUB-WF-046")
def test_sending_without_the_bytes_makes_stubs_that_can_be_filled_there(up):
    path = written(up, "sub/a")
    job = up.run("send", up.tree("london"), destinationsite="dublin")
    assert job["state"] == "SUCCESS", up.files(job["id"], "failed")
    arrived = up.tree("dublin") / "sub" / "a"
    assert is_stub(arrived)
    assert not is_stub(path)
    assert objects(up) == ["projects/sub/a"]
    assert up.run("recall", arrived, site="dublin")["state"] == "SUCCESS"
    assert arrived.read_bytes() == BYTES


@pytest.mark.feature("HUB-WF-049", "HUB-WF-010")
def test_delete_file_removes_whole_trees_in_one_run_and_skips_what_is_gone(up):
    tree = written(up, "tree/sub/a").parent.parent
    assert up.run("delete_file", tree)["state"] == "FAILURE"
    assert (tree / "sub" / "a").read_bytes() == BYTES
    job = up.run("delete_file", tree, recursive=True)
    assert job["state"] == "SUCCESS", up.files(job["id"], "failed")
    assert not tree.exists()
    job = up.run("delete_file", tree)
    assert (job["state"], job["numskippedfiles"]) == ("SUCCESS", 1)


def test_reverse_stub_makes_files_of_what_lies_in_the_datastore_under_their_paths(up):
    path = written(up, "a")
    up.run("premigrate", path)
    path.unlink()
    job = up.run("reverse_stub", path)
    assert job["state"] == "SUCCESS", up.files(job["id"], "failed")
    assert is_stub(path)
    path.unlink()
    assert up.run("reverse_stub", path, hydrate=True)["state"] == "SUCCESS"
    assert path.read_bytes() == BYTES


def test_paths_that_say_where_they_were_are_moved_from_there(up):
    workflow(up, "mv", {"name": "dynamo.tasks.move_paths_on_gpfs"})
    a, b = written(up, "a", b"a"), written(up, "b", b"b")
    given = [{"path": str(a), "state": "moved", "source": str(b)}, {"path": str(b), "state": "moved", "source": str(a)}]
    body = {"workflow": "mv", "site": "london", "paths": given, "discovery": None}
    job = up.wait(up.call("POST", "/file/workflow/", json=body)["job"])
    assert job["state"] == "SUCCESS", up.files(job["id"], "failed")
    assert (a.read_bytes(), b.read_bytes()) == (b"b", b"a")


def test_stubs_are_refused_where_nothing_guards_them(tmp_path):
    with argosy(tmp_path, site_options="min_stub_size = 0\n") as one:
        path = written(one, "a")
        job = one.run("migrate", path)
        assert job["state"] == "FAILURE"
        (failed,) = one.files(job["id"], "failed")
        assert "no recall guard" in failed["reason"]
        assert path.read_bytes() == BYTES
        job = one.run("send", path, destinationsite="dublin")
        assert job["state"] == "FAILURE"
        assert not (one.tree("dublin") / "a").exists()


RECALL_AND_DELETE = {"name": "dynamo.tasks.recall", "delete_remote": True}


@pytest.mark.feature("HUB-STEP-016")
def test_a_recall_deletes_the_remote_copies_and_its_job_does_not_fail_where_that_cannot_be(up):
    workflow(up, "home", RECALL_AND_DELETE)
    paths = [written(up, "a"), written(up, "fixed")]
    up.run("migrate", *paths)
    assert objects(up) == ["projects/a", "projects/fixed"]
    fixed = up.directory / "store" / "projects" / "fixed"
    subprocess.run(["chattr", "+i", fixed], check=True)
    try:
        job = up.run("home", *paths)
        run = one_ended(up)
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert (job["state"], job["numprocessedfiles"]) == ("SUCCESS", 2)
    assert [path.read_bytes() for path in paths] == [BYTES, BYTES]
    assert "projects/a" not in objects(up)
    assert "projects/fixed" in objects(up)
    assert "1 objects could not be removed" in run["reason"]


def test_a_copy_that_another_site_has_a_stub_of_is_not_deleted(up):
    workflow(up, "home", RECALL_AND_DELETE)
    path = written(up, "a")
    up.run("migrate", path)
    up.run("send", path, destinationsite="dublin")
    arrived = up.tree("dublin") / "a"
    assert is_stub(arrived)
    up.run("home", path)
    run = one_ended(up)
    assert (run["state"], run["counts"]["spared"]) == ("DONE", {"objects": 1})
    assert objects(up) == ["projects/a"]
    assert up.run("recall", arrived, site="dublin")["state"] == "SUCCESS"
    assert arrived.read_bytes() == BYTES


def test_garbage_is_planned_and_removed_by_commands(up):
    gone, kept = written(up, "gone"), written(up, "kept")
    up.run("migrate", gone, kept)
    gone.unlink()
    planned = up.cli("gc", "plan")
    assert planned.returncode == 0, planned
    assert f"due, deleted         1 objects, {len(BYTES) // 1024}.0 KiB" in planned.stdout
    assert objects(up) == ["projects/gone", "projects/kept"]
    done = up.cli("gc", "run", "-o", "json")
    assert json.loads(done.stdout)["counts"]["removed"]["objects"] == 1
    assert objects(up) == ["projects/kept"]
    assert up.run("recall", kept)["state"] == "SUCCESS"
    assert kept.read_bytes() == BYTES


def test_what_argosy_did_not_put_into_the_store_stays_there(up):
    foreign = up.directory / "store" / "projects" / "foreign"
    foreign.parent.mkdir()
    foreign.write_bytes(b"somebody else's")
    assert up.cli("gc", "run").returncode == 0
    assert foreign.read_bytes() == b"somebody else's"


@pytest.mark.parametrize("point", ["hsm:gc", "hsm:remote_delete"])
def test_agents_that_are_killed_while_they_remove_do_no_harm(tmp_path, point):
    points = tmp_path / "points"
    points.mkdir()
    env = {"ARGOSY_FAILPOINTS": f"{point}=kill#1", "ARGOSY_FAILPOINTS_DIR": str(points)}
    with argosy(tmp_path / "up", site_options=STUBS, hub_options="garbage_days = 0\n", env=env) as one:
        workflow(one, "home", RECALL_AND_DELETE)
        gone, kept = written(one, "gone"), written(one, "kept")
        one.run("migrate", gone, kept)
        if point == "hsm:gc":
            gone.unlink()
            one.call("POST", "/gc/", json={"kind": "run"})
        else:
            one.run("home", gone)
        run = one_ended(one)
        assert (points / f"{point}.hit").exists()
        assert (run["state"], run["reason"]) == ("DONE", "")
        assert objects(one) == ["projects/kept"]
        assert one.run("recall", kept)["state"] == "SUCCESS"
        assert kept.read_bytes() == BYTES


def test_a_hub_that_is_killed_goes_on_with_its_run(up):
    gone, kept = written(up, "gone"), written(up, "kept")
    up.run("migrate", gone, kept)
    gone.unlink()
    up.call("POST", "/gc/", json={"kind": "run"})
    up.kill()
    up.start()
    assert one_ended(up)["state"] == "DONE"
    assert objects(up) == ["projects/kept"]


def test_a_root_that_cannot_be_served_stops_the_run(up):
    gone = written(up, "gone")
    up.run("migrate", gone)
    gone.unlink()
    up.stop()
    up.root("dublin").rename(up.directory / "elsewhere")
    up.start()
    done = up.cli("gc", "run")
    assert done.returncode == 1
    assert f"does not serve root {up.root('dublin')}" in done.stdout + done.stderr
    assert objects(up) == ["projects/gone"]


def test_a_second_hub_at_the_same_store_takes_nothing_of_the_first(up, tmp_path):
    path = written(up, "a")
    up.run("migrate", path)
    (tmp_path / "second").mkdir()
    shared = f'type = "POSIX"\npath = "{up.directory}/store"\n'
    with argosy(tmp_path / "second", hub_options="garbage_days = 0\n", datastore=shared) as second:
        done = second.cli("gc", "run", "-o", "json")
        assert json.loads(done.stdout)["counts"]["of another hub"]["objects"] == 1
    assert up.run("recall", path)["state"] == "SUCCESS"
    assert path.read_bytes() == BYTES


def test_after_the_loss_of_the_hubs_keys_garbage_goes_once_it_is_taken_over(up):
    gone, kept = written(up, "gone"), written(up, "kept")
    up.run("migrate", gone, kept)
    gone.unlink()
    up.stop()
    shutil.rmtree(up.directory / "data")
    up.start()
    assert up.cli("rebuild").returncode == 0
    assert up.cli("gc", "run").returncode == 0
    assert objects(up) == ["projects/gone", "projects/kept"]
    assert up.cli("gc", "run", "--take-over").returncode == 0
    assert objects(up) == ["projects/kept"]


def test_after_the_loss_of_hub_and_index_a_rebuild_finds_the_objects_again(up):
    path = written(up, "a")
    up.run("migrate", path)
    moved = path.rename(up.tree("london") / "moved away")
    up.stop()
    shutil.rmtree(up.directory / "data")
    up.start()
    job = up.run("recall", moved)
    assert job["state"] == "FAILURE"
    assert "argosy rebuild" in up.files(job["id"], "failed")[0]["reason"]
    done = up.cli("rebuild", "london")
    assert (done.returncode, "1 entry processed" in done.stdout) == (0, True), done
    assert up.run("recall", moved)["state"] == "SUCCESS"
    assert moved.read_bytes() == BYTES


def test_a_rebuild_names_the_files_whose_objects_are_nowhere(up):
    path = written(up, "a")
    up.run("migrate", path)
    os.unlink(up.directory / "store" / "projects" / "a")
    done = up.cli("rebuild")
    assert done.returncode == 1
    assert str(path) in done.stdout + done.stderr
    assert "no object of datastore cloud is the one it points to" in done.stdout + done.stderr


def test_objects_of_a_bucket_are_removed_and_found_again_alike(tmp_path, seaweedfs):
    bucket = seaweedfs.bucket()
    settings = "".join(f'{name} = "{value}"\n' for name, value in seaweedfs.settings(bucket).items())
    store = S3Store(**seaweedfs.settings(bucket))
    with argosy(
        tmp_path, site_options=STUBS, hub_options="garbage_days = 0\n", datastore=f'type = "S3"\n{settings}'
    ) as one:
        workflow(one, "home", RECALL_AND_DELETE)
        gone, home, kept = (written(one, name) for name in ("gone", "home", "kept"))
        one.run("migrate", gone, home, kept)
        gone.unlink()
        one.run("home", home)
        one_ended(one)
        assert one.cli("gc", "run").returncode == 0
        held = [found.key for found in store.list("") if not found.key.endswith(".argosy-dir")]
        assert held == ["projects/kept"]
        moved = kept.rename(one.tree("london") / "moved")
        one.stop()
        shutil.rmtree(one.directory / "data")
        one.start()
        assert one.cli("rebuild", "london").returncode == 0
        assert one.run("recall", moved)["state"] == "SUCCESS"
        assert moved.read_bytes() == BYTES
