"""Explanations and plans as somebody sees them at the command line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.argosy_up import Argosy, argosy, until

CONTENT = bytes(range(1, 256)) * 400
STUBS = "unguarded_stubs = true\nmin_stub_size = 0\n"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("explained"), site_options=STUBS) as one:
        yield one


def made(up: Argosy, name: str) -> Path:
    file = up.tree("london") / name
    file.write_bytes(CONTENT)
    then = file.stat().st_mtime_ns - 3600 * 10**9
    os.utime(file, ns=(then, then))
    return file


def test_a_plan_is_shown_and_applied_and_what_it_did_not_see_stays(up: Argosy) -> None:
    file, late = made(up, "file"), up.tree("london") / "late"
    shown = up.cli("plan", "migrate", str(up.tree("london")), "--site", "london")
    assert shown.returncode == 0, shown.stderr
    number = shown.stdout.split()[1].rstrip(":")
    takes = "(99.6 KiB in size, 99.6 KiB to move, requests: 1)"
    assert f"1 entry  would copy it to datastore cloud and free its blocks {takes}" in shown.stdout
    assert f"Do it with `argosy apply {number}`" in shown.stdout
    assert file.stat().st_blocks * 512 >= len(CONTENT)
    for command in ("show", "watch", "resubmit"):
        said = up.cli("job", command, number).stdout
        assert "SUCCESS: 2 entries to deal with" in said
        assert "nothing was changed: see it with `argosy apply --show" in said
        assert " 0 B moved" not in said
    made(up, "late")
    done = up.cli("apply", number)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_blocks * 512 <= 4096
    assert late.stat().st_blocks * 512 >= len(CONTENT)
    told = json.loads(up.cli("apply", "--show", number, "-o", "json").stdout)
    job = int(done.stdout.split()[1])
    assert (told["complete"], told["applied"]) == (True, job)
    for command in (("explain", number), ("job", "show", number)):
        said = up.cli(*command).stdout
        assert f"job {job} applied it" in said
        assert "do it with" not in said
    assert f"job {job} is no plan" in up.cli("apply", str(job)).stderr


def test_a_plan_with_nothing_to_do_is_applied_by_doing_nothing_and_ends_as_the_plan_did(up: Argosy) -> None:
    file = made(up, "idle")
    up.run("premigrate", file)
    planned = up.cli("plan", "premigrate", str(file), "--site", "london")
    number = planned.stdout.split()[1].rstrip(":")
    applied = up.cli("apply", number)
    assert (applied.returncode, applied.stdout) == (0, f"Plan {number} has nothing to do\n")
    assert planned.returncode == 0
    assert json.loads(up.cli("apply", number, "-o", "json").stdout)["applied"] is None
    missing = up.cli("plan", "premigrate", f"{file}-not", "--site", "london")
    number = missing.stdout.split()[1].rstrip(":")
    applied = up.cli("apply", number)
    assert (applied.returncode, missing.returncode) == (1, 1)
    assert (
        applied.stdout == f"Plan {number} has nothing to do; 1 entry in trouble, see `argosy apply --show {number}`\n"
    )


def test_a_plan_for_which_no_rule_takes_anything_says_how_much_was_found(up: Argosy) -> None:
    planned = up.cli("plan", "premigrate", str(made(up, "left")), "--site", "london", "--exclude", "*")
    assert planned.returncode == 0, planned.stderr
    number = planned.stdout.split()[1].rstrip(":")
    assert f"1 entry was found, and no rule is for any: see `argosy explain {number}`" in planned.stdout


def test_an_explanation_names_cause_example_and_remedy_for_a_job_and_for_a_path(up: Argosy) -> None:
    file = made(up, "forged")
    os.setxattr(file, "trusted.argosy", b"\1what anybody writes")
    job = up.run("premigrate", file)["id"]
    told = up.cli("explain", str(job))
    assert told.returncode == 0, told.stderr
    assert f"Job {job} (premigrate at london) failed, at least in part: what the inode says" in told.stdout
    assert f"such as  {file}: " in told.stdout
    assert "to do    Find out who wrote it" in told.stdout
    of_path = up.cli("explain", str(file))
    assert "such as" in of_path.stdout
    assert f"job {job} at london: migrate failed" in of_path.stdout
    assert json.loads(up.cli("explain", str(job), "-o", "json").stdout)["causes"][0]["cause"] == "forged"
    assert up.cli("explain", "4711").returncode == 1


def test_a_site_that_no_agent_serves_is_told_from_one_that_is_served(up: Argosy) -> None:
    root = up.directory / "paris"
    root.mkdir()
    up.call("POST", "/sites/", json={"name": "paris", "roots": [str(root)]})
    asked = {"workflow": "stat", "site": "paris", "paths": [str(root)]}
    job = up.call("POST", "/file/workflow/", json=asked)["job"]
    first = until(lambda: up.call("GET", f"/jobs/{job}/explain/")["causes"])[0]
    assert (first["cause"], first["reason"]) == (
        "no_agent",
        "no node serves site paris: none ever was heard",
    )
    up.call("POST", f"/jobs/{job}/cancel/")
    assert up.call("GET", f"/jobs/{job}/explain/")["causes"][0]["cause"] == "cancelled"


def test_a_root_that_was_replaced_is_said_to_be_refused_once_the_agent_has_looked(tmp_path: Path) -> None:
    with argosy(tmp_path, sites=("london",)) as up:
        up.stop()
        up.root("london").rename(tmp_path / "unmounted")
        up.tree("london").mkdir(parents=True)
        up.start()
        asked = {"workflow": "stat", "site": "london", "paths": [str(up.tree("london"))]}
        job = up.call("POST", "/file/workflow/", json=asked)["job"]
        causes = until(lambda: [one["cause"] for one in up.call("GET", f"/jobs/{job}/explain/")["causes"]])
        until(lambda: up.call("GET", f"/jobs/{job}/explain/")["causes"][0]["cause"] == "root_refused", what=str(causes))
