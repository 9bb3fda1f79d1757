"""Killed at each named point of each verb, and run again, a verb ends where it would have ended; nothing is lost."""

import random
import re
from pathlib import Path

import pytest

import argosy
from argosy.core.order import StoreAccess
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from tests.servers import SeaweedFS
from tests.verbs.agents import KILLED, Location, Server, call
from tests.verbs.evidence import assert_state
from tests.verbs.scenarios import (
    OLD,
    SCENARIOS,
    Adopt,
    Delete,
    HydrateOver,
    Migrate,
    MoveOver,
    PremigrateOver,
    Recall,
    RecallAndForget,
    ReverseStubOver,
    Rotate,
    Scenario,
    write,
)

LIST = {
    "hash", "preserve", "put", "part", "verify", "recheck", "sidecar", "xattr", "lease", "mark", "punch", "fetch",
    "partial_write", "hash_check", "unmark", "forget", "remote_delete", "stage", "publish", "trash", "gc",
}  # fmt: skip
"""Every point there is."""
CASES = [
    pytest.param(scenario, point, number, id=f"{scenario.__name__}-{point}-{number}")
    for scenario in SCENARIOS
    for point in scenario.points
    for number in (1, 3)
    if number == 1 or point not in scenario.rare
]
TWICE: list[tuple[type[Scenario], str, str]] = [
    (PremigrateOver, "put", "xattr"), (Migrate, "put", "xattr"), (Migrate, "mark", "mark"), (Migrate, "mark", "punch"),
    (Recall, "partial_write", "partial_write"), (Recall, "hash_check", "unmark"), (RecallAndForget, "unmark", "forget"),
    (ReverseStubOver, "publish", "publish"), (HydrateOver, "publish", "trash"), (Delete, "trash", "trash"),
    (MoveOver, "publish", "trash"), (Rotate, "stage", "publish"), (Adopt, "mark", "punch"),
]  # fmt: skip
"""What is left by a kill, met by what is left by another: one of each kind."""
IDS = [scenario.__name__ for scenario in SCENARIOS]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=IDS)
def test_a_verb_comes_to_all_its_points_and_to_no_others(
    agents: Server, tmp_path: Path, scenario: type[Scenario]
) -> None:
    case = scenario(agents, tmp_path, tmp_path)
    agent = case.site.begin(case.verb, failpoints=",".join(f"hsm:{point}=note" for point in LIST))
    outcomes = agent.wait().outcomes
    assert {outcome.state for outcome in outcomes} == {FileState.PROCESSED}, outcomes
    assert agent.points() == {f"hsm:{point}" for point in scenario.points}
    case.check_end()


@pytest.mark.parametrize(("scenario", "point", "number"), CASES)
def test_a_verb_killed_at_a_point_loses_nothing_and_ends_well(
    agents: Server, tmp_path: Path, scenario: type[Scenario], point: str, number: int
) -> None:
    case = scenario(agents, tmp_path, tmp_path)
    agent = case.site.begin(case.verb, failpoints=f"hsm:{point}=kill#{number}")
    ended = agent.wait()
    assert (ended.status, agent.hits(f"hsm:{point}")) == (KILLED, 1), ended.errors
    case.check_any_instant()
    case.site.do(call("stat_paths"))
    case.check_restarted()
    outcomes = case.site.do(case.verb)
    assert all(outcome.state.goes_on for outcome in outcomes), outcomes
    case.check_end()


@pytest.mark.parametrize(
    ("scenario", "point", "again"), TWICE, ids=[f"{scenario.__name__}-{one}-{two}" for scenario, one, two in TWICE]
)
def test_a_verb_killed_once_more_when_it_is_run_again_loses_nothing_and_ends_well(
    agents: Server, tmp_path: Path, scenario: type[Scenario], point: str, again: str
) -> None:
    case = scenario(agents, tmp_path, tmp_path)
    for each in (point, again):
        ended = case.site.begin(case.verb, failpoints=f"hsm:{each}=kill").wait()
        assert ended.status == KILLED, (each, ended)
        case.check_any_instant()
    case.site.do(call("stat_paths"))
    case.check_restarted()
    outcomes = case.site.do(case.verb)
    assert all(outcome.state.goes_on for outcome in outcomes), outcomes
    case.check_end()


def test_a_migration_killed_between_two_parts_loses_nothing_and_ends_well(
    agents: Server, tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    access = StoreAccess(id=7, name="cloud", type="S3", settings=seaweedfs.settings(seaweedfs.bucket()))
    london = Location(agents, tmp_path, tmp_path, more=(("access", access), ("single", 6 << 20)))
    file, data = london.tree / "f", random.Random(1).randbytes(20 << 20)
    write(file, data)
    agent = london.begin(call("migrate", file), failpoints="hsm:part=kill#2")
    assert agent.wait().status == KILLED
    assert_state(file, None, data, mtime_ns=OLD)
    for step, state in (("migrate", StubState.STUB), ("recall", StubState.PREMIGRATED)):
        assert [outcome.state for outcome in london.do(call(step, file))] == [FileState.PROCESSED]
        assert_state(file, state, data, mtime_ns=OLD)


def test_every_point_of_the_code_is_killed_at() -> None:
    sources = (Path(argosy.__file__).parent).rglob("*.py")
    named = {name for source in sources for name in re.findall(r"\"hsm:(\w+)\"", source.read_text())}
    reached = {point for scenario in SCENARIOS for point in scenario.points} | {"part"}
    assert named == reached == LIST
