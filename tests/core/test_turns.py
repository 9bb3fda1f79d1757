"""Turns: one at a time for who works, as many as it takes for who waits, and nobody is stuck with somebody else's."""

import threading
import time
from collections.abc import Callable

import pytest

from argosy.core import turns
from argosy.core.turns import left, taken

DEADLINE = 20


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> turns._Turns:
    fresh = turns._Turns()
    monkeypatch.setattr(turns, "_turns", fresh)
    return fresh


def run(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def have_a_turn() -> None:
    with taken():
        pass


def test_somebody_else_has_the_turn_only_while_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 3 * DEADLINE)
    with taken():
        other = run(have_a_turn)
        other.join(0.1)
        assert other.is_alive()
        with left():
            other.join(DEADLINE)
            assert not other.is_alive()
        third = run(have_a_turn)
        third.join(0.1)
        assert third.is_alive()
    third.join(DEADLINE)
    assert not third.is_alive()


def test_to_leave_a_turn_that_one_has_not_changes_nothing(mine: turns._Turns) -> None:
    with left(), left():
        pass
    with taken(), left(), left():
        pass
    assert (mine._many, mine._free, len(mine._held)) == (1, 1, 0)


def test_who_is_stuck_in_his_turn_keeps_nobody_and_gives_back_none_too_many(mine: turns._Turns) -> None:
    meeting = threading.Barrier(4, timeout=DEADLINE)

    def stuck() -> None:
        with taken():
            meeting.wait()

    threads = [run(stuck) for _ in range(4)]
    for thread in threads:
        thread.join(DEADLINE)
    assert not meeting.broken
    assert (mine._many, mine._free, len(mine._held)) == (1, 1, 0)


def test_the_longer_turns_wait_the_more_there_are_and_fewer_again_when_they_work(mine: turns._Turns) -> None:
    for _ in range(turns.TOLD * turns.EACH):
        turn = mine.take()
        time.sleep(0.002)
        mine.give(turn)
    many = mine._many
    assert many > 3
    for _ in range(turns.TOLD * turns.EACH):
        turn = mine.take()
        until = time.thread_time() + 0.001
        while time.thread_time() < until:
            pass
        mine.give(turn)
    assert mine._many < many
    assert mine._free == mine._many


def test_an_error_gives_the_turn_back(mine: turns._Turns) -> None:
    with pytest.raises(OSError, match="gone"), taken(), left():
        raise OSError("gone")
    assert (mine._free, len(mine._held)) == (1, 0)
