"""Moves that are given after something new took the old name at the source: both are right at the destination."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from argosy.core.entry import Entry
from argosy.core.states import FileState
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.plans.applying import apply
from argosy.hub.jobs.plans.told import tell
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.workflows.models import Workflow
from tests.hub.test_mirror import unwell
from tests.hub.test_undone_moves import Attended, agent, block, named
from tests.mirroring import looked, rule

__all__ = ["agent"]

Said = tuple[str, str, str | None]
"""Name, state, and the name before."""


class Change(NamedTuple):
    """What happens at the source, and what is said of it."""

    do: Callable[[Path], None]
    said: list[Said]
    blocked: str
    """The new name of what moved, which something at the destination keeps it from."""


def renamed(here: Path, *names: tuple[str, str]) -> None:
    for old, new in names:
        (here / old).rename(here / new)


def a_new_file(here: Path) -> None:
    renamed(here, ("x", "y"))
    (here / "x").write_text("new")


def one_of_the_other_kind(here: Path) -> None:
    renamed(here, ("x", "y"))
    (here / "x").mkdir()
    (here / "x/in").write_text("in it")


def swapped(here: Path) -> None:
    renamed(here, ("x", "t"), ("w", "x"), ("t", "w"))


def a_chain(here: Path) -> None:
    renamed(here, ("w", "z"), ("x", "w"))
    (here / "x").write_text("new")


def a_new_directory(here: Path) -> None:
    renamed(here, ("d", "e"))
    (here / "d").mkdir()
    (here / "d/f").write_text("new")


def directories_in_a_circle(here: Path) -> None:
    renamed(here, ("d", "t"), ("g", "d"), ("t", "g"))


CHANGES = {
    "a new file": Change(a_new_file, [("y", "moved", "x"), ("x", "updated", None)], "y"),
    "a new directory for a file": Change(
        one_of_the_other_kind, [("x/in", "created", None), ("x", "created", None), ("y", "moved", "x")], "y"
    ),
    "a swap": Change(swapped, [("w", "moved", "x"), ("x", "moved", "w")], ""),
    "a chain": Change(a_chain, [("z", "moved", "w"), ("w", "moved", "x"), ("x", "created", None)], "z"),
    "a new directory": Change(
        a_new_directory, [("d", "created", None), ("e", "moved", "d"), ("d/f", "created", None)], "e"
    ),
    "directories swapped": Change(directories_in_a_circle, [("g", "moved", "d"), ("d", "moved", "g")], ""),
}
KNOWN = pytest.mark.parametrize(
    "change", [CHANGES[name] for name in CHANGES if name != "directories swapped"], ids=list(CHANGES)[:-1]
)
"""Where what moved can be told from what has its old name: directories are known by their names alone."""
ALL = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
BLOCKED = pytest.mark.parametrize(
    "change", [one for one in CHANGES.values() if one.blocked], ids=[name for name in CHANGES if CHANGES[name].blocked]
)


def mirrored(agent: Attended) -> None:
    """Have a few files and directories, the same at both sites."""
    here = agent.projects()
    for name in ("x", "w", "d/f", "d/sub/s", "g/h"):
        (here / name).parent.mkdir(exist_ok=True, parents=True)
        (here / name).write_text(f"the old {name}")
    assert agent.mirrored().state == "SUCCESS"


def entries(agent: Attended, change: Change) -> list[Entry]:
    return [agent.entry(*each) for each in change.said]


def expect_alike(agent: Attended, job: Job) -> None:
    assert (job.state, job.numfailedfiles, job.numabortedfiles) == ("SUCCESS", 0, 0), unwell(job)
    assert looked(agent.projects("dublin")) == looked(agent.projects())


@pytest.mark.parametrize("way", ["submitted", "applied"])
@ALL
def test_both_are_right_at_the_destination(agent: Attended, change: Change, way: str) -> None:
    mirrored(agent)
    change.do(agent.projects())
    given = entries(agent, change)
    job = agent.given(*given) if way == "submitted" else agent.applied(*given)
    if way == "applied" and change.do is one_of_the_other_kind:  # there was a file where a directory was to be
        assert agent.names() == ["d", "d/f", "d/sub", "d/sub/s", "g", "g/h", "w", "y"]
        job = agent.applied(*given)
    expect_alike(agent, job)


@KNOWN
def test_what_is_said_a_second_time_is_not_done_a_second_time(agent: Attended, change: Change) -> None:
    mirrored(agent)
    change.do(agent.projects())
    agent.given(*entries(agent, change))
    agent.given(*entries(agent, change))
    assert looked(agent.projects("dublin")) == looked(agent.projects())


@BLOCKED
def test_what_did_not_get_its_name_gets_it_when_that_is_done_again(agent: Attended, change: Change) -> None:
    mirrored(agent)
    before = looked(agent.projects("dublin"))
    change.do(agent.projects())
    free = block(agent, change.blocked)
    job = agent.given(*entries(agent, change))
    assert job.numprocessedfiles == 0, unwell(job)
    assert job.numfailedfiles + job.numabortedfiles == len(change.said)
    free()
    assert looked(agent.projects("dublin")) == before
    expect_alike(agent, agent.again(job))


@BLOCKED
def test_what_moved_and_was_written_to_since_is_known_when_that_is_done_again(agent: Attended, change: Change) -> None:
    mirrored(agent)
    change.do(agent.projects())
    free = block(agent, change.blocked)
    job = agent.given(*entries(agent, change))
    free()
    moved = agent.projects() / change.blocked
    with (moved / "f" if moved.is_dir() else moved).open("a") as file:
        file.write(", and more")
    again = agent.again(job)
    assert (again.numfailedfiles, again.numabortedfiles) == (0, 0), unwell(again)
    updated = "e/f" if moved.is_dir() else change.blocked
    expect_alike(agent, agent.given(agent.entry(updated, "updated")))


@pytest.mark.parametrize("said", [[("w", "moved", "x")], [("w", "moved", "x"), ("x", "moved", "w")]])
def test_what_is_to_be_moved_at_the_site_itself_is_what_has_the_old_name(agent: Attended, said: list[Said]) -> None:
    here = agent.projects()
    for name in ("x", "w"):
        (here / name).write_text(f"the old {name}")
    rules = [rule("moved", {"name": "dynamo.tasks.move_paths_on_gpfs"})]
    Workflow.objects.create(name="tidy", label="Tidy", fields=[], filter_rules=rules)
    try:
        job = submit(Asked(site="london", workflow="tidy", paths=[agent.entry(*each) for each in said]), owner=None)
        agent.run()
    finally:
        Workflow.objects.filter(name="tidy").delete()
    job.refresh_from_db()
    assert (job.state, job.numprocessedfiles) == ("SUCCESS", len(said)), unwell(job)
    assert looked(here) == {"w": b"the old x", **({"x": b"the old w"} if len(said) > 1 else {})}


HINDERED = {
    "what moved": ("a new file", "x", ["x", "y"]),
    "the end of a chain": ("a chain", "w", ["w", "x", "z"]),
    "a directory": ("a new directory", "d", ["d", "d/f", "e"]),
}


@pytest.mark.parametrize("name", HINDERED)
def test_a_plan_leaves_out_what_depends_on_what_cannot_be_moved(agent: Attended, name: str) -> None:
    changed, hindering, left = HINDERED[name]
    change = CHANGES[changed]
    mirrored(agent)
    here, there = agent.projects(), agent.projects("dublin")
    change.do(here)
    (here / "apart").write_text("apart")
    if (there / hindering).is_dir():
        shutil.rmtree(there / hindering)
    (there / hindering).write_text("of somebody at dublin")
    before = looked(there)
    given = [*entries(agent, change), agent.entry("apart", "created")]
    planned = agent.given(*given, dry_run=True)
    assert (planned.numprocessedfiles, planned.numfailedfiles, planned.numabortedfiles) == (1, 0, len(left))
    assert sorted(name for name, _ in named(planned, FileState.ABORTED)) == left
    told = tell(planned.plan)
    assert (told["files"], told["unable"]) == (1, len(left))
    job, _ = apply(planned.pk, owner=None)
    agent.run()
    assert looked(there) == before | {"apart": b"apart"}, unwell(job)
