"""An agent that dies, or that is told to stop, while it applies: nothing is lost, and the next round is right."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import LeaseLost
from argosy.core.faults import HubAway, RootUnserved
from argosy.sync.executor import executing
from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.planner.trees import SIDES, Side
from tests.agent.syncing.pair import Pair, Round
from tests.agent.syncing.test_rounds import both_are_alike, nothing_is_left_to_do, something
from tests.sites import close_all
from tests.sync.executor.dying import POINTS, arm, switch_on
from tests.sync.executor.pair import tree_of

HITS = 60
"""More than any point is hit in the story below."""


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Return a pair with everything to do: moves, swaps, edits, conflicts, removals, links."""
    pair = Pair(tmp_path / "pair")
    something(pair)
    one, two = pair.disks
    one.create(b"both", b"first")
    one.create(b"gone", b"first")
    pair.sync()
    one.swap(b"big", b"zero")
    one.move(b"d", b"e")
    one.edit(b"both", b"by one")
    two.edit(b"both", b"by two")
    two.remove(b"gone")
    one.create(b"new", b"new")
    one.link(b"new", b"e/another")
    two.attach(b"d", b"value")
    two.mkdir(b"more")
    return pair


def live(pair: Pair, *, on_its_way: bool = False) -> set[object]:
    return set().union(
        *(disk.contents() for disk in pair.disks), *(pair.saved(side, on_its_way=on_its_way) for side in SIDES)
    )


def ready(pair: Pair) -> Round:
    """Return a round of which all is staged."""
    made = pair.plan()
    pair.transfer(made)
    return made


@pytest.mark.parametrize("point", [each for each in POINTS if each != "stage"])
def test_killed_while_it_applies_nothing_is_lost_and_the_next_round_is_right(pair: Pair, point: str) -> None:
    before = live(pair)
    for hit in range(1, HITS, 2):
        made = ready(pair)

        def act(made: Round = made, hit: int = hit) -> None:
            switch_on(point, hit)
            pair.apply(made)

        survived = pair.survives(act)
        assert before <= live(pair)
        assert not parked(pair)
        if survived:
            break
    else:
        pytest.fail("the story never ends")
    assert hit > 1, f"sync:{point} was never hit"
    assert not pair.sync().undone
    both_are_alike(pair)
    pair.sync()
    nothing_is_left_to_do(pair)


@pytest.mark.parametrize(
    "point", ["sync:before_upload", "sync:mid_upload", "sync:after_upload", "sync:stage", "hsm:fetch"]
)
def test_killed_while_it_sends_or_stages_the_next_round_is_right(pair: Pair, point: str) -> None:
    made = pair.plan()

    def act() -> None:
        arm({point: ("kill", 1)})
        pair.transfer(made)

    assert not pair.survives(act)
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_a_scan_that_was_killed_is_gone_on_with(pair: Pair) -> None:
    def act() -> None:
        arm({"sync:after_discovery": ("kill", 1)})
        pair.scan(Side.ONE, "run-9")

    task = f"task{next(pair.tasks) + 1}"
    assert not pair.survives(act)
    pair.disks[0].create(b"later", b"after the snapshot")
    report = pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), task=task, attempt=2, run="run-9")
    assert not report.error
    assert b"later" not in {each.name for each in tree_of(pair.hub.index(task)).entries}


