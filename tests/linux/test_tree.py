import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import pytest

from argosy.linux import tree
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.tree import CHANGED, ELSEWHERE, SAME, Asked, Block, Directories
from argosy.linux.watching import CREATE, MOVED_FROM, MOVED_TO, Watch
from argosy.snapshots.settling import _directories
from argosy.snapshots.spill import Spill

LATER = (1 << 63) - 1
FILE, FOLDER, SYMLINK, OTHER, BOUNDARY = range(1, 6)


@pytest.fixture(params=["compiled", "slow"], autouse=True)
def either(request, monkeypatch):
    """With the C library, and without."""
    if request.param == "slow":
        monkeypatch.setattr(tree, "LIBRARY", None)
    else:
        assert tree.LIBRARY is not None


@contextmanager
def opened(path):
    descriptor = os.open(path, DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walked(top, room=tree.ROWS, **asked):
    """Return (depth, name, kind, unknown, target) of every row."""
    with opened(top) as descriptor:
        walk, block, found, more = tree.walk(descriptor, Asked(**{"sure_ns": LATER, **asked})), Block(room), [], True
        try:
            while more:
                more = walk.fill(block)
                found += [row_of(block, at) for at in range(block.rows)]
        finally:
            walk.close()
        return found


def row_of(block, at):
    name, target = (part(block, each, at) for each in ("name", "target"))
    return (block.views["depth"][at], name, block.views["kind"][at], block.views["unknown"][at], target)


def part(block, each, at):
    ends = block.views[each + "_ends"]
    return bytes(block.memory[each + "s"][ends[at] : ends[at + 1]])


@contextmanager
def mounted_memory(path):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@contextmanager
def few_descriptors():
    """Have no descriptor left."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def became(top):
    """Return what became of each directory below the open one since just now."""
    with tempfile.TemporaryDirectory() as scratch, Spill(os.fsencode(scratch), lambda _: None) as spill:
        pieces, check = spill.read(top, Asked(sure_ns=LATER)), tree.check(top)
        try:
            return b"".join(check.compare(_directories(piece.rows)[0], LATER)[0] for piece in pieces)
        finally:
            check.close()


def identity(path):
    with opened(path) as descriptor:
        walk, block = tree.walk(descriptor, Asked(sure_ns=LATER, descend=False)), Block()
        walk.fill(block)
        walk.close()
        return block.views["inode"][0], block.views["born_ns"][0]


def test_a_walk_goes_depth_first_with_siblings_in_byte_order(tmp_path):
    for path in ("b/x", "b/a/deep", "a-b", "a", "\u00e9", "B"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "link").symlink_to("b")
    os.mkfifo(tmp_path / "pipe")
    assert walked(tmp_path) == [
        (0, b"", FOLDER, 0, b""),
        (1, b"B", FILE, 0, b""),
        (1, b"a", FILE, 0, b""),
        (1, b"a-b", FILE, 0, b""),
        (1, b"b", FOLDER, 0, b""),
        (2, b"a", FOLDER, 0, b""),
        (3, b"deep", FILE, 0, b""),
        (2, b"x", FILE, 0, b""),
        (1, b"link", SYMLINK, 0, b"b"),
        (1, b"pipe", OTHER, 0, b""),
        (1, "\u00e9".encode(), FILE, 0, b""),
    ]


def test_a_walk_says_the_same_however_little_room_a_block_has(tmp_path):
    for number in range(50):
        (tmp_path / f"{number % 5}/{number}").mkdir(parents=True)
        (tmp_path / f"{number % 5}/{number}/file").symlink_to("t" * number or "t")
    assert walked(tmp_path, room=1) == walked(tmp_path, room=7) == walked(tmp_path)


def test_names_of_any_bytes_and_of_full_length_are_shown_as_they_are(tmp_path):
    names = [bytes([byte]) * 200 for byte in (1, 10, 34, 92, 128, 255)] + [b"n" * 255, b" ", b"-rf", b"\xff\xfe"]
    for name in names:
        os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT))
    assert [row[1] for row in walked(tmp_path)[1:]] == sorted(names)


def test_a_directory_of_more_names_than_a_block_has_room_for_is_shown_whole(tmp_path):
    with opened(tmp_path) as top:
        for number in range(12_000):
            os.mknod(b"%07d" % number, dir_fd=top)
    assert [row[1] for row in walked(tmp_path, room=5000)[1:]] == [b"%07d" % number for number in range(12_000)]


def test_a_tree_deeper_than_there_are_descriptors_is_shown_whole(tmp_path):
    script = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
from argosy.linux import tree
if sys.argv[2] == "slow":
    tree.LIBRARY = None
top = os.open(sys.argv[1], os.O_RDONLY)
at = os.dup(top)
for depth in range(600):
    os.mkdir("a", dir_fd=at)
    os.mknod("z", dir_fd=at)
    below = os.open("a", os.O_RDONLY, dir_fd=at)
    os.close(at)
    at = below
os.close(at)
walk, block, rows, more = tree.walk(top, tree.Asked(sure_ns=1 << 62)), tree.Block(100), 0, True
while more:
    more = walk.fill(block)
    assert not block.torn
    rows += block.rows
print(rows)
"""
    how = "slow" if tree.LIBRARY is None else "compiled"
    done = subprocess.run([sys.executable, "-c", script, tmp_path, how], capture_output=True, text=True, check=False)
    assert done.stdout == "1201\n", done.stderr
    subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)


