"""Plans say what would be done and change nothing; applied they do that, and leave alone what has changed since."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job, Plan
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.plans.told import tell
from argosy.hub.jobs.services import cancel
from argosy.hub.sites.models import Site, SiteLink
from argosy.hub.workflows.models import Workflow
from tests.hub.real import RealAgent
from tests.trees import MiB

CONTENT = bytes(range(1, 256)) * 400
SEND = {"destinationsite": "dublin", "hydrate": True}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RealAgent]:
    with RealAgent(tmp_path) as agent:
        yield agent


@pytest.fixture
def workflow() -> Iterator[Callable[..., str]]:
    """A function that makes a workflow of one chain of steps, gone after the test."""
    made: list[str] = []

    def make(*steps: dict[str, object], discovery: str | None = "recursive") -> str:
        name = f"own{len(made)}"
        rules = [{"state": "all", "type": "all", "action": list(steps)}]
        Workflow.objects.create(name=name, label=name, discovery=discovery, filter_rules=rules)
        made.append(name)
        return name

    yield make
    Workflow.objects.filter(name__in=made).delete()


def planned(agent: RealAgent, name: str, *paths: Path, **more: object) -> Job:
    """Make a plan, and see to it that it changed nothing at all."""
    before = everything(agent)
    job = agent.ran(name, *paths, dry_run=True, **more)
    assert everything(agent) == before
    return job


def everything(agent: RealAgent) -> dict[str, object]:
    """Return all that there is: both trees with what is kept in them, the store, and what the agents remember."""
    found: dict[str, object] = {}
    for top in (*agent.roots.values(), agent.shelf):
        for path in [top, *sorted(top.rglob("*"))]:
            found[str(path)] = described(path)
    for site, place in agent.places.items():
        place.index.flush()
        with place.index._lock:
            found[f"index of {site}"] = list(place.index._db.iterdump())
    return found


def described(path: Path) -> tuple[object, ...]:
    """Return all of one entry but when it was read."""
    stat = path.lstat()
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
    times = (stat.st_mtime_ns, stat.st_ctime_ns)
    return (
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
        stat.st_ino,
        stat.st_nlink,
        stat.st_size,
        times,
        stat.st_blocks,
        xattrs,
        content,
    )


def said(job: Job) -> list[tuple[str, str, str, int, int]]:
    """Return what each step would do, to how many files, with how many bytes."""
    told = tell(Plan.objects.select_related("job__site").get(job=job))
    return [
        (step["step"].rpartition(".")[2], one["state"], one["says"], one["files"], one["bytes"])
        for step in told["steps"]
        for one in step["says"]
    ]


def applied(agent: RealAgent, plan: Job) -> Job:
    job, new = apply(plan.pk, owner=None)
    assert new
    agent.run()
    job.refresh_from_db()
    return job


def ended(job: Job) -> dict[str, list[str]]:
    """Return what became of the files of a job."""
    found: dict[str, list[str]] = {}
    for note in JobFiles(job, None):
        found.setdefault(note.state, []).append(note.outcome.entry.path.rpartition(b"/")[2].decode())
    return {state: sorted(names) for state, names in found.items()}


def is_freed(path: Path) -> bool:
    """Say whether the file has no blocks but perhaps one for its attributes."""
    return path.stat().st_blocks * 512 <= 4096


def test_a_plan_of_migrate_says_of_each_file_what_would_become_of_it(agent: RealAgent) -> None:
    agent.ran("migrate", agent.made("stub", CONTENT))
    agent.ran("premigrate", agent.made("premigrated", CONTENT))
    for name in ("a", "b"):
        agent.made(name, CONTENT)
    with agent.made("busy", CONTENT).open("r+b"):
        job = planned(
            agent, "migrate", *(agent.projects() / name for name in ("stub", "premigrated", "a", "b", "busy"))
        )
    assert said(job) == [
        ("migrate", "processed", "would copy it to datastore cloud and free its blocks", 2, 2 * len(CONTENT)),
        ("migrate", "processed", "would free its blocks: its copy is there", 1, 0),
        ("migrate", "skipped", "is a stub already", 1, 0),
        ("migrate", "aborted", "somebody uses the file right now", 1, 0),
    ]
    assert (job.state, job.moved_data) == ("SUCCESS", 0)


def test_a_plan_that_is_applied_does_exactly_that_and_nothing_to_the_rest(agent: RealAgent) -> None:
    agent.ran("migrate", agent.made("stub", CONTENT))
    files = [agent.made(name, CONTENT) for name in "ab"]
    plan = planned(agent, "migrate", agent.projects())
    late = agent.made("late", CONTENT)
    job = applied(agent, plan)
    assert job.state == "SUCCESS"
    assert ended(job) == {"processed": ["a", "b", "projects"]}
    assert all(map(is_freed, files))
    assert not is_freed(late)
    assert "trusted.argosy" not in os.listxattr(late)
    assert Plan.objects.get(job=plan).applied == job


@pytest.mark.parametrize("what", ["content", "time", "mode", "replaced", "gone"])
def test_an_entry_that_drifted_is_aborted_with_the_reason_and_all_else_is_done(agent: RealAgent, what: str) -> None:
    drifted, other = agent.made("drifted", CONTENT), agent.made("other", CONTENT)
    plan = planned(agent, "migrate", drifted, other)
    drift(drifted, what)
    before = described(drifted) if drifted.exists() else None
    job = applied(agent, plan)
    assert ended(job) == {"processed": ["other"], "aborted": ["drifted"]}
    assert (described(drifted) if drifted.exists() else None) == before
    (note,) = JobFiles(job, FileState.ABORTED)
    assert "since it was planned: plan again" in note.outcome.reason
    assert note.outcome.error == "drifted"


def drift(path: Path, what: str) -> None:
    stat = path.stat()
    if what == "content":
        with path.open("r+b") as file:
            file.write(b"new")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # only its ctime tells
    elif what == "time":
        os.utime(path)
    elif what == "mode":
        path.chmod(0o600)
    elif what == "replaced":
        other = path.with_name("new")
        other.write_bytes(path.read_bytes())
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        other.replace(path)
    else:
        path.unlink()


def test_a_plan_applied_twice_does_nothing_the_second_time(agent: RealAgent) -> None:
    file = agent.made("file", CONTENT)
    plan = planned(agent, "migrate", file)
    first, new = apply(plan.pk, owner=None)
    again, newer = apply(plan.pk, owner=None)
    assert (new, newer, again.pk) == (True, False, first.pk)
    agent.run()
    before = described(file)
    second = applied(agent, plan)
    assert second.pk != first.pk
    assert ended(second) == {"aborted": ["file"]}
    assert described(file) == before


def test_a_plan_of_recall_says_which_bytes_would_come_and_which_are_lost(agent: RealAgent) -> None:
    files = [agent.made(name, CONTENT) for name in ("stub", "lost", "whole")]
    agent.ran("migrate", *files[:2])
    (agent.shelf / "projects" / "lost").unlink()
    job = planned(agent, "recall", *files)
    assert said(job) == [
        ("recall", "processed", "would bring its bytes back from datastore cloud", 1, len(CONTENT)),
        ("recall", "skipped", "its bytes are here", 1, 0),
        ("recall", "failed", "the object of the file is gone from the datastore, or was replaced", 1, 0),
    ]
    assert job.state == "FAILURE"
    assert ended(applied(agent, job)) == {"processed": ["stub"]}
    assert files[0].read_bytes() == CONTENT


def test_a_plan_of_send_goes_along_the_chain_to_the_other_site(agent: RealAgent) -> None:
    agent.made("new", CONTENT)
    agent.made("there", CONTENT)
    agent.made("there", b"other", site="dublin")
    job = planned(agent, "send", agent.projects() / "new", agent.projects() / "there", fields=SEND)
    answers = said(job)
    assert answers[0] == ("remove_location_xattrs_for_moved", "skipped", "has no location", 1, 0)
    assert ("migrate", "processed", "would copy it to datastore cloud", 1, len(CONTENT)) in answers
    assert ("reverse_stub", "processed", "would make the file whole", 1, len(CONTENT)) in answers
    assert ("reverse_stub", "failed", "something else already holds the name", 1, 0) in answers
    assert ended(applied(agent, job)) == {"processed": ["new"]}
    assert (agent.projects("dublin") / "new").read_bytes() == CONTENT


def test_a_send_of_what_was_moved_is_planned_as_it_would_go(agent: RealAgent) -> None:
    file = agent.made("before", CONTENT)
    agent.ran("premigrate", file)
    moved = file.rename(file.with_name("after"))
    answers = said(planned(agent, "send", moved, fields=SEND))
    assert answers[0][2] == "would forget its copy: it was moved since that was made"


def test_what_appears_at_the_other_site_after_the_plan_is_left_as_it_is(agent: RealAgent) -> None:
    plan = planned(agent, "send", agent.made("file", CONTENT), fields=SEND | {"overwrite": True})
    there = agent.made("file", b"somebody was quicker", site="dublin")
    job = applied(agent, plan)
    (note,) = JobFiles(job, FileState.ABORTED)
    assert "appeared since it was planned" in note.outcome.reason
    assert there.read_bytes() == b"somebody was quicker"


def test_a_plan_of_delete_counts_what_would_go_along_and_refuses_a_tree_that_changed(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    delete = workflow({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": True}, discovery=None)
    top = agent.made("dir/a").parent
    agent.made("dir/b")
    other = agent.made("other")
    plan = planned(agent, delete, top, other)
    told = tell(Plan.objects.select_related("job__site").get(job=plan))
    assert said(plan) == [
        ("delete_paths_from_gpfs", "processed", "would go to the trash with all that it holds", 1, 0),
        ("delete_paths_from_gpfs", "processed", "would go to the trash", 1, 0),
    ]
    assert told["steps"][0]["says"][0]["along"] == 2
    (top / "c").write_bytes(b"came later")
    assert ended(applied(agent, plan)) == {"processed": ["other"], "aborted": ["dir"]}
    assert sorted(os.listdir(top)) == ["a", "b", "c"]
    assert not other.exists()
    assert ended(applied(agent, planned(agent, delete, top))) == {"processed": ["dir"]}
    assert not top.exists()


def test_a_plan_of_move_says_what_would_be_replaced_and_refuses_what_appeared(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    move = workflow({"name": "dynamo.tasks.move_paths_on_gpfs"}, discovery=None)
    source, taken = agent.made("source", b"source"), agent.made("taken", b"taken")
    free = taken.with_name("free")
    given = [Entry(path=bytes(taken), source=bytes(source)), Entry(path=bytes(free), source=bytes(agent.made("more")))]
    plan = planned_of(agent, move, given)
    assert said(plan) == [
        ("move_paths_on_gpfs", "processed", "would get its new name; what has it goes to the version store", 1, 0),
        ("move_paths_on_gpfs", "processed", "would get its new name", 1, 0),
    ]
    free.write_bytes(b"came later")
    assert ended(applied(agent, plan)) == {"processed": ["taken"], "aborted": ["free"]}
    assert (taken.read_bytes(), source.exists(), free.read_bytes()) == (b"source", False, b"came later")


def planned_of(agent: RealAgent, name: str, given: list[Entry]) -> Job:
    from argosy.hub.jobs.services import Asked, submit

    before = everything(agent)
    job = submit(Asked(site="london", workflow=name, paths=given, dry_run=True), owner=None)
    agent.run()
    assert everything(agent) == before
    job.refresh_from_db()
    return job


def test_what_a_plan_cannot_find_or_may_not_do_is_said_with_the_reason(agent: RealAgent) -> None:
    forged = agent.made("forged")
    os.setxattr(forged, "trusted.argosy", b"\1what anybody writes")
    job = planned(agent, "migrate", forged, discovery=None)
    missing = planned(agent, "migrate", forged.with_name("missing"), discovery=None)
    assert [state for _, state, *_ in said(job)] == ["failed"]
    assert said(missing) == [("stat_paths", "failed", "there is nothing at the path", 1, 0)]


def test_a_recall_for_which_the_disk_has_no_room_is_said_before(tmp_path: Path) -> None:
    from tests.loop import mounted, unmounted

    disk = mounted("ext4", tmp_path, 64 * MiB)
    try:
        with RealAgent(tmp_path, roots={"london": disk}) as agent:
            file = agent.made("file", os.urandom(30 * MiB))
            agent.ran("migrate", file)
            subprocess.run(["fallocate", "-l", "35M", str(disk / "filler")], check=True)
            job = planned(agent, "recall", file)
            assert said(job) == [("recall", "failed", "the disk of the site is full", 1, 0)]
    finally:
        unmounted(disk)


def test_a_plan_that_is_not_complete_or_is_none_cannot_be_applied(agent: RealAgent, api) -> None:
    file = agent.made("file")
    body = {"workflow": "migrate", "site": "london", "paths": [str(file)], "dry_run": True}
    plan = api.post("/api/file/workflow/", body).json()["job"]
    early = api.post(f"/api/jobs/{plan}/apply/")
    assert (early.status_code, "still being made" in early.json()["detail"]) == (409, True)
    cancel(plan)
    late = api.post(f"/api/jobs/{plan}/apply/")
    assert (late.status_code, "was cancelled" in late.json()["detail"]) == (409, True)
    ordinary = agent.ran("premigrate", file)
    none = api.post(f"/api/jobs/{ordinary.pk}/apply/")
    assert (none.status_code, "is no plan" in none.json()["detail"]) == (404, True)
    assert api.get(f"/api/jobs/{ordinary.pk}/plan/").status_code == 404


@pytest.mark.parametrize("what", ["policy", "sitelink"])
def test_a_plan_made_under_other_settings_is_refused(agent: RealAgent, api, what: str) -> None:
    plan = planned(agent, "migrate", agent.made("file", CONTENT))
    if what == "policy":
        Site.objects.filter(name="london").update(min_stub_size=1 << 30)
    else:
        SiteLink.objects.filter(site__name="london").update(datastore_path=b"elsewhere/")
    answer = api.post(f"/api/jobs/{plan.pk}/apply/")
    assert answer.status_code == 409
    assert f"since plan {plan.pk} was made: plan again" in answer.json()["detail"]


def test_a_plan_without_anything_to_do_is_refused(agent: RealAgent, api) -> None:
    file = agent.made("file", CONTENT)
    agent.ran("migrate", file)
    plan = planned(agent, "migrate", file)
    answer = api.post(f"/api/jobs/{plan.pk}/apply/")
    assert (answer.status_code, answer.json()["detail"]) == (400, f"plan {plan.pk} has nothing to do")


def test_a_plan_says_how_much_was_found_that_no_rule_is_for(agent: RealAgent, api) -> None:
    rule = {"state": "created", "type": "all", "action": [{"name": "dynamo.tasks.migrate"}]}
    Workflow.objects.create(name="news", label="News", fields=[], filter_rules=[rule])
    try:
        plan = planned(agent, "news", agent.made("file", CONTENT))
    finally:
        Workflow.objects.filter(name="news").delete()
    said = api.get(f"/api/jobs/{plan.pk}/plan/").json()
    assert (said["files"], said["untouched"], said["untaken"]) == (0, 0, 1)


def test_the_api_makes_tells_and_applies_a_plan(agent: RealAgent, api) -> None:
    file = agent.made("file", CONTENT)
    body = {"workflow": "migrate", "site": "london", "paths": [str(file)], "dry_run": True}
    plan = api.post("/api/file/workflow/", body).json()["job"]
    agent.run()
    told = api.get(f"/api/jobs/{plan}/plan/").json()
    assert (told["plan"], told["workflow"], told["complete"], told["applied"]) == (plan, "migrate", True, None)
    assert (told["files"], told["untouched"], told["unable"], told["bytes"]) == (1, 0, 0, len(CONTENT))
    assert told["requests"] >= 1
    assert told["steps"][0]["says"][0]["path"] == str(file)
    made = api.post(f"/api/jobs/{plan}/apply/")
    assert made.status_code == 201
    assert api.post(f"/api/jobs/{plan}/apply/").status_code == 200
    agent.run()
    assert api.get(f"/api/jobs/{plan}/plan/").json()["applied"] == made.json()["job"]
    assert is_freed(file)


def test_work_is_added_to_a_plan_only_as_a_plan(agent: RealAgent, api) -> None:
    body = {"workflow": "migrate", "site": "london", "paths": [str(agent.made("file"))]}
    plan = api.post("/api/file/workflow/", body | {"dry_run": True}).json()["job"]
    refused = api.post("/api/file/workflow/", body | {"job": plan})
    assert (refused.status_code, "is a plan" in refused.json()["detail"]) == (400, True)
    assert api.post("/api/file/workflow/", body | {"job": plan, "dry_run": True}).status_code == 201


def test_a_plan_to_which_work_at_another_site_was_added_is_applied(agent: RealAgent, api) -> None:
    first, second = agent.made("first"), agent.made("second")
    body = {"site": "london", "discovery": None, "dry_run": True}
    asked = body | {"workflow": "premigrate", "paths": [str(first)]}
    plan = api.post("/api/file/workflow/", asked).json()["job"]
    more = body | {"workflow": "send", "paths": [str(second)], "fields": SEND, "job": plan}
    assert api.post("/api/file/workflow/", more).status_code == 201
    agent.run()
    assert api.post(f"/api/jobs/{plan}/apply/").status_code == 201
    agent.run()
    assert (agent.projects("dublin") / "second").exists()


def test_nothing_is_added_to_a_plan_whose_sites_settled_something_else_since(agent: RealAgent, api) -> None:
    body = {"workflow": "premigrate", "site": "london", "paths": [str(agent.made("file"))], "dry_run": True}
    plan = api.post("/api/file/workflow/", body).json()["job"]
    Site.objects.filter(name="london").update(min_stub_size=12345)
    refused = api.post("/api/file/workflow/", body | {"job": plan})
    assert (refused.status_code, "have changed since plan" in refused.json()["detail"]) == (409, True)


def test_a_discovery_that_does_the_work_itself_cannot_be_planned(agent: RealAgent, api) -> None:
    plain = {"workflow": "premigrate", "site": "london", "paths": [str(agent.projects())], "dry_run": True}
    plan = api.post("/api/file/workflow/", plain).json()["job"]
    for body in (plain | {"workflow": "rebuild"}, plain | {"discovery": "rebuild", "job": plan}):
        refused = api.post("/api/file/workflow/", body)
        assert (refused.status_code, "dry_run" in refused.json()["detail"]) == (400, True)


def test_what_takes_a_snapshot_is_planned_in_another_way_and_the_refusal_says_in_which(agent: RealAgent, api) -> None:
    body = {"workflow": "premigrate", "site": "london", "paths": [str(agent.projects())], "dry_run": True}
    refused = api.post("/api/file/workflow/", body | {"discovery": "snapdiff"})
    assert (refused.status_code, "`--discovery none --state updated`" in refused.json()["detail"]) == (400, True)
    assert api.post("/api/file/workflow/", body | {"discovery": "recursive"}).status_code == 201


def test_a_large_plan_is_applied_in_pieces(agent: RealAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    from argosy.hub.jobs.plans import applying

    monkeypatch.setattr(applying, "AT_ONCE", 3)
    Site.objects.filter(name="london").update(file_batch_size=2)
    files = [agent.made(f"file{number}") for number in range(8)]
    job = applied(agent, planned(agent, "premigrate", *files))
    assert len(ended(job)["processed"]) == 8
    assert (job.numfiles, job.numbytes) == (8, sum(file.stat().st_size for file in files))
