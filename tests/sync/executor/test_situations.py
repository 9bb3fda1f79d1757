"""One thing at a time: what an operation does, what it leaves alone, and what is told of it."""

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from argosy.core.errors import LeaseLost
from argosy.core.faults import FilesetRefused, Occupied
from argosy.filesystems.base import Kept, Shelf
from argosy.sync.executor import acting, executing
from argosy.sync.executor.expecting import Expecting
from argosy.sync.executor.outcomes import Became
from argosy.sync.executor.run import Run
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Entry, Kind, Metadata, Side, Version
from tests.sync.executor.pair import OneSide, RealPair, Round
from tests.sync.executor.trees import SECOND, RealDisk

OLD, NEW, OTHER = b"the old text", b"the new text", b"another text"


def agreeing(tmp_path: Path, *make: Callable[[RealDisk], None], options: Options | None = None) -> RealPair:
    """Return a pair in which both sides have the same."""
    pair = RealPair(tmp_path / "pair", options)
    for each in make:
        each(pair.disks[0])
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    return pair


def file(path: bytes, text: bytes = OLD) -> Callable[[RealDisk], None]:
    return lambda disk: disk.create(path, text)


def directory(path: bytes) -> Callable[[RealDisk], None]:
    return lambda disk: disk.mkdir(path)


def meanwhile(pair: RealPair, act: Callable[[], None]) -> Round:
    """Sync, and have something happen after the scan, before anything is applied."""
    pair.between = act
    made = pair.sync()
    pair.between = lambda: None
    return made


def kept(side: OneSide, shelf: Shelf) -> dict[bytes, Kept]:
    """Return what a shelf keeps, by its path below the top."""
    found = side.filesystem.kept(shelf)
    return {each.entry.path[len(side.place.path) + 1 :]: each for each in found}


def settled(pair: RealPair) -> None:
    """One more run, and both are equal, and there is nothing to do."""
    pair.sync()
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.plan().plan.operations == ()


# what goes


