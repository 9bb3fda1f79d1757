"""Workflows over what changed in a fileset, in a whole Argosy."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import documented
from tests.argosy_up import Argosy, until
from tests.documented import made_of
from tests.mirroring import MIRROR, Person, looked, rule
from tests.trees import compare

FILESETS = (
    "example",
    "mirror",
    "rotation",
    "errors",
    "cancelled",
    "locked",
    "planned",
    "forced",
    "histories",
    "byhand",
)
SPELLED = MIRROR | {"name": "spelled", "discovery_options": {"condense_moves": False}}
FOLLOW = [
    {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
    {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": True, "abort_missing": True},
    {"name": "dynamo.tasks.reverse_stub", "site": "*destinationsite", "overwrite": True, "hydrate": True},
]
CHECKED = {
    "name": "dynamo.tasks.check_sync_state",
    "site": "*destinationsite",
    "sync_preference": "newest",
    "abort_outdated": "*abort",
}
BY_HAND = {
    "name": "byhand",
    "label": "What the manual says of site_sync, written by hand",
    "discovery": "snapdiff",
    "fields": [
        {"name": "destinationsite", "label": "To", "type": "enum[site]"},
        {"name": "abort", "label": "Abort", "type": "bool", "default": False},
    ],
    "filter_rules": [
        rule("created", {"name": "dynamo.tasks.filter_snapshot_results"}, *FOLLOW),
        rule("updated", {"name": "dynamo.tasks.filter_snapshot_results"}, CHECKED, *FOLLOW),
        rule("moved", {"name": "dynamo.tasks.move_paths_on_gpfs", "site": "*destinationsite"}),
        rule("deleted", {"name": "dynamo.tasks.delete_paths_from_gpfs", "site": "*destinationsite"}),
    ],
}
EXAMPLE = made_of("example", documented.CREATED_ONLY, fields=(documented.TARGET,)) | {"discovery": "snapdiff"}


class WithFilesets(Argosy):
    """An Argosy whose site london has filesets."""

    def write_config(self) -> None:
        super().write_config()
        tops = [self.tree("london") / name for name in FILESETS]
        for top in tops:
            top.mkdir(exist_ok=True)
        told = "".join(f'[[sites.filesets]]\nname = "{top.name}"\npath = "{top}"\n' for top in tops)
        first, then = self.config.read_text().split("[[sites.links]]", 1)
        self.config.write_text(f"{first}{told}[[sites.links]]{then}")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    one = WithFilesets(tmp_path_factory.mktemp("up"), site_options="unguarded_stubs = true\nmin_stub_size = 0\n")
    try:
        one.start()
        for definition in (MIRROR, SPELLED, EXAMPLE, BY_HAND):
            one.call("POST", "/workflows/", json=definition)
        yield one
    finally:
        one.kill()


@pytest.fixture
def top(up: Argosy, request: pytest.FixtureRequest) -> Path:
    """The top of the fileset that the test names."""
    return up.tree("london") / str(request.param)


def begin(up: Argosy, top: Path, workflow: str = "mirror", **more: Any) -> int:
    sent = {"workflow": workflow, "site": "london", "paths": [str(top)], **more}
    return int(up.call("POST", "/file/workflow/", json=sent)["job"])


def ended(up: Argosy, top: Path, workflow: str = "mirror", **more: Any) -> dict[str, Any]:
    return up.wait(begin(up, top, workflow, **more))


def last(up: Argosy, top: Path) -> str:
    (file,) = up.root("london").glob(f".rotate/ngenea-worker.lastsnap.name.{top.name}.id.*")
    return file.read_text().strip()


def told(up: Argosy, job: dict[str, Any]) -> str:
    return f"{job} {up.files(job['id'], 'failed')[:5]} {up.tasks(job['id'])}"


@pytest.mark.parametrize("top", ["example"], indirect=True)
@pytest.mark.feature("HUB-SYNC-057")
def test_the_manuals_rule_sends_created_files_but_temporary_ones(up: Argosy, top: Path) -> None:
    there = up.tree("dublin") / top.name
    (top / "d").mkdir()
    for name in ("a.exr", "d/b.exr", "c.temp"):
        (top / name).write_bytes(b"x" * 9000)
    job = ended(up, top, "example", fields={"target_site": "dublin"})
    assert (job["state"], job["numfiles"]) == ("SUCCESS", 2), told(up, job)
    assert sorted(path.name for path in there.rglob("*.*")) == ["a.exr", "b.exr"]
    (top / "a.exr").write_bytes(b"y")
    (top / "e.exr").write_bytes(b"z")
    job = ended(up, top, "example", fields={"target_site": "dublin"})
    assert (job["state"], job["numfiles"]) == ("SUCCESS", 1), told(up, job)
    assert (there / "e.exr").exists()
    job = ended(up, top, "example", fields={"target_site": "dublin"})
    assert (job["state"], job["numfiles"]) == ("SKIPPED", 0)


@pytest.mark.parametrize("top", ["mirror"], indirect=True)
@pytest.mark.feature("HUB-SYNC-057")
def test_rules_by_state_carry_what_changed_to_another_site(up: Argosy, top: Path) -> None:
    there = up.tree("dublin") / top.name
    (top / "d/s").mkdir(parents=True)
    for name in ("a", "b", "c", "d/e", "d/s/f"):
        (top / name).write_text(name)
    job = ended(up, top)
    assert job["state"] == "SUCCESS", told(up, job)
    assert [each for each in compare(top, there) if not each.startswith("b'.'")] == [], "but for the top"
    (top / "a").write_text("another")
    (top / "b").rename(top / "bb")
    (top / "c").unlink()
    (top / "d").rename(top / "dd")
    (top / "new").write_text("new")
    job = ended(up, top)
    assert (job["state"], job["numfiles"]) == ("SUCCESS", 5), told(up, job)
    assert sorted(path.name for path in there.rglob("*")) == sorted(path.name for path in top.rglob("*"))
    assert (there / "a").read_text() == "another"
    (top / "dd").rename(top / "ddd")
    job = ended(up, top, "spelled")
    assert job["numfiles"] == 4, told(up, job)


@pytest.mark.parametrize("top", ["byhand"], indirect=True)
@pytest.mark.feature("HUB-STEP-027", "HUB-STEP-028", "HUB-SYNC-032")
def test_a_sync_written_by_hand_sends_what_the_other_site_has_not_or_has_older(up: Argosy, top: Path) -> None:
    there = up.tree("dublin") / top.name
    fields = {"destinationsite": "dublin"}
    (top / "d").mkdir()
    for name in ("ours", "theirs", "same", "d/e"):
        (top / name).write_text(name * 1000)
    job = ended(up, top, "byhand", fields=fields)
    assert job["state"] == "SUCCESS", told(up, job)
    (top / "ours").write_text("changed in london")
    for tree, newer in ((top, 0), (there, 1)):
        for name, content in (("theirs", f"by {newer}"), ("same", "the same")):
            (tree / name).write_text(content)
            os.utime(tree / name, ns=(time := 10**18 + newer * (name == "theirs"), time))
    (top / "d").rename(top / "dd")
    job = ended(up, top, "byhand", fields=fields)
    assert job["state"] == "SUCCESS", told(up, job)
    assert looked(there) == looked(top) | {"theirs": b"by 1"}
    said = {Path(file["path"]).name: file["reason"] for file in up.files(job["id"], "skipped")}
    assert said == {"theirs": "dublin has a newer one", "same": "is the same at dublin"}
    steps = {(task["site"], task["tasktype"].rpartition(".")[2]) for task in up.tasks(job["id"])}
    assert steps >= {("dublin", "stat_paths"), ("london", "check_sync_state"), ("dublin", "reverse_stub")}
    (top / "same").touch()
    os.utime(top / "same", ns=(1, 1))
    job = ended(up, top, "byhand", fields=fields | {"abort": True})
    assert (job["state"], job["numabortedfiles"]) == ("SUCCESS", 1), told(up, job)


@pytest.mark.parametrize("top", ["rotation"], indirect=True)
@pytest.mark.feature("HUB-SYNC-023")
def test_snapshots_rotate_at_the_end_of_a_job_although_files_failed(up: Argosy, top: Path) -> None:
    (top / "a").write_text("a")
    assert ended(up, top)["state"] == "SUCCESS"
    first = last(up, top)
    refused(up, top)
    job = ended(up, top)
    assert job["state"] == "FAILURE", told(up, job)
    assert last(up, top) > first
    assert "dynamo.tasks.rotate_snapshot" in {task["tasktype"] for task in up.tasks(job["id"])}
    assert ended(up, top)["state"] == "SKIPPED", "what failed is not found again"
    (index,) = [path for path in up.root("london").glob(".argosy/snapshots/*/*.parquet") if path.stem == last(up, top)]
    assert len(list(index.parent.iterdir())) == 2, "an index, and the note that it rotates"


@pytest.mark.parametrize("top", ["errors"], indirect=True)
@pytest.mark.feature("HUB-SYNC-024")
def test_where_it_is_so_wished_they_rotate_only_when_all_went_well(up: Argosy, top: Path) -> None:
    (top / "a").write_text("a")
    wish = {"fields": {"snapdiff_rotate_on_error": False}}
    assert ended(up, top, **wish)["state"] == "SUCCESS"
    first = last(up, top)
    obstacle = refused(up, top)
    for _ in range(2):
        job = ended(up, top, **wish)
        assert (job["state"], job["numfailedfiles"]) == ("FAILURE", 1), told(up, job)
        assert last(up, top) == first
    shutil.rmtree(obstacle)
    job = ended(up, top, **wish)
    assert job["state"] == "SUCCESS", told(up, job)
    assert last(up, top) > first


def refused(up: Argosy, top: Path) -> Path:
    """Make a file that cannot be sent, since a directory that holds something has its name; return that."""
    obstacle = up.tree("dublin") / top.name / "b"
    (obstacle / "c").mkdir(parents=True)
    (top / "b").write_text("b")
    return obstacle


@pytest.mark.parametrize("top", ["cancelled"], indirect=True)
def test_a_cancelled_job_lets_go_of_the_lock_and_the_next_finds_all_of_it_again(up: Argosy, top: Path) -> None:
    for number in range(1000):
        (top / f"{number}").write_text("x")
    job = begin(up, top)
    until(lambda: up.call("GET", f"/jobs/{job}/")["numprocessedfiles"], what="something processed", every=0.01)
    up.call("POST", f"/jobs/{job}/cancel/")
    until(lambda: not list(up.root("london").glob(f".rotate/*{top.name}*.lock")), what="the lock gone")
    rotated = [task for task in up.tasks(job) if task["tasktype"] == "dynamo.tasks.rotate_snapshot"]
    assert len(rotated) == 1
    assert up.call("GET", f"/jobs/{job}/")["state"] == "CANCELLED"
    (top / "more").write_text("more")
    after = ended(up, top)
    assert after["state"] == "SUCCESS", told(up, after)
    assert after["numfiles"] == 1001


@pytest.mark.parametrize("top", ["locked"], indirect=True)
@pytest.mark.feature("HUB-SYNC-026")
def test_a_job_fails_while_another_is_under_way_in_the_fileset(up: Argosy, top: Path) -> None:
    ended(up, top)
    (last_file,) = up.root("london").glob(f".rotate/ngenea-worker.lastsnap.name.{top.name}.id.*")
    lock = last_file.with_name(f"snapdiff.{last_file.name.removeprefix('ngenea-worker.lastsnap.')}.lock")
    lock.write_text("another")
    job = ended(up, top)
    assert job["state"] == "FAILURE"
    (task,) = [task for task in up.tasks(job["id"]) if task["tasktype"] == "dynamo.tasks.snapdiff"]
    said = "SnapdiffLockError: Could not perform snapdiff as one is currently running for provided fileset"
    assert said in str(up.call("GET", f"/tasks/{task['taskid']}/"))
    assert lock.exists()
    lock.unlink()
    assert ended(up, top)["state"] == "SKIPPED"


@pytest.mark.parametrize("top", ["histories"], indirect=True)
def test_what_depends_on_each_other_comes_in_its_order_though_all_is_killed_meanwhile(up: Argosy, top: Path) -> None:
    there = up.tree("dublin") / top.name
    person = Person(top, random.Random(7))
    person.work(40)
    for killed in (False, True, False, True):
        job = begin(up, top)
        if killed:
            until(lambda job=job: up.call("GET", f"/jobs/{job}/")["state"] == "STARTED", what="begun", every=0.01)
            up.kill()
            up.start()
        ended_as = up.wait(job)
        assert ended_as["state"] == "SUCCESS", f"{person.told} {told(up, ended_as)} {up.files(job, 'aborted')}"
        assert ended_as["numabortedfiles"] == 0, up.files(job, "aborted")
        assert looked(there) == looked(top), person.told
        person.told.clear()
        person.work(8)
        (top / "last").write_text(str(job))


@pytest.mark.parametrize("top", ["planned"], indirect=True)
def test_a_plan_takes_no_snapshot(up: Argosy, top: Path) -> None:
    said = up.call("POST", "/file/workflow/", ok=False, json={
        "workflow": "mirror", "site": "london", "paths": [str(top)], "dry_run": True,
    })  # fmt: skip
    assert "takes a snapshot" in said.text


@pytest.mark.parametrize("top", ["forced"], indirect=True)
@pytest.mark.feature("HUB-SYNC-022")
def test_a_snapshot_taken_by_hand_is_where_the_next_run_begins(up: Argosy, top: Path) -> None:
    assert ended(up, top)["state"] == "SKIPPED"
    (top / "before").write_text("x")
    taken = up.cli("fileset", "snapshot", top.name, "mine")
    assert taken.returncode == 0, taken.stderr
    (top / "after").write_text("x")
    (file,) = up.root("london").glob(f".rotate/ngenea-worker.lastsnap.name.{top.name}.id.*")
    file.write_text("mine\n")
    job = ended(up, top)
    assert (job["state"], job["numfiles"]) == ("SUCCESS", 1), told(up, job)
    assert (up.tree("dublin") / top.name / "after").exists()
    again = up.cli("fileset", "snapshot", top.name, "mine")
    assert again.returncode != 0
    assert "already" in again.stdout + again.stderr
