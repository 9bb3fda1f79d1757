"""What every store that is a server promises when the server, or the line to it, is in trouble."""

import os
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.core.errors import Changed, Corrupt, Exists, NotFound, Unavailable
from argosy.stores.base import Absent, Store, Unchanged
from tests.contracts.store import Broken, Bytes, put, read
from tests.servers import free_ports
from tests.stores.faulty import Faulty, standing_before

LARGE = (33 << 20) + 5
"""Goes in several parts, whatever the store."""


class Zeros:
    """A source of any size that needs no memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        assert offset + length <= self.size
        return bytes(length)


def large(seed: int) -> bytes:
    return random.Random(seed).randbytes(LARGE)


def peak_of(action) -> int:
    """Return how many bytes of memory the action took at most."""
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    action()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    return (int(peak[1]) << 10) - before


class TroubleContract:
    """Subclass me; define fixtures `store` and `endpoint`, and say what the lines of requests look like."""

    PUT: str
    """In the line of the request that makes a small object."""
    PART: str
    """In that of one that sends a part."""
    LAST: tuple[str, ...]
    """Where a large object is made: what is in the line of the request that makes it appear, then the faults that let
    the ones before it pass and lose its reply."""
    COPY: str
    """In the line of the request that copies `a` to `b`."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def standing(self, endpoint: str) -> Iterator[tuple[Faulty, str]]:
        with standing_before(endpoint) as standing:
            yield standing

    @pytest.fixture
    def proxy(self, standing: tuple[Faulty, str]) -> Faulty:
        return standing[0]

    @pytest.fixture
    def through(self, store: Store, standing: tuple[Faulty, str]) -> Store:
        """The store as reached through the proxy, after it found out what the server verifies."""
        reached = self.reached(store, standing[1])
        reached.probe()
        standing[0].seen.clear()
        return reached

    def reached(self, store: Store, endpoint: str, **settings: object) -> Store:
        return replace(store, endpoint=endpoint, **settings)

    def writes(self, proxy: Faulty, fits: str) -> int:
        return sum(fits in line for line in proxy.seen if not line.startswith(("GET", "HEAD")))

    def test_a_reply_lost_after_a_put_is_no_failure(self, through: Store, proxy: Faulty) -> None:
        proxy.add(self.PUT, "lost")
        made = put(through, "a", b"whole", Absent(), argosyuuid="1f")
        assert through.head("a") == made
        assert self.writes(proxy, self.PUT) == 2

    def test_a_reply_lost_after_a_replacement_is_no_failure(self, through: Store, proxy: Faulty) -> None:
        first = put(through, "a", b"first", argosyuuid="1f")
        proxy.add(self.PUT, "lost")
        made = put(through, "a", b"second", Unchanged(first.etag), argosyuuid="2f")
        assert (through.head("a"), read(through, "a")) == (made, b"second")

    @pytest.mark.parametrize("condition", [Absent(), None])
    def test_a_reply_lost_after_the_last_part_is_no_failure(self, through: Store, proxy: Faulty, condition) -> None:
        proxy.add(*self.LAST)
        made = put(through, "a", large(1), condition, argosyuuid="1f")
        assert "lost" not in [fault for _, fault in proxy.faults]
        assert (through.head("a"), read(through, "a") == large(1)) == (made, True)

    def test_a_reply_lost_after_a_copy_is_no_failure(self, through: Store, proxy: Faulty) -> None:
        made = put(through, "a", b"whole", argosyuuid="1f")
        proxy.add(self.COPY, "lost")
        copied = through.copy("a", "b", etag=made.etag)
        assert (through.head("b"), read(through, "b")) == (copied, b"whole")
        assert self.writes(proxy, self.COPY) == 2

    def test_a_key_taken_by_another_while_the_reply_was_lost_is_not_ours(self, through: Store, proxy: Faulty) -> None:
        put(through, "a", b"theirs", argosyuuid="1f")
        proxy.add(self.PUT, "503")
        with pytest.raises(Exists):
            put(through, "a", b"ours!!", Absent(), argosyuuid="1f")
        assert read(through, "a") == b"theirs"

    def test_a_passing_trouble_is_ridden_out(self, through: Store, proxy: Faulty) -> None:
        proxy.add("", "503", "lost")
        put(through, "a", b"whole")
        proxy.add("", "503", "lost")
        assert read(through, "a") == b"whole"
        proxy.add("", "lost", "503")
        assert [found.key for found in through.list("")] == ["a"]
        proxy.add("", "503", "503")
        assert through.head("a").size == 5

    def test_a_part_that_meets_a_passing_trouble_is_sent_again_alone(self, through: Store, proxy: Faulty) -> None:
        proxy.add(self.PART, "503", "lost")
        put(through, "a", large(1), Absent())
        assert read(through, "a") == large(1)
        assert self.writes(proxy, self.PART) == 5

    def test_no_more_is_asked_than_is_needed(self, through: Store, proxy: Faulty) -> None:
        for number in range(5):
            made = put(through, "a", b"whole")
            assert read(through, "a", etag=made.etag) == b"whole"
            assert through.head("a") == made
            assert len(proxy.seen) == 3 * (number + 1)

    def test_a_busy_store_is_left_alone_as_long_as_it_says(self, through: Store, proxy: Faulty) -> None:
        proxy.add("", "busy")
        begun = time.monotonic()
        put(through, "a", b"whole")
        assert time.monotonic() - begun > 1

    def test_a_lasting_trouble_names_the_store(self, through: Store, proxy: Faulty) -> None:
        proxy.always = "503"
        for verb in (lambda: put(through, "a", b"x"), lambda: read(through, "a"), lambda: through.head("a")):
            with pytest.raises(Unavailable, match=f"{re.escape(through.where)}.*503"):
                verb()

    def test_a_store_that_never_answers_is_given_up(self, through: Store, proxy: Faulty) -> None:
        store = self.reached(through, through.endpoint, timeout=1, tries=2)
        put(store, "known", b"")
        proxy.always = "hang"
        begun = time.monotonic()
        for verb in (lambda: put(store, "a", b"x"), lambda: store.head("a"), lambda: list(store.list(""))):
            with pytest.raises(Unavailable, match="does not answer"):
                verb()
        assert time.monotonic() - begun < 20

    def test_a_store_that_is_not_there_is_given_up(self, store: Store) -> None:
        gone = self.reached(store, store.endpoint.replace(store.endpoint.split(":")[2][:5], str(free_ports(1)[0])))
        for verb in (gone.probe, lambda: gone.head("a"), lambda: list(gone.list("")), lambda: read(gone, "a")):
            with pytest.raises(Unavailable, match="does not answer"):
                verb()

    @pytest.mark.parametrize("size", [100_000, 20 << 20])
    def test_a_reply_that_breaks_off_is_taken_up_where_it_broke(self, through: Store, proxy: Faulty, size: int) -> None:
        data = random.Random(1).randbytes(size)
        made = put(through, "a", data)
        proxy.add("GET", "truncate", "truncate")
        assert read(through, "a", etag=made.etag) == data

    def test_replies_that_break_off_again_and_again_are_given_up(self, through: Store, proxy: Faulty) -> None:
        put(through, "a", bytes(100_000))
        store = self.reached(through, through.endpoint, tries=1)
        proxy.always = "truncate"
        with pytest.raises(Unavailable, match="does not answer"):
            read(store, "a")

    def test_what_was_begun_is_not_continued_with_another_object(self, through: Store) -> None:
        put(through, "a", large(1))
        chunks = through.get("a")
        assert large(1).startswith(next(chunks))
        put(through, "a", large(2))
        with pytest.raises(Changed):
            list(chunks)

    def test_a_part_that_was_changed_on_its_way_is_refused(self, through: Store, proxy: Faulty) -> None:
        proxy.add(self.PART, "", "flip")
        with pytest.raises(Corrupt):
            put(through, "a", large(1), Absent())
        assert list(through.list("")) == []

    def test_a_large_object_goes_in_parts_under_a_condition(self, store: Store) -> None:
        first = put(store, "a", large(1), Absent(), argosyuuid="1f")
        assert store.head("a") == first
        assert read(store, "a", etag=first.etag) == large(1)
        with pytest.raises(Exists):
            put(store, "a", large(2), Absent())
        second = put(store, "a", large(3), Unchanged(first.etag))
        with pytest.raises(Changed):
            put(store, "a", large(2), Unchanged(first.etag))
        assert store.head("a") == second
        assert read(store, "a") == large(3)

    def test_of_many_who_send_parts_to_a_free_key_one_gets_it(self, store: Store) -> None:
        start = threading.Barrier(3)
        won, errors = [], []

        def attempt(number: int) -> None:
            data = bytes([number]) * LARGE
            start.wait()
            try:
                put(store, "a", data, Absent())
            except Exists:
                return
            except Exception as error:  # noqa: BLE001 - a thread that dies would say nothing
                errors.append(error)
            won.append(data)

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert [read(store, "a")] == won

    def test_a_source_that_broke_leaves_nothing(self, store: Store) -> None:
        with pytest.raises(Changed, match="has become shorter"):
            store.put("a", Broken(), metadata={}, condition=Absent())
        with pytest.raises(NotFound):
            store.head("a")

    @pytest.fixture
    def apart(self, store: Store) -> Store:
        """The store where its server is another process."""
        return store

    def test_memory_is_bounded_whatever_the_size(self, apart: Store) -> None:
        put(apart, "known", bytes(LARGE))
        assert peak_of(lambda: apart.put("a", Zeros(200 << 20), metadata={})) < 120 << 20
        assert peak_of(lambda: [None for _ in apart.get("a")]) < 60 << 20

    def test_when_an_object_was_written_is_told(self, store: Store) -> None:
        made = put(store, "a", b"x")
        assert abs(made.modified_ns - time.time_ns()) < 60 * 10**9
        assert made.modified_ns == store.head("a").modified_ns == next(iter(store.list(""))).modified_ns

    def test_what_the_store_can_do_is_found_out(self, store: Store) -> None:
        found = store.probe()
        assert found.conditions
        assert found.checksums
        assert found.copies
        assert found.multipart
        assert list(store.list("")) == []

    def test_what_a_store_that_verifies_nothing_holds_is_read_back(self, store: Store, monkeypatch) -> None:
        asked = []
        holds = type(store).holds
        monkeypatch.setattr(type(store), "holds", lambda *args: asked.append(holds(*args)) or asked[-1])
        for name in ("sums", "blocks"):
            store.verifies(name, lambda: False)
        made = put(store, "a", b"whole", Absent())
        assert asked == [True]
        assert store.holds(made, Bytes(b"whole"))
        assert not store.holds(made, Bytes(b"other"))
        assert not store.holds(made, Bytes(b"whole, and more"))
