"""What every filesystem plugin promises of a file held open, and of the lock on its inode."""

import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from argosy.core.errors import Busy, Changed, Invalid, NotFound
from argosy.filesystems.base import File, Filesystem
from tests.contracts.filesystem import OWN, PLAIN, content_of, pointer, publish, unnamed
from tests.locking import at_locks
from tests.trees import MiB

PATIENCE = 20.0
HOLD = """
import os, sys
from argosy.filesystems.posix import Posix
with Posix(root=os.fsencode(sys.argv[1])).locked(os.fsencode(sys.argv[2])) as inode:
    print(inode, flush=True)
    sys.stdin.read()
"""
OPEN = """
import sys
with open(sys.argv[1], sys.argv[2]) as file:
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(program: str, *arguments: str | bytes) -> Iterator[subprocess.Popen[str]]:
    """A Python program that says a line when it is where it should be, and ends when its input does."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(BrokenPipeError):
                process.communicate(timeout=PATIENCE)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.002)


class OpenFileContract:
    """Subclass me, and define a fixture `tree` that yields a filesystem whose root is an empty directory."""

    @pytest.fixture
    def path(self, tree: Filesystem) -> bytes:
        path = tree.root + b"/f"
        publish(tree, path)
        return path

    # the lock

    def test_a_lock_yields_the_inode_and_can_be_had_again(self, tree: Filesystem, path: bytes) -> None:
        for _ in range(2):
            with tree.locked(path) as inode:
                assert inode == os.stat(path).st_ino

    def test_what_has_no_name_has_no_lock(self, tree: Filesystem, path: bytes) -> None:
        with pytest.raises(NotFound, match="/no"), tree.locked(tree.root + b"/no"):
            pass
        assert path

    def test_a_lock_holds_against_threads_and_under_every_name_of_the_inode(
        self, tree: Filesystem, path: bytes
    ) -> None:
        os.link(path, tree.root + b"/g")
        order: list[str] = []

        def other() -> None:
            with tree.locked(tree.root + b"/g"):
                order.append("other")

        with ThreadPoolExecutor(1) as pool:
            with tree.locked(path):
                waiting = pool.submit(other)
                until(lambda: at_locks() == 2)
                order.append("first")
            waiting.result(PATIENCE)
        assert order == ["first", "other"]

    def test_a_lock_holds_against_processes_and_ends_with_them(self, tree: Filesystem, path: bytes) -> None:
        held: list[int] = []

        def ours() -> None:
            with tree.locked(path) as inode:
                held.append(inode)

        with another_process(HOLD, tree.root, path) as process, ThreadPoolExecutor(1) as pool:
            assert said(process) == str(os.stat(path).st_ino)
            waiting = pool.submit(ours)
            until(lambda: at_locks() == 1)
            assert held == []
            process.kill()
            waiting.result(PATIENCE)
        assert held == [os.stat(path).st_ino]

    def test_two_inodes_are_locked_at_once(self, tree: Filesystem, path: bytes) -> None:
        publish(tree, tree.root + b"/g")
        with tree.locked(path), ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: tree.locked(tree.root + b"/g").__enter__()).result(PATIENCE)

    def test_who_waited_for_a_lock_has_that_of_the_inode_that_has_the_name_by_then(
        self, tree: Filesystem, path: bytes
    ) -> None:
        got: list[int] = []

        def other() -> None:
            with tree.locked(path) as inode:
                got.append(inode)

        publish(tree, tree.root + b"/g")
        with ThreadPoolExecutor(1) as pool:
            with tree.locked(path) as inode:
                waiting = pool.submit(other)
                until(lambda: at_locks() == 2)
                os.rename(tree.root + b"/g", path)
            waiting.result(PATIENCE)
        assert got == [os.stat(path).st_ino] != [inode]

    def test_what_is_expected_to_be_an_inode_is_opened_only_if_it_is(self, tree: Filesystem, path: bytes) -> None:
        inode = os.stat(path).st_ino
        with tree.open(path, inode=inode) as file:
            assert file.entry.inode == inode
        publish(tree, tree.root + b"/g")
        os.rename(tree.root + b"/g", path)
        with pytest.raises(Changed, match="/f"):
            tree.open(path, inode=inode)

    @pytest.mark.parametrize("name", [b"pipe", b"directory", b"link"])
    def test_only_regular_files_are_opened_for_writing(self, tree: Filesystem, name: bytes) -> None:
        os.mkfifo(tree.root + b"/pipe")
        os.mkdir(tree.root + b"/directory")
        os.symlink("/etc/passwd", tree.root + b"/link")
        with pytest.raises(Invalid, match="regular"):
            tree.open(tree.root + b"/" + name, writing=True)

    # having it to ourselves

    @pytest.mark.parametrize("mode", ["r", "r+"])
    def test_a_file_that_somebody_has_open_is_not_seized_and_stays_readable(
        self, tree: Filesystem, path: bytes, mode: str
    ) -> None:
        with tree.open(path) as file, another_process(OPEN, path, mode) as process:
            assert said(process) == "open"
            with pytest.raises(Busy, match="/f: somebody has it open"):
                file.seize()
            assert not file.is_seized()
            assert file.read(0, 7) == b"content"
            assert file.version() == (PLAIN.mtime_ns, 7)
        with tree.open(path) as file:
            file.seize()
            assert file.is_seized()

    @pytest.mark.parametrize("access", [mmap.ACCESS_READ, mmap.ACCESS_WRITE])
    def test_a_file_that_somebody_has_mapped_is_not_seized(self, tree: Filesystem, path: bytes, access: int) -> None:
        descriptor = os.open(path, os.O_RDWR)
        mapped = mmap.mmap(descriptor, 7, access=access)
        os.close(descriptor)
        with tree.open(path) as file:
            with pytest.raises(Busy):
                file.seize()
            mapped.close()
            until(lambda: not _is_busy(file))

    def test_a_file_that_is_our_own_twice_is_not_seized(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path), tree.open(path) as file, pytest.raises(Busy):
            file.seize()

    def test_who_opens_a_seized_file_waits_until_it_is_let_go(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path) as file, ThreadPoolExecutor(1) as pool:
            file.seize()
            opener = pool.submit(content_of, path)
            until(lambda: not file.is_seized())
            file.write(0, b"CONTENT")
            assert not opener.done()
            file.let_go()
            file.let_go()
            assert opener.result(PATIENCE) == b"CONTENT"

    def test_who_opens_a_seized_file_waits_until_it_is_closed(self, tree: Filesystem, path: bytes) -> None:
        file = tree.open(path)
        file.seize()
        with ThreadPoolExecutor(1) as pool:
            opener: Future[bytes] = pool.submit(content_of, path)
            until(lambda: not file.is_seized())
            file.close()
            assert opener.result(PATIENCE) == b"content"

    def test_one_who_will_not_wait_breaks_the_lease_all_the_same(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path) as file:
            file.seize()
            assert file.is_seized()
            with pytest.raises(BlockingIOError):
                os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            assert not file.is_seized()

    def test_a_file_let_go_can_be_written_run_and_leased_by_others(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path) as file:
            file.seize()
            file.let_go()
            assert not file.is_seized()
            assert not file.is_being_written()
            with open(path, "r+b") as other:
                other.write(b"CON")
            assert file.read(0, 7) == b"CONtent"

    def test_a_file_opened_for_writing_is_seized_as_well(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path, writing=True) as file:
            file.seize()
            assert file.is_seized()
            file.let_go()
            file.write(7, b"!")
        assert content_of(path) == b"content!"

    def test_no_thread_is_disturbed_by_the_break_of_a_lease(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path) as file:
            file.seize()
            threads = [threading.Thread(target=content_of, args=(path,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            until(lambda: not file.is_seized())
            file.let_go()
            for thread in threads:
                thread.join(PATIENCE)
            assert not any(thread.is_alive() for thread in threads)

    # blocks

    @pytest.mark.parametrize("synced", [False, True])
    @pytest.mark.parametrize("size", [1, 100, 4095, 4096, 4097, 64 << 10, 3 * MiB, 3 * MiB + 17])
    def test_a_file_punched_whole_has_no_data_and_its_size(self, tree: Filesystem, size: int, synced: bool) -> None:
        path = tree.root + b"/f"
        with open(path, "wb") as new:
            new.write(os.urandom(size))
        with tree.open(path) as file:
            if synced:
                file.sync()
            file.point(pointer(file.binding(), size=size))
            assert file.data() != ()
            file.seize()
            file.punch(0)
            assert file.data() == ()
            assert file.version()[1] == size
            file.sync()
            assert file.data() == ()
        assert content_of(path) == bytes(size)
        assert os.stat(path).st_blocks * 512 <= 4096

    def test_nothing_is_punched_once_somebody_waits(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with open(path, "wb") as new:
            new.write(b"a" * 70_000)
        with ThreadPoolExecutor(1) as pool, tree.open(path) as file:
            file.seize()
            waiting = pool.submit(content_of, path)
            until(lambda: not file.is_seized())
            with pytest.raises(Busy):
                file.punch(0)
            file.let_go()
            assert waiting.result(PATIENCE) == b"a" * 70_000

    def test_a_sparse_file_is_punched_whole(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with open(path, "wb") as new:
            for offset in (0, MiB, 5 * MiB):
                new.seek(offset)
                new.write(os.urandom(70_000))
            new.truncate(9 * MiB + 5)
        with tree.open(path, writing=True) as file:
            assert len(file.data()) == 3
            file.punch(0)
            assert file.data() == ()
            assert file.version()[1] == 9 * MiB + 5

    def test_a_file_that_grew_in_pieces_is_punched_whole(self, tree: Filesystem) -> None:
        """Filesystems allocate ahead for those."""
        path = tree.root + b"/f"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        for _ in range(40):
            os.write(descriptor, os.urandom(70_001))
        os.close(descriptor)
        with tree.open(path, writing=True) as file:
            file.punch(0)
            assert file.data() == ()
            file.sync()
            assert file.data() == ()

    def test_an_attribute_is_no_data(self, tree: Filesystem) -> None:
        """It takes a block of its own, which is more than a small file would."""
        path = tree.root + b"/f"
        with open(path, "wb") as new:
            new.truncate(100)
        with tree.open(path) as file:
            file.point(pointer(file.binding(), version="v" * 255, etag="e" * 255))
            file.sync()
            assert file.data() == ()

    def test_what_is_kept_is_rounded_up_to_a_block(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        content = os.urandom(MiB + 5)
        publish(tree, path, content)
        with tree.open(path, writing=True) as file:
            file.punch(5000)
            assert file.data() == ((0, 8192),)
            assert file.read(0, MiB + 5) == content[:8192] + bytes(MiB + 5 - 8192)
            file.punch(MiB + 5)
            assert file.data() == ((0, 8192),)

    def test_what_is_punched_up_to_somewhere_touches_no_byte_of_other_blocks(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        content = os.urandom(64 << 10)
        publish(tree, path, content)
        with tree.open(path, writing=True) as file:
            file.punch(1, upto=12_289)
            assert file.read(0, 64 << 10) == content[:4096] + bytes(8192) + content[12_288:]
            file.punch(20_000, upto=20_001)
            assert file.read(12_288, 20_000) == content[12_288:32_288]
            file.punch(60_000, upto=64 << 10)
            assert file.data() == ((0, 4096), (12_288, 61_440 - 12_288))

    def test_an_empty_file_can_be_punched(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f", b"")
        with tree.open(tree.root + b"/f", writing=True) as file:
            file.punch(0)
            file.reserve(0)
            assert file.data() == ()

    def test_what_is_reserved_reads_as_a_hole_and_leaves_size_and_times(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with open(path, "wb") as new:
            new.truncate(3 * MiB)
        os.utime(path, ns=(5, 10**18))
        with tree.open(path, writing=True) as file:
            file.reserve(3 * MiB)
            assert file.data() == ()
            assert file.version() == (10**18, 3 * MiB)
            assert os.stat(path).st_blocks * 512 >= 3 * MiB
            file.write(MiB, b"x" * 4096)
            assert file.data() == ((MiB, 4096),)
            file.punch(0)
            assert file.data() == ()
            assert os.stat(path).st_blocks * 512 <= 4096
        assert os.stat(path).st_atime_ns == 5

    @pytest.mark.parametrize("size", [100, 4096, 70_000])
    @pytest.mark.parametrize("keep", [0, 4096])
    def test_what_is_reserved_behind_the_end_goes_with_the_data(self, tree: Filesystem, size: int, keep: int) -> None:
        path = tree.root + b"/f"
        content = os.urandom(size)
        with open(path, "wb") as new:
            new.write(content)
        subprocess.run(["fallocate", "-n", "-l", str(MiB), path], check=True)
        with tree.open(path) as file:
            file.sync()
            file.seize()
            file.punch(keep)
            assert os.stat(path).st_blocks * 512 <= keep
            assert file.version()[1] == size
            assert file.read(0, size) == content[:keep] + bytes(max(0, size - keep))

    def test_what_is_reserved_behind_the_end_stays_where_others_may_write(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, os.urandom(70_000))
        subprocess.run(["fallocate", "-n", "-l", str(MiB), path], check=True)
        with tree.open(path, writing=True) as file:
            file.punch(0)
        assert os.stat(path).st_blocks * 512 > 512 << 10

    def test_what_is_written_is_read(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path, writing=True) as file:
            file.write(MiB, b"x" * MiB)
            assert file.read(MiB, MiB) == b"x" * MiB
            assert file.version()[1] == 2 * MiB

    def test_a_file_is_cut_and_lengthened_by_a_hole(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path, writing=True) as file:
            file.truncate(3)
            file.truncate(MiB)
            assert file.read(0, MiB) == b"con" + bytes(MiB - 3)
            assert file.data() == ((0, 4096),)

    def test_set_uid_is_left_to_a_file_that_is_written_and_punched(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, os.urandom(MiB), OWN)
        with tree.open(path) as file:
            file.seize()
            file.punch(4096)
            file.reserve(MiB)
            file.write(8192, b"x")
            file.stamp(OWN.mtime_ns)
            assert unnamed(file.attributes()) == unnamed(OWN)

    # times and attributes

    def test_only_the_time_that_is_named_is_given(self, tree: Filesystem, path: bytes) -> None:
        os.utime(path, ns=(5, 10**18))
        with tree.open(path, writing=True) as file:
            file.punch(0)
            file.stamp(7)
            assert (os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns) == (5, 7)
            file.stamp(None, atime_ns=9)
            assert (os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns) == (9, 7)

    def test_an_open_file_wears_what_it_is_dressed_in(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path, writing=True) as file:
            file.dress(OWN)
            assert unnamed(file.attributes()) == unnamed(OWN)

    def test_ctime_tells_of_changes_that_the_version_does_not(self, tree: Filesystem, path: bytes) -> None:
        with tree.open(path) as file:
            before, version = file.changed_ns(), file.version()
            until(lambda: os.chmod(path, 0o600) or file.changed_ns() > before)  # type: ignore[func-returns-value]
            assert file.version() == version

    # copies

    @pytest.mark.parametrize("reflink", ["never", "auto"])
    def test_a_copy_says_whose_it_is_and_is_not_believed(self, tree: Filesystem, path: bytes, reflink: str) -> None:
        with tree.open(path) as file:
            assert file.stray() is None
            written = pointer(file.binding())
            file.point(written)
            assert file.stray() == written
        copy = tree.root + b"/copy"
        subprocess.run(["cp", "-a", "--preserve=xattr", f"--reflink={reflink}", path, copy], check=True)
        with tree.open(copy) as file:
            assert file.stray() == written
            assert file.pointer() is None


def _is_busy(file: File) -> bool:
    try:
        file.seize()
    except Busy:
        return True
    return False
