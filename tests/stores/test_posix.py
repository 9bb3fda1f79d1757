import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.core.errors import Changed, Corrupt, Exhausted, Exists, Invalid, NotFound, Unavailable
from argosy.stores import posix
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
def test_names_that_collide_are_refused_and_lose_nothing(store: PosixStore, condition: Absent | None) -> None:
    put(store, "a", b"file")
    put(store, "d/e", b"below")
    with pytest.raises(Exists, match="a in the store is no directory"):
        put(store, "a/b", b"x", condition)
    with pytest.raises(Exists, match="objects lie below d/"):
        put(store, "d", b"x", condition)
    assert (read(store, "a"), read(store, "d/e")) == (b"file", b"below")
    assert staging(store) == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\0b", ".argosy/staging/x"])
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
            store.copy(key, "copied")
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
        put(store, "a", data, argosyuuid="1f")
        copied = store.copy("a", "b")
        assert (read(store, "b"), copied.metadata) == (data, {"argosyuuid": "1f"})
        extents = subprocess.run(["filefrag", "-v", place / "b"], check=True, capture_output=True, text=True).stdout
        assert "shared" in extents
    finally:
        subprocess.run(["umount", place], check=True)
