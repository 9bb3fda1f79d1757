"""Situations by name: each is a way in which a sync could lose or spoil something. Mutants of the planner fail here."""

from collections.abc import Sequence

import pytest

from argosy.core.errors import Invalid
from argosy.sync.planner.naming import conflict_name
from argosy.sync.planner.options import Options, Policy, Rules
from argosy.sync.planner.plans import Act, Dispute, Plan
from argosy.sync.planner.trees import Kind, Side
from tests.sync.planner.disks import SECOND, UNASKED, Disk
from tests.sync.planner.executor import Crash, Pair

FOLDING = Options(rules=(Rules(), Rules(case_insensitive=True)))


def agreed(*paths: bytes, options: Options | None = None) -> Pair:
    """Return two sides that agree on files whose content is their path, and on directories, which end in a slash."""
    folds = (bytes, bytes.lower) if options is FOLDING else (bytes, bytes)
    pair = Pair(options, folds)
    for path in paths:
        if path.endswith(b"/"):
            pair.disks[0].mkdir(path[:-1])
        else:
            pair.disks[0].create(path, path)
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    return pair


def held(disk: Disk) -> dict[bytes, bytes]:
    return {path: node.data for path, _, _, node in disk.walk() if node.kind is Kind.FILE}


def acts(plan: Plan, *kinds: Act) -> list[tuple[Act, bytes]]:
    return [(each.act, each.path) for each in plan.operations if not kinds or each.act in kinds]


def same(pair: Pair) -> dict[bytes, bytes]:
    """Return what both sides have, which must be the same."""
    assert pair.failed == []
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.plan().operations == ()
    return held(pair.disks[0])


# who is who


def test_a_new_file_in_the_inode_of_a_removed_one_is_new() -> None:
    pair = agreed(b"a")
    inode = pair.disks[0].at(b"a").inode
    pair.disks[0].remove(b"a")
    assert pair.disks[0].create(b"b", b"new").inode == inode
    pair.disks[1].edit(b"a", b"edited")
    pair.sync()
    assert same(pair) == {b"a": b"edited", b"b": b"new"}


def test_a_directory_at_two_places_is_told_by_both() -> None:
    pair = agreed(b"a")
    disk = pair.disks[1]
    for path in (b"d", b"d/e"):
        disk.mkdir(path)
    disk.attach(disk.top, b"again", disk.top.children[b"d"].children[b"e"])
    with pytest.raises(Invalid, match=r"site2: (again and d/e|d/e and again) are one directory.*scan this side again"):
        pair.plan()


def test_an_editors_save_is_an_edit_of_the_file_that_was_there() -> None:
    pair = agreed(b"a")
    pair.disks[0].save(b"a", b"saved")
    pair.disks[1].move(b"a", b"b")
    pair.sync()
    assert same(pair) == {b"b": b"saved"}


def test_a_rotated_log_is_a_new_log_and_an_old_one() -> None:
    pair = agreed(b"log")
    pair.disks[0].move(b"log", b"log.1")
    pair.disks[0].create(b"log", b"fresh")
    pair.disks[1].chmod(b"log", 0o600)
    pair.sync()
    assert same(pair) == {b"log": b"fresh", b"log.1": b"log"}
    assert pair.disks[0].at(b"log").metadata.mode == 0o600


def test_what_was_not_done_is_known_by_its_new_inode_in_the_next_run() -> None:
    pair = agreed(b"log")
    pair.disks[0].move(b"log", b"log.1")
    pair.disks[0].create(b"log", b"fresh")
    pair.watch = lambda: pair.disks[1].touch(b"log")
    pair.sync()
    pair.watch = None
    assert [each.path for each in pair.failed] == [b"log"]
    pair.disks[0].move(b"log.1", b"log.2")
    made = pair.plan()
    assert (Act.UNPARK, b"log.1") in acts(made)
    assert Act.CREATE not in {each.act for each in made.operations}


def test_names_that_move_in_a_circle_move_in_a_circle() -> None:
    pair = agreed(b"a", b"b", b"c")
    pair.disks[0].swap(b"a", b"b")
    pair.disks[0].swap(b"b", b"c")
    made = pair.sync()
    assert made.bytes == 0
    assert same(pair) == {b"a": b"b", b"b": b"c", b"c": b"a"}


