"""Executors that are wrong in one way each. What catches each of them is named beside it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argosy.core.entry import Attributes
from argosy.core.entry import Entry as Listed
from argosy.filesystems._posix import astray
from argosy.filesystems._posix.copying import Copy
from argosy.filesystems._posix.root import Spot
from argosy.sync.executor import (
    acting,
    coming,
    dressing,
    executing,
    expecting,
    going,
    homecoming,
    preparing,
    recovery,
    replacing,
    seeing,
    staging,
    strays,
    using,
)
from argosy.sync.executor.directories import Directories
from argosy.sync.executor.expecting import Expecting
from argosy.sync.executor.journal import Journal
from argosy.sync.executor.run import Result, Run, Shelved
from argosy.sync.executor.stirred import Stirred
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Entry
from tests.sync.executor import test_kills as kills
from tests.sync.executor import test_races as races
from tests.sync.executor import test_situations as cases

Mutation = Callable[[pytest.MonkeyPatch], None]
Acts = acting.ON_WHAT_IS_THERE


def no_parking(patch: pytest.MonkeyPatch) -> None:
    def stay(run: Run, operation: Operation, seen: Entry) -> Result:
        return Result()

    def move(run: Run, operation: Operation, seen: Entry) -> Result:
        here, there = run.area.absolute(operation.path), run.area.absolute(operation.target)
        coming.noreplace(run.area.top, here, run.area.top, there)
        return Result()

    patch.setitem(Acts, Act.PARK, stay)
    patch.setitem(Acts, Act.UNPARK, move)


def no_trash(patch: pytest.MonkeyPatch) -> None:
    def remove(run: Run, operation: Operation, seen: Entry) -> Result:
        path = run.area.absolute(operation.path)
        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        return Result(shelf_id=run.shelf_id)

    patch.setitem(Acts, Act.TRASH, remove)


def _looks_only(self: Expecting, spot: Any, *_: object, **__: object) -> Any:
    return seeing.look(spot)


def no_recheck(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Expecting, "expect", _looks_only)


def ctime_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Expecting, "_expect_metadata", lambda *_, **__: None)
    patch.setattr(Expecting, "_content", lambda *_: None)
    usual = Expecting.expect

    def unhashed(self: Expecting, spot: Any, seen: Entry, path: bytes, **more: bool) -> Any:
        return usual(self, spot, seen._replace(content=None), path, **more)

    patch.setattr(Expecting, "expect", unhashed)


def any_ctime_is_a_change(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Expecting, "_content", lambda *_: b"unknown")


def metadata_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Expecting, "_expect_metadata", lambda *_, **__: None)


def bound_by_the_number_alone(patch: pytest.MonkeyPatch) -> None:
    def same(found: seeing.Found, seen: Entry) -> bool:
        return (found.kind, found.stat.st_ino) == (seen.kind, seen.binding.inode)

    for module in (expecting, coming, dressing):
        patch.setattr(module, "is_inode", same)


def _over(source: int, name: bytes, target: int, new: bytes) -> None:
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def renamed_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(coming, "noreplace", _over)


def no_version_kept(patch: pytest.MonkeyPatch) -> None:
    usual = replacing.put

    def dropped(displaced: Spot, place: Spot, seen: Listed, copy: Copy | None) -> None:
        usual(displaced, place, seen, copy)
        os.unlink(place.name, dir_fd=place.directory)

    patch.setattr(replacing, "put", dropped)
    patch.setattr(Run, "shelved", lambda self, place, seen, left: Shelved(seen, None))


def not_looked_at_after_the_exchange(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replacing.versions, "stands", lambda *_: True)


def order_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(executing._Execution, "_hindrance", lambda *_: None)


def replaced_before_the_copy_is_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(executing, "_PHASES", dict.fromkeys(Act, 1))


def recursive_rmdir(patch: pytest.MonkeyPatch) -> None:
    usual = Acts[Act.TRASH]

    def remove(run: Run, operation: Operation, seen: Entry) -> Result:
        path = run.area.absolute(operation.path)
        if os.path.isdir(path):
            shutil.rmtree(path)
            return Result(shelf_id=run.shelf_id)
        return usual(run, operation, seen)

    patch.setitem(Acts, Act.TRASH, remove)


def journal_afterwards(patch: pytest.MonkeyPatch) -> None:
    """What is to be noted is noted with the next batch, when it has been done already."""
    usual, late = Journal.write, []

    def write(self: Journal, records: Any) -> None:
        usual(self, late)
        late[:] = records

    patch.setattr(Journal, "write", write)


def nothing_comes_home(patch: pytest.MonkeyPatch) -> None:
    for module in (strays, recovery):
        patch.setattr(module, "bring_home", lambda *_: iter(()))


def home_over_what_is_there(patch: pytest.MonkeyPatch) -> None:
    def over(_: object, spot: Any, there: Any) -> None:
        _over(spot.directory, spot.name, there.directory, there.name)

    patch.setattr(homecoming, "bring", over)


def home_by_the_path_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(going, "handle_of", lambda _: b"")


def displaced_is_garbage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "_settle", lambda _, left, *__: os.unlink(left.name, dir_fd=left.directory))


def staging_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(staging, "discard_all", lambda *_, **__: None)


def links_are_followed(patch: pytest.MonkeyPatch) -> None:
    def followed(self: Directories, above: bytes, path: bytes) -> Any:
        directory = os.open(above or b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._top)
        return directory, seeing.look_at(directory).inode

    def anywhere(self: Directories, path: bytes, inside: Any) -> Any:
        above, _, name = path.rpartition(b"/")
        return coming.Spot(self._held(above, path)[0], name)

    patch.setattr(Directories, "_opened", followed)
    patch.setattr(Directories, "spot", anywhere)


def lease_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    usual = Run.__init__

    def deaf(self: Run, **told: Any) -> None:
        usual(self, **{**told, "check": lambda: None})

    patch.setattr(Run, "__init__", deaf)


def everybody_may_apply(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("fcntl.flock", lambda *_: None)


def dressed_while_written_to(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dressing.OpenFile, "is_being_written", lambda _: False)


def xattrs_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(preparing, "_attached", lambda *_: ())


def times_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(acting.OTHERS, Act.MTIME, lambda *_: Result())


def everything_under_another_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(going, "on_shelf", lambda run, shelf, path, act: ("", _anywhere(run, shelf, path, act)))


def _anywhere(run: Run, shelf: Any, path: bytes, act: Callable[[Any], Any]) -> Any:
    with replacing.on_shelf.__globals__["shelves"].room(run.area.root, shelf, b"lost/" + path) as place:
        return act(place)


def owner_forgotten(patch: pytest.MonkeyPatch) -> None:
    usual = preparing.attributes_of

    def ours(*told: Any) -> Attributes:
        found = usual(*told)
        return Attributes(mode=found.mode, uid=0, gid=0, mtime_ns=found.mtime_ns, xattrs=found.xattrs)

    for module in (preparing, dressing):
        patch.setattr(module, "attributes_of", ours)


def writers_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(using, "_is_written", lambda _: False)


def whatever_is_there_afterwards_is_ours(patch: pytest.MonkeyPatch) -> None:
    usual = Run.seen

    def seen(self: Run, spot: Any, *told: Any, inode: object, **more: Any) -> Any:
        return usual(self, spot, *told, inode=seeing.look(spot).inode, **more)

    patch.setattr(Run, "seen", seen)


def dressed_by_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dressing, "_expect", lambda *_: None)


def times_are_always_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stirred, "alone", lambda *_: True)


def out_of_sight_is_good_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replacing.astray, "settle", astray.rescued)


def home_by_the_id_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(homecoming, "_is_it", lambda *_: True)


def everything_is_remembered(patch: pytest.MonkeyPatch) -> None:
    usual = Expecting.note
    patch.setattr(Expecting, "note", lambda self, found, **_: usual(self, found, again=True))


MUTANTS: list[tuple[Mutation, Callable[[Path], object]]] = [
    (no_parking, cases.test_names_that_are_swapped_are_swapped),
    (no_trash, cases.test_what_is_removed_lies_in_the_trash_and_can_be_given_back),
    (everything_under_another_id, cases.test_what_is_removed_lies_in_the_trash_and_can_be_given_back),
    (no_recheck, cases.test_a_file_that_was_written_to_since_the_scan_is_left_as_it_is),
    (ctime_is_not_looked_at, cases.test_a_write_that_hides_its_mtime_is_found_by_looking_closer),
    (any_ctime_is_a_change, cases.test_what_only_lost_its_ctime_meanwhile_is_compared_and_replaced),
    (metadata_are_not_compared, cases.test_metadata_that_somebody_changed_meanwhile_stay),
    (bound_by_the_number_alone, cases.test_a_file_with_the_number_of_the_one_that_was_scanned_is_left_as_it_is),
    (renamed_over, cases.test_a_name_that_was_given_meanwhile_is_not_overwritten),
    (renamed_over, cases.test_what_is_moved_takes_nobodys_place),
    (no_version_kept, cases.test_what_is_replaced_lies_in_the_version_store_and_can_be_given_back),
    (not_looked_at_after_the_exchange, cases.test_a_write_between_the_last_look_and_the_exchange_is_given_back),
    (order_ignored, cases.test_a_replacement_waits_for_its_conflict_copy),
    (
        replaced_before_the_copy_is_synced,
        cases.test_a_conflict_copy_is_on_the_disk_before_its_original_is_replaced,
    ),
    (recursive_rmdir, cases.test_a_directory_that_got_something_meanwhile_stays_with_it),
    (journal_afterwards, kills.test_what_was_parked_comes_home_to_where_it_was),
    (nothing_comes_home, cases.test_what_cannot_come_to_its_new_name_comes_home_and_that_is_told),
    (nothing_comes_home, kills.test_what_was_parked_comes_home_to_where_it_was),
    (home_over_what_is_there, kills.test_what_was_parked_gets_a_name_beside_where_its_own_was_given_again),
    (
        home_by_the_path_alone,
        kills.test_what_was_parked_comes_home_to_its_directory_whatever_that_is_called_by_now,
    ),
    (displaced_is_garbage, kills.test_what_was_replaced_as_the_power_went_is_in_the_version_store),
    (staging_stays, kills.test_what_was_staged_for_a_run_that_is_over_goes),
    (links_are_followed, cases.test_a_symlink_that_takes_the_place_of_a_directory_leads_nobody_outside),
    (lease_not_asked_for, cases.test_who_lost_the_lease_stops_at_once),
    (everybody_may_apply, cases.test_nobody_else_applies_anything_meanwhile),
    (dressed_while_written_to, cases.test_a_file_that_is_being_written_to_gets_no_metadata),
    (xattrs_forgotten, cases.test_xattrs_acls_owner_and_mode_travel_and_what_is_ours_does_not),
    (owner_forgotten, cases.test_xattrs_acls_owner_and_mode_travel_and_what_is_ours_does_not),
    (writers_are_not_looked_for, races.test_a_file_that_is_open_for_writing_is_neither_replaced_nor_removed),
    (writers_are_not_looked_for, races.test_who_opens_a_file_for_writing_as_it_goes_gets_it_back),
    (out_of_sight_is_good_enough, races.test_what_is_put_back_and_what_took_its_name_are_both_in_sight),
    (whatever_is_there_afterwards_is_ours, races.test_what_took_the_place_of_what_came_does_not_pass_for_it),
    (no_recheck, races.test_another_name_is_not_given_to_what_somebody_wrote_meanwhile),
    (dressed_by_name, races.test_a_directory_that_takes_the_place_of_another_gets_none_of_its_metadata),
    (dressed_by_name, races.test_what_takes_the_place_of_a_symlink_gets_none_of_its_owner),
    (times_are_always_given_back, races.test_a_directory_in_which_somebody_did_something_meanwhile_keeps_that_time),
    (home_by_the_id_alone, kills.test_what_is_parked_is_told_by_its_inode_and_not_by_an_id_that_came_again),
    (everything_is_remembered, cases.test_what_nobody_meets_again_is_not_remembered),
    (times_forgotten, cases.test_a_directory_keeps_its_time_whatever_is_done_in_it),
]
"""A run that never waits for the disk is found out in `test_power_cuts.py`."""
