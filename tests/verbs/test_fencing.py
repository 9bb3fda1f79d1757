"""A task that is no longer ours changes nothing: the lease is looked at right before each change, in every verb."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verbs.calls import VERBS, Verb, calls_losing, calls_of
from tests.verbs.recorded import Event

SHELVES = {"trash", "versions"}
AFTER_IT = {
    ("punch", "point STUB"),  # what the file is since its blocks were freed
    ("truncate", "punch"),
    ("point RECALLING", "write"),  # a stub that says so already is filled, or is one again
    ("write", "write"),
    ("write", "punch"),
    ("point PREMIGRATED", "point PREMIGRATED"),  # a copy that is good again, once the file has its attributes
    ("move", "exchange"),  # the other half of a move in one step
}
"""Changes that go with the one before, for which the lease was looked at."""


def is_change(event: Event) -> bool:
    """Say whether it is one that somebody else can see."""
    if event.act in {"store put", "store delete"}:
        return True
    if event.directory or event.had_directory:
        return event.is_seen or event.was_seen or (event.act == "unlink" and event.came_from in SHELVES)
    return event.is_seen and event.is_file and event.act not in {"read", "sync"}


def takes_long(event: Event) -> bool:
    """Say whether time passes with it: bytes, or a store."""
    if event.act.startswith("store"):
        return True
    at_bytes = event.act in {"read", "write", "sync"} and event.is_file
    return at_bytes and event.lies_in in {"", "staging"}


def not_looked_before(events: list[Event]) -> list[str]:
    """Return the changes between which and the last look at the lease something else came."""
    found, looked, before = [], False, ""
    for event in events:
        if is_change(event):
            if not (looked or (before, event.act) in AFTER_IT):
                found.append(f"{event} after {before or 'nothing'}")
            looked, before = False, event.act
        elif event.act == "check":
            looked = True
        elif takes_long(event):
            looked = False
    return found


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_the_lease_is_looked_at_right_before_each_change(tmp_path: Path, verb: Verb) -> None:
    events = calls_of(verb, tmp_path)
    assert any(map(is_change, events))
    assert not_looked_before(events) == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_that_loses_its_task_between_two_steps_changes_nothing_more(tmp_path: Path, verb: Verb) -> None:
    undisturbed = calls_of(verb, tmp_path / "undisturbed")
    for point in dict.fromkeys(event.act for event in undisturbed if event.act.startswith("at ")):
        events, reported = calls_losing(verb, tmp_path / point, point.removeprefix("at "))
        assert list(unwanted(*parted(events, point))) == []
        looks_again = any(event.act == "check" for event in parted(undisturbed, point)[1])
        assert reported is not looks_again, f"lost at {point}"


def parted(events: list[Event], point: str) -> tuple[list[Event], list[Event]]:
    """Return what was before a point, and what came after."""
    at = [event.act for event in events].index(point)
    return events[:at], events[at:]


def unwanted(earlier: list[Event], later: list[Event]) -> Iterator[str]:
    """Yield the later changes that do not go with the one before, nor give back a name that was taken."""
    taken = {event.had for event in earlier if event.had}
    before = next((event.act for event in reversed(earlier) if is_change(event)), "")
    for event in filter(is_change, later):
        if (before, event.act) not in AFTER_IT and event.path not in taken:
            yield str(event)
        before = event.act