def test_what_was_done_before_the_tree_went_away_is_told(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ready(pair)
    usual = executing.apply

    def breaking(*told: Any, **more: Any) -> Iterator[Outcome]:
        for number, outcome in enumerate(usual(*told, **more)):
            yield outcome
            if number == 2:
                raise RootUnserved("its disk is gone")

    monkeypatch.setattr(executing, "apply", breaking)
    task = pair.new_task()
    pair.hub.give(task, made.operations[1])
    report = pair.report(Side.TWO, "apply_operations", pair.top(Side.TWO), task=task, run=made.run)
    assert report.reason == "its disk is gone"
    assert [each.became for each in pair.hub.told(task)] == [Became.DONE] * 3
    assert not parked(pair)


def test_what_is_staged_waits_for_its_operations_when_the_agent_begins_anew(pair: Pair) -> None:
    made = ready(pair)
    pair.restart()
    pair.apply(made)
    assert not made.undone
    both_are_alike(pair)


def test_what_was_staged_for_a_round_that_never_came_to_its_end_goes_with_the_next_scan(pair: Pair) -> None:
    ready(pair)
    assert any(pair.temporaries(side) for side in SIDES)
    pair.plan()
    assert not [each for side in SIDES for each in pair.temporaries(side) if "/staged/" in each]


def parked(pair: Pair) -> list[str]:
    return [str(each) for site in pair.sites for each in (site.root / ".argosy/sync").glob("*/parked/*")]


def test_an_apply_that_was_broken_off_is_not_taken_up_again(pair: Pair) -> None:
    made = ready(pair)

    def act() -> None:
        switch_on("park", 2)
        pair.apply(made)

    assert not pair.survives(act)
    report = pair.report(Side.TWO, "apply_operations", pair.top(Side.TWO), run=made.run, attempt=2)
    assert (report.error, report.retry) == ("changed", False)
    assert not parked(pair)
    assert not pair.sync().undone
    both_are_alike(pair)


@pytest.mark.parametrize("call", ["operations", "applied"])
def test_where_the_hub_takes_the_task_back_nothing_stays_out_of_sight(pair: Pair, call: str) -> None:
    before = live(pair)
    made = ready(pair)
    pair.hub.refuse_at = call
    with pytest.raises(LeaseLost):
        pair.apply(made)
    pair.hub.refuse_at = ""
    assert not parked(pair)
    assert before <= live(pair)
    pair.sync()
    both_are_alike(pair)


def test_after_a_lost_lease_nothing_changes_but_that_what_was_parked_comes_home(pair: Pair) -> None:
    made = ready(pair)
    for checks in range(1, HITS * 3, 3):
        trees = [disk.tree() for disk in pair.disks]
        seen: list[dict[bytes, tuple[object, ...]]] = []

        def look(seen: list[dict[bytes, tuple[object, ...]]] = seen) -> None:
            seen.extend(disk.tree() for disk in pair.disks)

        pair.lasting = checks, look
        try:
            pair.apply(made)
        except LeaseLost:
            assert not parked(pair)
            for disk, then, before in zip(pair.disks, seen, trees, strict=True):
                come = disk.tree().keys() - then.keys()
                assert {path.removesuffix(b".recovered") for path in come} <= before.keys(), "only what was there"
                assert all(disk.tree()[path] == there for path, there in then.items())
        else:
            break
        pair.lasting = 0, look
        made = ready(pair)
    else:
        pytest.fail("the story never ends")
    assert checks > 10
    pair.agree(made)
    pair.rotate()
    pair.sync()
    both_are_alike(pair)


def test_while_the_hub_is_away_the_agent_waits_for_it(pair: Pair) -> None:
    made = ready(pair)
    away = {"operations": 2, "applied": 3}

    def watch(call: str) -> None:
        if away.get(call, 0):
            away[call] -= 1
            raise HubAway("the hub cannot be reached")

    pair.hub.watch = watch
    pair.apply(made)
    assert not made.undone
    assert not any(away.values())
    both_are_alike(pair)


def test_operations_that_cannot_be_read_are_not_applied(pair: Pair) -> None:
    made = ready(pair)
    trees = [disk.tree() for disk in pair.disks]
    pair.hub.spoiled = b"\xc1"
    report = pair.report(Side.TWO, "apply_operations", pair.top(Side.TWO), run=made.run)
    assert report.error == "corrupt"
    assert [disk.tree() for disk in pair.disks] == trees
