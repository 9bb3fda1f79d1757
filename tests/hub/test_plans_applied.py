"""A plan that is applied: its own doings are no drift, those of others are, and no content is lost by either."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from argosy.agent import batch
from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite
from argosy.agent.runner import run
from argosy.core.entry import Entry
from argosy.core.errors import LeaseLost
from argosy.core.order import Order
from argosy.core.states import FileState
from argosy.filesystems.posix import Posix
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.known import Known
from argosy.hub.jobs.models import Job, Submission
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.sites.models import Site
from argosy.hub.workflows.models import Workflow
from tests.hub.home import on_sqlite
from tests.hub.real import RealAgent
from tests.hub.test_plans import CONTENT, SEND, agent, applied, ended, is_freed, planned, planned_of, workflow

__all__ = ["agent", "workflow"]

MOVE = {"name": "dynamo.tasks.move_paths_on_gpfs"}


def rotation(agent: RealAgent, count: int) -> tuple[list[Path], list[Entry]]:
    """Make files of which each is to get the name of the next, the last that of the first."""
    files = [agent.made(f"f{number:02}", f"content {number}".encode()) for number in range(count)]
    return files, [Entry(path=bytes(files[(n + 1) % count]), source=bytes(file)) for n, file in enumerate(files)]


def contents(files: list[Path]) -> list[str]:
    return [file.read_text() for file in files]


def reasons(job: Job) -> set[str]:
    return {note.outcome.reason.rpartition(": ")[0].rpartition(": ")[2] for note in JobFiles(job, FileState.ABORTED)}


def lost(agent: RealAgent) -> None:
    """Do the next task, and have the agent killed before it reports that; another attempt is made after a while."""
    untold(agent)
    again(agent)


def claimed(agent: RealAgent) -> Order:
    """Claim the next task; bells may have rung for it more than once."""
    while agent.rung:
        if (order := agent.claim()) is not None:
            return order
    raise AssertionError("nothing waits")


def untold(agent: RealAgent) -> None:
    order = claimed(agent)
    lease = Lease(order.task, order.attempt, asked_at=now(), seconds=order.lease)
    run(order, OrderSite.of(agent.places[order.site], order, lease), agent.delivery, agent.pool)


def again(agent: RealAgent) -> None:
    """Let the lease of what was claimed run out, and do what is left."""
    for _ in range(3):
        agent.clock.forward(120)
        agent.delivery.sweep()
        agent.run()


def at_once(agent: RealAgent) -> None:
    """Do what is left as an agent does that was started again."""
    agent.delivery.adopt_orphans()
    agent.run()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_resubmission_that_was_refused_half_way_does_not_make_plans_run_nor_runs_plans(
    agent: RealAgent, api, workflow: Callable[..., str], *, dry_run: bool
) -> None:
    own = workflow({"name": "dynamo.tasks.stat_paths"}, discovery=None)
    body = {"workflow": "stat", "site": "london", "paths": [str(agent.made("a"))], "dry_run": not dry_run}
    job = api.post("/api/file/workflow/", body).json()["job"]
    for name in ("stat", own):
        assert api.post("/api/file/workflow/", body | {"job": job, "workflow": name}).status_code == 201
    agent.run()
    Workflow.objects.filter(name=own).update(enabled=False)
    assert api.post(f"/api/jobs/{job}/resubmit/").status_code == 400
    victim = agent.made("victim")
    made = agent.ran("delete_file", victim, dry_run=dry_run)
    assert (victim.exists(), api.get(f"/api/jobs/{made.pk}/").json()["dry_run"]) == (dry_run, dry_run)


@on_sqlite  # servers give no number twice
def test_what_a_transaction_read_that_was_undone_is_not_taken_for_what_comes_after_it(agent: RealAgent) -> None:
    job = agent.start("stat", agent.made("a"))
    rules = [[{"state": state, "type": "all", "chain": []}] for state in ("undone", "kept")]
    with transaction.atomic():
        first = Submission.objects.create(job=job, site=job.site, rules=rules[0], paths=b"")
        assert Known().rules(first.pk)[0].state == "undone"
        transaction.set_rollback(True)
    second = Submission.objects.create(job=job, site=job.site, rules=rules[1], paths=b"")
    assert second.pk == first.pk
    assert Known().rules(second.pk)[0].state == "kept"
    Job.objects.filter(pk=job.pk).update(dry_run=True)  # as after a restore, where the number is that of another
    assert Known().ordered(second.pk).dry_run


@pytest.mark.parametrize("hands", [1, 4])
@pytest.mark.parametrize("batch", [40, 3])
def test_planned_moves_in_a_circle_are_done_in_any_number(
    agent: RealAgent, workflow: Callable[..., str], hands: int, batch: int
) -> None:
    agent.pool.shutdown()
    agent.pool = ThreadPoolExecutor(hands)
    Site.objects.update(trash_days=0, file_batch_size=batch)
    files, given = rotation(agent, 20)
    before = contents(files)
    job = applied(agent, planned_of(agent, workflow(MOVE, discovery=None), given))
    assert (job.state, job.numprocessedfiles) == ("SUCCESS", 20)
    assert contents(files) == [before[-1], *before[:-1]]


def test_moves_in_a_circle_that_no_batch_holds_are_done_without_a_plan_as_well(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    Site.objects.update(trash_days=0, file_batch_size=3)
    files, given = rotation(agent, 8)
    before = contents(files)
    submit(Asked(site="london", workflow=workflow(MOVE, discovery=None), paths=given), owner=None)
    agent.run()
    assert contents(files) == [before[-1], *before[:-1]]


@pytest.mark.parametrize("when", ["planned", "run"])
def test_where_one_of_a_circle_of_moves_cannot_be_none_takes_a_name_that_is_not_free(
    agent: RealAgent, workflow: Callable[..., str], when: str
) -> None:
    Site.objects.update(trash_days=0)
    move = workflow(MOVE, discovery=None)
    files, given = rotation(agent, 5)
    others, more = [agent.made("other")], [Entry(path=bytes(agent.projects() / "new"), source=bytes(agent.made("old")))]
    before = contents(files)
    if when == "planned":
        plan = planned_of(agent, move, [*given, *more])
        os.utime(files[2])
        job = applied(agent, plan)
    else:
        subprocess.run(["chattr", "+i", str(files[2])], check=True)
        job = submit(Asked(site="london", workflow=move, paths=[*given, *more]), owner=None)
        agent.run()
        subprocess.run(["chattr", "-i", str(files[2])], check=True)
        job.refresh_from_db()
    assert contents(files) == before
    assert ended(job)["processed"] == ["new"]
    assert job.numfiles == 6
    assert others[0].exists()


def test_two_rules_on_one_path_are_both_applied(agent: RealAgent) -> None:
    migrate = {"name": "dynamo.tasks.migrate", "premigrate": True}
    arrive = {"name": "dynamo.tasks.reverse_stub", "site": "dublin", "hydrate": True}
    rules = [{"state": "all", "type": "all", "action": chain} for chain in ([migrate], [migrate, arrive])]
    made = Workflow.objects.create(name="two", label="two", filter_rules=rules)
    try:
        job = applied(agent, planned(agent, "two", agent.made("a", CONTENT), agent.made("b", CONTENT)))
    finally:
        made.delete()
    assert (job.state, job.numprocessedfiles, job.numabortedfiles) == ("SUCCESS", 4, 0)
    assert (agent.projects("dublin") / "b").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["migrate", "delete_file"])
def test_further_names_of_a_file_are_no_drift_in_whatever_task_they_are(agent: RealAgent, name: str) -> None:
    Site.objects.filter(name="london").update(file_batch_size=1)
    first = agent.made("a", CONTENT)
    names = [first, first.with_name("b"), first.with_name("c")]
    for other in names[1:]:
        os.link(first, other)
    job = applied(agent, planned(agent, name, *names))
    assert (job.state, job.numabortedfiles) == ("SUCCESS", 0)
    assert not any(name.exists() for name in names) if name == "delete_file" else is_freed(first)


def test_a_further_name_that_somebody_writes_to_while_the_plan_is_applied_stays(agent: RealAgent) -> None:
    Site.objects.filter(name="london").update(file_batch_size=1)
    first = agent.made("a", CONTENT)
    other = first.with_name("b")
    os.link(first, other)
    plan = planned(agent, "delete_file", first, other)
    job, _ = apply(plan.pk, owner=None)
    agent.do(claimed(agent))
    other.write_bytes(b"somebody's")
    agent.run()
    assert ended(job)["aborted"] == ["b"]
    assert other.read_bytes() == b"somebody's"


def test_directories_that_were_made_for_what_came_before_them_get_what_is_theirs(agent: RealAgent) -> None:
    Site.objects.update(file_batch_size=3)
    agent.ran("premigrate", agent.made("first"))
    for number in range(4):
        agent.made(f"d{number}/f", CONTENT)
        agent.made(f"d{number}/g", CONTENT)
        (agent.projects() / f"d{number}").chmod(0o2750)
    found = sorted(agent.projects().rglob("d*"), reverse=True)
    found = [*(path / name for path in found for name in "fg"), *found]
    job = applied(agent, planned(agent, "send", *found, fields=SEND, discovery=None))
    assert (job.state, job.numabortedfiles) == ("SUCCESS", 0)
    assert (agent.projects("dublin") / "d0").stat().st_mode & 0o7777 == 0o2750


def test_a_directory_that_somebody_made_in_between_is_left_as_it_is(agent: RealAgent) -> None:
    top = agent.made("dir/f", CONTENT).parent
    agent.ran("premigrate", agent.made("first"))
    plan = planned(agent, "send", top, fields=SEND | {"overwrite": True}, discovery=None)
    there = agent.projects("dublin") / "dir"
    there.mkdir(mode=0o700)
    job = applied(agent, plan)
    assert reasons(job) == {"appeared since it was planned"}
    assert there.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["delete_file", "recall", "migrate", "move", "tree"])
def test_what_an_attempt_did_that_was_never_told_of_is_told_as_done(
    agent: RealAgent, workflow: Callable[..., str], name: str
) -> None:
    file = agent.made("dir/a", CONTENT)
    if name == "move":
        chain = workflow(MOVE, {"name": "dynamo.tasks.migrate"}, discovery=None)
        plan = planned_of(agent, chain, [Entry(path=bytes(file.with_name("b")), source=bytes(file))])
    elif name == "tree":
        delete = workflow({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": True}, discovery=None)
        plan = planned(agent, delete, file.parent)
    else:
        if name == "recall":
            agent.ran("migrate", file)
        plan = planned(agent, name, file, discovery=None)
    job, _ = apply(plan.pk, owner=None)
    lost(agent)
    job.refresh_from_db()
    assert (job.state, job.numabortedfiles, job.numfailedfiles) == ("SUCCESS", 0, 0)
    if name == "move":
        assert is_freed(file.with_name("b"))


def test_what_an_attempt_sent_that_was_never_told_of_goes_down_the_chain(agent: RealAgent) -> None:
    files = [agent.made(name, CONTENT) for name in "ab"]
    job, _ = apply(planned(agent, "send", *files, fields=SEND, discovery=None).pk, owner=None)
    for _ in range(3):  # links of the chain
        untold(agent)
        agent.clock.forward(120)
        agent.delivery.sweep()
        agent.clock.forward(120)
        agent.delivery.sweep()
        order = claimed(agent)
        assert order.attempt == 2
        agent.do(order)
    job.refresh_from_db()
    assert (job.state, job.numabortedfiles, job.numfailedfiles) == ("SUCCESS", 0, 0)
    assert (agent.projects("dublin") / "a").read_bytes() == CONTENT


def test_a_further_name_that_a_file_was_given_between_two_attempts_is_no_drift(agent: RealAgent) -> None:
    Site.objects.update(file_batch_size=1)
    first = agent.made("a", CONTENT)
    os.link(first, first.with_name("b"))
    names = (first, first.with_name("b"))
    job, _ = apply(planned(agent, "send", *names, fields=SEND, discovery=None).pk, owner=None)
    orders = [claimed(agent), claimed(agent)]
    while orders[0].site == "london":
        for order in orders:
            agent.do(order)
        orders = [claimed(agent), claimed(agent)]
    lease = Lease(orders[0].task, 1, asked_at=now(), seconds=60)
    run(orders[0], OrderSite.of(agent.places["dublin"], orders[0], lease), agent.delivery, agent.pool)
    agent.do(orders[1])
    again(agent)
    job.refresh_from_db()
    assert (job.state, job.numabortedfiles, job.numfailedfiles) == ("SUCCESS", 0, 0)
    assert (agent.projects("dublin") / "a").stat().st_nlink == 2


def test_what_somebody_changed_between_two_attempts_is_drift(agent: RealAgent) -> None:
    files = [agent.made(name, CONTENT) for name in "ab"]
    job, _ = apply(planned(agent, "delete_file", *files).pk, owner=None)
    claimed(agent)  # by an agent that is killed before it does anything
    files[0].write_bytes(b"somebody's")
    again(agent)
    assert ended(job) == {"aborted": ["a"], "processed": ["b"]}
    assert files[0].read_bytes() == b"somebody's"


@pytest.mark.parametrize("killed", ["at the beginning", "half way"])
@pytest.mark.parametrize("change", ["nothing", "edited", "new", "moved in", "replaced", "other mode"])
def test_a_directory_goes_at_a_later_attempt_only_with_what_the_first_one_listed(
    agent: RealAgent, workflow: Callable[..., str], monkeypatch: pytest.MonkeyPatch, killed: str, change: str
) -> None:
    top = agent.made("dir/a").parent
    last, elsewhere = agent.made("dir/z", b"old"), agent.made("precious", b"precious")
    delete = workflow({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": True}, discovery=None)
    job, _ = apply(planned(agent, delete, top).pk, owner=None)
    left = iter([True] if killed == "half way" else [])
    remove = Posix.remove

    def removes_some(tree: Posix, path: bytes, seen: Entry, **how: Any) -> str:
        if not next(left, False):
            raise LeaseLost("killed here")
        return remove(tree, path, seen, **how)

    with monkeypatch.context() as until_killed:
        until_killed.setattr(Posix, "remove", removes_some)
        with pytest.raises(LeaseLost):
            untold(agent)
    remaining = {"a": "z", "z": "a"}[next(iter({"a", "z"} - set(os.listdir(top))), "a")]
    changed = top / remaining
    {
        "nothing": lambda: None,
        "edited": lambda: changed.write_bytes(b"a week of work"),
        "new": lambda: (top / "new").write_bytes(b"new"),
        "moved in": lambda: elsewhere.rename(top / "precious"),
        "replaced": lambda: (changed.unlink(), changed.write_bytes(last.read_bytes() if last.exists() else b"x")),
        "other mode": lambda: changed.chmod(0o600),
    }[change]()
    at_once(agent)
    if change == "nothing":
        assert ended(job) == {"processed": ["dir"]}
        assert not top.exists()
    else:
        assert reasons(job) == {"what it holds has changed since it was planned"}
        assert changed.exists()


class Killed:
    """Kills the agent when it removes the entry after the first `some`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, some: int) -> None:
        self._patched = monkeypatch
        self._left = some

    def within(self, agent: RealAgent) -> None:
        real = {name: getattr(Posix, name) for name in ("remove", "unlink")}

        def counted(name: str) -> Callable[..., Any]:
            def act(*args: Any, **how: Any) -> Any:
                self._left -= 1
                if self._left < 0:
                    raise LeaseLost("killed here")
                return real[name](*args, **how)

            return act

        with self._patched.context() as until_killed:
            for name in real:
                until_killed.setattr(Posix, name, counted(name))
            with pytest.raises(LeaseLost):
                untold(agent)