# what survives


def test_what_one_side_moved_survives_its_removal_on_the_other() -> None:
    pair = agreed(b"d/", b"d/f", b"a", b"z")
    pair.disks[0].move(b"a", b"b")
    pair.disks[0].move(b"d", b"e")
    pair.disks[1].remove(b"a")
    pair.disks[1].remove(b"d")
    pair.sync()
    assert same(pair) == {b"b": b"a", b"e/f": b"d/f", b"z": b"z"}


def test_of_a_removed_directory_only_what_is_needed_comes_back() -> None:
    pair = agreed(b"d/", b"d/f", b"d/g")
    pair.disks[0].remove(b"d")
    pair.disks[1].edit(b"d/f", b"edited")
    pair.sync()
    assert same(pair) == {b"d/f": b"edited"}


def test_a_chmod_alone_does_not_save_a_directory() -> None:
    pair = agreed(b"d/", b"d/f")
    pair.disks[0].remove(b"d")
    pair.disks[1].chmod(b"d", 0o700)
    pair.disks[1].create(b"stays", b"s")
    pair.sync(options=Options(guards=UNASKED))
    assert same(pair) == {b"stays": b"s"}


def test_directories_moved_into_each_other_end_as_the_first_side_has_them() -> None:
    pair = agreed(b"x/", b"y/", b"x/f", b"y/g")
    pair.disks[0].move(b"x", b"y/x")
    pair.disks[1].move(b"y", b"x/y")
    made = pair.sync()
    assert same(pair) == {b"y/x/f": b"x/f", b"y/g": b"y/g"}
    assert [each.dispute for each in made.conflicts] == [Dispute.CYCLE]


def test_an_edit_that_hides_its_mtime_is_found() -> None:
    pair = agreed(b"a")
    mtime = pair.disks[0].at(b"a").mtime
    pair.disks[0].edit(b"a", b"z")
    pair.disks[0].touch(b"a", mtime)
    pair.sync()
    assert same(pair) == {b"a": b"z"}


# conflicts


def test_both_versions_of_an_edit_are_kept() -> None:
    pair = agreed(b"a.txt")
    pair.disks[0].edit(b"a.txt", b"one")
    pair.disks[1].edit(b"a.txt", b"two")
    pair.sync()
    found = same(pair)
    assert found.pop(b"a.txt") == b"two"
    (name,) = found
    assert found[name] == b"one"
    assert name.startswith(b"a.conflict-site1-")
    assert name.endswith(b".txt")


def test_the_same_edit_on_both_sides_is_no_conflict() -> None:
    pair = agreed(b"a")
    pair.disks[0].edit(b"a", b"agreed")
    pair.disks[1].save(b"a", b"agreed")
    made = pair.sync()
    assert made.conflicts == ()
    assert made.bytes == 0
    assert same(pair) == {b"a": b"agreed"}


def test_no_instant_of_a_crash_takes_the_losing_version_out_of_sight() -> None:
    for instant in range(12):
        pair = agreed(b"a")
        pair.disks[0].edit(b"a", b"one")
        pair.disks[1].edit(b"a", b"two")
        with pytest.raises(Crash):
            pair.sync(crash=instant)
        pair.recover()
        pair.sync()
        assert sorted(same(pair).values()) == [b"one", b"two"], instant


def test_a_conflict_copy_that_somebody_edited_is_not_overwritten_by_the_same_conflict() -> None:
    pair = agreed(b"a")
    for _ in range(2):
        pair.disks[0].edit(b"a", b"one")
        pair.disks[1].edit(b"a", b"two")
        pair.sync()
        (copy,) = [path for path, data in same(pair).items() if data == b"one"]
        pair.disks[0].edit(copy, b"my own")
        pair.disks[0].edit(b"a", b"neither")
        pair.sync()
    assert sorted(same(pair).values()) == [b"my own", b"my own", b"neither"]


