"""What somebody confirmed is that much, and what was not confirmed is asked about."""

import pytest

from argosy.sync.planner.options import Alarm, Asks, Options
from argosy.sync.planner.trees import Side
from tests.sync.planner.executor import Pair
from tests.sync.planner.test_situations import agreed


def lacking(pair: Pair, *, side: Side, numbers: range) -> Pair:
    for number in numbers:
        pair.disks[side].remove(b"%03d" % number)
    return pair


@pytest.fixture
def pair() -> Pair:
    return agreed(*(b"%03d" % number for number in range(24)))


def test_what_is_confirmed_is_done_where_as_much_is_gone_by_then_or_less(pair: Pair) -> None:
    refused = lacking(pair, side=Side.TWO, numbers=range(16)).plan()
    assert refused.alarms == (Alarm(Asks.GONE, Side.TWO, 16),)
    assert len(pair.plan(Options(confirmed=refused.alarms)).operations) == 16
    assert pair.plan(Options(confirmed=(Alarm(Asks.GONE, Side.TWO, 17),))).refusals == ()


def test_where_more_is_gone_by_then_both_amounts_are_told_and_nothing_is_done(pair: Pair) -> None:
    refused = lacking(pair, side=Side.TWO, numbers=range(16)).plan()
    made = lacking(pair, side=Side.TWO, numbers=range(16, 18)).plan(Options(confirmed=refused.alarms))
    assert made.operations == ()
    assert made.refusals == ("site2: 18 of 24 are gone (16 were confirmed)",)
    assert pair.plan(Options(confirmed=made.alarms)).operations


def test_a_guard_that_had_not_spoken_is_not_confirmed(pair: Pair) -> None:
    refused = lacking(pair, side=Side.TWO, numbers=range(23)).plan()
    made = lacking(pair, side=Side.TWO, numbers=range(23, 24)).plan(Options(confirmed=refused.alarms))
    assert made.operations == ()
    assert made.refusals == (
        "site2: nothing is left at the top, of 24 that were there (nobody confirmed that)",
        "site2: 24 of 24 are gone (23 were confirmed)",
    )
    pair.disks[1].marked = False
    more = pair.plan(Options(confirmed=made.alarms))
    assert more.refusals[0].endswith("is its disk mounted? (nobody confirmed that)")
    assert more.refusals[1:] == (
        "site2: nothing is left at the top, of 24 that were there (confirmed)",
        "site2: 24 of 24 are gone (confirmed)",
    )
    assert len(pair.plan(Options(confirmed=more.alarms)).operations) == 24


def test_what_is_gone_on_the_other_side_is_not_confirmed(pair: Pair) -> None:
    refused = lacking(pair, side=Side.TWO, numbers=range(16)).plan()
    lacking(pair, side=Side.ONE, numbers=range(8, 24))
    made = pair.plan(Options(confirmed=refused.alarms))
    assert made.refusals == (
        "site1: 16 of 24 are gone (nobody confirmed that)",
        "site2: 16 of 24 are gone (confirmed)",
    )
