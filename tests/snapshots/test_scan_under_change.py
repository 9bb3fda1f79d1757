import os
import signal
import subprocess
import sys
import time

import pytest

from argosy.linux import tree
from argosy.snapshots import clock
from tests.filesystems.nobody import as_nobody, let_all_in
from tests.snapshots.trees import at, by_path, rows_of, scanned

AGO = time.time() - 3600


@pytest.fixture(params=["compiled", "slow"])
def either(request, monkeypatch):
    """The scan with the C library, and the one without."""
    if request.param == "slow":
        monkeypatch.setattr(tree, "LIBRARY", None)
    else:
        assert tree.LIBRARY is not None
    return request.param


@pytest.fixture
def top(tmp_path):
    """a/ b/ c/ with three files each, z/ with a directory that holds one."""
    top = tmp_path / "tree"
    for name in ("a", "b", "c"):
        (top / name).mkdir(parents=True)
        for number in range(3):
            (top / name / f"{name}{number}").write_bytes(b"x" * number)
    (top / "z/deep").mkdir(parents=True)
    (top / "z/deep/file").write_bytes(b"")
    _wait_for_the_clock(tmp_path)
    return top


def _wait_for_the_clock(folder):
    """Return when whatever changes now gets a ctime that nothing has."""
    probe = folder / "probe"
    probe.touch()
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns < first + 60_000_000:
        probe.touch()
    probe.unlink()


def names(index):
    return {path for path, row in by_path(index).items() if row["kind"] != 2}


