"""Rounds of a sync from files to files, between two real trees."""

import itertools
import os
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from argosy.core.errors import Corrupt
from argosy.core.syncing import Circumstances
from argosy.linux.openat2 import open_beneath
from argosy.sync.executor import executing
from argosy.sync.executor.outcomes import Outcome
from argosy.sync.executor.staging import Staging
from argosy.sync.planner.options import Guard, Policy
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import SIDES, Side, Version
from argosy.sync.preview.hashing import hash_of
from argosy.sync.reduction.base import Base
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.__main__ import answer
from argosy.sync.rounds.work import Answer, Brought, Commit, Cut, Needed, Plan, Stays, Told
from argosy.sync.transfers import Sent, Transfer
from tests.sync.executor.pair import OneSide
from tests.sync.executor.trees import Clock


class Pair:
    """Two trees, and the base in files."""

    def __init__(self, scratch: Path) -> None:
        clock = Clock()
        self.scratch = scratch
        self.sides = (
            OneSide(scratch / "one", "data", "one", clock, scratch),
            OneSide(scratch / "two", "data", "two", clock, scratch),
        )
        self.base: tuple[str, ...] = ()
        self.generation = 0
        self.numbers = itertools.count(1)
        self.unreadable: set[bytes] = set()
        self.lost: set[tuple[Side, bytes]] = set()
        self.folder = scratch
        self.said: dict[Side, Circumstances] = {}
        """What sides say of themselves."""

    @property
    def one(self) -> Path:
        return self.sides[0].top

    @property
    def two(self) -> Path:
        return self.sides[1].top

    def plan(self, **more: Any) -> Answer:
        """Scan both, and plan until nothing more has to be read."""
        self.folder = self.scratch / f"round{next(self.numbers)}"
        self.folder.mkdir()
        for side in self.sides:
            side.scan()
            side.index.rename(work.index(self.folder, SIDES[self.sides.index(side)]))
        for which, circumstances in self.said.items():
            work.circumstances(self.folder, which).write_bytes(msgspec.json.encode(circumstances))
        said: dict[str, Any] = {"one_way": False, "confirmed": (), "policy": Policy.NEWEST} | more
        asked = Plan(folder=str(self.folder), base=self.base, sites=("one", "two"), **said)
        while (found := answer(asked)).needs:
            self._hash()
        assert not found.error, found
        return found

    def _hash(self) -> None:
        path = work.told(self.folder)
        told = list(pages.read(path, Told)) if path.exists() else []
        told += [
            Told(need.side, need.path, self._content(need)) for need in pages.read(work.needs(self.folder), Needed)
        ]
        pages.write(path, told)

    def _content(self, need: Needed) -> bytes:
        if need.path in self.unreadable:
            return b""
        top = os.open(self.sides[need.side].top, os.O_RDONLY)
        try:
            return hash_of(top, need.path, need.inode, Version(need.size, need.mtime_ns, need.ctime_ns))
        finally:
            os.close(top)

    def apply(self) -> Answer:
        """Bring what is needed, leave out what hangs on what is lost, and do the rest."""
        run = self.folder.name
        with self.sides[0].area() as one, self.sides[1].area() as two:
            areas = (one, two)
            with Staging(one, run) as first, Staging(two, run) as second:
                brought = self._bring((first, second))
            pages.write_one(work.brought(self.folder), brought)
            found = answer(Cut(folder=str(self.folder)))
            for side in SIDES:
                operations = pages.read(work.applicable(self.folder, side), Operation)
                done: list[Outcome] = list(executing.apply(areas[side], run, operations))
                pages.write(work.outcomes(self.folder, side), done)
        return found

    def _bring(self, staged: tuple[Staging, Staging]) -> Brought:
        sent: dict[int, Sent] = {}
        lost: list[int] = []
        for each in pages.read(work.transfers(self.folder), Transfer):
            if (each.origin, each.path) in self.lost:
                lost.append(each.number)
                continue
            top = os.open(self.sides[each.origin].top, os.O_RDONLY)
            with open(open_beneath(top, each.path, os.O_RDONLY), "rb") as file:
                content = staged[each.to].put(each.number, [file.read()])
            os.close(top)
            sent[each.number] = Sent(content, each.entry.version.ctime_ns)
        for one in staged:
            one.sync()
        return Brought(lost=lost, sent=sent)

    def commit(self) -> Answer:
        chunk = self.scratch / f"{self.folder.name}.base"
        found = answer(Commit(folder=str(self.folder), chunk=str(chunk), generation=self.generation + 1))
        assert not found.error, found
        if found.changed:
            self.generation, self.base = self.generation + 1, (str(chunk),)
        return found

    def sync(self, **more: Any) -> Answer:
        found = self.plan(**more)
        self.apply()
        self.commit()
        return found

    def looks(self) -> list[dict[str, bytes]]:
        """Return, by side, files and what they hold."""
        return [
            {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}
            for top in (self.one, self.two)
        ]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_what_one_side_has_comes_to_the_other_and_a_second_round_has_nothing_to_do(pair: Pair) -> None:
    (pair.one / "directory").mkdir()
    (pair.one / "directory" / "file").write_bytes(b"content")
    (pair.two / "other").write_bytes(b"other")
    pair.sync()
    first, second = pair.looks()
    assert first == second == {"directory/file": b"content", "other": b"other"}
    assert pair.sync().operations == (0, 0)
    assert pair.generation == 1
    assert not pair.commit().changed


