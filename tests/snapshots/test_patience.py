"""How often it is tried to make and delete snapshots."""

import time

import pytest

from argosy.core.errors import LeaseLost, Unavailable, Unsupported
from argosy.core.order import Policy
from argosy.snapshots.patience import patiently


class Hindered:
    """Something that fails as often as it is told to."""

    def __init__(self, times: int, error: type[Exception] = Unavailable) -> None:
        self.left, self.error, self.tries = times, error, 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.left:
            raise self.error("hindered")
        return "done"


@pytest.mark.feature("HUB-SYNC-025")
def test_what_is_hindered_is_tried_again_until_the_time_is_over() -> None:
    act = Hindered(5)
    assert patiently(act, seconds=0.5, check_lease=lambda: None) == "done"
    assert act.tries == 6
    began = time.monotonic()
    act = Hindered(1000)
    with pytest.raises(Unavailable, match="hindered"):
        patiently(act, seconds=0.2, check_lease=lambda: None)
    assert act.tries >= 5, "four retries at the least, however long the time"
    assert time.monotonic() - began >= 0.2


@pytest.mark.feature("HUB-CONF-016")
def test_it_is_1000_seconds_unless_settled_otherwise_and_0_is_one_try() -> None:
    assert Policy().snapshot_retry == 1000
    act = Hindered(1)
    with pytest.raises(Unavailable):
        patiently(act, seconds=0, check_lease=lambda: None)
    assert act.tries == 1


def test_what_cannot_get_better_is_tried_once() -> None:
    act = Hindered(1, Unsupported)
    with pytest.raises(Unsupported):
        patiently(act, seconds=10, check_lease=lambda: None)
    assert act.tries == 1


def test_nobody_waits_for_a_task_that_was_lost() -> None:
    def lost() -> None:
        raise LeaseLost("lost")

    with pytest.raises(LeaseLost):
        patiently(Hindered(1), seconds=100, check_lease=lost)