def test_what_is_removed_lies_in_the_trash_and_can_be_given_back(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    before = two.tree()
    one.remove(b"d")
    made = pair.sync()
    assert two.tree() == {}
    lying = kept(pair.sides[1], Shelf.TRASH)
    assert lying.keys() == {b"d", b"d/f"}
    assert {each.id for each in lying.values()} == {each.shelf_id for each in made.outcomes[1]}
    for path in (b"d/f", b"d"):
        pair.sides[1].filesystem.restore(lying[path])
    assert two.tree() == before


def test_what_is_replaced_lies_in_the_version_store_and_can_be_given_back(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    was = two.at(b"d/f").inode
    one.edit(b"d/f", NEW)
    made = pair.sync()
    assert two.at(b"d/f").data == NEW
    lying = kept(pair.sides[1], Shelf.VERSIONS)
    assert lying.keys() == {b"d/f"}
    assert lying[b"d/f"].id == next(each.shelf_id for each in made.outcomes[1] if each.act is Act.REPLACE)
    pair.sides[1].filesystem.restore(lying[b"d/f"], two.path(b"d/back"))
    assert (two.at(b"d/back").data, two.at(b"d/back").inode) == (OLD, was)


def test_a_directory_that_got_something_meanwhile_stays_with_it(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    one.remove(b"d")
    made = meanwhile(pair, lambda: two.create(b"d/new", NEW))
    assert two.tree().keys() == {b"d", b"d/new"}
    (outcome,) = made.undone
    assert (outcome.act, outcome.became, outcome.code) == (Act.TRASH, Became.ABORTED, "not_empty")
    settled(pair)
    assert one.at(b"d/new").data == NEW


def test_of_a_directory_that_was_not_emptied_nothing_is_done(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    one.remove(b"d")
    made = meanwhile(pair, lambda: two.edit(b"d/f", NEW))
    assert two.at(b"d/f").data == NEW
    file_, above = made.undone
    assert (file_.became, above.became, above.because) == (Became.ABORTED, Became.LEFT, file_.number)
    settled(pair)
    assert one.at(b"d/f").data == NEW


# compare and swap


def test_a_file_that_was_written_to_since_the_scan_is_left_as_it_is(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.edit(b"f", NEW)
    made = meanwhile(pair, lambda: two.edit(b"f", OTHER))
    assert two.at(b"f").data == OTHER
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "changed")]
    settled(pair)
    assert NEW in {entry[1] for entry in one.tree().values()}
    assert OTHER in {entry[1] for entry in one.tree().values()}


def test_a_write_that_hides_its_mtime_is_found_by_looking_closer(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.edit(b"f", NEW)
    mtime = os.stat(two.path(b"f")).st_mtime_ns

    def write() -> None:
        with open(two.path(b"f"), "r+b") as opened:
            opened.write(OTHER)
        os.utime(two.path(b"f"), ns=(mtime, mtime))

    assert meanwhile(pair, write).undone[0].became is Became.ABORTED
    assert two.at(b"f").data == OTHER


def test_what_only_lost_its_ctime_meanwhile_is_compared_and_replaced(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.edit(b"f", NEW)
    found = os.stat(two.path(b"f"))
    assert meanwhile(pair, lambda: os.chmod(two.path(b"f"), found.st_mode & 0o7777)).undone == []
    assert two.at(b"f").data == NEW


def test_metadata_that_somebody_changed_meanwhile_stay(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.edit(b"f", NEW)
    assert meanwhile(pair, lambda: two.chmod(b"f", 0o600)).undone[0].became is Became.ABORTED
    assert (two.at(b"f").data, os.stat(two.path(b"f")).st_mode & 0o777) == (OLD, 0o600)
    settled(pair)
    assert (one.at(b"f").data, os.stat(one.path(b"f")).st_mode & 0o777) == (NEW, 0o600)


def test_a_file_with_the_number_of_the_one_that_was_scanned_is_left_as_it_is(tmp_path: Path) -> None:
    """Filesystems give the number of what was removed to what is made next: only its birth tells them apart."""
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.remove(b"f")
    made = pair.plan()
    (trash,) = made.operations[1]
    assert trash.expects is not None
    born_before = trash.expects.binding._replace(born_ns=trash.expects.binding.born_ns - 1)
    made.operations[1][:] = [msgspec.structs.replace(trash, expects=trash.expects._replace(binding=born_before))]
    pair.sync(made)
    assert made.undone[0].became is Became.ABORTED
    assert two.at(b"f").data == OLD


def test_a_write_between_the_last_look_and_the_exchange_is_given_back(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.edit(b"f", NEW)
    looked = Expecting.expect

    def writing(self: Expecting, *told: object, **more: object) -> object:
        found = looked(self, *told, **more)  # type: ignore[arg-type]
        two.edit(b"f", OTHER)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Expecting, "expect", writing)
        made = pair.sync()
    assert made.undone[0].became is Became.ABORTED
    assert two.at(b"f").data == OTHER
    assert kept(pair.sides[1], Shelf.VERSIONS) == {}
    assert pair.sides[1].temporaries() == []


def test_a_file_that_is_being_written_to_gets_no_metadata(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.touch(b"f")
    before = two.tree()
    with open(two.path(b"f"), "r+b"):
        made = pair.sync()
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "busy")]
    assert two.tree() == before
    settled(pair)


# what comes


def test_a_name_that_was_given_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"))
    one, two = pair.disks
    one.create(b"f", NEW)
    made = meanwhile(pair, lambda: two.create(b"f", OTHER))
    assert two.at(b"f").data == OTHER
    assert [(each.became, each.code) for each in made.undone] == [(Became.ABORTED, "exists")]
    settled(pair)
    assert {NEW, OTHER} <= {entry[1] for entry in one.tree().values()}


def test_what_cannot_come_to_its_new_name_comes_home_and_that_is_told(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    one.move(b"d", b"e")
    made = meanwhile(pair, lambda: two.create(b"e", OTHER))
    assert two.tree().keys() == {b"d", b"d/f", b"e"}
    (outcome,) = made.undone
    assert (outcome.act, outcome.became) == (Act.UNPARK, Became.ABORTED)
    assert outcome.entry is not None
    assert (outcome.entry.name, outcome.entry.binding.inode) == (b"d", two.at(b"d").inode)
    assert pair.sides[1].temporaries() == []
    settled(pair)


def test_what_is_moved_takes_nobodys_place(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    one.move(b"f", b"g")
    made = meanwhile(pair, lambda: two.create(b"g", OTHER))
    assert {path: entry[1] for path, entry in two.tree().items()} == {b"f": OLD, b"g": OTHER}
    assert [(each.act, each.code) for each in made.undone] == [(Act.UNPARK, "exists")]
    settled(pair)


def test_what_hangs_on_a_directory_that_did_not_come_is_left(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"))
    one, two = pair.disks
    one.mkdir(b"d")
    one.create(b"d/f", NEW)
    made = meanwhile(pair, lambda: two.create(b"d", OTHER))
    assert [each.became for each in made.undone] == [Became.ABORTED, Became.LEFT, Became.LEFT]
    assert {each.because for each in made.undone[1:]} == {made.undone[0].number}
    assert two.tree().keys() == {b"d", b"x"}
    settled(pair)


def test_names_that_are_swapped_are_swapped(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"a", OLD), file(b"b", NEW), directory(b"c"), file(b"c/x", OTHER))
    one, two = pair.disks
    inodes = two.at(b"a").inode, two.at(b"b").inode
    one.swap(b"a", b"b")
    one.swap(b"b", b"c")
    assert pair.sync().undone == []
    assert (two.at(b"c").inode, two.at(b"a").inode) == inodes
    assert one.tree() == two.tree()
    assert pair.crossed == len(OLD + NEW + OTHER)


def test_a_renamed_directory_moves_no_bytes_and_keeps_its_inodes(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), directory(b"d/e"), file(b"d/e/f"))
    one, two = pair.disks
    inodes, crossed = two.inodes(), pair.crossed
    one.move(b"d", b"r")
    assert pair.sync().undone == []
    assert two.inodes() == {path.replace(b"d", b"r", 1): inode for path, inode in inodes.items()}
    assert pair.crossed == crossed


def test_a_replacement_waits_for_its_conflict_copy(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    two.edit(b"f", OTHER)
    one.edit(b"f", NEW)  # the newer one keeps the name
    plan = pair.plan()
    (copy,) = [each for each in plan.operations[1] if each.act is Act.CREATE]
    made = pair_sync_with(pair, plan, lambda: two.create(copy.target, b"in the way"))
    assert two.at(b"f").data == OTHER
    assert [
        (each.act, each.became) for each in made.undone if each.number in {o.number for o in plan.operations[1]}
    ] == [
        (Act.CREATE, Became.ABORTED),
        (Act.REPLACE, Became.LEFT),
    ]
    settled(pair)
    assert {NEW, OTHER, b"in the way"} <= {entry[1] for entry in one.tree().values()}


def pair_sync_with(pair: RealPair, made: Round, act: Callable[[], None]) -> Round:
    """Apply a plan, with something happening just before."""
    pair.between = act
    pair.sync(made)
    pair.between = lambda: None
    return made


def test_a_conflict_copy_is_on_the_disk_before_its_original_is_replaced(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"))
    one, two = pair.disks
    two.edit(b"f", OTHER)
    one.edit(b"f", NEW)
    waiting: list[int] = []
    replace = acting.ON_WHAT_IS_THERE[Act.REPLACE]

    def watched(run: object, *told: object) -> object:
        assert b"f" in {path.partition(b".")[0] for path in two.tree() if b"conflict" in path}
        waiting.append(len(run.unsynced))  # type: ignore[attr-defined]
        return replace(run, *told)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(acting.ON_WHAT_IS_THERE, Act.REPLACE, watched)
        pair.sync()
    assert waiting == [0]


def test_what_was_not_staged_fails_and_nothing_else(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"x"))
    one, two = pair.disks
    one.create(b"f", NEW)
    one.create(b"g", OTHER)
    made = pair.plan()
    one.edit(b"f", b"changed while it was read")
    pair.sync(made)
    assert two.tree().keys() == {b"g", b"x"}
    assert [(each.became, each.code) for each in made.undone] == [(Became.FAILED, "not_staged")]
    settled(pair)


def test_hard_links_are_links_on_the_other_side(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"f"), lambda disk: disk.link(b"f", b"d/g"))
    one, two = pair.disks
    assert two.groups() == {frozenset({b"f", b"d/g"})}
    assert pair.crossed == len(OLD)
    one.link(b"f", b"h")
    one.edit(b"f", NEW)
    assert pair.sync().undone == []
    assert two.groups() == {frozenset({b"f", b"d/g", b"h"})}
    assert one.tree() == two.tree()
    settled(pair)


def test_xattrs_acls_owner_and_mode_travel_and_what_is_ours_does_not(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"f"), directory(b"d"))
    one, two = pair.disks
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *each)
        for each in [(1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    )
    for path in (b"f", b"d"):
        os.setxattr(one.path(path), b"user.colour", b"\x00blue")
        os.setxattr(one.path(path), b"system.posix_acl_access", acl)
        one.chown(path, 4321)
        os.setxattr(one.path(path), b"user.argosy.note", b"of side one")
    os.setxattr(one.path(b"d"), b"system.posix_acl_default", acl)
    one.create(b"d/new", NEW)
    one.attach(b"d/new", b"value")
    assert pair.sync().undone == []
    assert one.tree() == two.tree()
    assert os.getxattr(two.path(b"d"), b"system.posix_acl_default") == acl
    assert b"user.argosy.note" not in map(os.fsencode, os.listxattr(two.path(b"f")))
    settled(pair)
    os.removexattr(one.path(b"f"), b"user.colour")
    assert pair.sync().undone == []
    assert one.tree() == two.tree()


def test_a_directory_keeps_its_time_whatever_is_done_in_it(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), directory(b"d/e"), file(b"d/e/f"))
    one, two = pair.disks
    one.create(b"d/e/new", NEW)
    one.remove(b"d/e/f")
    os.utime(one.path(b"d/e"), ns=(5 * SECOND, 4_000_000_000 * SECOND))
    above = os.stat(two.path(b"d")).st_mtime_ns
    assert pair.sync().undone == []
    assert os.stat(two.path(b"d/e")).st_mtime_ns == 4_000_000_000 * SECOND
    assert os.stat(two.path(b"d")).st_mtime_ns == above


def test_names_are_bytes(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"\xff"), file(b"\xff/\x80\n"), file(b"x" * 255))
    one, two = pair.disks
    one.move(b"\xff", b"\xfe \\")
    one.edit(b"x" * 255, NEW)
    assert pair.sync().undone == []
    assert two.tree().keys() == {b"\xfe \\", b"\xfe \\/\x80\n", b"x" * 255}
    settled(pair)


def test_a_file_gets_another_name_above_the_place_to_which_it_is_moved_itself(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), directory(b"d/x"), directory(b"e"), file(b"e/f"), file(b"k"))
    one, two = pair.disks
    one.move(b"e", b"d/x/e")
    one.link(b"d/x/e/f", b"g")
    one.move(b"k", b"d/x/k")
    one.link(b"d/x/k", b"h")
    assert pair.sync().undone == []
    assert two.groups() == {frozenset({b"d/x/e/f", b"g"}), frozenset({b"d/x/k", b"h"})}
    settled(pair)


def test_a_file_with_two_names_comes_as_one_though_its_content_is_here_already(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"same"))
    one, two = pair.disks
    one.create(b"p", OLD)
    one.link(b"p", b"q")
    two.create(b"p", b"longer on two")
    two.create(b"q", b"longer on two as well")
    assert pair.sync().undone == []
    assert len(one.groups()) == 1
    assert two.groups() == one.groups()
    settled(pair)


def test_a_symlink_that_takes_the_place_of_a_directory_leads_nobody_outside(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, directory(b"d"), file(b"d/f"))
    one, two = pair.disks
    one.edit(b"d/f", NEW)
    one.create(b"d/new", NEW)
    outside = tmp_path / "outside"

    def led_away() -> None:
        shutil.copytree(os.fsdecode(two.path(b"d")), outside)
        two.move(b"d", b"elsewhere")
        two.symlink(b"d", os.fsencode(outside))

    made = meanwhile(pair, led_away)
    assert {each.became for each in made.undone} == {Became.ABORTED}
    assert sorted(each.name for each in outside.iterdir()) == ["f"]
    assert (outside / "f").read_bytes() == OLD


# the run as a whole


def test_who_lost_the_lease_stops_at_once(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"a"), file(b"b"), file(b"c"))
    one, two = pair.disks
    for name in (b"a", b"b", b"c"):
        one.remove(name)
    made, calls = pair.plan(), []

    def check() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise LeaseLost("somebody else has it")

    with pair.sides[1].area() as area, pytest.raises(LeaseLost):
        list(executing.apply(area, "run", made.operations[1], check=check))
    assert len(two.tree()) == 2
    pair.restart()
    settled(pair)
    assert two.tree() == {}


