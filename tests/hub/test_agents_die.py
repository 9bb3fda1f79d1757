"""Tasks that kill the agents end, and cost the others little."""

from datetime import timedelta

import pytest

from argosy.core.entry import Entry
from argosy.core.order import Order
from argosy.core.report import Present
from argosy.hub.jobs import suspects
from argosy.hub.jobs.clock import count_anew
from argosy.hub.jobs.explain.causes.turns import QUEUED
from argosy.hub.jobs.explain.waiting import troubles
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import Asked, cancel, submit
from argosy.hub.jobs.suspects import MOST, SUSPECT
from argosy.hub.sites.models import Site
from argosy.hub.sites.presence import note
from tests.hub.fake import FakeAgent, file, fresh, processed, report, start, told
from tests.hub.home import on_sqlite

pytestmark = pytest.mark.usefixtures("two_sites")
BOMB = b"/srv/london/projects/bomb"


def waiting(agent: FakeAgent, *names: str) -> Job:
    """Return a job of a migrate task for each name, all of which wait."""
    Site.objects.update(file_batch_size=len(names))
    job = start("premigrate", *(f"/srv/london/projects/{name}" for name in names), discovery=None)
    order = next(order for order in iter(agent.claim, ()) if order and order.job == job.pk)
    Site.objects.update(file_batch_size=1)
    agent.do(order)
    return job


class Node:
    """Agents with four slots, in which tasks take as long as they are told, in seconds; bombs go off in `fuse`."""

    def __init__(self, agent: FakeAgent, lasts: dict[bytes, float], fuse: float = 0.0) -> None:
        self.agent, self.lasts, self.fuse = agent, lasts, fuse
        self.running: list[tuple[float, Order]] = []
        self.deaths = 0
        self.done: list[bytes] = []

    def live(self, seconds: int, *, step: int = 1) -> None:
        for _ in range(0, seconds, step):
            self.agent.clock.forward(step)
            self.agent.delivery.sweep()
            while len(self.running) < 4 and self.agent.rung:
                if (order := self.agent.claim()) is not None:
                    self.running.append((self.agent.clock.passed, order))
            self.work()

    def work(self) -> None:
        for began, order in list(self.running):
            path, since = order.entries[0].path, self.agent.clock.passed - began
            if path.startswith(BOMB):
                if since >= self.fuse:
                    self.die()
                    return
            elif since >= self.lasts.get(path, 0):
                self.agent.do(order)
                self.done.append(path)
                self.running.remove((began, order))
                continue
            assert self.agent.delivery.renew(order.task, order.attempt)

    def die(self) -> None:
        self.deaths += 1
        self.running.clear()
        self.agent.rung.clear()
        self.agent.delivery.adopt_orphans(died=True)


def state(job: Job) -> tuple[str, int, int]:
    found = fresh(job)
    return found.state, found.numprocessedfiles, found.numfailedfiles


def test_a_task_that_kills_the_agents_each_time_fails_and_says_so(agent: FakeAgent) -> None:
    job = waiting(agent, "bomb")
    node = Node(agent, {})
    node.live(10)
    assert (state(job), node.deaths) == (("FAILURE", 0, 1), SUSPECT + 1)
    task = Task.objects.get(job=job, chain=0)
    assert (task.state, task.error) == ("FAILURE", "agent_died")
    assert task.reason.startswith("the agents died 4 times while they ran this task, the last time while they ran")
    assert [(note.outcome.error, note.outcome.reason) for note in JobFiles(job, None)] == [("agent_died", task.reason)]


def test_tasks_that_ran_beside_one_that_kills_the_agents_are_done(agent: FakeAgent) -> None:
    names = ["a", "b", "bomb", *(f"c{n}" for n in range(36))]
    job = waiting(agent, *names)
    node = Node(agent, {f"/srv/london/projects/{name}".encode(): 5.0 for name in names})
    node.live(150)
    assert state(job) == ("FAILURE", 38, 1)
    assert node.deaths == SUSPECT + 1
    assert len(node.done) == len(set(node.done)) == 38