def test_the_same_open_directory_can_be_walked_again(tmp_path):
    (tmp_path / "file").touch()
    with opened(tmp_path) as top:
        for _ in range(2):
            walk, block = tree.walk(top, Asked(sure_ns=LATER)), Block()
            walk.fill(block)
            walk.close()
            assert block.rows == 2


def test_hidden_directories_have_no_rows_and_nested_ones_nothing_below(tmp_path):
    for path in ("ours/file", "theirs/file", "other/ours/file"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    asked = {"hidden": frozenset({identity(tmp_path / "ours")}), "nested": frozenset({identity(tmp_path / "theirs")})}
    shown = [
        (0, b"", FOLDER),
        (1, b"other", FOLDER),
        (2, b"ours", FOLDER),
        (3, b"file", FILE),
        (1, b"theirs", BOUNDARY),
    ]
    assert [row[:3] for row in walked(tmp_path, **asked)] == shown
    assert [row[:3] for row in walked(tmp_path, descend=False, **asked)] == [shown[0], shown[1], shown[4]]


def test_what_is_mounted_is_a_boundary(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/below").touch()
    (tmp_path / "file").touch()
    (tmp_path / "other").touch()
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "here"], check=True)
    subprocess.run(["mount", "--bind", tmp_path / "other", tmp_path / "file"], check=True)
    subprocess.run(["mount", "--bind", tmp_path / "elsewhere", tmp_path / "elsewhere"], check=True)
    try:
        (tmp_path / "here/above").touch()
        shown = [(b"", FOLDER), (b"elsewhere", BOUNDARY), (b"file", BOUNDARY), (b"here", BOUNDARY), (b"other", FILE)]
        assert [(row[1], row[2]) for row in walked(tmp_path)] == shown
        assert [(row[1], row[2]) for row in walked(tmp_path, descend=False)] == shown
    finally:
        for name in ("here", "file", "elsewhere"):
            subprocess.run(["umount", tmp_path / name], check=True)


def test_a_subvolume_is_a_boundary(loop_mount):
    top = loop_mount("btrfs") / "tree"
    top.mkdir()
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(top / "sub")], check=True)
    (top / "sub/file").touch()
    try:
        assert [(row[1], row[2]) for row in walked(top)] == [(b"", FOLDER), (b"sub", BOUNDARY)]
    finally:
        subprocess.run(["btrfs", "-q", "subvolume", "delete", str(top / "sub")], check=True)
        top.rmdir()


def test_a_directory_that_may_not_be_read_is_shown_as_unknown(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "shut").mkdir(mode=0o700)
    (tmp_path / "shut/file").touch()
    (tmp_path / "listed").mkdir(mode=0o744)
    (tmp_path / "listed/file").touch()
    found = as_nobody(tmp_path)
    assert [row[1:4] for row in found] == [
        (b"", FOLDER, 0), (b"listed", FOLDER, 0), (b"file", found[2][2], 1), (b"shut", FOLDER, 2),
    ]  # fmt: skip


def as_nobody(top):
    """Return what somebody without any rights sees."""
    with opened(top) as descriptor:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            walk, block = tree.walk(descriptor, Asked(sure_ns=LATER)), Block(100)
            walk.fill(block)
            os.write(writing, repr([row_of(block, at) for at in range(block.rows)]).encode())
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as told:
            return eval(told.read())


def test_xattrs_of_users_acls_and_the_pointer_are_shown_and_no_others(tmp_path):
    path = tmp_path / "file"
    path.touch()
    for name, value in (
        (b"user.one", b"1"),
        (b"trusted.other", b"2"),
        (b"trusted.argosy", b"3"),
        (b"user.argosy", b"4"),
        (b"user.argosy.made", b"5"),
    ):
        os.setxattr(path, name, value)
    subprocess.run(["setfacl", "-m", "u:1234:r", str(path)], check=True)
    with opened(tmp_path) as top:
        walk, block = tree.walk(top, Asked(sure_ns=LATER)), Block()
        walk.fill(block)
        walk.close()
    extra = part(block, "extra", 1)
    shown = (b"user.one1", b"trusted.argosy3", b"user.argosy4", b"system.posix_acl_access")
    assert all(each in extra for each in shown)
    assert b"user.argosy.made" not in extra
    assert b"trusted.other" not in extra