def test_nobody_else_applies_anything_meanwhile(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"a"))
    pair.disks[0].remove(b"a")
    made = pair.plan()
    with pair.sides[1].area() as area, pair.sides[1].area() as other:
        running = executing.apply(area, "run", made.operations[1])
        next(running)
        with pytest.raises(Occupied):
            next(executing.apply(other, "another", made.operations[1]))
        assert list(running) == []


def test_another_directory_at_the_top_is_refused(tmp_path: Path) -> None:
    pair = agreeing(tmp_path, file(b"a"))
    side = pair.sides[1]
    assert side.binding
    side.top.rename(side.top.with_name("away"))
    side.top.mkdir()
    with pytest.raises(FilesetRefused):
        side.area()


def test_many_operations_are_told_as_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "AT_ONCE", 4)
    pair = RealPair(tmp_path / "pair")
    for number in range(40):
        pair.disks[0].create(b"%d" % number, b"%d" % number)
    made = pair.plan()
    with pair.sides[1].area() as area:
        pair.stage(made, made.operations[1][0].side, area, "run")
        running = executing.apply(area, "run", iter(made.operations[1]))
        next(running)
        assert len(pair.disks[1].tree()) == 4
        assert len(list(running)) == 39
    assert pair.disks[1].tree() == pair.disks[0].tree()