def test_a_directory_that_got_another_inode_keeps_what_the_base_knows_below_it(pair: Pair) -> None:
    (pair.one / "directory").mkdir()
    for number in range(3):
        (pair.one / "directory" / f"file{number}").write_bytes(b"content %d" % number)
    pair.sync()
    (pair.one / "directory").rename(pair.one / "renamed")
    (pair.two / "directory" / "file0").unlink()
    found = pair.sync()
    assert found.bytes == 0
    first, second = pair.looks()
    assert first == second == {"renamed/file1": b"content 1", "renamed/file2": b"content 2"}
    assert pair.sync().operations == (0, 0)
    rows = pq.read_table(pair.base[0]).to_pylist()
    inodes = {row["id"]: (row["one_inode"], row["two_inode"]) for row in rows}
    below = [row for row in rows if row["name"].startswith(b"file")]
    assert [(row["one_parent_inode"], row["two_parent_inode"]) for row in below] == [
        inodes[row["parent"]] for row in below
    ]


def test_files_that_cannot_be_read_are_left_alone_and_the_rest_is_planned(pair: Pair) -> None:
    for top in (pair.one, pair.two):
        (top / "alike").write_bytes(b"the same")
        (top / "unread").write_bytes(b"who knows")
        for path in top.iterdir():
            os.utime(path, ns=(1, 1))
    (pair.one / "new").write_bytes(b"new")
    pair.unreadable = {b"unread"}
    assert sum(pair.plan().operations) == 1
    pair.apply()
    pair.commit()
    pair.unreadable = set()
    assert sum(pair.sync().operations) == 0
    assert Base.open([Path(pair.base[0])]).rows == 3


def test_what_could_not_be_brought_and_what_hangs_on_it_is_left_out_and_done_by_a_later_round(pair: Pair) -> None:
    for top in (pair.one, pair.two):
        (top / "both").write_bytes(b"at first")
    pair.sync()
    (pair.one / "both").write_bytes(b"of one")
    (pair.two / "both").write_bytes(b"of two, and later")
    os.utime(pair.one / "both", ns=(10**18, 10**18))
    (pair.one / "other").write_bytes(b"other")
    pair.lost = {(Side.ONE, b"both")}
    pair.plan()
    assert pair.apply().stays == 1
    pair.commit()
    assert (pair.one / "both").read_bytes() == b"of one"
    assert (pair.two / "both").read_bytes() == b"of two, and later"
    assert (pair.two / "other").read_bytes() == b"other"
    pair.lost = set()
    pair.sync()
    first, second = pair.looks()
    assert first == second
    assert set(first.values()) == {b"of one", b"of two, and later", b"other"}


