"""Several nodes serve a site: what one had that begins anew, and what one claimed whose answer was lost."""

import pytest

from argosy.core.states import TaskState
from argosy.hub.jobs.models import Job, Task
from tests.hub.fake import FakeAgent, start

pytestmark = pytest.mark.usefixtures("two_sites")


def given(*names: str, site: str = "london") -> Job:
    return start("premigrate", *(f"/srv/{site}/projects/{name}" for name in names), discovery=None)


def two_tasks(agent: FakeAgent) -> list[str]:
    """Return two tasks of a site, each claimed by a node of its own."""
    given("a")
    given("b")
    tasks = [(task, attempt) for _, task, attempt, _ in agent.rung]
    for node, (task, attempt) in zip(("node1", "node2"), tasks, strict=True):
        assert agent.delivery.claim(task, attempt, node) is not None
    return [task for task, _ in tasks]


def attempts(*tasks: str) -> list[tuple[str, int]]:
    found = {str(task.taskid): (task.state, task.attempt) for task in Task.objects.all()}
    return [found[task] for task in tasks]


def test_a_node_that_begins_anew_gets_back_what_it_had_and_the_others_keep_theirs(agent):
    first, second = two_tasks(agent)
    agent.delivery.arrive("london", "node1", "one")
    assert attempts(first, second) == [(TaskState.PENDING, 2), (TaskState.STARTED, 1)]
    assert (first, 2) in [(task, attempt) for _, task, attempt, _ in agent.rung]


def test_to_say_so_twice_takes_nothing_from_it(agent):
    agent.delivery.arrive("london", "node1", "one")
    first, _ = two_tasks(agent)
    agent.delivery.arrive("london", "node1", "one")
    assert attempts(first) == [(TaskState.STARTED, 1)]


def test_a_node_of_that_name_at_another_site_has_nothing_of_it(agent):
    first, _ = two_tasks(agent)
    agent.delivery.arrive("dublin", "node1", "one")
    assert attempts(first) == [(TaskState.STARTED, 1)]


def test_it_counts_against_a_task_only_where_the_hub_went_on_meanwhile(agent):
    first, _ = two_tasks(agent)
    agent.delivery.arrive("london", "node1", "one")
    assert Task.objects.get(taskid=first).deaths == 0
    assert agent.delivery.claim(first, 2, "node1") is not None
    agent.delivery.arrive("london", "node1", "two")
    assert Task.objects.get(taskid=first).deaths == 1


def test_a_node_that_lost_the_answer_gets_its_task_and_no_other_does(agent):
    first, _ = two_tasks(agent)
    assert agent.delivery.reclaim(first, 1, "node2") is None
    agent.clock.forward(50)
    order = agent.delivery.reclaim(first, 1, "node1")
    assert order is not None
    assert (order.task, order.attempt) == (first, 1)
    agent.clock.forward(50)
    agent.delivery.sweep()
    assert attempts(first) == [(TaskState.STARTED, 1)]  # its lease runs from then


def test_a_node_that_may_have_lost_the_answer_takes_what_it_has_not(agent):
    given("a")
    _, task, attempt, _ = agent.rung[0]
    assert agent.delivery.reclaim(task, attempt, "node1") is not None
    assert agent.delivery.reclaim(task, attempt + 1, "node1") is None