def test_two_filesets_of_one_root_are_applied_at_once_and_leave_each_other_alone(tmp_path: Path) -> None:
    pairs = RealPair(tmp_path / "pair"), RealPair(tmp_path / "other")
    pairs[1].sides = (
        pairs[1].sides[0],
        OneSide(tmp_path / "pair" / "two", "more", "three", pairs[1].clock, tmp_path / "other"),
    )
    made: list[Round] = []
    for pair in pairs:
        for name in (b"gone", b"edited", b"moved"):
            pair.disks[0].create(name, OLD)
        pair.sync()
        pair.disks[0].remove(b"gone")
        pair.disks[0].edit(b"edited", NEW)
        pair.disks[0].move(b"moved", b"here")
        made.append(pair.plan())
    with ExitStack() as held, pytest.MonkeyPatch.context() as patch:
        patch.setattr(executing, "AT_ONCE", 1)
        areas = [held.enter_context(pair.sides[1].area()) for pair in pairs]
        for pair, round_, area in zip(pairs, made, areas, strict=True):
            pair.stage(round_, Side.TWO, area, "run")
        running = [executing.apply(area, "run", round_.operations[1]) for area, round_ in zip(areas, made, strict=True)]
        for told in zip(*running, strict=True):
            assert {each.became for each in told} == {Became.DONE}
    for pair in pairs:
        assert pair.disks[0].tree() == pair.disks[1].tree()
        assert kept(pair.sides[1], Shelf.TRASH).keys() >= {b"gone"}
        assert kept(pair.sides[1], Shelf.VERSIONS).keys() >= {b"edited"}
        assert pair.sides[1].temporaries() == []


