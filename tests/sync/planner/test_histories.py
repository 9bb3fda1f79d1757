"""Ten thousand histories: what must hold after every run, every crash, under every policy, in both kinds of sync.

Hypothesis chooses a number and a number tells a history: drawing every deed one by one would take ten times as long.
What Hypothesis cannot do then is to make a failing history shorter, so `shortened` does: it leaves out every deed that
the history does not need to go wrong in the same way, and prints what remains. Deeds have numbers of their own, so that
leaving one out does not change the others.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sync.planner.histories import Drift, History, shortened

CASES = 10_000


@settings(
    max_examples=CASES, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_invariants_hold_in_ten_thousand_histories(seed: int) -> None:
    try:
        History(seed).run()
    except AssertionError:
        pytest.fail(shortened(seed))


@settings(
    max_examples=2_000, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_one_way_a_second_run_does_nothing_however_the_destination_drifts(seed: int) -> None:
    try:
        Drift(seed).run()
    except AssertionError:
        pytest.fail(shortened(seed, Drift))


@pytest.mark.parametrize("seed", [359, 608, 1280, 1441, 3642, 3703, 3993, 4228])
def test_drifts_that_once_went_wrong(seed: int) -> None:
    Drift(seed).run()


@pytest.mark.parametrize("seed", [3, 21, 58, 239, 469, 566, 669, 1368, 1536, 2434, 5587, 5943, 26504, 26939])
def test_histories_that_once_went_wrong(seed: int) -> None:
    History(seed).run()
