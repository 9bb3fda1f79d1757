import fcntl
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.core.errors import Busy, Changed, Corrupt, Denied, Exhausted, Exists, Invalid, NotFound, Unavailable
from argosy.stores import posix
from argosy.stores._posix import root
from argosy.stores.base import CHUNK, Absent, Store, Unchanged
from argosy.stores.posix import PosixStore
from tests.contracts.store import Bytes, StoreContract, put, read


@pytest.fixture
def store(tmp_path: Path) -> PosixStore:
    return PosixStore(path=str(tmp_path))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 3 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(3 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def staging(store: PosixStore) -> list[str]:
    return os.listdir(os.path.join(store.path, ".argosy/staging"))


class TestPosixStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return PosixStore(path=str(tmp_path))

    def test_a_deleted_tree_leaves_its_name_free(self, store: Store) -> None:
        put(store, "d/e/f", b"x")
        store.delete("d/e/f")
        put(store, "d", b"a file now", Absent())
        assert read(store, "d") == b"a file now"


def test_an_object_is_a_file_under_its_key(store: PosixStore) -> None:
    put(store, "projects/a b.txt", b"plain")
    assert Path(store.path, "projects/a b.txt").read_bytes() == b"plain"
    assert staging(store) == []


def test_a_file_that_somebody_put_there_is_an_object(store: PosixStore) -> None:
    Path(store.path, "theirs").write_bytes(b"x")
    found = store.head("theirs")
    assert (found.size, found.metadata) == (1, {})
    put(store, "theirs", b"ours", Unchanged(found.etag))
    assert read(store, "theirs") == b"ours"


def test_an_object_that_was_written_into_is_another(store: PosixStore) -> None:
    made = put(store, "a", b"first")
    with open(os.path.join(store.path, "a"), "r+b") as file:
        file.write(b"F")
    with pytest.raises(Changed):
        read(store, "a", etag=made.etag)
    with pytest.raises(Changed):
        put(store, "a", b"second", Unchanged(made.etag))


@pytest.mark.parametrize("condition", [None, Absent()])
def test_a_name_that_objects_lie_below_is_refused_and_loses_nothing(
    store: PosixStore, condition: Absent | None
) -> None:
    put(store, "d/e", b"below")
    with pytest.raises(Exists, match="objects lie below d/"):
        put(store, "d", b"x", condition)
    assert read(store, "d/e") == b"below"
    assert staging(store) == []


LONG = "c/" + "/".join(["é" * 127] * 4)


@pytest.mark.parametrize("key", ["c/x", "c/d/e f%", LONG])
def test_an_object_below_a_file_is_kept_all_the_same(store: PosixStore, key: str) -> None:
    put(store, "c", b"file")
    metadata = {f"name{n}": "v" * 180 for n in range(10)}
    first = store.put(key, Bytes(b"first"), metadata=metadata, condition=Absent())
    assert (store.head(key), store.head(key).metadata, read(store, key, etag=first.etag)) == (first, metadata, b"first")
    with pytest.raises(Exists):
        put(store, key, b"second", Absent())
    second = put(store, key, b"second", Unchanged(first.etag))
    with pytest.raises(Changed):
        put(store, key, b"third", Unchanged(first.etag))
    assert [(found.key, found.etag) for found in store.list("c/")] == [(key, second.etag)]
    assert [found.key for found in store.list("")] == ["c", key]
    store.copy(key, "c/copied", etag=second.etag)
    assert (read(store, "c"), read(store, "c/copied")) == (b"file", b"second")
    for name in (key, key, "c/copied"):
        store.delete(name)
    assert [found.key for found in store.list("")] == ["c"]
    with pytest.raises(NotFound):
        store.head(key)


def test_an_object_below_a_file_stays_when_the_file_becomes_a_directory(store: PosixStore) -> None:
    put(store, "c", b"file")
    put(store, "c/x", b"first")
    store.delete("c")
    put(store, "c/y", b"y")
    assert read(store, "c/x") == b"first"
    with pytest.raises(Exists):
        put(store, "c/x", b"second", Absent())
    put(store, "c/x", b"second")
    assert ([found.key for found in store.list("")], read(store, "c/x")) == (["c/x", "c/y"], b"second")
    Path(store.path, "c/x").write_bytes(b"put there by somebody")
    assert ([found.key for found in store.list("")], read(store, "c/x")) == (["c/x", "c/y"], b"second")
    store.delete("c/x")
    assert read(store, "c/x") == b"put there by somebody"


def test_a_tree_may_be_deeper_than_descriptors_are_many(store: PosixStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    key = "/".join("d" * 500)
    open_now = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 30, hard))
    try:
        made = put(store, key, b"deep", Absent())
        assert [(found.key, found.etag) for found in store.list("")] == [(key, made.etag)]
        assert read(store, key) == b"deep"
        store.delete(key)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(store.path) == [".argosy"]