MANY = 300


def new_symlinks(pair: RealPair) -> Iterator[Operation]:
    """Yield operations that make many symlinks, none of which any later one meets again."""
    top, metadata = pair.sides[1].binding, Metadata(0o777, 0, 0)
    like = Entry(top, top, b"x", Kind.SYMLINK, Version(1, 1, 1), metadata)
    for number in range(MANY):
        path = b"%d" % number
        yield Operation(
            number=number, side=Side.TWO, act=Act.CREATE, object=f"+{number}", kind=Kind.SYMLINK, path=path,
            target=path, into=top, metadata=metadata, content=b"target", source=(Side.ONE, like),
        )  # fmt: skip


def test_what_nobody_meets_again_is_not_remembered(tmp_path: Path) -> None:
    """Memory is then that of a batch, whatever a plan has of operations."""
    pair, runs = RealPair(tmp_path / "pair"), list[Run]()

    def begun(**told: object) -> Run:
        runs.append(Run(**told))  # type: ignore[arg-type]
        return runs[-1]

    with pytest.MonkeyPatch.context() as patch, pair.sides[1].area() as area:
        patch.setattr(executing, "Run", begun)
        done = [outcome.became for outcome in executing.apply(area, "run", new_symlinks(pair))]
    assert done == [Became.DONE] * MANY
    (run,) = runs
    directories = len(run.stirred._times)
    assert (len(run.expecting._own), len(run.made), len(run.shared), directories) == (0, 0, 0, 1)


