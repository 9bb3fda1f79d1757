"""The order of writes: what is on the disk before what, as seen in the calls that each verb makes."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.verbs.calls import (
    VERBS,
    Verb,
    adopt_zeros,
    calls_of,
    carry,
    carry_over,
    carry_tree,
    delete,
    delete_for_good,
    forget,
    hydrate,
    hydrate_over,
    migrate,
    migrate_again,
    migrate_what_a_killed_recall_left,
    move,
    move_at_once_over,
    move_over,
    recall,
    recall_and_forget,
    recall_what_a_killed_release_left,
    recall_what_was_written_to,
    reverse_stub,
    reverse_stub_over,
    reverse_stub_twice,
)
from tests.verbs.recorded import BYTES, OUT_OF_SIGHT, Event

END = Event("report")


class Pending:
    """What is not on the disk for certain."""

    def __init__(self) -> None:
        self.changes: dict[int, list[Event]] = defaultdict(list)
        """To what a file or directory is, by its inode."""
        self.given: dict[int, list[Event]] = defaultdict(list)
        """Names, by the inode of the directory that has them now."""
        self.taken: dict[int, list[Event]] = defaultdict(list)
        """Names, by the inode of the directory that had them."""
        self.synced: set[int] = set()

    def take(self, event: Event) -> None:
        """Go on by one call."""
        if event.act == "sync":
            self.synced.add(event.inode)
            for kind in (self.changes, self.given, self.taken):
                kind.pop(event.inode, None)
        elif event.act == "sync all":
            for kind in (self.changes, self.given, self.taken):
                kind.clear()
        elif event.path and event.directory:
            self.given[event.directory].append(event)
        elif event.inode and event.act != "read":
            self.changes[event.inode].append(event)
        if event.had:
            self.taken[event.had_directory].append(event)

    def of(self, inode: int, *acts: str) -> list[Event]:
        """Return the changes to one inode; of all kinds, or of these."""
        return [event for event in self.changes.get(inode, ()) if not acts or event.act.startswith(acts)]

    def names(self, lying_in: str) -> list[Event]:
        """Return the names that were given in one of Argosy's own directories, "" for those that programs see."""
        return [event for events in self.given.values() for event in events if event.lies_in == lying_in]

    def staying(self) -> list[Event]:
        """Return all that is to be so after a start of the machine."""
        given = [event for kind in (self.changes, self.given) for events in kind.values() for event in events]
        taken = [event for events in self.taken.values() for event in events if event.was_seen]
        return [event for event in (*given, *taken) if event.lies_in not in OUT_OF_SIGHT]


Law = Callable[[Event, Pending], "list[Event] | None"]
"""Returns what should be on the disk before the call; None of a call that the law does not speak of."""


def a_mark_before_bytes_come_or_go(event: Event, pending: Pending) -> list[Event] | None:
    return pending.of(event.inode, "point") if event.act in BYTES and event.is_seen else None


def bytes_before_what_says_that_they_are_here(event: Event, pending: Pending) -> list[Event] | None:
    if event.act != "point PREMIGRATED" or event.was not in {"RECALLING", "RELEASING"}:
        return None
    return pending.of(event.inode, *BYTES) if event.inode in pending.synced else [event]


def bytes_before_a_copy_is_forgotten(event: Event, pending: Pending) -> list[Event] | None:
    if event.act != "forget":
        return None
    return pending.of(event.inode) if event.inode in pending.synced else [event]


def all_that_a_file_is_before_its_name(event: Event, pending: Pending) -> list[Event] | None:
    appears = event.act in {"move", "exchange"} and event.came_from == "staging" and event.is_seen and event.is_file
    return pending.of(event.inode) if appears else None


def a_copy_and_its_name_before_the_original_goes(event: Event, pending: Pending) -> list[Event] | None:
    goes = event.act == "punch" or (event.act == "move" and event.was_seen and not event.is_seen)
    return [name for name in pending.names("") if not name.was_seen] if goes else None


def a_name_on_the_shelf_before_another_file_has_the_path(event: Event, pending: Pending) -> list[Event] | None:
    if event.act != "exchange" or event.came_from != "staging":
        return None
    return pending.names("versions")


def a_note_before_what_is_on_its_way(event: Event, pending: Pending) -> list[Event] | None:
    if event.act != "move" or event.lies_in != "moving":
        return None
    if event.was_seen:
        return [name for name in pending.names("moving") if name.path.endswith(".note")]
    return [] if event.inode in pending.synced else [event]  # the note itself, which is on the disk before its name


def everything_before_the_report(event: Event, pending: Pending) -> list[Event] | None:
    return pending.staying() if event is END else None


TABLE: dict[Law, list[Verb]] = {
    a_mark_before_bytes_come_or_go: [
        migrate, migrate_again, recall, recall_and_forget, recall_what_was_written_to,
        migrate_what_a_killed_recall_left, adopt_zeros,
    ],
    bytes_before_what_says_that_they_are_here: [recall, recall_and_forget, recall_what_a_killed_release_left],
    bytes_before_a_copy_is_forgotten: [recall_and_forget, forget],
    all_that_a_file_is_before_its_name: [
        recall_what_was_written_to, reverse_stub, reverse_stub_twice, reverse_stub_over, hydrate, hydrate_over,
        carry, carry_over, carry_tree,
    ],
    a_copy_and_its_name_before_the_original_goes: [
        migrate, migrate_again, recall_what_was_written_to, migrate_what_a_killed_recall_left, delete,
        delete_for_good, move, move_over, move_at_once_over, carry, carry_over, carry_tree, adopt_zeros,
    ],
    a_name_on_the_shelf_before_another_file_has_the_path: [reverse_stub_over, hydrate_over, carry_over],
    a_note_before_what_is_on_its_way: [delete_for_good, move, move_over, move_at_once_over, carry_tree],
    everything_before_the_report: VERBS,
}  # fmt: skip
"""Of which verbs each law speaks."""
CASES = [pytest.param(law, verb, id=f"{verb.__name__}-{law.__name__}") for law in TABLE for verb in TABLE[law]]


def spoken_of(law: Law, events: list[Event]) -> Iterator[tuple[Event, list[Event]]]:
    """Yield each call that the law speaks of, and what should be on the disk by then and is not."""
    pending = Pending()
    for event in (*events, END):
        if (missing := law(event, pending)) is not None:
            yield event, missing
        pending.take(event)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Verb], list[Event]]:
    """A function from a verb to the calls it makes; each is done once."""
    return cache(lambda verb: calls_of(verb, tmp_path_factory.mktemp(verb.__name__)))


@pytest.mark.parametrize(("law", "verb"), CASES)
def test_each_is_on_the_disk_before_what_relies_on_it(
    calls: Callable[[Verb], list[Event]], law: Law, verb: Verb
) -> None:
    spoken = list(spoken_of(law, calls(verb)))
    assert spoken, "the verb does nothing of which the law speaks"
    assert [f"{event} before {missing}" for event, all_missing in spoken for missing in all_missing] == []


@pytest.mark.parametrize("law", TABLE, ids=lambda law: law.__name__)
def test_the_table_names_all_verbs_of_which_a_law_speaks(calls: Callable[[Verb], list[Event]], law: Law) -> None:
    assert [verb for verb in VERBS if list(spoken_of(law, calls(verb)))] == sorted(TABLE[law], key=VERBS.index)