def test_a_conflict_copy_that_is_there_is_not_made_again() -> None:
    pair = agreed(b"a")
    pair.disks[0].edit(b"a", b"one")
    pair.disks[1].edit(b"a", b"two")
    made = pair.plan()
    (copy,) = {each.path for each in made.operations if each.act is Act.CREATE}
    pair.disks[0].create(copy, b"one")
    pair.sync()
    assert same(pair) == {b"a": b"two", copy: b"one"}


def test_two_new_files_of_one_name_are_both_kept() -> None:
    pair = agreed(b"z")
    pair.disks[0].create(b"a", b"one")
    pair.disks[1].create(b"a", b"two")
    pair.sync()
    assert sorted(same(pair).values()) == [b"one", b"two", b"z"]


def test_times_that_clocks_cannot_tell_apart_are_a_tie() -> None:
    for apart, offsets, winner in [
        (2 * SECOND, (0, 0), b"one"),
        (2 * SECOND + 1, (0, 0), b"two"),
        (30 * SECOND, (0, -30 * SECOND), b"two"),
        (30 * SECOND, (0, -30 * SECOND - 1), b"one"),
    ]:
        pair = agreed(b"a", options=Options(clock_offsets_ns=offsets))
        for number, data in enumerate((b"one", b"two")):
            pair.disks[number].edit(b"a", data)
            pair.disks[number].touch(b"a", 5000 * SECOND + number * apart)
        pair.sync()
        assert same(pair)[b"a"] == winner


@pytest.mark.feature("HUB-SYNC-031")
@pytest.mark.parametrize(
    ("policy", "winner"),
    [(Policy.NEWEST, b"two"), (Policy.LOCAL, b"one"), (Policy.KEEP_BOTH, b"one"), (Policy.IGNORE, b"two")],
)
def test_a_policy_decides_who_keeps_the_name_and_the_loser_is_kept(policy: Policy, winner: bytes) -> None:
    pair = agreed(b"a", options=Options(policy=policy))
    pair.disks[0].edit(b"a", b"one")
    pair.disks[1].edit(b"a", b"two")
    pair.sync()
    assert same(pair)[b"a"] == winner
    assert sorted(same(pair).values()) == [b"one", b"two"]


# order


def test_what_is_removed_goes_before_the_directory_it_is_in_is_parked() -> None:
    pair = agreed(b"d/", b"d/f", b"d/g")
    pair.disks[0].remove(b"d/f")
    pair.disks[0].move(b"d", b"e")
    made = pair.plan()
    assert acts(made)[:2] == [(Act.TRASH, b"d/f"), (Act.PARK, b"d")]


def test_moves_and_metadata_carry_no_bytes() -> None:
    pair = agreed(b"d/", b"d/f", b"a")
    pair.disks[0].move(b"d", b"e")
    pair.disks[0].move(b"a", b"e/a")
    pair.disks[0].chmod(b"e/f", 0o600)
    pair.disks[0].touch(b"e/f")
    assert pair.sync().bytes == 0
    assert same(pair) == {b"e/f": b"d/f", b"e/a": b"a"}


def test_sizes_that_differ_need_no_hash() -> None:
    pair = agreed(b"a")
    pair.disks[0].edit(b"a", b"longer than before")
    pair.sync()
    assert pair.rounds == 0


def test_one_content_crosses_once() -> None:
    pair = agreed(b"a")
    pair.disks[0].create(b"b", b"12345")
    pair.disks[0].link(b"b", b"c")
    made = pair.sync()
    assert made.bytes == 5
    assert pair.disks[1].at(b"b") is pair.disks[1].at(b"c")


# hard links


def test_an_edit_of_a_hard_linked_file_reaches_all_its_names_at_once() -> None:
    pair = agreed(b"a")
    pair.disks[0].link(b"a", b"b")
    pair.sync()
    pair.disks[0].edit(b"b", b"edited")
    made = pair.sync()
    assert made.bytes == 6
    assert same(pair) == {b"a": b"edited", b"b": b"edited"}
    assert pair.disks[1].at(b"a") is pair.disks[1].at(b"b")


