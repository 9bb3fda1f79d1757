"""What was deleted is dealt with before what moved, and that before the rest, whatever happens in between."""

import pytest

from argosy.core.entry import Entry
from argosy.core.errors import Unavailable
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.phases import DELETED, MOVED, REST
from argosy.core.report import Batch, Report
from argosy.hub.jobs.explain.job import explain
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.resubmission import resubmit
from argosy.hub.jobs.services import cancel
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import FakeAgent, file, fresh, report, start

TOP = "/srv/london/projects"
STEP = [{"name": "dynamo.tasks.migrate"}, {"name": "dynamo.tasks.reverse_stub", "site": "dublin"}]


@pytest.fixture(autouse=True)
def _sites(two_sites) -> None:
    """There are sites."""
    Workflow.objects.filter(name="changes").delete()
    Workflow.objects.create(
        name="changes",
        label="Changes",
        discovery="snapdiff",
        filter_rules=[{"state": "all", "type": "all", "action": STEP}],
        fields=[],
    )


def begun(agent: FakeAgent) -> tuple[Job, Order]:
    job = start("changes", TOP)
    order = agent.claim()
    assert order is not None
    return job, order


def batch(order: Order, number: int, phase: int, *names: str) -> Batch:
    entries = tuple(file(f"{TOP}/{name}") for name in names)
    return Batch(task=order.task, attempt=order.attempt, sequence=number, entries=entries, phase=phase)


def done(agent: FakeAgent, order: Order | None) -> None:
    assert order is not None
    agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))


def through(agent: FakeAgent) -> None:
    """Take what is handed out through both links of the chain."""
    for site in ("london", "dublin"):
        order = agent.claim()
        assert order is not None
        assert order.site == site
        done(agent, order)


def held(agent: FakeAgent) -> tuple[Job, Order]:
    """A job whose discovery has handed out a deletion and comes to a move."""
    job, finder = begun(agent)
    assert agent.delivery.batch(batch(finder, 0, DELETED, "a"))
    assert not agent.delivery.batch(batch(finder, 1, MOVED, "b"))
    return job, finder


def test_the_next_phase_is_handed_out_when_all_chains_of_the_one_before_have_ended(agent: FakeAgent) -> None:
    job, _ = held(agent)
    assert (fresh(job).numopen, fresh(job).numheld, fresh(job).numfiles) == (2, 1, 1)
    through(agent)
    again = agent.claim()
    assert again is not None
    assert (again.step, again.attempt, again.phase, again.after, again.sequence) == (
        "dynamo.tasks.snapdiff", 2, MOVED, None, 1,
    )  # fmt: skip
    assert fresh(job).numheld == 0
    assert agent.delivery.batch(batch(again, 1, MOVED, "b"))
    agent.delivery.report(report(again))
    through(agent)
    done(agent, agent.claim())
    job = fresh(job)
    assert (job.state, job.numfiles, job.numprocessedfiles, job.dir_walk_complete) == ("SUCCESS", 2, 2, True)
    assert agent.claim() is None


def test_while_it_waits_the_walk_is_not_complete_and_it_says_what_for(agent: FakeAgent) -> None:
    job, _ = held(agent)
    through_first = agent.claim()
    done(agent, through_first)
    task = Task.objects.get(job=job, tasktype="dynamo.tasks.snapdiff")
    assert (task.state, task.reason) == ("PENDING", "waits for the deletions to be done")
    assert not fresh(job).dir_walk_complete
    told = explain(fresh(job), agent.clock.now)
    (cause,) = [one for one in told.causes if one.cause.name == "in_turn"]
    assert cause.reason == "waits for the deletions to be done"


def test_nobody_is_told_of_what_is_held_however_long_that_takes(agent: FakeAgent) -> None:
    job, finder = held(agent)
    rung = list(agent.rung)
    for _ in range(5):
        agent.clock.forward(4000)
        agent.delivery.sweep()
    assert {task for _, task, _, _ in agent.rung} == {task for _, task, _, _ in rung}
    assert finder.task not in {task for _, task, _, _ in agent.rung}
    assert agent.delivery.claim(finder.task, 2, "node1") is None
    assert fresh(job).state == "STARTED"


def test_where_nothing_is_left_to_do_the_next_phase_needs_no_other_attempt(agent: FakeAgent) -> None:
    _, finder = begun(agent)
    assert agent.delivery.batch(batch(finder, 0, DELETED, "a"))
    through(agent)
    assert agent.delivery.batch(batch(finder, 1, MOVED, "b"))
    through(agent)
    assert agent.delivery.batch(batch(finder, 2, REST, "c"))


def test_the_first_phase_that_there_is_begins_at_once(agent: FakeAgent) -> None:
    _, finder = begun(agent)
    assert agent.delivery.batch(batch(finder, 0, REST, "c"))
    assert agent.delivery.batch(batch(finder, 1, REST, "d"))


def test_failed_entries_do_not_keep_the_next_phase_from_its_beginning(agent: FakeAgent) -> None:
    held(agent)
    order = agent.claim()
    assert order is not None
    agent.delivery.report(report(order, [Outcome.of_error(entry, Unavailable("no")) for entry in order.entries]))
    again = agent.claim()
    assert again is not None
    assert again.phase == MOVED