def test_many_tasks_that_kill_the_agents_take_none_of_another_job_with_them(agent: FakeAgent) -> None:
    good = waiting(agent, *(f"good{n}" for n in range(12)))
    agent.rung.clear()
    bombs = waiting(agent, *(f"bomb{n}" for n in range(12)))
    agent.delivery.adopt_orphans()
    node = Node(agent, {f"/srv/london/projects/good{n}".encode(): 20.0 for n in range(12)})
    node.live(400)
    assert (state(bombs), state(good)) == (("FAILURE", 0, 12), ("SUCCESS", 12, 0))
    assert node.deaths <= 3 * 12


@pytest.mark.parametrize("fuse", [0.0, 45.0, 200.0])
def test_of_tasks_that_run_for_long_the_one_that_kills_the_agents_is_found_however_late_it_does(
    agent: FakeAgent, fuse: float
) -> None:
    job = waiting(agent, "a", "bomb", "b")
    node = Node(agent, {f"/srv/london/projects/{name}".encode(): 600.0 for name in "ab"}, fuse)
    while fresh(job).state == "STARTED":
        node.live(60, step=10)
        assert node.agent.clock.passed < 4000
    assert state(job) == ("FAILURE", 2, 1)
    assert node.deaths < MOST


def bombs(agent: FakeAgent, jobs: int, each: int) -> list[Job]:
    return [waiting(agent, *(f"bomb{job}_{number}" for number in range(each))) for job in range(jobs)]


@pytest.mark.parametrize(("jobs", "each", "fuse"), [(1, 12, 0.0), (12, 1, 0.0), (5, 1, 45.0)])
def test_a_long_task_is_done_whatever_kills_the_agents_beside_it(
    agent: FakeAgent, jobs: int, each: int, fuse: float
) -> None:
    long = waiting(agent, "long")
    bad = bombs(agent, jobs, each)
    agent.delivery.adopt_orphans()
    node = Node(agent, {b"/srv/london/projects/long": 2400.0}, fuse)
    while any(fresh(job).state == "STARTED" for job in (long, *bad)):
        node.live(200, step=20)
        assert node.agent.clock.passed < 15_000
    assert state(long) == ("SUCCESS", 1, 0)
    assert {state(job) for job in bad} == {("FAILURE", 0, each)}


def test_a_job_of_nothing_but_tasks_that_kill_the_agents_is_over_soon(agent: FakeAgent) -> None:
    long = waiting(agent, "long")
    (bad,) = bombs(agent, 1, 40)
    agent.delivery.adopt_orphans()
    node = Node(agent, {b"/srv/london/projects/long": 600.0})
    node.live(360, step=3)
    assert state(bad) == ("FAILURE", 0, 40)
    assert node.deaths <= 2 * 40 + 3, "each is tried alone twice, but for the first"
    node.live(660, step=20)
    assert state(long) == ("SUCCESS", 1, 0)


def test_one_task_that_kills_the_agents_has_only_the_next_of_its_job_tried_alone(agent: FakeAgent) -> None:
    job = waiting(agent, "bomb", *(f"good{n:02}" for n in range(20)))
    lasts = {f"/srv/london/projects/good{n:02}".encode(): 100.0 for n in range(20)}
    node = Node(agent, lasts)
    node.live(900, step=10)
    assert state(job) == ("FAILURE", 20, 1), "they are done four at a time"


def test_a_task_that_is_suspected_for_another_is_not_condemned_for_one_death(agent: FakeAgent) -> None:
    job = waiting(agent, "bomb", "next")
    bomb, another = (agent.rung[number][1] for number in range(2))
    for attempt in range(1, SUSPECT + 2):
        assert agent.delivery.claim(bomb, attempt, "node1")
        agent.delivery.adopt_orphans(died=True)
    assert Task.objects.get(taskid=another).reason == "the agents died each time they ran another that does the same"
    assert agent.delivery.claim(bomb, SUSPECT + 2, "node1") is None
    assert agent.delivery.claim(another, 1, "node1")
    agent.delivery.adopt_orphans(died=True)
    assert Task.objects.get(taskid=another).reason == "the agents died once while they ran this task: it is begun again"
    agent.run()
    assert state(job) == ("FAILURE", 1, 1)