def test_a_hard_linked_file_that_both_edit_makes_one_conflict_copy() -> None:
    pair = agreed(b"a")
    pair.disks[0].link(b"a", b"b")
    pair.sync()
    pair.disks[0].edit(b"b", b"one")
    pair.disks[1].edit(b"a", b"two")
    pair.sync()
    assert sorted(same(pair).values()) == [b"one", b"two", b"two"]


def test_a_name_that_is_saved_alone_becomes_a_file_of_its_own() -> None:
    pair = agreed(b"a")
    pair.disks[0].link(b"a", b"b")
    pair.sync()
    pair.disks[1].save(b"b", b"alone")
    pair.sync()
    assert same(pair) == {b"a": b"a", b"b": b"alone"}


def test_a_name_that_is_saved_alone_with_the_same_content_does_not_change_the_others_time() -> None:
    pair = agreed(b"a")
    pair.disks[0].link(b"a", b"b")
    pair.sync()
    pair.disks[1].save(b"b", b"a")
    wanted = pair.disks[1].tree()
    made = pair.sync()
    assert made.bytes == 0
    assert pair.disks[0].tree() == wanted
    assert same(pair) == {b"a": b"a", b"b": b"a"}


def test_a_side_without_hard_links_gets_files() -> None:
    pair = agreed(options=Options(rules=(Rules(), Rules(hard_links=False))))
    pair.disks[0].create(b"a", b"12345")
    pair.disks[0].link(b"a", b"b")
    made = pair.sync()
    assert made.bytes == 5
    assert pair.disks[1].at(b"a") is not pair.disks[1].at(b"b")
    assert same(pair) == {b"a": b"12345", b"b": b"12345"}


# what cannot be synced, and what is not known


def test_a_directory_that_holds_what_cannot_be_synced_stays() -> None:
    pair = agreed(b"d/", b"d/f", b"z")
    pair.disks[0].remove(b"d")
    pair.disks[1].create(b"d/fifo", b"", None)
    made = pair.sync()
    assert held(pair.disks[1]) == {b"z": b"z"}
    assert pair.disks[1].has(b"d/fifo")
    assert [(each.path, each.why) for each in made.held] == [(b"d", "'fifo' is a fifo")]
    assert pair.plan().operations == ()


def test_a_mount_point_is_neither_crossed_nor_removed() -> None:
    pair = agreed(b"d/", b"d/e/", b"z")
    pair.disks[0].remove(b"d")
    pair.disks[1].create(b"d/e/mnt", b"", None).other = "a mount point"
    made = pair.sync()
    assert pair.disks[1].has(b"d/e/mnt")
    assert {each.path for each in made.held} == {b"d", b"d/e"}
    assert [(each.path, each.why) for each in made.left] == [(b"d/e/mnt", "a mount point")]


def test_a_name_that_is_taken_by_what_cannot_be_synced_waits() -> None:
    pair = agreed(b"z")
    pair.disks[0].mkdir(b"a")
    pair.disks[0].create(b"a/f", b"f")
    pair.disks[1].create(b"a", b"", None)
    made = pair.sync()
    assert {each.path for each in made.held} == {b"a", b"a/f"}
    assert pair.failed == []
    pair.disks[1].remove(b"a")
    pair.sync()
    assert same(pair) == {b"a/f": b"f", b"z": b"z"}


def test_what_could_not_be_listed_is_not_gone() -> None:
    pair = agreed(b"d/", b"d/e/", b"d/e/f", b"z")
    pair.disks[0].unlisted.add(pair.disks[0].at(b"d").inode)
    pair.disks[1].edit(b"d/e/f", b"edited")
    made = pair.sync()
    assert acts(made) == []
    assert len(made.unknown) == 2
    assert [(each.side, each.path) for each in made.left if each.unknown] == [(Side.ONE, b"d")]
    assert held(pair.disks[1]) == {b"d/e/f": b"edited", b"z": b"z"}
    pair.disks[0].unlisted.clear()
    pair.sync()
    assert same(pair) == {b"d/e/f": b"edited", b"z": b"z"}


