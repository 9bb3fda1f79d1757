"""What could not be moved stays where it is and as it is, until it is moved; and changes are dealt with in order."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.errors import Exists
from argosy.core.outcome import Outcome
from argosy.core.phases import EMPTIED, MOVED
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.resubmission import resubmit
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import FakeAgent, report
from tests.hub.schedules import NEVER, begin, changed, handed, jobs, made, subscribed, taken, workflow
from tests.hub.test_mirror import Mirrored, unwell
from tests.mirroring import MIRROR, looked


class Attended(Mirrored):
    """A mirror whose tasks are noted in the order they are begun."""

    def __init__(self, top: Path) -> None:
        super().__init__(top, 1)
        self.batch_size = 100

    def again(self, job: Job) -> Job:
        """Do again what did not go well."""
        made = resubmit(job.pk, owner=None, only_failed=True)
        self.run()
        made.refresh_from_db()
        return made

    def entry(self, name: str, state: str, source: str | None = None) -> Entry:
        before = None if source is None else bytes(self.projects() / source)
        return Entry(path=bytes(self.projects() / name), state=state, source=before)

    def given(self, *entries: Entry, dry_run: bool = False) -> Job:
        job = submit(
            Asked(site="london", workflow="mirror", paths=entries, discovery=None, dry_run=dry_run), owner=None
        )
        self.run()
        job.refresh_from_db()
        return job

    def applied(self, *entries: Entry) -> Job:
        """Plan what is to be done with the entries, and do it."""
        planned = self.given(*entries, dry_run=True)
        job, _ = apply(planned.pk, owner=None)
        self.orders.clear()
        self.run()
        job.refresh_from_db()
        return job

    def names(self, site: str = "dublin") -> list[str]:
        return sorted(looked(self.projects(site)))


@pytest.fixture
def agent(tmp_path: Path, two_sites) -> Iterator[Attended]:
    Workflow.objects.filter(name="mirror").delete()
    Workflow.objects.create(**MIRROR | {"allow_missing_paths": True})
    with Attended(tmp_path) as one:
        yield one


def named(job: Job, state: FileState) -> list[tuple[str, str]]:
    return sorted(
        (note.outcome.entry.path.decode().rpartition("/projects/")[2], note.outcome.error)
        for note in JobFiles(job, state)
    )


def last(agent: Attended) -> str:
    (file,) = agent.roots["london"].glob(".rotate/*lastsnap*")
    return file.read_text()


def block(agent: Attended, name: str) -> Callable[[], None]:
    """Have nothing get the name at dublin, until what is returned is called."""
    there = agent.projects("dublin") / name
    (there / "in").mkdir(parents=True)
    return lambda: shutil.rmtree(there)


def out_of_a_directory_that_goes(agent: Attended) -> None:
    here = agent.projects()
    (here / "d/x").rename(here / "y")
    shutil.rmtree(here / "d")


def out_of_a_directory_that_moves(agent: Attended) -> None:
    here = agent.projects()
    (here / "d/x").rename(here / "y")
    (here / "d").rename(here / "e")


def from_a_name_that_a_directory_gets(agent: Attended) -> None:
    here = agent.projects()
    (here / "d/x").rename(here / "y")
    (here / "d/x").mkdir()
    (here / "d/x/new").write_text("new")


@pytest.mark.parametrize("how", ["again", "the next run"])
@pytest.mark.parametrize(
    ("change", "undone"),
    [
        (out_of_a_directory_that_goes, ["d"]),
        (out_of_a_directory_that_moves, ["e"]),
        (from_a_name_that_a_directory_gets, ["d/x", "d/x/new"]),
    ],
)
def test_what_could_not_be_moved_is_there_to_be_moved_later(
    agent: Attended, change: Callable[[Attended], None], undone: list[str], how: str
) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "d/sub").mkdir(parents=True)
    for name in ("d/x", "d/w", "d/sub/s"):
        (here / name).write_text(f"of {name}")
    assert agent.mirrored().state == "SUCCESS"
    first = last(agent)
    change(agent)
    rotates = how == "again"
    (here / "apart").write_text("apart")
    free = block(agent, "y")
    job = agent.ran("mirror", fields={"snapdiff_rotate_on_error": rotates})
    assert [name for name, _ in named(job, FileState.FAILED)] == ["y"], unwell(job)
    assert named(job, FileState.ABORTED) == [(name, "not_moved") for name in undone]
    assert (there / "d/x").read_text() == "of d/x"
    assert (there / "apart").read_text() == "apart", "what has nothing to do with it is done"
    assert (last(agent) > first) is rotates
    free()
    done = agent.again(job) if how == "again" else agent.mirrored()
    assert done.state == "SUCCESS", unwell(done)
    assert looked(there) == looked(here)
    assert agent.mirrored().numfailedfiles == 0
    assert looked(there) == looked(here)


def test_what_moves_from_where_nothing_is_holds_nothing_back(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "d").mkdir()
    (here / "d/x").write_text("x")
    assert agent.mirrored().state == "SUCCESS"
    (there / "d/x").unlink()
    out_of_a_directory_that_goes(agent)
    (here / "y").write_text("changed")
    job = agent.mirrored()
    assert named(job, FileState.FAILED) == [("y", "not_found")]
    assert looked(there) == looked(here)


@pytest.mark.parametrize("way", ["submitted", "applied"])
def test_a_directory_is_deleted_after_what_is_given_to_move_out_of_it(agent: Attended, way: str) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "d").mkdir()
    (here / "d/x").write_text("x")
    assert agent.mirrored().state == "SUCCESS"
    out_of_a_directory_that_goes(agent)
    entries = agent.entry("d", "deleted"), agent.entry("y", "moved", "d/x")
    free = block(agent, "y")
    job = agent.given(*entries) if way == "submitted" else agent.applied(*entries)
    assert (there / "d/x").read_text() == "x", unwell(job)
    assert ("d", "not_moved") in named(job, FileState.ABORTED) or way == "applied"
    free()
    job = agent.again(job) if way == "submitted" else agent.applied(*entries)
    assert (there / "y").read_text() == "x"
    if way == "applied":  # it held something when it was planned
        assert named(job, FileState.ABORTED) == [("d", "drifted")]
        job = agent.applied(*entries)
    assert looked(there) == looked(here), unwell(job)


def test_an_applied_plan_keeps_the_order_in_which_changes_are_dealt_with(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    for name in ("x", "gone"):
        (here / name).write_text(f"the old {name}")
    assert agent.mirrored().state == "SUCCESS"
    (here / "x").rename(here / "y")
    (here / "new").write_text("new")
    (here / "gone").unlink()
    job = agent.applied(agent.entry("y", "moved", "x"), agent.entry("new", "created"), agent.entry("gone", "deleted"))
    steps = [order.step.rpartition(".")[2] for order in agent.orders]
    assert steps.index("delete_paths_from_gpfs") < steps.index("move_paths_on_gpfs") < steps.index("migrate")
    assert (job.numheld, job.numopen) == (0, 0)
    assert looked(there) == looked(here), unwell(job)


def test_what_was_deleted_is_deleted_again_where_that_did_not_go_well(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "d").mkdir()
    assert agent.mirrored().state == "SUCCESS"
    (here / "d").rmdir()
    Workflow.objects.filter(name="mirror").update(allow_missing_paths=False)
    kept = Workflow.objects.get(name="mirror").filter_rules
    rules = [rule if rule["state"] != "deleted" else rule | {"action": _not_recursive(rule)} for rule in kept]
    Workflow.objects.filter(name="mirror").update(filter_rules=rules)
    (there / "d/extra").mkdir()
    job = agent.mirrored()
    assert named(job, FileState.FAILED) == [("d", "not_empty")]
    (there / "d/extra").rmdir()
    again = agent.again(job)
    assert (again.state, again.numprocessedfiles) == ("SUCCESS", 1), unwell(again)
    assert agent.names() == []


def _not_recursive(rule: dict) -> list[dict]:
    return [{key: value for key, value in step.items() if key != "recursive"} for step in rule["action"]]


@pytest.mark.parametrize(("site", "held"), [("london", True), ("dublin", False)])
def test_what_one_workflow_of_a_schedule_could_not_move_no_other_takes_along(
    api, two_sites, site: str, *, held: bool
) -> None:
    for name, state in (("renames", "moved"), ("removals", "deleted")):
        step = {
            "name": "dynamo.tasks.move_paths_on_gpfs" if state == "moved" else "dynamo.tasks.delete_paths_from_gpfs"
        }
        where = {"site": "london" if state == "moved" else site}
        workflow(name, {"state": state, "type": "all", "action": [step | where]}, fields=[])
    one = made(api, discovery="snapdiff", **NEVER)
    for name in ("renames", "removals"):
        subscribed(api, one, name)
    with FakeAgent() as agent:
        begin(api, one)
        finder = taken(agent, "snapdiff")
        moved = msgspec.structs.replace(changed("moved", "y"), source=changed("moved", "d/x").path)
        assert agent.delivery.batch(handed(finder, 0, MOVED, moved))
        move = taken(agent, "move_paths_on_gpfs")
        assert not agent.delivery.batch(handed(finder, 1, EMPTIED, changed("deleted", "d")))
        agent.delivery.report(report(move, [Outcome.of_error(entry, Exists("is taken")) for entry in move.entries]))
        again = taken(agent, "snapdiff")
        assert agent.delivery.batch(handed(again, 1, EMPTIED, changed("deleted", "d")))
        (removals,) = [job for job in jobs(one) if job.jobtype == "removals"]
    Workflow.objects.filter(name__in=["renames", "removals"]).delete()
    assert (removals.numfiles, removals.numabortedfiles) == (1, int(held))


@contextmanager
def fixed(path: Path) -> Iterator[None]:
    """Have nobody remove or change the file meanwhile."""
    subprocess.run(["chattr", "+i", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def test_what_could_not_be_deleted_and_is_there_again_is_not_deleted_by_doing_that_again(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "d").mkdir()
    for name in ("a", "b", "d/x"):
        (here / name).write_text("old")
    assert agent.mirrored().state == "SUCCESS"
    with fixed(there / "a"), fixed(there / "b"), fixed(there / "d/x"):
        (here / "a").unlink()
        (here / "b").unlink()
        shutil.rmtree(here / "d")
        job = agent.mirrored()
    assert job.state == "FAILURE"
    (here / "d").mkdir()
    for name in ("a", "d/new"):
        (here / name).write_text("written anew")
    assert agent.mirrored().state == "SUCCESS"
    again = agent.again(job)
    assert named(again, FileState.PROCESSED) == [("b", ""), ("d/x", "")]
    assert named(again, FileState.ABORTED) == [("a", "changed")]
    assert looked(there) == looked(here)


def test_all_that_became_of_a_path_is_done_again(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "x").write_text("old")
    assert agent.mirrored().state == "SUCCESS"
    clear = block(agent, "y")
    (here / "x").rename(here / "y")
    with (here / "y").open("a") as file:
        file.write("er")
    job = agent.mirrored()
    assert (job.state, job.numfiles) == ("FAILURE", 2)
    clear()
    again = agent.again(job)
    assert (again.state, again.numprocessedfiles) == ("SUCCESS", 2)
    assert looked(there) == looked(here)
    assert again.numfiles == 2


def test_what_became_something_else_is_not_taken_for_done(agent: Attended) -> None:
    here, there = agent.projects(), agent.projects("dublin")
    (here / "a").write_text("a file")
    assert agent.mirrored().state == "SUCCESS"
    with fixed(there / "a"):
        (here / "a").unlink()
        (here / "a").symlink_to("elsewhere")
        job = agent.mirrored()
    assert job.state == "FAILURE"
    again = agent.again(job)
    assert again.numfiles == job.numfailedfiles + job.numabortedfiles
    assert again.state == "FAILURE" or looked(there) == looked(here)
