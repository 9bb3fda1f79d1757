"""What every store promises."""

import random
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from argosy.core.errors import Changed, Exists, NotFound
from argosy.stores import keys
from argosy.stores.base import CHUNK, STORES, Absent, Object, Store, Unchanged


class Bytes:
    """A source in memory that counts how much it was asked for at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        assert offset + length <= self.size
        return self.data[offset : offset + length]


class Broken:
    """A source that becomes shorter while it is read."""

    size = 3 * CHUNK

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > CHUNK:
            raise Changed("the file has become shorter")
        return bytes(length)


def put(store: Store, key: str, data: bytes, condition=None, **metadata: str) -> Object:
    return store.put(key, Bytes(data), metadata=metadata, condition=condition)


def read(store: Store, key: str, **options) -> bytes:
    return b"".join(store.get(key, **options))


NASTY = [
    "a b", "+", "%20", "%2F", "a&b=c;d", "#", "?x=1", "~", "é", "e\u0301", "日本", "\U0001f600", " lead", "trail ", "*",
    '"quoted"', "'", "<x>", "|", "`", "{}", "[]", "^", "a:b", "a,b", "$HOME", "-", "..a", "a..", "...", ".hidden",
    "%2E%2E/x", "x" * 255, "/".join(["d" * 240] * 4), "CON", "a\u200bb", "\ufeffbom", "A", "a",
]  # fmt: skip


class StoreContract:
    """Subclass me, and define a fixture `store` that yields an empty store."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError

    def test_it_is_found_by_the_name_of_its_file(self, store: Store) -> None:
        kinds = [STORES.get(name) for name in STORES.names()]
        assert any(isinstance(store, kind) for kind in kinds)
        assert isinstance(store, Store)

    @pytest.mark.parametrize("size", [0, 1, 4096, 65_536, CHUNK, CHUNK + 1, 3 * CHUNK - 7])
    def test_what_was_put_comes_back_whole(self, store: Store, size: int) -> None:
        data = random.Random(size).randbytes(size)
        made = put(store, "dir/file", data, argosyuuid="1f", mtime="1.000000002")
        assert (made.key, made.size, made.metadata) == ("dir/file", size, {"argosyuuid": "1f", "mtime": "1.000000002"})
        found = store.head("dir/file")
        assert abs(found.modified_ns - time.time_ns()) < 3600 * 10**9
        assert found == msgspec.structs.replace(made, modified_ns=found.modified_ns)
        chunks = list(store.get("dir/file"))
        assert b"".join(chunks) == data
        assert all(0 < len(chunk) <= CHUNK for chunk in chunks)

    def test_metadata_of_two_thousand_bytes_is_kept(self, store: Store) -> None:
        metadata = {f"name{n}": "v" * 180 for n in range(10)}
        store.put("a", Bytes(b"x"), metadata=metadata)
        assert store.head("a").metadata == metadata

    @pytest.mark.parametrize("key", NASTY)
    def test_any_key_is_kept_as_it_is(self, store: Store, key: str) -> None:
        made = put(store, key, b"other", condition=Absent())
        assert read(store, key) == b"other"
        assert store.head(key).key == key
        assert [found.key for found in store.list("")] == [key]
        store.copy(key, "copied", etag=made.etag)
        store.delete(key)
        assert [found.key for found in store.list("")] == ["copied"]

    def test_keys_that_differ_are_different_objects(self, store: Store) -> None:
        for key in NASTY:
            put(store, "all/" + key, key.encode())
        assert {found.key for found in store.list("all/")} == {"all/" + key for key in NASTY}
        assert all(read(store, "all/" + key) == key.encode() for key in NASTY)

    def test_a_name_of_any_bytes_has_a_key_that_is_kept(self, store: Store) -> None:
        every = bytes(set(range(1, 256)) - {ord("/")})
        path = b"/".join(every[start : start + 64] for start in range(0, 254, 64))
        put(store, keys.encode(path), b"x")
        assert [keys.decode(found.key) for found in store.list("")] == [path]

    def test_a_put_replaces_what_was_there(self, store: Store) -> None:
        first = put(store, "a", b"first", one="1")
        second = put(store, "a", b"second", two="2")
        assert read(store, "a") == b"second"
        assert store.head("a").metadata == {"two": "2"}
        assert first.etag != second.etag

    def test_a_put_that_breaks_leaves_what_was_there(self, store: Store) -> None:
        put(store, "a", b"whole")
        with pytest.raises(Changed):
            store.put("a", Broken(), metadata={})
        with pytest.raises(Changed):
            store.put("new", Broken(), metadata={}, condition=Absent())
        assert read(store, "a") == b"whole"
        assert [found.key for found in store.list("")] == ["a"]

    def test_absent_keeps_what_is_there(self, store: Store) -> None:
        put(store, "a", b"first", Absent())
        with pytest.raises(Exists, match="a"):
            put(store, "a", b"second", Absent())
        with pytest.raises(Exists):
            put(store, "a", b"first", Absent())
        assert read(store, "a") == b"first"

    def test_unchanged_replaces_only_what_was_seen(self, store: Store) -> None:
        first = put(store, "a", b"first")
        second = put(store, "a", b"second", Unchanged(first.etag))
        assert read(store, "a") == b"second"
        with pytest.raises(Changed):
            put(store, "a", b"third", Unchanged(first.etag))
        assert store.head("a").etag == second.etag
        assert read(store, "a") == b"second"

    def test_unchanged_makes_nothing_where_there_is_nothing(self, store: Store) -> None:
        with pytest.raises(Changed):
            put(store, "a", b"x", Unchanged('"0123456789abcdef0123456789abcdef"'))
        assert list(store.list("")) == []

    def test_of_many_who_want_a_free_key_one_gets_it(self, store: Store) -> None:
        start = threading.Barrier(8)

        def attempt(number: int) -> int | None:
            start.wait()
            try:
                put(store, "dir/a", bytes([number]) * 1000, Absent())
            except Exists:
                return None
            return number

        with ThreadPoolExecutor(8) as threads:
            won = [number for number in threads.map(attempt, range(8)) if number is not None]
        assert len(won) == 1
        assert read(store, "dir/a") == bytes(won) * 1000

    def test_of_many_who_replace_what_they_saw_one_does(self, store: Store) -> None:
        seen = put(store, "a", b"first").etag
        start = threading.Barrier(8)

        def attempt(number: int) -> int | None:
            start.wait()
            try:
                put(store, "a", bytes([number]) * 1000, Unchanged(seen))
            except Changed:
                return None
            return number

        with ThreadPoolExecutor(8) as threads:
            won = [number for number in threads.map(attempt, range(8)) if number is not None]
        assert len(won) == 1
        assert read(store, "a") == bytes(won) * 1000

    def test_many_threads_may_use_it_at_once(self, store: Store) -> None:
        def cycle(number: int) -> bool:
            key = f"t/{number % 7}/{number}"
            made = put(store, key, str(number).encode() * 99, Absent(), argosyuuid=str(number))
            whole = read(store, key, etag=made.etag) == str(number).encode() * 99
            if number % 2:
                store.delete(key)
            return whole and store.head("t/0/0").size == 99

        cycle(0)
        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(cycle, range(1, 120)))
        assert len(list(store.list("t/"))) == 60

    def test_a_range_is_read_as_asked(self, store: Store) -> None:
        data = random.Random(1).randbytes(CHUNK + 100)
        put(store, "a", data)
        assert read(store, "a", offset=5, length=7) == data[5:12]
        assert read(store, "a", offset=CHUNK - 3) == data[CHUNK - 3 :]
        assert read(store, "a", length=CHUNK + 1) == data[: CHUNK + 1]
        assert read(store, "a", offset=3, length=0) == b""
        assert read(store, "a", offset=CHUNK + 50, length=1000) == data[CHUNK + 50 :]
        assert read(store, "a", offset=CHUNK + 100) == b""
        assert read(store, "a", offset=CHUNK + 500, length=5) == b""

    def test_an_etag_pins_what_is_read(self, store: Store) -> None:
        first = put(store, "a", b"first")
        assert read(store, "a", etag=first.etag, version=first.version) == b"first"
        put(store, "a", b"other")
        with pytest.raises(Changed):
            read(store, "a", etag=first.etag)

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        put(store, "dir/a", b"x")
        for key in ("nothing", "dir", "dir/a/b", "dir/b"):
            with pytest.raises(NotFound, match=re.escape(key)):
                store.head(key)
            with pytest.raises(NotFound):
                read(store, key)
            with pytest.raises(NotFound):
                store.copy(key, "copied", etag="any")
            store.delete(key)
        assert [found.key for found in store.list("")] == ["dir/a"]

    def test_a_list_holds_each_key_with_the_prefix_once(self, store: Store) -> None:
        wanted = ["p/a", "p/a-b", "p/a0", "p/b/c/d", "p/b/c/e", "pq", "q/r", "é/ü"]
        sizes = {key: len(put(store, key, b"x" * n).key) and n for n, key in enumerate(wanted)}
        for prefix in ("", "p", "p/", "p/a", "p/b/", "p/b/c/d", "nothing", "é"):
            found = {entry.key: entry.size for entry in store.list(prefix)}
            assert found == {key: size for key, size in sizes.items() if key.startswith(prefix)}

    def test_a_listed_object_has_the_etag_of_its_head(self, store: Store) -> None:
        made = put(store, "d/a", b"x", argosyuuid="1")
        assert [(found.etag, found.metadata) for found in store.list("")] == [(made.etag, {})]

    @pytest.mark.parametrize("size", [0, 10, CHUNK + 1])
    def test_a_copy_has_bytes_and_metadata_of_its_own(self, store: Store, size: int) -> None:
        made = put(store, "a", b"z" * size, argosyuuid="1f")
        copied = store.copy("a", ".argosy/versions/x", etag=made.etag)
        put(store, "a", b"new")
        assert copied == store.head(".argosy/versions/x")
        assert (copied.size, copied.metadata) == (size, {"argosyuuid": "1f"})
        assert read(store, ".argosy/versions/x", etag=copied.etag) == b"z" * size

    def test_a_copy_replaces_nothing(self, store: Store) -> None:
        made = put(store, "a", b"a", one="1")
        put(store, "b", b"b", two="2")
        with pytest.raises(Exists, match="b"):
            store.copy("a", "b", etag=made.etag)
        assert (read(store, "b"), store.head("b").metadata) == (b"b", {"two": "2"})

    @pytest.mark.parametrize("size", [10, CHUNK + 1])
    def test_a_copy_is_of_the_object_that_was_seen_or_is_not_made(self, store: Store, size: int) -> None:
        seen = put(store, "a", b"1" * size)
        put(store, "a", b"2" * size)
        with pytest.raises(Changed, match="a"):
            store.copy("a", "b", etag=seen.etag)
        assert [found.key for found in store.list("")] == ["a"]

    def test_a_delete_may_be_repeated(self, store: Store) -> None:
        put(store, "d/a", b"x")
        put(store, "d/b", b"y")
        store.delete("d/a")
        store.delete("d/a")
        assert [found.key for found in store.list("")] == ["d/b"]
        put(store, "d/a", b"again", Absent())

    def test_a_delete_of_what_was_replaced_leaves_what_took_its_place(self, store: Store) -> None:
        first = put(store, "a", b"first")
        second = put(store, "a", b"the second")
        with pytest.raises(Changed, match="a"):
            store.delete("a", etag=first.etag)
        assert read(store, "a") == b"the second"
        store.delete("a", etag=second.etag)
        store.delete("a", etag=second.etag)
        assert list(store.list("")) == []

    def test_a_probe_leaves_nothing(self, store: Store) -> None:
        store.probe()
        assert list(store.list("")) == []