def test_an_entry_that_could_not_be_read_is_not_gone() -> None:
    pair = agreed(b"a", b"b")
    pair.disks[0].unreadable.add(b"a")
    made = pair.sync()
    assert acts(made) == []
    assert [each.path for each in made.left if each.unknown] == [b"a"]
    pair.disks[1].remove(b"a")
    assert acts(pair.sync()) == []


def test_what_something_is_mounted_over_is_not_gone() -> None:
    pair = agreed(b"d/", b"d/e/", b"d/e/f", b"z")
    pair.disks[0].covered.add(pair.disks[0].at(b"d").inode)
    made = pair.sync()
    assert acts(made) == []
    assert held(pair.disks[1]) == {b"d/e/f": b"d/e/f", b"z": b"z"}
    pair.disks[1].edit(b"d/e/f", b"edited")
    assert acts(pair.sync()) == []
    pair.disks[0].covered.clear()
    pair.sync()
    assert same(pair) == {b"d/e/f": b"edited", b"z": b"z"}


def out_of_sight(where: str, *, seen_before: bool = False) -> tuple[Pair, Plan]:
    """Move a directory to where nobody can look, on one side, while a file is really removed there."""
    pair = agreed(b"d/", b"d/f", b"x/", b"z")
    disk = pair.disks[0]
    if seen_before:
        disk.unlisted.add(disk.at(b"x").inode)
        pair.sync()
        disk.unlisted.clear()
    disk.move(b"d", b"x/d")
    disk.remove(b"z")
    if where == "listing":
        disk.unlisted.add(disk.at(b"x").inode)
    elif where == "mount":
        disk.covered.add(disk.at(b"x").inode)
    else:
        disk.unreadable.add(b"x")
    return pair, pair.sync()


@pytest.mark.parametrize("where", ["listing", "mount", "look"])
def test_what_was_moved_to_where_nobody_can_look_is_not_gone(where: str) -> None:
    pair, made = out_of_sight(where)
    assert acts(made) == []
    waiting = {each.path for each in made.held if "where nobody could look" in each.why}
    assert waiting == {b"d", b"d/f", b"z"}
    assert acts(pair.sync()) == [], "a second look finds no more"
    pair.disks[0].show_all()
    pair.sync()
    assert same(pair) == {b"x/d/f": b"d/f"}


def test_what_waits_for_a_look_goes_when_the_other_side_removes_it_as_well() -> None:
    pair, _ = out_of_sight("listing")
    pair.disks[1].remove(b"z")
    pair.disks[1].remove(b"d")
    assert acts(pair.sync()) == []
    pair.disks[0].create(b"new", b"new")
    pair.sync()
    pair.disks[0].remove(b"new")
    assert acts(pair.sync()) == [(Act.TRASH, b"new")], "nothing waits any more, and the place is an old one"


def test_where_nobody_could_look_when_both_agreed_nothing_is_looked_for() -> None:
    _, made = out_of_sight("listing", seen_before=True)
    assert {(Act.TRASH, b"z"), (Act.TRASH, b"d/f")} <= set(acts(made))


def test_what_a_scan_may_have_missed_is_not_gone() -> None:
    pair = agreed(b"a", b"b", b"d/", b"d/e")
    pair.disks[0].remove(b"d")
    pair.disks[0].edit(b"a", b"edited")
    pair.disks[0].whole = False
    made = pair.sync()
    assert set(acts(made)) == {(Act.REPLACE, b"a")}
    assert all("plan again" in each.why for each in made.held)
    pair.disks[0].whole = True
    pair.sync()
    assert same(pair) == {b"a": b"edited", b"b": b"b"}


# contents that cannot be read


def test_a_conflict_that_cannot_be_read_waits_and_the_rest_is_done() -> None:
    pair = agreed(b"f", b"other")
    for number, disk in enumerate(pair.disks):
        disk.edit(b"f", b"edited by %d" % number)
    pair.disks[0].create(b"new", b"new")
    pair.disks[1].remove(b"other")
    pair.disks[0].opaque.add(pair.disks[0].at(b"f").inode)
    made = pair.sync()
    assert {(each.side, each.path) for each in made.held} == {(Side.ONE, b"f")}
    assert "unread" in made.held[0].why
    assert set(acts(made)) == {(Act.CREATE, b"new"), (Act.TRASH, b"other")}
    assert [held(disk)[b"f"] for disk in pair.disks] == [b"edited by 0", b"edited by 1"]
    pair.disks[0].opaque.clear()
    pair.sync()
    assert sorted(same(pair).values()) == [b"edited by 0", b"edited by 1", b"new"]