def test_a_task_is_not_alone_while_agents_may_be_at_one_that_was_cancelled(agent: FakeAgent) -> None:
    bad, job = waiting(agent, "bomb"), waiting(agent, "a")
    for _ in range(SUSPECT):
        for task in Task.objects.filter(state="PENDING"):
            assert agent.delivery.claim(str(task.taskid), task.attempt, "node1")
            agent.clock.forward(31)
            assert agent.delivery.renew(str(task.taskid), task.attempt)
        agent.delivery.adopt_orphans(died=True)
    for task in Task.objects.filter(state="PENDING").order_by("job"):
        assert agent.delivery.claim(str(task.taskid), task.attempt, "node1")
        agent.clock.forward(31)
    cancel(bad.pk)
    agent.delivery.adopt_orphans(died=True)
    agent.run()
    assert state(job) == ("SUCCESS", 1, 0)


def test_a_suspect_of_a_site_that_nobody_serves_holds_up_the_others_for_a_moment_only(agent: FakeAgent) -> None:
    job = waiting(agent, "bomb")
    for _ in range(SUSPECT):
        assert agent.claim()
        agent.delivery.adopt_orphans(died=True)
    (suspect,) = agent.rung
    agent.rung.clear()
    other = start("premigrate", "/srv/london/projects/other", discovery=None)
    assert not agent.rung, "others are held back while it is on trial"
    for _ in range(11):
        agent.clock.forward(1)
        agent.delivery.sweep()
    agent.run()
    assert fresh(other).state == "SUCCESS"
    assert agent.delivery.claim(suspect[1], suspect[2], "node1")
    assert fresh(job).state == "STARTED"


def suspected(agent: FakeAgent, many: int) -> Job:
    """Return a job of london of whose tasks so many ran each time the agents died, and wait now."""
    job = waiting(agent, *(f"s{number}" for number in range(many)))
    for _ in range(SUSPECT):
        while (waits := Task.objects.filter(job=job, state="PENDING")).exists():
            (first, attempt) = waits.values_list("taskid", "attempt")[0]
            assert agent.delivery.claim(str(first), attempt, "node1")
        agent.delivery.adopt_orphans(died=True)
    return job


def live_at_dublin(agent: FakeAgent, seconds: int) -> None:
    """Let time pass where nobody serves london: what it is told of nobody hears."""
    for _ in range(seconds):
        agent.clock.forward(1)
        agent.delivery.sweep()
        heard = [bell for bell in agent.rung if bell[0] == "dublin"]
        agent.rung.clear()
        agent.rung.extend(heard)
        agent.run()


def at_dublin(name: str) -> Job:
    paths = [Entry(path=f"/srv/dublin/work/{name}".encode())]
    return submit(Asked(site="dublin", workflow="premigrate", paths=paths, discovery=None), owner=None)


@pytest.mark.parametrize("many", [1, 4, 8])
def test_any_number_of_suspects_of_a_site_that_nobody_serves_hold_up_the_others_once(
    agent: FakeAgent, many: int
) -> None:
    job = suspected(agent, many)
    first = at_dublin("first")
    live_at_dublin(agent, 15)
    assert fresh(first).state == "SUCCESS"
    for number in range(45):  # nor do they later, when they are told of again
        other = at_dublin(f"other{number}")
        live_at_dublin(agent, 1)
        assert fresh(other).state == "SUCCESS"
    assert fresh(job).state == "STARTED"


def test_suspects_are_tried_alone_once_their_site_is_served_again(agent: FakeAgent) -> None:
    job = suspected(agent, 8)
    live_at_dublin(agent, 60)
    lasts = {f"/srv/london/projects/s{number}".encode(): 5.0 for number in range(8)}
    node = Node(agent, lasts)
    most = 0
    for _ in range(120):
        node.live(1)
        most = max(most, len(node.running))
    assert (state(job), most) == (("SUCCESS", 8, 0), 1)