def test_a_comparison_tells_what_changed_and_what_is_elsewhere(tmp_path):
    for name in ("changed/below", "gone", "renamed", "replaced", "same"):
        (tmp_path / name).mkdir(parents=True)
    with opened(tmp_path) as top:
        (tmp_path / "settled").mkdir()
        before = directories(top)
        (tmp_path / "changed/new").touch()
        (tmp_path / "gone").rmdir()
        (tmp_path / "renamed").rename(tmp_path / "renamed-now")
        (tmp_path / "replaced").rename(tmp_path / "changed/replaced")
        (tmp_path / "replaced").mkdir()
        check = tree.check(top)
        became, paths = check.compare(before, LATER)
        check.close()
        assert list(became) == [CHANGED, CHANGED, SAME, ELSEWHERE, ELSEWHERE, ELSEWHERE, SAME, SAME]
        assert paths == [b"", b"changed"]
        check = tree.check(top)
        assert set(check.compare(before, 0)[0]) == {CHANGED, ELSEWHERE}
        check.close()


def directories(top):
    walk, block = tree.walk(top, Asked(sure_ns=LATER)), Block()
    walk.fill(block)
    walk.close()
    columns = (block.views[name][: block.rows] for name in ("inode", "born_ns", "ctime_ns", "depth"))
    return Directories(*columns, block.used("name_ends"), block.used("names"))


def test_a_watch_tells_of_names_that_come_and_go(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one/old").touch()
    watch = Watch()
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        numbers = watch.add(one), watch.add(two)
        assert watch.add(one) == numbers[0]
        assert watch.events() == []
        (tmp_path / "one/old").rename(tmp_path / "two/new")
        (tmp_path / "one/made").touch()
        went, came, made = watch.events()
    watch.close()
    assert (went.watch, went.what, went.name) == (numbers[0], MOVED_FROM, b"old")
    assert (came.watch, came.what, came.name, came.cookie) == (numbers[1], MOVED_TO, b"new", went.cookie)
    assert (made.watch, made.what, made.name) == (numbers[0], CREATE, b"made")


EXCHANGER = """
import os, sys
from argosy.linux.rename import exchange
one, other = (os.open(path, os.O_RDONLY) for path in sys.argv[1:3])
names = os.listdir(one)
print("ready", flush=True)
while True:
    for name in names:
        exchange(one, os.fsencode(name), other, os.fsencode(name))
"""


def test_a_name_that_stands_for_one_thing_and_another_in_turn_is_shown_as_one_of_them_wholly(tmp_path):
    expected = {}
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        for number in range(20):
            path = tmp_path / folder / f"{number:02}"
            path.write_bytes(folder.encode() * number)
            os.setxattr(path, b"user.label", f"{folder} {number}".encode())
            expected[path.stat().st_ino] = (path.stat().st_size, f"{folder} {number}".encode())
    command = [sys.executable, "-c", EXCHANGER, str(tmp_path / "one"), str(tmp_path / "other")]
    with opened(tmp_path / "one") as top, subprocess.Popen(command, stdout=subprocess.PIPE) as exchanger:
        try:
            assert exchanger.stdout.readline() == b"ready\n"
            block, seen, known = Block(100), set(), 0
            for _ in range(300):
                walk = tree.walk(top, Asked(sure_ns=time.time_ns() - 50_000_000))
                walk.fill(block)
                walk.close()
                for at in (at for at in range(1, block.rows) if not block.views["unknown"][at]):
                    inode = block.views["inode"][at]
                    size, label = expected[inode]
                    assert block.views["size"][at] == size
                    assert part(block, "extra", at).endswith(b"user.label" + label)
                    seen.add(inode)
                    known += 1
        finally:
            exchanger.kill()
    assert seen == set(expected)
    assert known > 300


def test_a_time_that_64_bits_have_no_nanoseconds_for_is_the_last_or_first_that_they_do(tmp_path):
    with mounted_memory(tmp_path / "memory") as top:
        for name, seconds in (("a", 1 << 62), ("b", -(1 << 62)), ("c", -1)):
            (top / name).touch()
            os.utime(top / name, (seconds, seconds))
        with opened(top) as descriptor:
            walk, block = tree.walk(descriptor, Asked(sure_ns=LATER)), Block()
            walk.fill(block)
            walk.close()
        assert list(block.views["mtime_ns"][1:4]) == [LATER, -LATER - 1, -(10**9)]


def test_a_tree_with_something_beside_each_of_many_levels_is_shown_and_compared_in_order(tmp_path):
    """Deeper than descriptors are held: what lies beside is reached from below, not from the top each time."""
    levels, at = 300, os.open(tmp_path, DIRECTORY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        os.mkdir("z", dir_fd=at)
        below = os.open("d", DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    found = [(depth, name) for depth, name, *_ in walked(tmp_path)]
    down = [(depth, b"d") for depth in range(1, levels + 1)]
    assert found == [(0, b""), *down, *((depth, b"z") for depth in range(levels, 0, -1))]
    with opened(tmp_path) as top:
        assert set(became(top)) == {SAME}


def test_what_keeps_a_walk_from_beginning_is_told(tmp_path):
    with opened(tmp_path) as top, few_descriptors(), pytest.raises(OSError, match="Too many open files"):
        tree.walk(top, Asked(sure_ns=LATER))