def test_what_hangs_on_an_unread_content_waits_with_it() -> None:
    pair = agreed(b"d/", b"d/f", b"g")
    one, two = pair.disks
    before = one.at(b"d/f").mtime
    one.edit(b"d/f", b"abc")  # of the same size
    one.touch(b"d/f", before)
    one.opaque.add(one.at(b"d/f").inode)
    two.remove(b"d")
    two.move(b"g", b"d")
    made = pair.sync()
    assert {each.path for each in made.held} == {b"d", b"d/f", b"g"}
    assert held(one) == {b"d/f": b"abc", b"g": b"g"}
    one.opaque.clear()
    pair.sync()
    assert held(one)[b"d/f"] == b"abc"
    assert sorted(same(pair).values()) == [b"abc", b"g"]


# the guard


def lacking(total: int, missing: int) -> tuple[str, ...]:
    """Return what the guard says where so many of so many are missing on the second side."""
    pair = agreed(*(b"%03d" % number for number in range(total)))
    for number in range(missing):
        pair.disks[1].remove(b"%03d" % number)
    made = pair.plan()
    assert bool(made.refusals) != bool(made.operations)
    confirmed = pair.plan(Options(confirmed=made.alarms))
    assert confirmed.operations
    assert confirmed.refusals == ()
    return made.refusals


@pytest.mark.parametrize(
    ("total", "missing", "refused"),
    [(11, 10, False), (12, 11, True), (22, 11, False), (21, 11, True), (100, 50, False), (100, 51, True)],
)
def test_more_than_half_and_more_than_ten_gone_is_asked_about(total: int, missing: int, *, refused: bool) -> None:
    assert lacking(total, missing) == ((f"site2: {missing} of {total} are gone",) if refused else ())


@pytest.mark.parametrize(("roots", "refused"), [(1, False), (2, True)])
def test_a_side_that_was_emptied_is_asked_about(roots: int, *, refused: bool) -> None:
    assert bool(lacking(roots, roots)) is refused


def test_both_sides_emptied_is_what_both_wanted() -> None:
    pair = agreed(b"a", b"b")
    for disk in pair.disks:
        disk.remove(b"a")
        disk.remove(b"b")
    assert pair.plan().refusals == ()


def test_a_tree_without_its_marker_is_asked_about() -> None:
    pair = agreed(b"a")
    pair.disks[1].marked = False
    made = pair.plan()
    assert made.refusals == ("site2: the top directory does not bear the fileset's marker; is its disk mounted?",)
    assert made.operations == ()


def test_a_lost_base_removes_nothing() -> None:
    pair = agreed(b"d/", b"d/same", b"gone", b"edited")
    pair.disks[0].remove(b"gone")
    pair.disks[0].edit(b"edited", b"one")
    pair.disks[1].edit(b"edited", b"two")
    pair.base.clear()
    made = pair.sync()
    assert acts(made, Act.TRASH) == []
    assert sorted(same(pair).values()) == [b"d/same", b"gone", b"one", b"two"]


# names


def test_names_that_only_one_side_tells_apart_are_both_kept() -> None:
    pair = agreed(b"z", options=FOLDING)
    pair.disks[0].create(b"name", b"lower")
    pair.disks[0].create(b"NAME", b"upper")
    pair.sync()
    assert sorted(same(pair).values()) == [b"lower", b"upper", b"z"]


def test_a_change_of_case_is_a_move() -> None:
    pair = agreed(b"name", options=FOLDING)
    pair.disks[0].move(b"name", b"NAME")
    made = pair.sync()
    assert made.bytes == 0
    assert same(pair) == {b"NAME": b"name"}


