"""What a plan says is what a run then does: of every step, for files in every state."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.core.entry import Entry
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job, Plan
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.plans.told import tell
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.workflows.models import LED, Workflow
from argosy.hub.workflows.shipped import SHIPPED
from argosy.steps.base import STEPS, Planning
from tests.hub.real import RealAgent

CONTENT = bytes(range(1, 256)) * 400
OTHER = bytes(range(1, 256))[::-1] * 400


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RealAgent]:
    with RealAgent(tmp_path) as agent:
        yield agent
        subprocess.run(["chattr", "-R", "-i", str(tmp_path)], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture
def run(agent: RealAgent) -> Iterator[Callable[..., Job]]:
    """A function that takes entries through one step, or has a plan made of that."""
    Workflow.objects.create(name="one", label="one", discovery=None, allow_missing_paths=True)

    def through(step: dict[str, object], *given: Entry, dry_run: bool) -> Job:
        rules = [{"state": "all", "type": "all", "action": [step]}]
        Workflow.objects.filter(name="one").update(filter_rules=rules)
        job = submit(Asked(site="london", workflow="one", paths=list(given), dry_run=dry_run), owner=None)
        agent.run()
        job.refresh_from_db()
        return job

    yield through
    Workflow.objects.filter(name="one").delete()


def ended(job: Job) -> dict[str, str]:
    return {note.outcome.entry.path.rpartition(b"/")[2].decode(): note.state for note in JobFiles(job, None)}


def population(agent: RealAgent) -> list[Path]:
    """Make one entry in each state that there is."""
    top = agent.projects()
    for name in ("resident", "full/inside", "fixed", "program", "twin"):
        agent.made(name, CONTENT)
    os.link(top / "twin", top / "twin2")
    copied = [
        agent.made(name, CONTENT) for name in ("premigrated", "touched", "written", "before", "gone_copy", "copied")
    ]
    agent.ran("premigrate", *copied)
    agent.ran("migrate", *(agent.made(name, CONTENT) for name in ("stub", "gone_stub", "grown")))
    (top / "before").rename(top / "moved")
    os.utime(top / "touched", ns=(0, (top / "touched").stat().st_mtime_ns - 10**9))
    rewrite(top / "written")
    subprocess.run(["cp", "-a", str(top / "stub"), str(top / "stub_copy")], check=True)
    subprocess.run(["cp", "-a", str(top / "copied"), str(top / "whole_copy")], check=True)
    for name in ("gone_copy", "gone_stub"):
        (agent.shelf / "projects" / name).unlink()
    with (top / "grown").open("ab") as file:
        file.write(b"more")
    (top / "empty").mkdir()
    (top / "link").symlink_to("resident")
    (top / "program").chmod(0o4755)
    then = (top / "grown").stat().st_mtime_ns - 3600 * 10**9
    os.utime(top / "grown", ns=(then, then))
    subprocess.run(["chattr", "+i", str(top / "fixed")], check=True)
    return [top / name for name in NAMES]


NAMES = (
    "resident", "full", "empty", "link", "fixed", "program", "twin", "twin2", "premigrated", "touched", "written",
    "moved", "gone_copy", "gone_stub", "stub", "stub_copy", "whole_copy", "grown", "missing",
)  # fmt: skip


def rewrite(file: Path) -> None:
    then = file.stat().st_mtime_ns - 2 * 10**9
    file.write_bytes(OTHER)
    os.utime(file, ns=(then, then))


STEPS_AND_OPTIONS = [
    {"name": "adopt"},
    {"name": "delete_paths_from_gpfs"},
    {"name": "delete_paths_from_gpfs", "recursive": True},
    {"name": "ensure_cloud_file_exists"},
    {"name": "migrate"},
    {"name": "migrate", "premigrate": True},
    {"name": "migrate", "stub_size": 1 << 20},
    {"name": "ngenea_sync_metadata"},
    {"name": "recall"},
    {"name": "recall", "delete_remote": True},
    {"name": "remove_from_cloud"},
    {"name": "remove_location_xattrs_for_moved"},
    {"name": "reverse_stub"},
    {"name": "reverse_stub", "hydrate": True},
    {"name": "reverse_stub", "hydrate": True, "overwrite": True},
    {"name": "stat_paths"},
    {"name": "stat_paths", "skip_missing": True},
    {"name": "verify"},
    {"name": "verify", "content": True},
    {"name": "verify", "repair": True},
]


def named(step: dict[str, object]) -> str:
    return " ".join(str(value) if name == "name" else f"{name}={value}" for name, value in step.items())


@pytest.mark.parametrize("step", STEPS_AND_OPTIONS, ids=named)
def test_of_each_file_a_plan_says_what_the_run_then_does(
    agent: RealAgent, run: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, step: dict[str, object]
) -> None:
    monkeypatch.setattr("argosy.steps.ensure_cloud_file_exists.EnsureCloudFileExists.PAUSE", 0.0)
    given = [Entry(path=bytes(path)) for path in population(agent)]
    step = step | {"name": f"dynamo.tasks.{step['name']}"}
    plan = run(step, *given, dry_run=True)
    job = run(step, *given, dry_run=False)
    came_true = ended(plan).items() & ended(job).items()
    rest = {name for name in ended(plan) if name not in dict(came_true)}
    assert {name: said_of(plan)[name] for name in rest if not is_open(said_of(plan)[name])} == {}
    assert rest <= {"touched", "written", "twin", "twin2"}
    at_most = sum(line["bytes"] for line in lines(plan) if is_open(line["says"]))
    assert told(plan)["bytes"] - at_most <= job.moved_data <= told(plan)["bytes"]


def is_open(says: str) -> bool:
    """Say whether a plan claims no more than that something depends."""
    return ", if " in says or "only its bytes" in says or "another name" in says


def told(plan: Job) -> dict[str, Any]:
    return tell(Plan.objects.select_related("job__site").get(job=plan))


def lines(plan: Job) -> list[dict[str, Any]]:
    return [line for step in told(plan)["steps"] for line in step["says"]]


def said_of(plan: Job) -> dict[str, str]:
    said = {note.outcome.entry.path.rpartition(b"/")[2].decode(): note.outcome.reason for note in JobFiles(plan, None)}
    again = [line for line in lines(plan) if "another name" in line["says"]]
    if again:
        said["twin"] = said["twin2"] = again[0]["says"]  # which of them is met first depends
    return said


def test_every_step_that_a_workflow_may_have_says_what_it_would_do() -> None:
    assert [name for name in STEPS.names() if not issubclass(STEPS.get(name), Planning)] == []


def moved(agent: RealAgent) -> list[Entry]:
    """Return entries that are to get other names, and make what some of them have."""
    top = agent.projects()
    for name in ("free", "over", "taken", "late", "full/x", "over_full", "fixed"):
        agent.made(name, CONTENT)
    subprocess.run(["chattr", "+i", str(top / "fixed")], check=True)
    pairs = {"free2": "free", "taken": "over", "full": "over_full", "fixed2": "fixed", "missing2": "missing"}
    return [Entry(path=bytes(top / path), source=bytes(top / source)) for path, source in pairs.items()]


@pytest.mark.parametrize("name", ["move_paths_on_gpfs", "one_step_move_paths_on_gpfs"])
def test_of_each_move_a_plan_says_what_the_run_then_does(agent: RealAgent, run: Callable[..., Job], name: str) -> None:
    given = moved(agent)
    step = {"name": f"dynamo.tasks.{name}"}
    plan = run(step, *given, dry_run=True)
    job = run(step, *given, dry_run=False)
    assert ended(plan) | {"full": "failed"} == ended(job)
    assert is_open(said_of(plan)["full"])


def test_of_each_object_to_be_moved_a_plan_says_what_the_run_then_does(
    agent: RealAgent, run: Callable[..., Job]
) -> None:
    top = agent.projects()
    files = [agent.made(name, CONTENT) for name in ("whole", "stub", "done", "never")]
    agent.ran("premigrate", *files[:3])
    agent.ran("migrate", files[1])
    given = [Entry(path=bytes(top / f"{file.name}2"), source=bytes(file)) for file in files]
    for file in files:
        file.rename(top / f"{file.name}2")
    step = {"name": "dynamo.tasks.move_in_cloud"}
    run(step, given[2], dry_run=False)
    plan = run(step, *given, dry_run=True)
    job = run(step, *given, dry_run=False)
    assert ended(plan) == ended(job) == {
        "whole2": "processed", "stub2": "processed", "done2": "skipped", "never2": "failed"
    }  # fmt: skip
    assert told(plan)["bytes"] == job.moved_data == 2 * len(CONTENT)


def removed(agent: RealAgent) -> Path:
    """Make a tree, and remove it."""
    agent.made("dir/b", CONTENT)
    file = agent.made("dir/a", CONTENT)
    agent.ran("delete_file", file.parent, fields={"recursive": True})
    return file


def test_what_lies_in_the_trash_is_planned_to_come_back_and_does(agent: RealAgent) -> None:
    file = removed(agent)
    plan = agent.ran("trash_restore", file.parent, dry_run=True)
    assert ended(plan) == {"a": "processed", "b": "processed", "dir": "processed"}
    assert not file.exists()
    job, _ = apply(plan.pk, owner=None)
    agent.run()
    assert ended(job) == ended(plan)
    assert file.read_bytes() == CONTENT


def test_a_restore_is_planned_to_fail_where_the_name_is_taken_and_aborted_where_it_was_since(agent: RealAgent) -> None:
    file = removed(agent)
    plan = agent.ran("trash_restore", file, dry_run=True)
    agent.made("dir/a", b"somebody was quicker")
    job, _ = apply(plan.pk, owner=None)
    agent.run()
    assert ended(job) == {"a": "aborted"}
    assert file.read_bytes() == b"somebody was quicker"
    late = agent.ran("trash_restore", file, dry_run=True)
    assert ended(late) == {"a": "failed"}
    assert ended(agent.ran("trash_restore", file)) == {"a": "failed"}


def test_a_purge_that_was_planned_takes_what_lay_there_whatever_has_the_name_by_now(agent: RealAgent) -> None:
    file = removed(agent)
    assert set(ended(agent.ran("trash_list", dry_run=True)).values()) == {"processed"}
    plan = agent.ran("trash_purge", dry_run=True)
    assert said_of(plan)["a"] == "would be removed from the trash for good"
    agent.made("dir/a", b"has nothing to do with it")
    job, _ = apply(plan.pk, owner=None)
    agent.run()
    assert ended(job) == ended(plan) == {"a": "processed", "b": "processed", "dir": "processed"}
    assert agent.ran("trash_list").numfiles == 0
    assert file.read_bytes() == b"has nothing to do with it"


def test_versions_are_planned_as_the_trash_is(agent: RealAgent) -> None:
    file = agent.made("file", CONTENT)
    agent.ran("premigrate", file)
    rewrite(file)
    agent.ran("reverse_stub", file, fields={"hydrate": True, "overwrite": True})
    assert set(ended(agent.ran("versions_list", dry_run=True)).values()) == {"processed"}
    plan = agent.ran("versions_restore", file, fields={"to": f"{file}.old"}, dry_run=True)
    job, _ = apply(plan.pk, owner=None)
    agent.run()
    assert ended(job) == ended(plan) == {"file.old": "processed"}
    assert file.with_name("file.old").read_bytes() == OTHER


def test_every_workflow_that_is_shipped_can_be_planned(agent: RealAgent) -> None:
    population(agent)
    for name in {shipped["name"] for shipped in SHIPPED} - LED - {"rebuild"}:  # which does its work itself
        fields = {
            "send": {"destinationsite": "dublin"},
            "create_snapshot": {"snapshot": "mine"},
            "sync_undo": {"rounds": "none-1"},
            "sync_unlock": {"holder": "nobody"},
        }
        plan = agent.ran(name, fields=fields.get(name, {}), dry_run=True)
        assert plan.state in {"SUCCESS", "FAILURE", "SKIPPED"}
        assert not [line for line in lines(plan) if line["reason"].startswith(("a plan changes", "internal error"))]