def test_attributes_that_were_to_come_with_an_operation_that_was_lost_are_left_for_a_later_round(pair: Pair) -> None:
    for name in "abc":
        (pair.one / name).write_bytes(name.encode())
    pair.sync()
    for name in "abc":
        os.setxattr(pair.one / name, "user.note", b"the same for all")
    pair.plan()
    [bringing] = pages.read(work.transfers(pair.folder), Transfer)
    assert not bringing.whole
    pair.lost = {(Side.ONE, bringing.path)}
    found = pair.apply()
    assert found.stays == 2
    assert list(pages.read(work.applicable(pair.folder, Side.TWO), Operation)) == []


def test_a_side_that_was_emptied_is_refused_until_it_is_confirmed(pair: Pair) -> None:
    for number in range(12):
        (pair.one / f"file{number}").write_bytes(b"content %d" % number)
    pair.sync()
    for path in pair.one.iterdir():
        path.unlink()
    refused = pair.plan()
    assert refused.refusals
    assert refused.operations == (0, 0)
    assert pair.plan(confirmed=refused.alarms[:1]).refusals
    assert pair.sync(confirmed=refused.alarms).operations[1] == 12
    assert pair.looks() == [{}, {}]


def test_without_the_base_that_was_recorded_nothing_is_removed(pair: Pair) -> None:
    for number in range(3):
        (pair.one / f"file{number}").write_bytes(b"content %d" % number)
    pair.sync()
    (pair.one / "file0").unlink()
    data = Path(pair.base[0]).read_bytes()
    Path(pair.base[0]).write_bytes(data[:-1])
    assert pair.sync().lost
    first, second = pair.looks()
    assert first == second
    assert set(first) == {"file0", "file1", "file2"}
    assert not pair.sync().lost


def test_errors_are_told_and_not_raised(pair: Pair, tmp_path: Path) -> None:
    pair.folder = tmp_path / "nothing"
    pair.folder.mkdir()
    asked = Plan(
        folder=str(pair.folder), base=(), policy=Policy.NEWEST, one_way=False, confirmed=(), sites=("one", "two")
    )
    assert answer(asked).error == "not_found"
    pages.write_one(work.agreement(pair.folder), {"pair": "of something else"})
    assert answer(Commit(folder=str(pair.folder), chunk="chunk", generation=1)).error == Corrupt.code


def test_pages_are_found_by_the_numbers_that_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "pages"
    numbers = range(0, 5000, 2)
    assert pages.write(path, numbers, lambda number: number) == 2500
    assert list(pages.read(path, int)) == list(numbers)
    after, found = -1, list[int]()
    while page := pages.after(path, after):
        some = msgspec.msgpack.decode(page, type=list[int])
        found += some
        after = some[-1]
    assert found == list(numbers)
    assert 2000 in msgspec.msgpack.decode(pages.holding(path, 2000))
    assert pages.holding(path, 5001) == b""