def test_a_name_written_in_another_normal_form_is_no_move() -> None:
    composed, apart = "é".encode(), "e\u0301".encode()
    pair = agreed(composed, options=Options(rules=(Rules(), Rules(normalising=True))))
    pair.disks[1].move(composed, apart)
    assert pair.sync().operations == ()
    assert pair.plan().operations == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"a.txt", b"a.conflict-s-0123456789ab.txt"),
        (b"a", b"a.conflict-s-0123456789ab"),
        (b".profile", b".profile.conflict-s-0123456789ab"),
        (b"x.tar.gz", b"x.tar.conflict-s-0123456789ab.gz"),
        (b"\xff\xfe.bin", b"\xff\xfe.conflict-s-0123456789ab.bin"),
        (b"n" * 255, b"n" * 231 + b".conflict-s-0123456789ab"),
        ("ü".encode() * 127, "ü".encode() * 115 + b".conflict-s-0123456789ab"),
        (b"a." + b"e" * 253, b"a." + b"e" * 229 + b".conflict-s-0123456789ab"),
    ],
)
def test_a_conflict_name_is_one_that_filesystems_take(name: bytes, found: bytes) -> None:
    assert conflict_name(name, "s", "0123456789ab") == found
    assert len(found) <= 255


def test_a_long_site_name_leaves_room_for_the_rest() -> None:
    name = conflict_name("ü".encode() * 127, "s/ü" * 200, "0123456789ab", attempt=12)
    assert len(name) <= 255
    assert b"/" not in name
    assert name.decode().endswith("-0123456789ab-12")


def test_names_that_are_no_text_are_synced_and_get_conflict_names() -> None:
    pair = agreed(b"\xff\xfe", b"back\\slash", options=Options(rules=(Rules(normalising=True), Rules())))
    pair.disks[0].edit(b"\xff\xfe", b"one")
    pair.disks[1].edit(b"\xff\xfe", b"two")
    pair.sync()
    assert sorted(same(pair).values()) == [b"back\\slash", b"one", b"two"]


# one-way


def one_way(*paths: bytes, policy: Policy = Policy.NEWEST) -> Pair:
    return agreed(*paths, options=Options(one_way=True, policy=policy))


def both_edit(pair: Pair, order: Sequence[int]) -> Plan:
    before = None
    for number in order:
        pair.disks[number].edit(b"a", (b"source", b"destination")[number])
    before = pair.disks[0].tree()
    made = pair.sync()
    assert pair.disks[0].tree() == before
    return made


def test_one_way_changes_nothing_at_the_source() -> None:
    pair = one_way(b"a", b"b")
    pair.disks[1].edit(b"a", b"edited")
    pair.disks[1].remove(b"b")
    pair.disks[1].create(b"c", b"own")
    made = pair.sync()
    assert (made.operations, made.drift) == ((), 3)
    assert held(pair.disks[0]) == {b"a": b"a", b"b": b"b"}
    assert held(pair.disks[1]) == {b"a": b"edited", b"c": b"own"}


def test_one_way_a_newer_destination_is_skipped() -> None:
    made = both_edit(pair := one_way(b"a"), (0, 1))
    assert held(pair.disks[1]) == {b"a": b"destination"}
    assert [(each.path, each.skipped) for each in made.held] == [(b"a", True)]


def test_one_way_an_older_destination_is_replaced_and_its_version_saved() -> None:
    both_edit(pair := one_way(b"a"), (1, 0))
    assert held(pair.disks[1]) == {b"a": b"source"}
    assert (Kind.FILE, b"destination") in pair.disks[1].saved


def test_one_way_keep_both_leaves_the_destinations_version_in_sight() -> None:
    both_edit(pair := one_way(b"a", policy=Policy.KEEP_BOTH), (0, 1))
    assert sorted(held(pair.disks[1]).values()) == [b"destination", b"source"]


def test_one_way_ignore_leaves_what_the_destination_changed() -> None:
    both_edit(pair := one_way(b"a", policy=Policy.IGNORE), (1, 0))
    assert held(pair.disks[1]) == {b"a": b"destination"}


