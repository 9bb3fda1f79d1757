"""As `test_kills.py`, with what was not yet on the disk lost as well: what was reported as done is there afterwards."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from argosy.core.states import FileState
from tests.verbs.agents import KILLED, Server, call
from tests.verbs.disks import Disk
from tests.verbs.scenarios import SCENARIOS, Scenario

KINDS = ("ext4", "xfs")
TRIES = 3
"""XFS brings its log to the disk every half a minute of its own accord: what an agent did may get there with it."""
POINTS = [
    pytest.param(scenario, point, id=f"{scenario.__name__}-{point}")
    for scenario in SCENARIOS
    for point in scenario.points
]
IDS = [scenario.__name__ for scenario in SCENARIOS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scenario", "point"), POINTS)
def test_when_the_power_fails_at_a_point_nothing_is_lost_and_what_was_done_is_done(
    agents: Server, tmp_path: Path, disk: Callable[[str], Disk], kind: str, scenario: type[Scenario], point: str
) -> None:
    on = disk(kind)
    case = scenario(agents, tmp_path, on.room("one"))
    *rest, last = case.verb.entries
    parts = [case.verb.entries] if case.is_whole else [(last,), tuple(rest)]
    on.settle()
    agent = case.site.begin(
        *(msgspec.structs.replace(case.verb, entries=part) for part in parts),
        failpoints=f"hsm:{point}=cut#1",
        live=len(parts) - 1,
    )
    ended = agent.wait()
    assert (ended.status, agent.hits(f"hsm:{point}")) == (KILLED, 1), ended.errors
    on.start_again()
    case.check_any_instant()
    case.site.do(call("stat_paths"))
    if not case.is_whole:
        (report,) = ended.reports
        assert [outcome.state for outcome in report.outcomes] == [FileState.PROCESSED]
        done = Path(os.fsdecode(last.path))
        case.check_done(done, case.files[done])
    case.check_restarted()
    outcomes = case.site.do(case.verb)
    assert all(outcome.state.goes_on for outcome in outcomes), outcomes
    case.check_end()


def after_a_cut(agents: Server, on: Disk, scratch: Path, scenario: type[Scenario], *, never_syncs: bool) -> Scenario:
    """Return the case as it is after the power failed right after its end was reported."""
    case = scenario(agents, scratch, on.room("one"))
    on.settle()
    ended = case.site.run(case.verb, failpoints="done:0=cut", never_syncs=never_syncs)
    assert {outcome.state for outcome in ended.reports[0].outcomes} == {FileState.PROCESSED}
    on.start_again()
    case.site.do(call("stat_paths"))
    return case


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=IDS)
def test_what_was_reported_stands_when_the_power_fails_in_the_next_moment(
    agents: Server, tmp_path: Path, disk: Callable[[str], Disk], kind: str, scenario: type[Scenario]
) -> None:
    after_a_cut(agents, disk(kind), tmp_path, scenario, never_syncs=False).check_end()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.changes_disk])
def test_an_agent_that_never_waits_for_the_disk_is_found_out(
    agents: Server, tmp_path: Path, disk: Callable[[str], Disk], kind: str, scenario: type[Scenario]
) -> None:
    for attempt in range(TRIES):
        scratch = tmp_path / str(attempt)
        scratch.mkdir()
        case = after_a_cut(agents, disk(kind), scratch, scenario, never_syncs=True)
        try:
            case.check_end()
        except (AssertionError, FileNotFoundError):
            return
    pytest.fail("all was on the disk, though nobody waited for it")