@pytest.mark.parametrize("trash_days", [7, 0])
@pytest.mark.parametrize("names", [("dir/a", "dir/z"), ("dir/a", "other/z"), ("dir/a", "file"), ("dir/in/a", "dir/z")])
def test_a_file_that_loses_one_name_in_an_attempt_that_was_lost_may_lose_the_others_in_the_next(
    agent: RealAgent,
    workflow: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, str],
    trash_days: int,
) -> None:
    Site.objects.update(trash_days=trash_days)
    job, given = linked(agent, workflow, names)
    Killed(monkeypatch, 1).within(agent)
    at_once(agent)
    assert ended(job).keys() <= {"processed", "skipped"}
    assert not any(path.exists() for path in given)


def linked(agent: RealAgent, workflow: Callable[..., str], names: tuple[str, str]) -> tuple[Job, list[Path]]:
    """Have a plan applied that deletes all names of a file, with the directories they lie in."""
    top = agent.projects()
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
    first = top / names[0]
    first.write_bytes(CONTENT)
    os.link(first, top / names[1])
    given = sorted({top / name.partition("/")[0] for name in names})
    delete = workflow({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": True}, discovery=None)
    return apply(planned(agent, delete, *given).pk, owner=None)[0], given


@pytest.mark.parametrize("trash_days", [7, 0])
@pytest.mark.parametrize("names", [("dir/a", "other/z"), ("dir/a", "file"), ("afile", "dir/a")])
def test_a_file_may_lose_its_names_by_several_tasks_of_an_application(
    agent: RealAgent, workflow: Callable[..., str], names: tuple[str, str], trash_days: int
) -> None:
    Site.objects.update(trash_days=trash_days, file_batch_size=1)
    job, given = linked(agent, workflow, names)
    agent.run()
    assert job.tasks.count() == len(given)
    assert ended(job) == {"processed": sorted(path.name for path in given)}


@pytest.mark.parametrize("change", ["edited", "a name more", "replaced"])
def test_a_name_of_a_file_that_somebody_changed_since_the_other_was_removed_stays(
    agent: RealAgent, workflow: Callable[..., str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    job, (top, *_) = linked(agent, workflow, ("dir/a", "dir/z"))
    Killed(monkeypatch, 1).within(agent)
    (rest,) = top.iterdir()
    {
        "edited": lambda: rest.write_bytes(b"a week of work"),
        "a name more": lambda: os.link(rest, top / "new"),
        "replaced": lambda: (rest.unlink(), rest.write_bytes(CONTENT)),
    }[change]()
    at_once(agent)
    assert reasons(job) == {"what it holds has changed since it was planned"}
    assert rest.exists()


def test_a_file_with_further_names_that_somebody_changed_before_any_was_removed_stays(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    Site.objects.update(file_batch_size=1)
    job, given = linked(agent, workflow, ("dir/a", "other/z"))
    (given[0] / "a").chmod(0o600)
    agent.run()
    assert reasons(job) == {"what it holds has changed since it was planned"}
    assert all(path.exists() for path in given)


@pytest.mark.parametrize("change", ["nothing", "moved in"])
def test_a_directory_is_moved_at_a_later_attempt_only_with_what_the_first_one_listed(
    agent: RealAgent, workflow: Callable[..., str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    top, elsewhere = agent.made("dir/a").parent, agent.made("precious", b"precious")
    given = [Entry(path=bytes(top.with_name("new")), source=bytes(top))]
    job, _ = apply(planned_of(agent, workflow(MOVE, discovery=None), given).pk, owner=None)

    def dies(*_: object) -> None:
        raise LeaseLost("killed here")

    with monkeypatch.context() as until_killed:
        until_killed.setattr(batch, "_do", dies)
        with pytest.raises(LeaseLost):
            untold(agent)
    if change == "moved in":
        elsewhere.rename(top / "precious")
    at_once(agent)
    if change == "nothing":
        assert ended(job) == {"processed": ["new"]}
    else:
        assert reasons(job) == {"what it holds has changed since it was planned"}
        assert sorted(os.listdir(top)) == ["a", "precious"]


def test_what_appears_at_the_other_site_between_two_attempts_is_drift(agent: RealAgent) -> None:
    file = agent.made("a", CONTENT)
    plan = planned(agent, "send", file, fields=SEND | {"overwrite": True}, discovery=None)
    job, _ = apply(plan.pk, owner=None)
    while (order := agent.claim()) is not None and order.site == "london":
        agent.do(order)
    there = agent.made("a", b"somebody's", site="dublin")
    again(agent)
    assert ended(job) == {"aborted": ["a"]}
    assert there.read_bytes() == b"somebody's"


def test_an_agent_that_forgot_what_it_did_refuses_and_does_no_harm(agent: RealAgent) -> None:
    file = agent.made("a", CONTENT)
    job, _ = apply(planned(agent, "delete_file", file).pk, owner=None)
    untold(agent)
    agent.places["london"].doings.close()
    for left in agent.top.glob("agent-london/doings.db*"):
        left.write_bytes(b"rubbish")
    again(agent)
    assert reasons(job) == {"is gone since it was planned"}


def test_a_directory_that_is_moved_goes_only_with_what_it_held(agent: RealAgent, workflow: Callable[..., str]) -> None:
    top = agent.made("dir/a").parent
    move = workflow(MOVE, discovery=None)
    given = [Entry(path=bytes(top.with_name("new")), source=bytes(top))]
    plan = planned_of(agent, move, given)
    agent.made("dir/later")
    job = applied(agent, plan)
    assert reasons(job) == {"what it holds has changed since it was planned"}
    assert sorted(os.listdir(top)) == ["a", "later"]
    assert ended(applied(agent, planned_of(agent, move, given))) == {"processed": ["new"]}


@pytest.mark.parametrize("what", ["disabled", "deleted", "excluded"])
def test_a_plan_that_nobody_could_submit_any_more_is_not_applied(
    agent: RealAgent, api, workflow: Callable[..., str], what: str
) -> None:
    name = workflow({"name": "dynamo.tasks.delete_paths_from_gpfs"}, discovery=None)
    file = agent.made("a")
    plan = planned(agent, name, file)
    if what == "excluded":
        Site.objects.filter(name="london").update(exclude=["*"])
    elif what == "disabled":
        Workflow.objects.filter(name=name).update(enabled=False)
    else:
        Workflow.objects.filter(name=name).delete()
    answer = api.post(f"/api/jobs/{plan.pk}/apply/")
    says = {"disabled": "is disabled", "deleted": "unknown workflow", "excluded": "have changed since plan"}[what]
    assert (answer.status_code, says in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("only_failed", [True, False])
def test_what_applied_a_plan_is_not_done_again_without_one(agent: RealAgent, api, *, only_failed: bool) -> None:
    drifted = agent.made("drifted", CONTENT)
    plan = planned(agent, "migrate", drifted)
    os.utime(drifted)
    job = applied(agent, plan)
    answer = api.post(f"/api/jobs/{job.pk}/resubmit/", {"only_failed": only_failed})
    assert (answer.status_code, f"applied plan {plan.pk}" in answer.json()["detail"]) == (400, True)


def test_nothing_else_is_added_to_what_applies_a_plan(agent: RealAgent, api) -> None:
    file = agent.made("a", CONTENT)
    job, _ = apply(planned(agent, "migrate", file).pk, owner=None)
    body = {"workflow": "delete_file", "site": "london", "paths": [str(file)], "job": job.pk}
    answer = api.post("/api/file/workflow/", body)
    assert (answer.status_code, f"job {job.pk} applies plan" in answer.json()["detail"]) == (400, True)


def test_a_plan_of_a_number_that_no_database_holds_is_not_there(api) -> None:
    number = "9" * 40
    assert api.get(f"/api/jobs/{number}/plan/").status_code == 404
    assert api.post(f"/api/jobs/{number}/apply/").status_code == 404
