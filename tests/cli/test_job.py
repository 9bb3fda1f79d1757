"""`argosy job`."""

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.argosy_up import Argosy, argosy


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("jobs")) as running:
        yield running


@pytest.fixture
def tree(up: Argosy, request: pytest.FixtureRequest) -> Path:
    """An empty directory at london, named after the test."""
    top = up.tree("london") / request.node.name[:60]
    top.mkdir()
    return top


@pytest.fixture
def job(up: Argosy, tree: Path) -> int:
    """A job of three files, one of them with a name that is no UTF-8."""
    for name in (b"a", b"b", b'n\xff\n,"'):
        (tree / os.fsdecode(name)).write_bytes(b"content" * 1000)
    done = up.run("premigrate", tree)
    assert done["state"] == "SUCCESS"
    return done["id"]


def test_all_files_of_a_job_are_written_to_a_file_that_did_not_exist(
    up: Argosy, job: int, tree: Path, tmp_path
) -> None:
    wanted = {bytes(tree), *(os.fsencode(path) for path in tree.iterdir())}
    for name in ("files.csv", "files.json"):
        run = up.cli("job", "download", str(job), str(tmp_path / name))
        assert (run.returncode, run.stderr) == (0, "")
    with (tmp_path / "files.csv").open(newline="", encoding="utf-8") as file:
        assert {exact(row) for row in csv.DictReader(file)} == wanted
    assert {exact(row) for row in json.loads((tmp_path / "files.json").read_bytes())} == wanted
    again = up.cli("job", "download", str(job), str(tmp_path / "files.csv"))
    assert (again.returncode, again.stderr.count("exists")) == (1, 1)
    shown = up.cli("job", "download", str(job), "-", "--category", "failed")
    assert (shown.returncode, shown.stdout) == (0, "[]\n")
    odd = up.cli("job", "download", str(job), str(tmp_path / "files.txt"))
    assert (odd.returncode, "ends in neither .json nor .csv" in odd.stderr) == (1, True)
    assert up.cli("job", "download", str(job), str(tmp_path / "files.txt"), "--format", "csv").returncode == 0
    missing = up.cli("job", "download", "999999", str(tmp_path / "none"), "--format", "json")
    assert (missing.returncode, missing.stderr) == (1, "argosy: there is no job 999999\n")
    assert not (tmp_path / "none").exists()


def exact(row: dict[str, str]) -> bytes:
    from argosy.core.paths import from_json

    return from_json(row["path"], row.get("path_b64") or None)


def test_jobs_are_listed_by_state_workflow_and_path(up: Argosy, job: int, tree: Path) -> None:
    def listed(*words: str | bytes, **more: Path) -> list[int]:
        run = up.cli("job", "list", "--output", "json", *words, **more)
        assert run.returncode == 0, run.stderr
        return [json.loads(line)["id"] for line in run.stdout.splitlines()]

    assert listed("--path", str(tree)) == [job]
    for spelling in (f"{tree.name}/", f"./{tree.name}", f"{tree.name}/../{tree.name}"):
        assert listed("--path", spelling, cwd=tree.parent) == [job]
    assert listed("--path", ".", cwd=tree) == [job]
    assert listed("--path", os.fsencode(tree) + b"\xff") == []
    assert up.cli("job", "list", "--path", "").returncode == 1
    assert listed("--path", str(tree), "--state", "FAILURE", "--state", "SUCCESS") == [job]
    assert listed("--path", str(tree), "--state", "FAILURE") == []
    assert listed("--path", str(tree), "--workflow", "recall") == []


def test_tasks_of_a_job_are_listed(up: Argosy, job: int) -> None:
    run = up.cli("job", "tasks", str(job))
    assert run.returncode == 0
    assert "dynamo.tasks.migrate" in run.stdout
    lines = up.cli("job", "tasks", str(job), "--state", "SUCCESS", "--output", "json").stdout.splitlines()
    assert {json.loads(line)["state"] for line in lines} == {"SUCCESS"}
    assert up.cli("job", "tasks", str(job), "--state", "PENDING").stdout == ""
    nobody = up.cli("job", "tasks", "999999")
    assert (nobody.returncode, nobody.stderr) == (1, "argosy: there is no job 999999\n")


def test_files_of_a_job_are_told_to_programs_with_all_that_is_known_of_them(up: Argosy, job: int) -> None:
    lines = up.cli("job", "files", str(job), "--output", "json").stdout.splitlines()
    told = {exact(json.loads(line)): json.loads(line) for line in lines}
    wanted = up.call("GET", f"/jobs/{job}/files/")["results"]
    assert told.keys() == {exact(one) for one in wanted}
    for one in wanted:
        assert one.items() <= told[exact(one)].items()


def test_a_job_that_nobody_can_do_says_so_where_one_looks(up: Argosy, tmp_path: Path) -> None:
    up.call("POST", "/sites/", json={"name": "york", "roots": [str(tmp_path)]})
    body = {"workflow": "stat", "site": "york", "paths": [str(tmp_path)]}
    job = up.call("POST", "/file/workflow/", json=body)["job"]
    waits = rf"(?m)^waiting: No agent serves the site now: no node serves site york: .*; see `argosy explain {job}`$"
    assert re.search(waits, up.cli("job", "show", str(job)).stdout)


def test_a_job_is_resubmitted_and_removed(up: Argosy, job: int) -> None:
    run = up.cli("job", "resubmit", str(job))
    assert run.returncode == 0, run.stderr
    assert "skipped" in run.stdout
    other = int(run.stdout.split()[1])
    again = up.cli("job", "resubmit", str(job))
    assert f"Job {other} did that a moment ago" in again.stderr
    nothing = up.cli("job", "resubmit", str(job), "--failed")
    assert (nothing.returncode, nothing.stderr.count("no file of it failed or was aborted")) == (1, 1)
    gone = up.cli("job", "delete", str(job), str(other), "999999")
    assert gone.returncode == 3
    assert gone.stdout == f"Job {job} is removed\nJob {other} is removed\n"
    assert gone.stderr == "argosy: there is no job 999999\n"
    assert up.cli("job", "show", str(job)).returncode == 1


def test_a_job_that_has_not_ended_is_neither_resubmitted_nor_removed(up: Argosy, tree: Path) -> None:
    job = up.call("POST", "/jobs/", json={"jobtype": "premigrate", "site": "london", "paths": [str(tree)]})["id"]
    for words in (["delete"], ["resubmit"], ["resubmit", "--failed"]):
        run = up.cli("job", words[0], str(job), *words[1:])
        assert (run.returncode, run.stdout) == (1, "")
        assert re.fullmatch(rf"argosy: job {job} has not ended \(PENDING\): .*\n", run.stderr)
    assert up.cli("job", "cancel", str(job)).stdout == f"Job {job} is being cancelled\n"
    assert up.cli("job", "delete", str(job)).returncode == 0
