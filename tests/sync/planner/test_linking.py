"""Names of one file: both sides end with the same ones, whatever happened to files and names."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy.sync.planner.options import Options, Rules
from argosy.sync.planner.plans import Act
from tests.sync.planner.disks import UNASKED, Disk
from tests.sync.planner.executor import Crash, Pair
from tests.sync.planner.histories import LINKING, History, shortened
from tests.sync.planner.test_situations import agreed, held

CASES = 1_500
ONE_WAY = Options(one_way=True, guards=UNASKED)


def linked(*names: bytes, options: Options | None = None) -> Pair:
    """Return two sides that agree on one file of so many names."""
    pair = agreed(b"a", options=options)
    for name in names:
        pair.disks[0].link(b"a", name)
    pair.sync()
    assert pair.disks[1].groups() == {frozenset({b"a", *names})}
    return pair


def parted(disk: Disk, name: bytes, mtime: int | None = None) -> None:
    """Make a name a file of its own that is alike, as `cp -p` and `mv` do."""
    node = disk.at(name)
    disk.save(name, node.data)
    disk.touch(name, node.mtime if mtime is None else mtime)


def settled(pair: Pair) -> None:
    """See that both sides are the same, and that there is nothing more to do."""
    assert pair.failed == []
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.disks[0].groups() == pair.disks[1].groups()
    assert pair.plan().operations == ()


@settings(
    max_examples=CASES, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_invariants_hold_where_users_link_and_part_all_the_time(seed: int) -> None:
    try:
        History(seed, deeds=LINKING).run()
    except AssertionError:
        pytest.fail(shortened(seed, partial(History, deeds=LINKING)))


@pytest.mark.parametrize("crash", range(6))
def test_a_name_that_came_back_as_a_file_of_its_own_is_linked_again(crash: int) -> None:
    pair = linked(b"b")
    one, two = pair.disks
    one.remove(b"b")
    two.touch(b"b")
    with pytest.raises(Crash):
        pair.sync(crash=crash)
    pair.recover()
    if one.has(b"b"):
        one.remove(b"b")
    one.create(b"b", b"a")  # as the run that was killed may have done it
    one.touch(b"b", two.at(b"b").mtime)
    made = pair.sync()
    assert made.bytes == 0
    assert two.groups() == {frozenset({b"a", b"b"})}
    settled(pair)


def test_a_link_that_could_not_be_made_is_made_by_a_later_run() -> None:
    pair = agreed(b"a")
    one, two = pair.disks
    one.link(b"a", b"b")
    two.create(b"b", b"a")
    two.touch(b"b", one.at(b"b").mtime)
    pair.options = Options(rules=(Rules(), Rules(hard_links=False)))
    pair.sync()
    assert two.groups() == set()
    assert pair.plan().operations == ()  # for this side cannot have it
    pair.options = Options()
    made = pair.sync()
    assert [(each.act, each.path, each.linked_at, each.reason) for each in made.operations] == [
        (Act.REPLACE, b"b", b"a", "names of one file on site1")
    ]
    settled(pair)


@pytest.mark.parametrize("side", [0, 1])
def test_who_makes_two_files_of_one_that_are_alike_has_them_on_both_sides(side: int) -> None:
    pair = linked(b"b", b"c")
    parted(pair.disks[side], b"b")
    made = pair.sync()
    assert (made.bytes, {each.reason for each in made.operations}) == (0, {f"files of their own on site{side + 1}"})
    assert pair.disks[1 - side].groups() == {frozenset({b"a", b"c"})}
    settled(pair)


@pytest.mark.parametrize("side", [0, 1])
def test_who_links_files_that_are_alike_has_them_linked_on_both_sides(side: int) -> None:
    pair = agreed(b"a")
    pair.disks[0].create(b"b", b"a")
    pair.disks[0].touch(b"b", pair.disks[0].at(b"a").mtime)
    pair.sync()
    pair.disks[side].remove(b"b")
    pair.disks[side].link(b"a", b"b")
    assert pair.sync().bytes == 0
    assert pair.disks[1 - side].groups() == {frozenset({b"a", b"b"})}
    settled(pair)


def test_of_one_file_two_can_be_made_that_have_several_names_each() -> None:
    pair = linked(b"b", b"c", b"d")
    one, two = pair.disks
    one.save(b"c", b"a")
    one.remove(b"d")
    one.link(b"c", b"d")
    assert pair.sync().bytes == 0
    assert two.groups() == {frozenset({b"a", b"b"}), frozenset({b"c", b"d"})}
    settled(pair)


def test_what_each_side_linked_to_another_file_becomes_one_file() -> None:
    pair = agreed(b"a")
    one, two = pair.disks
    for name in (b"b", b"c"):
        one.create(name, b"a")
        one.touch(name, one.at(b"a").mtime)
    pair.sync()
    one.remove(b"b")
    one.link(b"a", b"b")
    two.remove(b"b")
    two.link(b"c", b"b")
    assert pair.sync().bytes == 0
    assert two.groups() == {frozenset({b"a", b"b", b"c"})}
    settled(pair)


def test_two_trees_that_never_agreed_get_the_links_of_both() -> None:
    pair = Pair(Options())
    for disk in pair.disks:
        for name in (b"a", b"b"):
            disk.create(name, b"the same")
            disk.touch(name, 5)
    pair.disks[1].remove(b"b")
    pair.disks[1].link(b"a", b"b")
    pair.sync()
    assert held(pair.disks[0]) == {b"a": b"the same", b"b": b"the same"}
    assert pair.disks[0].groups() == {frozenset({b"a", b"b"})}
    settled(pair)


@pytest.mark.parametrize("deed", [parted, lambda disk, name: disk.save(name, b"other")])
def test_one_way_the_destination_gets_the_files_of_the_source(deed: Callable[[Disk, bytes], None]) -> None:
    pair = linked(b"b", options=ONE_WAY)
    deed(pair.disks[0], b"b")
    pair.sync()
    assert pair.disks[1].groups() == set()
    settled(pair)


def test_one_way_a_destination_keeps_the_files_that_it_made_of_one() -> None:
    pair = linked(b"b", options=ONE_WAY)
    parted(pair.disks[1], b"b")
    made = pair.sync()
    assert (made.operations, pair.disks[0].groups()) == ((), {frozenset({b"a", b"b"})})