def test_what_is_ours_at_the_top_is_never_touched(tmp_path: Path) -> None:
    """The other side's fileset is not the root, and may have a name there that is Argosy's own here."""
    pair = agreeing(tmp_path, file(b"x"))
    one, two = pair.disks
    os.mkdir(two.path(b".argosy"))
    with open(two.path(b".argosy/identity"), "wb") as own:
        own.write(b"a user's")
    made = pair.sync()
    assert {each.became for each in made.undone} == {Became.FAILED, Became.LEFT}
    assert not os.path.exists(one.path(b".argosy/identity"))
    assert Kind.FILE is one.at(b"x").kind


@pytest.mark.parametrize("seconds", [15_000_000_000, 9_223_372_037, 2**33, -1, 0])
def test_whatever_times_files_have_a_second_run_does_nothing(tmp_path: Path, seconds: int) -> None:
    pair = RealPair(tmp_path / "pair", scans=True)
    one = pair.disks[0].path
    Path(os.fsdecode(one(b"f"))).write_text("first")
    Path(os.fsdecode(one(b"d"))).mkdir()
    os.symlink("f", one(b"l"))
    for name in (b"f", b"d", b"l"):
        os.utime(one(name), (seconds, seconds), follow_symlinks=False)
    assert not pair.sync().undone
    assert not pair.sync().plan.operations
    Path(os.fsdecode(one(b"f"))).write_text("second")
    os.utime(one(b"f"), (seconds, seconds))
    assert not pair.sync().undone
    there = Path(os.fsdecode(pair.disks[1].path(b"f")))
    nearest = min(max(seconds * 10**9, -(2**63)), 2**63 - 1)
    assert (there.read_text(), there.stat().st_mtime_ns) == ("second", nearest)
    assert not pair.sync().plan.operations