@pytest.mark.parametrize("spare", range(4))
def test_too_few_descriptors_are_no_dead_store(store: PosixStore, spare: int) -> None:
    put(store, "a/b", b"x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = [os.open("/", os.O_PATH) for _ in range(64)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(kept) + 1, hard))
    try:
        for fd in kept[:spare]:
            os.close(fd)
        with pytest.raises(Exhausted, match=r"object a/b .* open files: raise"):
            put(store, "a/b", b"y")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in kept[spare:]:
            os.close(fd)
    assert read(store, "a/b") == b"x"


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_a_lock_that_is_never_released_is_named(store: PosixStore, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "_PATIENCE", 0.1)
    put(store, "a", b"x")
    lock = Path(store.path, ".argosy/locks", posix._shard("a"))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(Busy, match=f"lock {lock} is held"):
            put(store, "a", b"y") if verb == "put" else store.delete("a")
    put(store, "a", b"y")


@pytest.mark.parametrize("name", [".argosy", ".argosy/locks", ".argosy/staging"])
@pytest.mark.parametrize(("owner", "mode"), [(4711, 0o700), (0, 0o720), (0, 0o702)])
def test_locks_of_somebody_else_are_not_waited_for(store: PosixStore, name: str, owner: int, mode: int) -> None:
    put(store, "a", b"x")
    theirs = Path(store.path, name)
    os.chown(theirs, owner, -1)
    theirs.chmod(mode)
    for verb in (store.probe, lambda: put(store, "b", b"x"), PosixStore(path=store.path).sweep):
        with pytest.raises(Denied, match=f"{theirs} must belong to uid 0"):
            verb()
    assert read(store, "a") == b"x"


def test_who_may_read_an_object_needs_no_right_to_our_own_directory(
    store: PosixStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "d/a", b"x")
    for name in (".", "d", "d/a"):
        Path(store.path, name).chmod(0o755)
    monkeypatch.chdir(store.path)
    os.seteuid(65534)
    try:
        theirs = PosixStore(path=".")
        assert read(theirs, "d/a") == b"x"
        with pytest.raises(Denied):
            put(theirs, "d/b", b"y")
    finally:
        os.seteuid(0)


def test_a_copy_of_what_somebody_writes_into_meanwhile_is_not_made(
    store: PosixStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = put(store, "a", b"first")
    whole = posix._fill

    def written_into(fd: int, source: posix._Opened) -> int:
        expected = whole(fd, source)
        Path(store.path, "a").write_bytes(b"second")
        return expected

    monkeypatch.setattr(posix, "_cloned", lambda *_: False)
    monkeypatch.setattr(posix, "_fill", written_into)
    with pytest.raises(Changed):
        store.copy("a", "b", etag=made.etag)
    assert [found.key for found in store.list("")] == ["a"]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\0b", ".argosy/staging/x", ".argosy/flat/x"]
)
def test_what_is_no_key_is_refused(store: PosixStore, key: str) -> None:
    for verb in (lambda: put(store, key, b"x"), lambda: store.head(key), lambda: store.delete(key)):
        with pytest.raises(Invalid):
            verb()


def test_a_symlink_leads_nowhere(store: PosixStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_bytes(b"secret")
    os.symlink(outside, os.path.join(store.path, "way"))
    os.symlink(outside / "secret", os.path.join(store.path, "link"))
    for key in ("way/secret", "link"):
        with pytest.raises(NotFound):
            read(store, key)
        with pytest.raises(NotFound):
            store.copy(key, "copied", etag="any")
    with pytest.raises(Exists):
        put(store, "way/new", b"x")
    store.delete("way/secret")
    assert list(store.list("")) == []
    put(store, "link", b"ours")
    assert sorted(os.listdir(outside)) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert read(store, "link") == b"ours"


def test_a_fifo_blocks_nobody(store: PosixStore) -> None:
    os.mkfifo(os.path.join(store.path, "pipe"))
    with pytest.raises(NotFound):
        store.head("pipe")
    assert list(store.list("")) == []


def test_a_full_disk_is_exhausted_and_nothing_half_done_is_seen(small: Path) -> None:
    store = PosixStore(path=str(small))
    put(store, "kept", b"kept")
    with pytest.raises(Exhausted, match="big"):
        put(store, "big", bytes(range(256)) * (20 << 10))
    assert [found.key for found in store.list("")] == ["kept"]
    assert staging(store) == []
    put(store, "fits", b"x" * 100_000)


def test_metadata_that_does_not_fit_fails_the_put(small: Path) -> None:
    store = PosixStore(path=str(small))
    with pytest.raises(Exhausted):
        store.put("a", Bytes(b"x"), metadata={"a": "x" * 50_000})
    assert list(store.list("")) == []


def test_a_filesystem_without_user_xattrs_is_named(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "ramfs", "ramfs", tmp_path], check=True)
    try:
        with pytest.raises(Unavailable, match=f"{tmp_path} keeps no user xattrs"):
            PosixStore(path=str(tmp_path)).probe()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_directory_that_is_missing_is_named_and_not_made(tmp_path: Path) -> None:
    store = PosixStore(path=str(tmp_path / "unmounted"))
    for verb in (store.probe, lambda: store.head("a"), lambda: put(store, "a", b"x"), lambda: list(store.list(""))):
        with pytest.raises(Unavailable, match=r"unmounted.*mount it"):
            verb()
    assert not (tmp_path / "unmounted").exists()


def test_a_disk_that_gives_back_other_bytes_is_found_out(store: PosixStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "a", b"first")
    whole = posix._fill

    def bad_disk(fd: int, source: object) -> int:
        expected = whole(fd, source)
        os.pwrite(fd, b"\xff", 0)
        return expected

    monkeypatch.setattr(posix, "_fill", bad_disk)
    with pytest.raises(Corrupt, match="does not give back"):
        put(store, "a", b"second")
    assert read(store, "a") == b"first"


def test_metadata_that_was_changed_is_corrupt(store: PosixStore) -> None:
    put(store, "a", b"x", argosyuuid="1")
    os.setxattr(os.path.join(store.path, "a"), "user.argosy.object", b"{")
    with pytest.raises(Corrupt):
        store.head("a")


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_holds_stays(store: PosixStore) -> None:
    writer = textwrap.dedent("""
        import sys
        from argosy.stores.posix import PosixStore
        class Endless:
            size = 1 << 30
            def read(self, offset, length):
                if offset:
                    print("half", flush=True)
                    sys.stdin.read()
                return bytes(length)
        PosixStore(path=sys.argv[1]).put("a", Endless(), metadata={})
    """)
    command = [sys.executable, "-c", writer, store.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        store.sweep()
        assert len(staging(store)) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(store.list("")) == []
    put(PosixStore(path=store.path), "b", b"a new process sweeps before it writes")
    assert staging(store) == []


def test_a_put_that_meets_deletes_of_its_directory_succeeds(store: PosixStore) -> None:
    def cycle(number: int) -> None:
        for turn in range(20):
            put(store, f"d/e/{number}", bytes([turn]), Absent())
            store.delete(f"d/e/{number}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(cycle, range(4)))
    assert sorted(os.listdir(store.path)) == [".argosy"]


def test_a_listing_is_in_the_order_of_keys(store: PosixStore) -> None:
    names = ["a-b", "a/b", "a/c/d", "a0", "b", "é", "z/z"]
    for key in reversed(names):
        put(store, key, b"")
    assert [found.key for found in store.list("")] == sorted(names)


def test_a_copy_on_btrfs_shares_its_blocks(tmp_path: Path) -> None:
    image, place = tmp_path / "image", tmp_path / "btrfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        store = PosixStore(path=str(place))
        data = os.urandom(CHUNK)
        made = put(store, "a", data, argosyuuid="1f")
        copied = store.copy("a", "b", etag=made.etag)
        assert (read(store, "b"), copied.metadata) == (data, {"argosyuuid": "1f"})
        extents = subprocess.run(["filefrag", "-v", place / "b"], check=True, capture_output=True, text=True).stdout
        assert "shared" in extents
    finally:
        subprocess.run(["umount", place], check=True)