@pytest.mark.parametrize(("off_s", "winner"), [(0, b"two's"), (50, b"two's"), (61, b"one's")])
@pytest.mark.parametrize("side", SIDES)
def test_times_that_a_wrong_clock_may_have_made_decide_nothing(
    pair: Pair, side: Side, off_s: int, winner: bytes
) -> None:
    (pair.one / "a").write_bytes(b"first")
    pair.sync()
    pair.said = {side: Circumstances(clock_off_ns=off_s * 10**9)}
    for top, time in ((pair.one, 10**18), (pair.two, 10**18 + 60 * 10**9)):
        (top / "a").write_bytes(f"{top.parent.name}'s".encode())
        os.utime(top / "a", ns=(time, time))
    pair.sync()
    one, two = pair.looks()
    assert one == two
    assert (one["a"], len(one)) == (winner, 2)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (Circumstances(case_insensitive=True), ("File", "file")),
        (Circumstances(normalising=True), ("\u00e9", "e\u0301")),
    ],
)
def test_names_that_one_side_takes_for_one_do_not_both_come_there(
    pair: Pair, said: Circumstances, names: tuple[str, str]
) -> None:
    for name in names:
        (pair.one / name).write_text(f"called {name}")
    pair.said = {Side.TWO: said}
    pair.sync()
    _, two = pair.looks()
    assert sorted(two.values()) == sorted(f"called {name}".encode() for name in names)
    assert len(set(names) & two.keys()) == 1
    assert pair.plan().operations == (0, 0)


def test_the_copy_of_what_lost_has_a_name_that_both_sides_take(pair: Pair) -> None:
    name = "n" * 140
    pair.said = {Side.TWO: Circumstances(longest_name=143)}
    for top in (pair.one, pair.two):
        (top / name).write_bytes(top.parent.name.encode())
    pair.sync()
    one, two = pair.looks()
    assert one == two
    assert len(one) == 2
    assert max(map(len, one)) <= 143


@pytest.mark.parametrize("side", SIDES)
def test_how_much_may_be_gone_is_settled_for_each_side(pair: Pair, side: Side) -> None:
    tops = pair.one, pair.two
    for number in range(20):
        (tops[side] / f"{number:02}").write_bytes(b"content")
    pair.sync()
    for number in range(12):
        (tops[side] / f"{number:02}").unlink()
    usual = Guard()
    for guard, refused in (
        (usual, True),
        (Guard(share=59), True),
        (Guard(share=60), False),
        (Guard(objects=12), False),
    ):
        guards = (guard, usual) if side is Side.ONE else (usual, guard)
        assert bool(pair.plan(guards=guards).refusals) is refused
        assert pair.plan(guards=(guards[1], guards[0])).refusals, "that of the other side is not asked"


@pytest.mark.parametrize(
    ("said", "name", "why"),
    [
        (Circumstances(longest_name=143), "n" * 144, "has 144 bytes, and the filesystem takes 143"),
        (Circumstances(forbidden=b":"), "12:30", "has a ':', which the filesystem does not take"),
        (Circumstances(text_only=True), os.fsdecode(b"\xff"), "is not UTF-8"),
    ],
)
def test_what_has_a_name_that_one_side_cannot_have_stays_as_it_is_and_nothing_is_deleted_for_it(
    pair: Pair, said: Circumstances, name: str, why: str
) -> None:
    for old in ("file", "directory"):
        (pair.one / old).mkdir() if old == "directory" else (pair.one / old).write_bytes(b"content")
    (pair.one / "directory" / "inside").write_bytes(b"inside")
    pair.sync()
    pair.said = {Side.TWO: said}
    (pair.one / "file").rename(pair.one / name)
    (pair.one / "directory" / name).mkdir()
    (pair.one / "directory" / name / "new").write_bytes(b"new")
    (pair.one / "other").write_bytes(b"other")
    for _ in range(2):
        found = pair.sync()
        held = list(pages.read(work.stays(pair.folder), Stays))
        assert {(each.side, each.skipped) for each in held} == {(Side.TWO, False)}
        assert sum(why in each.why for each in held) == 2
    assert found.operations == (0, 0)
    assert pair.looks()[1] == {"file": b"content", "directory/inside": b"inside", "other": b"other"}
    assert len(pair.looks()[0]) == 4
    (pair.one / name).rename(pair.one / "short")
    (pair.one / "directory" / name).rename(pair.one / "directory" / "short")
    assert not pair.sync().stays
    first, second = pair.looks()
    assert first == second
