"""Whole rounds of a sync by the agents' own work: scan, plan, hash, send, stage, apply, agree."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core import failpoints
from argosy.core.entry import Entry
from argosy.core.errors import Exhausted
from argosy.core.states import FileState
from argosy.sync.executor.outcomes import Became
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Act
from argosy.sync.planner.trees import SIDES, Side
from tests.agent.syncing.pair import WHOLE, Pair
from tests.loop import LoopMount
from tests.sites import STUBS, close_all
from tests.sync.planner.disks import UNASKED

BIG = b"0123456789" * 20_000


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path / "pair")


def something(pair: Pair) -> None:
    """Have a bit of everything at the first site."""
    one = pair.disks[0]
    one.mkdir(b"d")
    one.mkdir(b"d/empty")
    one.create(b"d/f", b"text of f")
    one.create(b"big", BIG)
    one.symlink(b"link", b"d/f")
    one.create(b"zero", b"")


def agreed(pair: Pair) -> Pair:
    something(pair)
    assert not pair.sync().undone
    return pair


def both_are_alike(pair: Pair) -> None:
    one, two = (disk.tree() for disk in pair.disks)
    assert one == two
    assert pair.disks[0].groups() == pair.disks[1].groups()


def nothing_is_left_to_do(pair: Pair) -> None:
    again = pair.sync()
    assert not again.plan.operations
    assert not again.plan.conflicts
    assert not again.hashed, "what was sent is known without being read"
    assert not any(pair.temporaries(side) for side in SIDES)


def disk_of(site: int, path: bytes, pair: Pair) -> os.stat_result:
    return os.stat(pair.disks[site].path(path))


def test_what_one_site_has_comes_to_the_other_and_a_second_run_does_nothing(pair: Pair) -> None:
    agreed(pair)
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_modes_owners_xattrs_and_acls_come_along(pair: Pair) -> None:
    something(pair)
    one = pair.disks[0]
    one.attach(b"d", b"of a directory")
    one.attach(b"d/f", b"of a file")
    one.attach(b"zero", b"of a file")
    one.chmod(b"d/empty", 0o2750)
    one.chmod(b"big", 0o4711)
    one.chown(b"d/f", 1234)
    assert not pair.sync().undone
    both_are_alike(pair)
    two = pair.disks[1]
    two.attach(b"d", b"of a directory, by the other")
    two.attach(b"big", b"of the big one")
    two.chmod(b"zero", 0o600)
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_attributes_that_many_have_alike_cross_once(pair: Pair) -> None:
    agreed(pair)
    one = pair.disks[0]
    for path in (b"d", b"d/empty", b"d/f", b"big", b"zero"):
        one.attach(path, b"the same")
    made = pair.sync()
    assert len(made.transferred) == 1
    assert not made.undone
    both_are_alike(pair)


def test_attributes_of_one_side_come_to_the_content_of_the_other(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.save(b"d/f", b"by one")
    two.attach(b"d/f", b"by two")
    two.remove(b"zero")
    one.attach(b"zero", b"by one")
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_names_of_one_file_stay_names_of_one_file(pair: Pair) -> None:
    one = pair.disks[0]
    one.mkdir(b"d")
    one.create(b"f", b"shared")
    one.link(b"f", b"d/g")
    made = pair.sync()
    assert len(made.sent) == 1
    both_are_alike(pair)
    pair.disks[1].edit(b"f", b"written through the other")
    pair.sync()
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_a_renamed_directory_and_a_swap_send_nothing(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.move(b"d", b"e")
    two.swap(b"big", b"zero")
    made = pair.sync()
    assert not made.sent
    assert not made.undone
    both_are_alike(pair)
    assert one.at(b"zero").data == BIG
    nothing_is_left_to_do(pair)


def test_both_versions_of_what_both_changed_are_at_both_sites(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.edit(b"d/f", b"by one")
    two.edit(b"d/f", b"by two")
    made = pair.sync()
    assert not made.undone
    both_are_alike(pair)
    assert {b"by one", b"by two"} <= {data for _, data in one.contents()}
    nothing_is_left_to_do(pair)


def test_one_way_the_source_stays_as_it_is(tmp_path: Path) -> None:
    pair = agreed(Pair(tmp_path / "pair", options=Options(guards=UNASKED, one_way=True)))
    one, two = pair.disks
    two.create(b"own", b"of the destination")
    two.edit(b"zero", b"drifted")
    one.edit(b"d/f", b"second")
    one.remove(b"big")
    before = one.tree()
    made = pair.sync()
    assert not made.undone
    assert not made.operations[0]
    assert one.tree() == before
    assert two.at(b"d/f").data == b"second"
    assert two.at(b"own").data == b"of the destination"
    assert two.at(b"zero").data == b"drifted"
    assert not two.has(b"big")
    assert not pair.sync().plan.operations


def test_filesets_that_are_held_still_by_snapshots_of_btrfs(tmp_path: Path, loop_mount: LoopMount) -> None:
    disk = loop_mount("btrfs")
    for name in ("one", "two"):
        subprocess.run(["btrfs", "-q", "subvolume", "create", str(disk / name)], check=True)
    pair = agreed(Pair(disk, below="", snapshots="btrfs"))
    one, two = pair.disks
    one.edit(b"d/f", b"by one")
    two.swap(b"big", b"zero")
    when(pair, "transfer", lambda: two.create(b"later", b"not in the snapshot"))
    assert not pair.sync().undone
    assert two.has(b"later")
    assert not one.has(b"later")
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


# stubs


def test_where_a_site_has_stubs_large_files_come_as_stubs(tmp_path: Path) -> None:
    with_stubs = Pair(tmp_path / "pair", policies=(WHOLE, POLICY))
    agreed(with_stubs)
    assert disk_of(1, b"big", with_stubs).st_size == len(BIG)
    assert disk_of(1, b"big", with_stubs).st_blocks < 16
    assert with_stubs.disks[1].at(b"d/f").data == b"text of f", "too small for a stub"
    nothing_is_left_to_do(with_stubs)
    two = with_stubs.sites[1]
    [outcome] = two.do("recall", two.entry(two.tree / "big"))
    assert outcome.state is FileState.PROCESSED
    both_are_alike(with_stubs)
    nothing_after_a_hash(with_stubs)


def nothing_after_a_hash(pair: Pair) -> None:
    made = pair.sync()
    assert not made.plan.operations
    nothing_is_left_to_do(pair)


POLICY = type(STUBS)(unguarded_stubs=True, min_stub_size=65536)


def test_with_hydrate_they_come_whole(tmp_path: Path) -> None:
    pair = agreed(Pair(tmp_path / "pair", policies=(POLICY, POLICY), hydrate=True))
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


def test_a_stub_is_sent_as_the_place_of_its_bytes(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "pair", policies=(POLICY, POLICY))
    something(pair)
    one = pair.sites[0]
    [outcome] = one.do("migrate", one.entry(one.tree / "big"))
    assert outcome.state is FileState.PROCESSED
    assert disk_of(0, b"big", pair).st_blocks < 16
    assert not pair.sync().undone
    assert disk_of(0, b"big", pair).st_blocks < 16, "it was not recalled for that"
    nothing_is_left_to_do(pair)
    two = pair.sites[1]
    two.do("recall", two.entry(two.tree / "big"))
    assert pair.disks[1].at(b"big").data == BIG


def test_a_stub_gets_new_metadata_and_is_moved_and_stays_a_stub(tmp_path: Path) -> None:
    pair = agreed(Pair(tmp_path / "pair", policies=(WHOLE, POLICY)))
    one, two = pair.disks
    one.chmod(b"big", 0o600)
    one.touch(b"big")
    one.move(b"big", b"d/large")
    made = pair.sync()
    assert not made.undone
    assert disk_of(1, b"d/large", pair).st_blocks < 16
    assert disk_of(1, b"d/large", pair).st_mtime_ns == disk_of(0, b"d/large", pair).st_mtime_ns
    nothing_is_left_to_do(pair)
    site = pair.sites[1]
    site.do("recall", site.entry(site.tree / "d" / "large"))
    assert two.at(b"d/large").data == BIG


# what changes meanwhile


def when(pair: Pair, phase: str, act: object) -> None:
    """Do something once before a phase."""
    left = [act]

    def meanwhile(now: str) -> None:
        if now == phase and left:
            left.pop()()  # type: ignore[operator]

    pair.between = meanwhile


@pytest.mark.parametrize("phase", ["transfer", "stage", "apply"])
def test_a_source_that_changes_meanwhile_is_aborted_or_sent_as_it_was_and_comes_with_the_next_run(
    pair: Pair, phase: str
) -> None:
    agreed(pair)
    one, two = pair.disks
    one.edit(b"d/f", b"second")
    when(pair, phase, lambda: one.edit(b"d/f", b"third, and longer"))
    made = pair.sync()
    if phase == "transfer":
        assert [each.state for each in made.transferred] == [FileState.ABORTED]
        assert [each.act for each in made.undone] == [Act.REPLACE]
        assert two.at(b"d/f").data == b"text of f"
    else:
        assert two.at(b"d/f").data == b"second"
    assert not pair.sync().undone
    assert two.at(b"d/f").data == b"third, and longer"
    nothing_is_left_to_do(pair)


def test_another_file_in_the_place_of_the_one_that_was_scanned_is_not_sent_for_it(pair: Pair) -> None:
    agreed(pair)
    one = pair.disks[0]
    one.edit(b"d/f", b"second")

    def swap() -> None:
        found = os.stat(one.path(b"d/f"))
        one.save(b"d/f", b"SECOND")
        os.utime(one.path(b"d/f"), ns=(found.st_mtime_ns, found.st_mtime_ns))

    when(pair, "transfer", swap)
    made = pair.sync()
    assert [each.state for each in made.transferred] == [FileState.ABORTED]
    assert not pair.sync().undone
    both_are_alike(pair)


@pytest.mark.parametrize("path", [b"d/f", b"d"])
def test_a_source_that_is_gone_meanwhile_is_aborted(pair: Pair, path: bytes) -> None:
    something(pair)
    one = pair.disks[0]

    def go() -> None:
        one.remove(path)
        one.symlink(path, b"elsewhere")

    when(pair, "transfer", go)
    made = pair.sync()
    assert {each.state for each in made.transferred if not each.state.goes_on} == {FileState.ABORTED}
    assert not pair.sync().undone
    both_are_alike(pair)


def test_a_source_that_changes_just_as_it_is_sent_is_not_sent_for_what_was_scanned(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pair.disks[0]
    one.create(b"f", b"as it was scanned")
    made = pair.plan()
    monkeypatch.setattr(failpoints, "_points", {"sync:before_upload": ("edit", 1)})
    monkeypatch.setattr(failpoints, "_hits", {})
    monkeypatch.setattr(failpoints, "_act", lambda *_: one.edit(b"f", b"as it was sent"))
    pair.transfer(made)
    assert [each.state for each in made.transferred] == [FileState.ABORTED]
    pair.apply(made)
    assert not pair.disks[1].has(b"f")


def test_another_content_than_the_plan_was_made_for_is_not_staged(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.edit(b"d/f", b"by one")
    two.edit(b"d/f", b"by two")
    made = pair.plan()
    assert made.hashed
    time = os.stat(one.path(b"d/f")).st_mtime_ns
    one.edit(b"d/f", b"BY ONE")
    os.utime(one.path(b"d/f"), ns=(time, time))
    pair.transfer(made)
    assert FileState.ABORTED in {each.state for each in made.transferred}
    pair.apply(made)
    assert b"BY ONE" not in {data for _, data in two.contents()}


def test_what_somebody_wrote_at_the_destination_meanwhile_stays(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.edit(b"d/f", b"by one")
    when(pair, "apply", lambda: two.edit(b"d/f", b"by two, in between"))
    made = pair.sync()
    assert [each.became for each in made.undone] == [Became.ABORTED]
    assert two.at(b"d/f").data == b"by two, in between"
    assert not pair.sync().undone
    assert {b"by one", b"by two, in between"} <= {data for _, data in one.contents()}
    both_are_alike(pair)


def test_an_object_that_is_gone_from_the_store_makes_its_operation_fail_and_no_other(pair: Pair) -> None:
    agreed(pair)
    one, two = pair.disks
    one.create(b"d/new", b"new")
    one.create(b"other", b"other")

    def lose() -> None:
        found = [path for path in pair.sites[0].store.rglob("*") if path.is_file() and path.read_bytes() == b"new"]
        for path in found:
            path.unlink()

    when(pair, "stage", lose)
    made = pair.sync()
    assert [each.entry.path[-3:] for each in made.transferred if not each.state.goes_on] == [b"new"]
    assert len(made.undone) == 1
    assert not two.has(b"d/new")
    assert two.at(b"other").data == b"other"
    pair.sync()
    both_are_alike(pair)


def test_a_stub_that_lost_its_attribute_is_never_taken_for_a_file_of_zeros(tmp_path: Path) -> None:
    pair = agreed(Pair(tmp_path / "pair", policies=(WHOLE, POLICY)))
    path = pair.disks[1].path(b"big")
    os.removexattr(path, b"trusted.argosy")
    pair.restart()
    made = pair.sync()
    assert not made.plan.operations
    assert [each.path for each in made.plan.held] == [b"big"]
    assert pair.disks[0].at(b"big").data == BIG


def test_a_stub_that_waits_for_its_operation_needs_its_object(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "pair", policies=(WHOLE, POLICY))
    something(pair)
    made = pair.plan()
    pair.transfer(made)
    needed = {each.entry.facts.stored.uuid for each in made.transferred if each.entry.facts.stored}
    assert needed <= pair.sites[1].references()
    pair.apply(made)
    assert needed <= pair.sites[1].references()


def test_where_the_disk_is_full_what_finds_room_is_done(tmp_path: Path, loop_mount: LoopMount) -> None:
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / "two").symlink_to(loop_mount("ext4", size=16 << 20))
    pair = Pair(tmp_path / "pair")
    one = pair.disks[0]
    one.create(b"large", os.urandom(20 << 20))
    one.create(b"small", b"small")
    made = pair.sync()
    assert [(each.entry.path[-5:], each.error) for each in made.transferred if not each.state.goes_on] == [
        (b"large", "disk_full")
    ]
    assert pair.disks[1].at(b"small").data == b"small"
    assert not pair.disks[1].has(b"large")
    assert not pair.temporaries(Side.TWO)


# one at a time


def test_a_scan_holds_the_fileset_until_its_snapshots_are_rotated(pair: Pair) -> None:
    something(pair)
    pair.plan()
    report = pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), run="another-1")
    assert report.error == "snapdiff_locked"
    pair.rotate()
    assert not pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), run="another-1").error


def test_a_scan_that_fails_lets_go_of_the_fileset(pair: Pair) -> None:
    def fail(_call: str) -> None:
        raise Exhausted("the disk of the hub is full")

    pair.hub.watch = fail
    assert pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), run="run-1").error == "exhausted"
    pair.hub.watch = lambda _call: None
    assert not pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), run="run-2").error


def test_the_next_round_lets_go_of_the_snapshot_of_the_one_before(pair: Pair) -> None:
    something(pair)
    pair.plan()
    pair.disks[0].create(b"later", b"found by the second round")
    made = pair.plan()
    assert b"later" in {each.target for each in made.plan.operations}
    pair.transfer(made)
    pair.apply(made)
    both_are_alike(pair)


def test_a_fileset_that_is_another_than_the_hub_means_is_not_scanned(pair: Pair) -> None:
    report = pair.report(Side.ONE, "scan_fileset", pair.top(Side.ONE), fileset="0" * 32)
    assert report.error == "fileset_refused"
    assert not report.retry


def test_only_the_hub_itself_orders_such_work(pair: Pair) -> None:
    for step in ("scan_fileset", "apply_operations", "stage", "hash_paths"):
        report = pair.report(Side.ONE, step, pair.top(Side.ONE), own=False)
        assert report.error == "invalid", step


def test_a_path_in_no_fileset_is_not_staged_for(pair: Pair) -> None:
    entry = Entry(path=bytes(pair.sites[0].root / "elsewhere")).learned(operation=1)
    [outcome] = pair.do(Side.ONE, "stage", entry, run="run-1")
    assert outcome.state is FileState.FAILED