def test_a_job_that_waits_for_a_suspect_to_begin_says_so(agent: FakeAgent) -> None:
    job = suspected(agent, 1)
    other = at_dublin("other")
    note(Present(site="dublin", node="node1"), agent.clock())
    (trouble,) = troubles(other, agent.clock())
    assert (trouble.cause, trouble.jobs) == (QUEUED, (job.pk,))
    assert trouble.reason.startswith(
        f"a task of job {job.pk} is to begin before all others, for the agents died 3 times"
    )


def test_a_bell_that_rang_before_the_agents_died_begins_nothing_beside_a_suspect(agent: FakeAgent) -> None:
    waiting(agent, "bomb", "other")
    bomb, early = agent.rung
    for attempt in range(1, SUSPECT + 1):
        assert agent.delivery.claim(bomb[1], attempt, "node1")
        agent.delivery.adopt_orphans(died=True)
    assert agent.delivery.claim(early[1], early[2], "node1") is None
    (_, task, attempt, _) = agent.rung[-1]
    assert agent.delivery.claim(task, attempt, "node1")
    assert agent.delivery.claim(early[1], early[2], "node1") is None
    agent.clock.forward(31)
    assert agent.delivery.renew(task, attempt)
    agent.delivery.sweep()
    assert agent.delivery.claim(early[1], early[2], "node1")


def test_the_report_of_a_condemned_task_that_is_on_the_disk_of_the_agents_counts(agent: FakeAgent) -> None:
    job = waiting(agent, "a")
    for _ in range(SUSPECT + 1):
        order = agent.claim()
        agent.delivery.adopt_orphans(died=True)
    agent.delivery.report(report(order, [processed(order, entry) for entry in order.entries]))
    assert state(job) == ("SUCCESS", 1, 0)


def test_agents_that_were_stopped_with_all_the_rest_count_against_nobody(agent: FakeAgent) -> None:
    job = waiting(agent, "a")
    for _ in range(20):
        assert agent.claim()
        agent.delivery.adopt_orphans()
    agent.run()
    assert state(job) == ("SUCCESS", 1, 0)


def test_an_attempt_that_ends_clears_the_task_of_suspicion(agent: FakeAgent) -> None:
    job = waiting(agent, "a")
    for _ in range(3):
        for _ in range(SUSPECT):
            assert (order := agent.claim())
            agent.delivery.adopt_orphans(died=True)
        order = agent.claim()
        agent.delivery.report(report(order, error="unavailable", reason="gone", retry=True))
        agent.clock.forward(60)
        agent.delivery.sweep()
    agent.run()
    assert state(job) == ("SUCCESS", 1, 0)


def test_a_walk_that_kills_the_agents_fails_and_what_it_found_is_done(agent: FakeAgent) -> None:
    job = start("premigrate")
    while fresh(job).state in {"PENDING", "STARTED"}:
        order = agent.claim()
        if order and order.step.endswith("recursive_action"):
            if order.sequence == 0:
                agent.delivery.batch(told(order, 0, file("/srv/london/projects/a")))
            agent.rung.clear()
            agent.delivery.adopt_orphans(died=True)
        elif order:
            agent.do(order)
        else:
            agent.clock.forward(1)
            agent.delivery.sweep()
    assert fresh(job).numprocessedfiles == 1
    assert Task.objects.get(job=job, chain=None).error == "agent_died"


def test_a_trial_lasts_no_longer_where_the_clock_was_set_back_while_the_hub_was_away(agent: FakeAgent) -> None:
    suspected(agent, 1)
    _, task, attempt, _ = agent.rung[-1]
    assert agent.delivery.claim(task, attempt, "node1")
    agent.clock.set(-86400)
    count_anew(agent.clock(), timedelta(seconds=60), timedelta(hours=1))
    agent.delivery._clock.follow(timedelta(seconds=-86400))
    (suspect,) = suspects.suspects()
    assert suspects.hold([suspect], agent.clock())
    assert not suspects.hold([suspect], agent.clock() + timedelta(seconds=31))


@on_sqlite
def test_nothing_is_suspected_in_vain(agent: FakeAgent) -> None:
    """What everybody asks before anything begins is answered by an index of nothing."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + suspects._SUSPECTS)
        assert "task_suspected" in str(cursor.fetchall())