def test_a_discovery_that_was_killed_goes_on_in_its_phase(agent: FakeAgent) -> None:
    _, finder = begun(agent)
    agent.delivery.batch(batch(finder, 0, MOVED, "a"))
    agent.rung.clear()
    agent.delivery.adopt_orphans(died=True)
    orders = [order for _ in range(len(agent.rung)) if (order := agent.claim()) is not None]
    (again,) = [order for order in orders if order.step.endswith("snapdiff")]
    assert (again.attempt, again.phase, again.after) == (2, MOVED, f"{TOP}/a".encode())
    assert not agent.delivery.batch(batch(again, 1, REST, "b")), "the move has not ended"


def test_what_is_held_stays_so_when_hub_and_agents_begin_anew(agent: FakeAgent) -> None:
    job, finder = held(agent)
    agent.rung.clear()
    agent.delivery.adopt_orphans()
    assert [task for _, task, _, _ in agent.rung if task == finder.task] == []
    through(agent)
    again = agent.claim()
    assert again is not None
    assert again.phase == MOVED
    assert fresh(job).numheld == 0


def test_a_late_report_of_the_attempt_that_was_taken_changes_nothing(agent: FakeAgent) -> None:
    job, finder = held(agent)
    agent.delivery.report(Report(task=finder.task, attempt=1))
    agent.delivery.report(Report(task=finder.task, attempt=1, error="unavailable", reason="x", retry=True))
    assert not agent.delivery.batch(batch(finder, 1, MOVED, "b"))
    assert (fresh(job).numopen, fresh(job).numheld) == (2, 1)


def test_a_cancelled_job_has_nothing_held_and_does_not_rotate_as_if_all_was_found(agent: FakeAgent) -> None:
    job, _ = held(agent)
    agent.rung.clear()
    cancel(job.pk)
    order = agent.claim()
    assert order is not None
    assert order.options["forward"] is False
    done(agent, order)
    job = fresh(job)
    assert (job.state, job.numopen, job.numheld) == ("CANCELLED", 0, 0)


def test_two_discoveries_of_a_job_wait_for_each_others_tasks_and_both_go_on(agent: FakeAgent) -> None:
    job, one = begun(agent)
    start("changes", f"{TOP}/others", job=job.pk)
    two = agent.claim()
    assert two is not None
    for order in (one, two):
        assert agent.delivery.batch(batch(order, 0, DELETED, "a"))
    for order in (one, two):
        assert not agent.delivery.batch(batch(order, 1, MOVED if order is one else REST, "b"))
    assert (fresh(job).numopen, fresh(job).numheld) == (4, 2)
    for _ in range(4):
        done(agent, agent.claim())
    again = agent.claim()
    assert again is not None
    assert again.task == one.task
    assert (fresh(job).numopen, fresh(job).numheld) == (2, 1)
    agent.delivery.report(report(again))
    then = agent.claim()
    assert then is not None
    assert (then.task, then.phase) == (two.task, REST)


def given(state: str, name: str, source: str | None = None) -> Entry:
    before = None if source is None else f"{TOP}/{source}".encode()
    return Entry(path=f"{TOP}/{name}".encode(), state=state, source=before)


def run(agent: FakeAgent) -> list[list[str]]:
    """Run all; return the paths of the tasks at london, but for looks, in the order they were begun."""
    agent.orders.clear()
    agent.run()
    orders = [order for order in agent.orders if order.site == "london" and order.step.endswith("migrate")]
    return [[entry.path.decode().removeprefix(f"{TOP}/") for entry in order.entries] for order in orders]


def submitted(*entries: Entry, **more: object) -> Job:
    from argosy.hub.jobs.services import Asked, submit

    return submit(Asked(site="london", workflow="changes", paths=entries, discovery=None, **more), owner=None)


def test_entries_that_are_given_with_states_are_dealt_with_in_phases(agent: FakeAgent) -> None:
    moves = [given("moved", "e/x", "x"), given("moved", "e", "d"), given("moved", "z", "d/y")]
    swap = [given("moved", "p", "q"), given("moved", "q", "p")]
    job = submitted(given("created", "n"), *moves, given("updated", "e/x/u"), given("deleted", "g"), *swap)
    assert (job.numopen, job.numheld) == (5, 4)
    first, *levels, last = run(agent)
    assert (first, sorted(last)) == (["g"], ["e/x/u", "n"])
    assert [sorted(level) for level in levels] == [["p", "q", "z"], ["e"], ["e/x"]]
    job = fresh(job)
    assert (job.state, job.numfiles, job.numprocessedfiles, job.numheld) == ("SUCCESS", 8, 8, 0)


def test_a_plan_changes_nothing_and_looks_at_all_at_once(agent: FakeAgent) -> None:
    job = submitted(given("created", "n"), given("deleted", "g"), dry_run=True)
    assert (job.numopen, job.numheld) == (1, 0)


def test_what_did_not_go_well_is_done_again_in_phases(agent: FakeAgent) -> None:
    agent.act = lambda order, entry: (
        Outcome.processed(entry) if order.step.endswith("stat_paths") else Outcome.of_error(entry, Unavailable("no"))
    )
    job = submitted(given("created", "n"), given("moved", "m", "o"), given("deleted", "g"))
    run(agent)
    assert fresh(job).numfailedfiles == 3
    again = resubmit(job.pk, owner=None, only_failed=True)
    assert (again.numopen, again.numheld) == (3, 2)
    assert run(agent) == [["g"], ["m"], ["n"]]
