"""A plan follows each chain, and says so where a link depends on what those before it leave; its numbers add up."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from argosy.core.entry import Entry
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.workflows.models import Workflow
from argosy.site import Site
from argosy.steps.base import STEPS
from tests.hub.real import RealAgent
from tests.hub.test_plans import SEND
from tests.hub.test_plans_come_true import CONTENT, ended, lines, told

DEPENDS = "depends on what the steps before it leave"
WOULD_RUN = "would run: this step cannot say what it would do"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RealAgent]:
    with RealAgent(tmp_path) as agent:
        yield agent


@pytest.fixture
def workflow() -> Iterator[Callable[..., str]]:
    """A function that makes a workflow of one chain for each list of steps, gone after the test."""
    made: list[str] = []

    def make(*chains: list[str | dict[str, Any]]) -> str:
        rules = [{"state": "all", "type": "all", "action": [named(step) for step in chain]} for chain in chains]
        made.append(f"chain{len(made)}")
        Workflow.objects.create(name=made[-1], label=made[-1], discovery=None, filter_rules=rules)
        return made[-1]

    yield make
    Workflow.objects.filter(name__in=made).delete()


def named(step: str | dict[str, Any]) -> dict[str, Any]:
    given = {"name": step} if isinstance(step, str) else step
    return given | {"name": f"dynamo.tasks.{given['name']}"}


def said(plan: Job) -> list[tuple[str, str, int, int]]:
    """Return what each link says, of how many files, and of how many bytes."""
    return [
        (step["step"].rpartition(".")[2], line["says"], line["files"], line["bytes"])
        for step in told(plan)["steps"]
        for line in step["says"]
    ]


@pytest.mark.parametrize("second", ["recall", "delete_paths_from_gpfs", "remove_from_cloud", "migrate", "verify"])
def test_what_comes_after_a_change_at_the_same_site_is_said_to_depend_on_it(
    agent: RealAgent, workflow: Callable[..., str], second: str
) -> None:
    plan = agent.ran(workflow(["migrate", second, "stat_paths"]), agent.made("file", CONTENT), dry_run=True)
    assert said(plan) == [
        ("migrate", "would copy it to datastore cloud and free its blocks", 1, len(CONTENT)),
        (second, DEPENDS, 1, 0),
        ("stat_paths", DEPENDS, 1, 0),
    ]
    assert (told(plan)["bytes"], told(plan)["uncounted"]) == (len(CONTENT), 2)


def test_a_chain_that_begins_with_a_move_is_applied_to_its_end(agent: RealAgent, workflow: Callable[..., str]) -> None:
    file = agent.made("file", CONTENT)
    entry = Entry(path=bytes(file.with_name("moved")), source=bytes(file))
    chain = workflow(["move_paths_on_gpfs", {"name": "migrate", "premigrate": True}])
    plan = submit(Asked(site="london", workflow=chain, paths=[entry], dry_run=True), owner=None)
    agent.run()
    assert [says for _, says, *_ in said(plan)] == ["would get its new name", DEPENDS]
    job, _ = apply(plan.pk, owner=None)
    agent.run()
    job.refresh_from_db()
    assert (ended(job), job.moved_data) == ({"moved": "processed"}, len(CONTENT))


def test_what_only_looks_leaves_what_comes_after_it_as_sure_as_it_was(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    chain = workflow(["stat_paths", "verify", "ensure_cloud_file_exists", "migrate"])
    file = agent.made("file", CONTENT)
    agent.ran("premigrate", file)
    plan = agent.ran(chain, file, dry_run=True)
    assert said(plan)[-1] == ("migrate", "would free its blocks: its copy is there", 1, 0)
    assert told(plan)["uncounted"] == 0


def test_a_step_elsewhere_that_asks_the_store_depends_on_what_is_sent_before_it(
    agent: RealAgent, workflow: Callable[..., str]
) -> None:
    chain = workflow([{"name": "migrate", "premigrate": True}, {"name": "ensure_cloud_file_exists", "site": "dublin"}])
    plan = agent.ran(chain, agent.made("file", CONTENT), dry_run=True)
    assert said(plan)[-1] == ("ensure_cloud_file_exists", DEPENDS, 1, 0)


def test_a_send_of_what_was_moved_since_it_was_copied_is_planned_as_it_goes(agent: RealAgent) -> None:
    before = [agent.made(name, CONTENT) for name in ("before", "stub")]
    agent.ran("premigrate", *before)
    agent.ran("migrate", before[1])
    moved = [file.rename(file.with_name(f"{file.name}2")) for file in before]
    plan = agent.ran("send", *moved, fields=SEND, dry_run=True)
    assert ("migrate", "would copy it to datastore cloud", 1, len(CONTENT)) in said(plan)
    job = agent.ran("send", *moved, fields=SEND)
    assert ended(job) == ended(plan) == {"before2": "processed", "stub2": "processed"}
    assert told(plan)["bytes"] == job.moved_data == 3 * len(CONTENT)
    assert told(plan)["uncounted"] == 0


@dataclass(frozen=True)
class Mute:
    """A step that cannot say what it would do."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        return Outcome.processed(entry)