@pytest.mark.parametrize("both_ways", [False, True])
def test_what_a_run_renamed_and_had_no_bytes_for_is_not_taken_for_renamed_by_the_other_side(both_ways: bool) -> None:
    pair = agreed(b"d/", b"d/f") if both_ways else one_way(b"d/", b"d/f")
    one, two = pair.disks
    one.move(b"d/f", b"d/g")
    one.edit(b"d/g", b"two, longer")
    pair.lost = lambda _: True
    made = pair.sync()
    assert [each.act for each in pair.failed] == [Act.REPLACE]
    assert held(two) == {b"d/g": b"d/f"}
    again = pair.plan()
    assert [(each.act, each.path) for each in again.operations if each.act is not Act.MTIME] == [(Act.REPLACE, b"d/g")]
    one.remove(b"d/g")
    pair.lost = lambda _: False
    made = pair.sync()
    assert {each.reason for each in made.operations if each.act is Act.TRASH} == {"gone on site1"}
    assert held(one) == held(two) == {}


def test_one_way_what_loses_the_name_that_the_destination_gave_it_goes_back() -> None:
    pair = one_way(b"a", b"d/", b"d/f")
    one, two = pair.disks
    two.move(b"a", b"b")
    two.move(b"d/f", b"d/g")
    two.remove(b"d/g")
    two.move(b"b", b"d/g")
    one.create(b"d/g", b"new")
    made = pair.sync()
    assert (made.bytes, [each.dispute for each in made.conflicts]) == (3, [Dispute.PLACE])
    assert held(two) == {b"a": b"a", b"d/g": b"new"}
    assert pair.plan().operations == ()


def test_one_way_what_loses_its_name_on_both_sides_goes_to_the_version_store() -> None:
    pair = one_way(b"a")
    one, two = pair.disks
    two.move(b"a", b"b")
    one.create(b"b", b"new")
    two.mkdir(b"a")
    made = pair.sync()
    assert Act.TRASH in {each.act for each in made.operations}
    assert held(two) == {b"b": b"new"}
    assert pair.plan().operations == ()


def test_one_way_a_new_directory_is_not_one_with_another_that_the_source_has_as_well() -> None:
    pair = one_way(b"d/", b"d/f")
    one, two = pair.disks
    two.move(b"d", b"e")
    one.mkdir(b"e")
    one.create(b"e/f", b"another")
    pair.sync()
    assert held(two) == {b"d/f": b"d/f", b"e/f": b"another"}
    assert pair.plan().operations == ()


def test_what_is_skipped_where_the_destination_has_its_directory_is_told_with_its_path_at_the_source() -> None:
    pair = one_way(b"d/", b"d/f")
    pair.disks[1].move(b"d", b"e")
    pair.disks[1].mkdir(b"e/2")
    pair.disks[0].create(b"d/2", b"new")
    (told,) = pair.plan().held
    assert (told.side, told.path, told.elsewhere, told.skipped) == (Side.TWO, b"e/2", b"d/2", True)
    assert told.why.startswith("the destination has another object of that name")


def test_one_way_what_was_edited_at_the_destination_is_not_removed() -> None:
    pair = one_way(b"a", b"z")
    pair.disks[0].remove(b"a")
    pair.disks[1].edit(b"a", b"edited")
    made = pair.sync()
    assert held(pair.disks[1]) == {b"a": b"edited", b"z": b"z"}
    assert [(each.path, each.skipped) for each in made.held] == [(b"a", True)]


def test_one_way_what_was_moved_at_the_source_and_is_missing_at_the_destination_is_sent_again() -> None:
    pair = one_way(b"a", b"z")
    pair.disks[0].move(b"a", b"b")
    pair.disks[1].remove(b"a")
    pair.sync()
    assert held(pair.disks[1]) == {b"b": b"a", b"z": b"z"}


def test_one_way_a_new_file_takes_the_name_and_the_other_goes_to_the_version_store() -> None:
    pair = one_way(b"z")
    pair.disks[1].create(b"a", b"destination")
    pair.disks[0].create(b"a", b"source")
    pair.sync()
    assert held(pair.disks[1]) == {b"a": b"source", b"z": b"z"}
    assert (Kind.FILE, b"destination") in pair.disks[1].saved