def on_disk(top):
    return {os.fsencode(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}


def every_step(top, tmp_path, act, undo):
    """Act at every step of a scan, one scan each; yield the index of each."""
    index = tmp_path / "index"
    total = scanned(top, index, rows_at_once=1).rows
    for step in range(1, total + 1):
        about = scanned(top, index, rows_at_once=1, told=at(step, act))
        assert about.complete, step
        yield index
        undo()
        _wait_for_the_clock(tmp_path)


class TestWhateverHappensAtAnyStepOfAScan:
    def test_a_file_that_gets_another_directory_is_found(self, either, top, tmp_path):
        for index in every_step(
            top, tmp_path, lambda: os.rename(top / "c/c1", top / "a/c1"), lambda: os.rename(top / "a/c1", top / "c/c1")
        ):
            assert names(index) == on_disk(top)

    def test_a_directory_that_is_moved_is_found_with_all_it_holds(self, either, top, tmp_path):
        for index in every_step(
            top, tmp_path, lambda: os.rename(top / "z/deep", top / "a/deep"),
            lambda: os.rename(top / "a/deep", top / "z/deep"),
        ):  # fmt: skip
            assert names(index) == on_disk(top)
            assert b"a/deep/file" in names(index)

    def test_a_deep_directory_that_is_moved_while_the_scan_is_far_below_it_is_found_with_all_it_holds(
        self, either, top, tmp_path
    ):
        below = top / "c/down"
        for depth in range(100):
            below.mkdir()
            (below / "zz").touch()
            below = below / "a" if depth != 2 else below / "moving"
        _wait_for_the_clock(tmp_path)
        there = on_disk(top)
        act = at(150, lambda: os.rename(top / "c/down/a/a/moving", top / "a/moving"))
        assert scanned(top, tmp_path / "index", rows_at_once=1, told=act).complete
        assert names(tmp_path / "index") == on_disk(top)
        assert len(on_disk(top)) == len(there)
        assert on_disk(top) != there

    def test_a_deep_directory_that_was_away_while_the_scan_came_back_from_below_it_is_read_again(
        self, either, top, tmp_path
    ):
        below = top / "c/down"
        for _ in range(100):
            below.mkdir()
            (below / "zz").touch()
            below = below / "a"
        _wait_for_the_clock(tmp_path)
        out = at(150, lambda: os.rename(top / "c/down/a", tmp_path / "away"))
        back = at(181, lambda: os.rename(tmp_path / "away", top / "c/down/a"))
        about = scanned(top, tmp_path / "index", rows_at_once=1, told=lambda rows: (out(rows), back(rows)))
        assert about.complete
        assert names(tmp_path / "index") == on_disk(top)
        assert len(names(tmp_path / "index")) > 100

    def test_two_names_that_change_places_are_both_found(self, either, top, tmp_path):
        def swap():
            os.rename(top / "a", top / "swap")
            os.rename(top / "c", top / "a")
            os.rename(top / "swap", top / "c")

        for index in every_step(top, tmp_path, swap, swap):
            assert names(index) == on_disk(top)

    def test_a_file_that_is_replaced_is_one_or_the_other(self, either, top, tmp_path):
        path, kept = top / "b/b1", tmp_path / "kept"
        states = {}

        def state():
            found = path.stat()
            return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode & 0o7777, _label(path)

        def replace():
            os.rename(path, kept)
            path.write_bytes(b"another one")
            path.chmod(0o600)
            os.setxattr(path, b"user.label", b"other")
            states["new"] = state()

        states["old"] = state()
        index = tmp_path / "index"
        for step in range(1, scanned(top, index, rows_at_once=1).rows + 1):
            scanned(top, index, rows_at_once=1, told=at(step, replace))
            row = by_path(index)[b"b/b1"]
            seen = (row["inode"], row["size"], row["mtime_ns"], row["mode"], row["attributes"] is not None)
            assert seen in {(*each[:4], each[4] is not None) for each in states.values()}
            os.rename(kept, path)

    def test_what_is_made_or_removed_is_there_or_not_and_nothing_else_is_missing(self, either, top, tmp_path):
        def act():
            (top / "a/new").mkdir()
            (top / "a/new/file").touch()
            (top / "b/b1").unlink()

        def undo():
            (top / "a/new/file").unlink()
            (top / "a/new").rmdir()
            (top / "b/b1").write_bytes(b"x")

        for index in every_step(top, tmp_path, act, undo):
            assert names(index) == on_disk(top)


def _label(path):
    try:
        return os.getxattr(path, b"user.label")
    except OSError:
        return None


RENAMER = """
import os, random, sys, time
top, seed = sys.argv[1].encode(), int(sys.argv[2])
chance = random.Random(seed)
directories = [top + b"/d%02d" % n for n in range(20)]
mine = [b"mover%d-%d" % (seed, n) for n in range(20)]
where = {name: directories[n] for n, name in enumerate(mine)}
print("ready", flush=True)
while True:
    for _ in range(int(sys.argv[3])):
        name = chance.choice(mine)
        to = chance.choice(directories)
        os.rename(where[name] + b"/" + name, to + b"/" + name)
        where[name] = to
        scratch = chance.choice(directories) + b"/scratch%d" % seed
        open(scratch, "w").close()
        os.replace(scratch, chance.choice(directories) + b"/replaced%d" % seed)
    time.sleep(float(sys.argv[4]))
"""


@pytest.fixture
def busy(tmp_path):
    """A tree of 20 directories with movers in them, and how to have processes move those."""
    top, running = tmp_path / "busy", []
    for number in range(20):
        (top / f"d{number:02}").mkdir(parents=True)
        for still in range(30):
            (top / f"d{number:02}" / f"still{still:02}").touch()
        for seed in (1, 2):
            (top / f"d{number:02}" / f"mover{seed}-{number}").touch()

    def begin(program, many=0, pause=0):
        for seed in (1, 2) if many else (0,):
            command = [sys.executable, "-c", program, str(top), str(seed), str(many), str(pause)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            running.append(process)
            assert process.stdout.readline() == b"ready\n"
        return top

    yield begin
    for process in running:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


ALWAYS_THERE = {f"d{n:02}/still{s:02}".encode() for n in range(20) for s in range(30)}
MOVERS = {b"mover%d-%d" % (seed, n) for seed in (1, 2) for n in range(20)}


class TestAFrozenTree:
    def test_is_read_once_and_its_index_is_complete(self, either, top, tmp_path):
        act = at(3, (top / "z/late").touch)
        assert scanned(top, tmp_path / "index", frozen=True, rows_at_once=1, told=act).complete
        assert (top / "z/late").exists()
        assert b"c/c1" in names(tmp_path / "index")


CHURNER = """
import os, random, sys
top, chance = sys.argv[1].encode(), random.Random(5)
directories = [top + b"/d%02d" % n for n in range(20)]
print("ready", flush=True)
while True:
    one, other = chance.choice(directories), chance.choice(directories)
    open(one + b"/part", "w").close()
    os.rename(one + b"/part", other + b"/saved")
    open(other + b"/made", "w").close()
    os.unlink(other + b"/made")
"""


def once_each(rows):
    return sorted(row["name"] for row in rows if row["name"].startswith(b"mover")) == sorted(MOVERS)


class TestWhileProcessesRename:
    def test_an_index_that_is_complete_misses_nothing(self, busy, tmp_path):
        top = busy(RENAMER, 1, 0.5)
        complete = 0
        while complete < 3:
            about = scanned(top, tmp_path / "index", rows_at_once=60)
            rows = rows_of(tmp_path / "index")
            assert {path for path in names(tmp_path / "index") if b"still" in path} == ALWAYS_THERE
            complete += about.complete
            assert once_each(rows) or not about.complete

    def test_an_index_of_a_tree_in_which_all_is_moved_all_the_time_says_that_it_may_have_missed_something(
        self, busy, tmp_path
    ):
        top = busy(RENAMER, 100, 0)
        about = scanned(top, tmp_path / "index", rows_at_once=60)
        rows = rows_of(tmp_path / "index")
        assert once_each(rows) or not about.complete
        assert about.complete or any(row["unknown"] == 2 for row in rows)
        assert {path for path in names(tmp_path / "index") if b"still" in path} == ALWAYS_THERE

    def test_files_that_are_made_saved_and_removed_all_the_time_keep_no_index_from_being_complete(self, busy, tmp_path):
        top = busy(CHURNER)
        for _ in range(3):
            assert scanned(top, tmp_path / "index", rows_at_once=60).complete
            rows = rows_of(tmp_path / "index")
            assert once_each(rows)
            assert {path for path in names(tmp_path / "index") if b"still" in path} == ALWAYS_THERE

    def test_what_is_moved_among_files_that_are_made_all_the_time_is_not_missed(self, busy, tmp_path):
        busy(CHURNER)
        top = busy(RENAMER, 1, 0.5)
        complete = 0
        while complete < 3:
            about = scanned(top, tmp_path / "index", rows_at_once=60)
            complete += about.complete
            assert once_each(rows_of(tmp_path / "index")) or not about.complete


def test_a_directory_that_may_not_be_read_and_changed_just_before_keeps_no_index_from_being_complete(
    tmp_path, monkeypatch
):
    """By an agent that is not root: there is no reading it again."""
    monkeypatch.setattr(clock, "_SLACK", 10**9)  # so that it surely is one that changed just before
    top = tmp_path / "top"
    (top / "shut/inner").mkdir(parents=True)
    (top / "open").mkdir()
    let_all_in(tmp_path)
    (tmp_path / "scratch").mkdir(mode=0o777)
    (tmp_path / "scratch").chmod(0o777)
    (top / "shut").chmod(0)

    def scan() -> None:
        assert scanned(top, tmp_path / "scratch/index").complete

    as_nobody(scan)
    rows = by_path(tmp_path / "scratch/index")
    assert {path: row["unknown"] for path, row in rows.items()}[b"shut"] != 0
    assert b"shut/inner" not in rows