@dataclass(frozen=True)
class Telling(Mute):
    """A step that says that it would not change the entry."""

    def plan(self, entry: Entry, site: Site) -> Planned:
        return Planned(entry=entry, says="would print it", leaves=Leaves.AS_IT_WAS)


@pytest.mark.parametrize(("step", "then"), [(Mute, DEPENDS), (Telling, "would copy it to datastore cloud")])
def test_of_a_step_that_cannot_say_what_it_would_do_nothing_is_taken_for_granted(
    agent: RealAgent, workflow: Callable[..., str], monkeypatch: pytest.MonkeyPatch, step: type[Mute], then: str
) -> None:
    usual = STEPS.get
    monkeypatch.setattr(STEPS, "get", lambda name: step if name == "dynamo.tasks.own" else usual(name))
    chain = workflow(["own", {"name": "migrate", "premigrate": True}, {"name": "own", "site": "dublin"}])
    plan = agent.ran(chain, agent.made("file", CONTENT), dry_run=True)
    first = WOULD_RUN if step is Mute else "would print it"
    assert [says for _, says, *_ in said(plan)] == [first, then, DEPENDS if step is Mute else "would print it"]
    assert (told(plan)["uncounted"] > 0) is (step is Mute)


def test_what_fails_at_the_end_of_its_chain_is_no_part_of_any_number(agent: RealAgent) -> None:
    file = agent.made("file", CONTENT)
    agent.made("file", b"other", site="dublin")
    plan = told(agent.ran("send", file, fields=SEND, dry_run=True))
    assert (plan["files"], plan["bytes"], plan["requests"], plan["unable"]) == (0, 0, 0, 1)
    assert [step["step"] for step in plan["steps"]] == ["dynamo.tasks.reverse_stub"]


def test_what_is_left_alone_costs_nothing(agent: RealAgent) -> None:
    file = agent.made("file", CONTENT)
    agent.ran("premigrate", file)
    plan = told(agent.ran("premigrate", file, dry_run=True))
    assert (plan["files"], plan["untouched"], plan["bytes"], plan["requests"]) == (0, 1, 0, 0)


@pytest.mark.parametrize("name", ["premigrate", "migrate", "send"])
def test_a_file_of_several_names_is_counted_once(agent: RealAgent, name: str) -> None:
    file = agent.made("a", CONTENT)
    for other in ("b", "c"):
        os.link(file, file.with_name(other))
    fields = SEND if name == "send" else {}
    plan = agent.ran(name, fields=fields, dry_run=True)
    job = agent.ran(name, fields=fields)
    assert told(plan)["bytes"] == job.moved_data == len(CONTENT) * (2 if name == "send" else 1)
    again = [line for line in lines(plan) if "another name" in line["says"]]
    assert {(line["files"], line["size"], line["bytes"]) for line in again} == {(2, 0, 0)}


def test_what_is_read_by_every_name_of_a_file_is_counted_for_each(agent: RealAgent) -> None:
    file = agent.made("a", CONTENT)
    os.link(file, file.with_name("b"))
    agent.ran("premigrate")
    plan = agent.ran("verify", fields={"content": True}, dry_run=True)
    job = agent.ran("verify", fields={"content": True})
    assert told(plan)["bytes"] == job.moved_data == 2 * len(CONTENT)


def test_files_that_look_alike_are_counted_each(agent: RealAgent) -> None:
    for name in "ab":
        agent.made(name, CONTENT)
        os.link(agent.projects() / name, agent.projects() / f"{name}2")
        os.utime(agent.projects() / name, ns=(0, 10**18))
    assert told(agent.ran("premigrate", dry_run=True))["bytes"] == 2 * len(CONTENT)


def test_a_file_that_two_rules_copy_is_counted_once(agent: RealAgent, workflow: Callable[..., str]) -> None:
    copy = {"name": "migrate", "premigrate": True}
    both = workflow([copy], [copy, {"name": "reverse_stub", "hydrate": True, "site": "dublin"}])
    plan = agent.ran(both, agent.made("file", CONTENT), dry_run=True)
    assert told(plan)["bytes"] == 2 * len(CONTENT)


def test_lines_add_up_to_the_sums(agent: RealAgent) -> None:
    for name in ("a", "b", "dir/c"):
        agent.made(name, CONTENT)
    agent.made("b", b"other", site="dublin")
    plan = told(agent.ran("send", fields=SEND, dry_run=True))
    every = [line for step in plan["steps"] for line in step["says"]]
    for number in ("bytes", "requests"):
        assert sum(line[number] for line in every) == plan[number]


def test_the_discovery_of_a_plan_is_told_to_look_only(agent: RealAgent) -> None:
    file = agent.made("file", CONTENT)
    for dry_run in (True, False):
        agent.orders.clear()
        agent.ran("migrate", file.parent, dry_run=dry_run)
        assert {order.step: order.dry_run for order in agent.orders} == {
            "dynamo.tasks.recursive_action": dry_run, "dynamo.tasks.migrate": dry_run
        }  # fmt: skip
