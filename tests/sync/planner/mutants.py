"""Planners that are wrong in one way each. What catches each of them is named beside it."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from argosy.sync.planner import (
    agreeing,
    choosing,
    collisions,
    contents,
    guards,
    holding,
    matching,
    merging,
    operations,
    planning,
    surviving,
)
from argosy.sync.planner.items import Item, Work
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Binding, Side
from tests.sync.planner import executor
from tests.sync.planner import test_situations as cases

Mutation = Callable[[pytest.MonkeyPatch], None]


class _ByNumber(defaultdict[Any, Any]):
    """Inodes told apart by their number alone."""

    def __missing__(self, binding: Binding) -> Any:
        return self.setdefault(binding, [])

    def __getitem__(self, binding: Binding) -> Any:
        return super().__getitem__(binding.inode)  # type: ignore[attr-defined]

    def get(self, binding: Binding, default: Any = None) -> Any:
        return super().get(binding.inode, default)


def id_from_inode(patch: pytest.MonkeyPatch) -> None:
    made = matching._Matcher.__init__

    def numbered(self: Any, work: Work, side: Side) -> None:
        made(self, work, side)
        bound = _ByNumber(list)
        for binding, items in self.bound.items():
            dict.__setitem__(bound, binding.inode, items)
        self.bound = bound

    patch.setattr(matching._Matcher, "__init__", numbered)


def no_path_continuity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching._Matcher, "_same_place", lambda _, entries: entries)


def no_minimal_revival(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(surviving, "_needed_directories", lambda _: None)


def revival_of_everything(patch: pytest.MonkeyPatch) -> None:
    needed = surviving._needed_directories

    def all_of_it(work: Work) -> None:
        needed(work)
        below = surviving._children_in_base(work)
        for item in list(work.living()):
            if item.is_directory and item.only is not None:
                for child in below.get(item.id, ()):
                    child.alive = child.on != [None, None]

    patch.setattr(surviving, "_needed_directories", all_of_it)


def _existence_without(attribute: str) -> Mutation:
    def mutate(patch: pytest.MonkeyPatch) -> None:
        right = merging._existence

        def wrong(work: Work, item: Item) -> None:
            right(work, item)
            side = item.only
            if item.base is not None and side is not None and (attribute == "edits" or item.moved(side)):
                item.alive = False

        patch.setattr(merging, "_existence", wrong)

    return mutate


def no_revival_of_moved_directories(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(surviving, "_moved_directories", lambda _: None)


def no_conflict_copy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collisions._Resolver, "_keep", lambda *_: None)


def replaced_before_it_is_copied(patch: pytest.MonkeyPatch) -> None:
    def write(self: operations.Writer) -> list[Operation]:
        self.done = []
        items = [each for each in self.work.items.values() if not each.frozen]
        self._goings(items)
        self._changes(items)
        self._comings(items)
        return self.done

    patch.setattr(operations.Writer, "write", write)


def stale_bindings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agreeing._Agreement, "_rebound", lambda _, known, __: known)


def collisions_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collisions._Resolver, "_meet", lambda *_: None)


def case_ignored(patch: pytest.MonkeyPatch) -> None:
    for module in (collisions, holding, operations):
        patch.setattr(module, "folding", lambda _: bytes)


def equal_edits_are_conflicts(patch: pytest.MonkeyPatch) -> None:
    for module in (merging, collisions):
        patch.setattr(module, "equal", lambda *_: False)


def copy_known_by_its_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collisions._Resolver, "_holds", lambda *_: True)


def unknown_is_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "_freeze", lambda _: None)


def nowhere_is_new(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "_overlooked", lambda *_: "")


def new_places_grow_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(executor, "spots", lambda trees, _: (trees.sides[0].spots, trees.sides[1].spots))


def unread_is_left_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "_close", lambda *_: None)


def guard_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "alarms", lambda _: ())


def guard_counts_half(patch: pytest.MonkeyPatch) -> None:
    right = guards._gone

    def wrong(work: Work, side: Side, totals: Any) -> int:
        return right(work, side, totals._replace(objects=totals.objects - 1))

    patch.setattr(guards, "_gone", wrong)


def clocks_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(choosing, "newer", lambda _, one, two: Side.TWO if (two or 0) > (one or 0) else Side.ONE)


def directories_first(patch: pytest.MonkeyPatch) -> None:
    right = operations.Writer._goings

    def wrong(self: operations.Writer, items: list[Item]) -> None:
        for depth in (0, 1, 2, 3):
            right(self, [each for each in items if self.work.path(each).count(b"/") == depth])

    patch.setattr(operations.Writer, "_goings", wrong)


def obstacles_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(holding.Holder, "_obstacles", lambda _: None)


def mtime_believed(patch: pytest.MonkeyPatch) -> None:
    right = contents.changed

    def wrong(work: Work, item: Item, side: Side) -> bool | None:
        entry, base = item.entry(side), item.base
        if base is not None and entry.version[:2] == base.on[side].version[:2]:
            return False
        return right(work, item, side)

    patch.setattr(contents, "changed", wrong)


def cycles_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(surviving, "_break_cycles", lambda _: False)


def _moved_out_of_sight() -> None:
    for where in ("listing", "mount", "look"):
        cases.test_what_was_moved_to_where_nobody_can_look_is_not_gone(where)


def _guarded_exactly() -> None:
    cases.test_more_than_half_and_more_than_ten_gone_is_asked_about(22, 11, refused=False)


MUTANTS: list[tuple[Mutation, str, Callable[[], None]]] = [
    (id_from_inode, "id from the inode's number", cases.test_a_new_file_in_the_inode_of_a_removed_one_is_new),
    (no_path_continuity, "no path continuity", cases.test_an_editors_save_is_an_edit_of_the_file_that_was_there),
    (no_path_continuity, "no log rotation", cases.test_a_rotated_log_is_a_new_log_and_an_old_one),
    (no_minimal_revival, "no minimal revival", cases.test_of_a_removed_directory_only_what_is_needed_comes_back),
    (revival_of_everything, "revival of all", cases.test_of_a_removed_directory_only_what_is_needed_comes_back),
    (
        _existence_without("moves"),
        "delete beats move",
        cases.test_what_one_side_moved_survives_its_removal_on_the_other,
    ),
    (
        _existence_without("edits"),
        "delete beats edit",
        cases.test_of_a_removed_directory_only_what_is_needed_comes_back,
    ),
    (
        no_revival_of_moved_directories,
        "delete beats what a moved directory held",
        cases.test_what_one_side_moved_survives_its_removal_on_the_other,
    ),
    (no_conflict_copy, "no conflict copy", cases.test_both_versions_of_an_edit_are_kept),
    (
        replaced_before_it_is_copied,
        "replaced before it is copied",
        cases.test_no_instant_of_a_crash_takes_the_losing_version_out_of_sight,
    ),
    (stale_bindings, "stale bindings", cases.test_what_was_not_done_is_known_by_its_new_inode_in_the_next_run),
    (collisions_ignored, "collisions ignored", cases.test_two_new_files_of_one_name_are_both_kept),
    (case_ignored, "case ignored", cases.test_names_that_only_one_side_tells_apart_are_both_kept),
    (equal_edits_are_conflicts, "equal edits conflict", cases.test_the_same_edit_on_both_sides_is_no_conflict),
    (
        copy_known_by_its_name,
        "a conflict copy is known by its name",
        cases.test_a_conflict_copy_that_somebody_edited_is_not_overwritten_by_the_same_conflict,
    ),
    (unknown_is_gone, "unlisted is gone", cases.test_what_could_not_be_listed_is_not_gone),
    (unknown_is_gone, "mounted over is gone", cases.test_what_something_is_mounted_over_is_not_gone),
    (unknown_is_gone, "unreadable is gone", cases.test_an_entry_that_could_not_be_read_is_not_gone),
    (nowhere_is_new, "moved out of sight is gone", _moved_out_of_sight),
    (nowhere_is_new, "missed by a scan is gone", cases.test_what_a_scan_may_have_missed_is_not_gone),
    (new_places_grow_old, "moved out of sight is gone in the next run", _moved_out_of_sight),
    (
        unread_is_left_open,
        "an unread content stops everything",
        cases.test_a_conflict_that_cannot_be_read_waits_and_the_rest_is_done,
    ),
    (guard_off, "no guard", cases.test_a_tree_without_its_marker_is_asked_about),
    (guard_counts_half, "the guard is off by one", _guarded_exactly),
    (clocks_are_believed, "clocks are believed", cases.test_times_that_clocks_cannot_tell_apart_are_a_tie),
    (directories_first, "directories first", cases.test_what_is_removed_goes_before_the_directory_it_is_in_is_parked),
    (obstacles_overlooked, "obstacles overlooked", cases.test_a_directory_that_holds_what_cannot_be_synced_stays),
    (mtime_believed, "an equal mtime is an equal content", cases.test_an_edit_that_hides_its_mtime_is_found),
    (cycles_kept, "cycles kept", cases.test_directories_moved_into_each_other_end_as_the_first_side_has_them),
]
