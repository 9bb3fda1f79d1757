import os
import random
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from argosy.core import failpoints
from argosy.core.errors import Changed, Corrupt, Exhausted, Exists, NotFound, Unavailable
from argosy.core.options import options, parse
from argosy.stores._http.patience import Patience
from argosy.stores._s3 import multipart
from argosy.stores.base import STORES, Absent, Object, Unchanged
from argosy.stores.s3 import S3Store
from tests.contracts.store import Broken, Bytes, StoreContract, put, read
from tests.servers import SeaweedFS, free_ports
from tests.stores.faulty import Faulty, standing_before


class Hasty(S3Store):
    """Ours with little patience, and parts as small as S3 lets them be."""

    waiting = Patience(connect=2, answer=20, tries=3, pause=0.01)
    single = 6 << 20
    whole_copy = 7 << 20


@pytest.fixture(scope="session")
def bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.bucket()


@pytest.fixture
def settings(seaweedfs: SeaweedFS, bucket: str) -> dict[str, str]:
    return {**seaweedfs.settings(bucket), "prefix": uuid.uuid4().hex[:8]}


@pytest.fixture
def hasty(settings: dict[str, str]) -> Hasty:
    return Hasty(**settings)


@pytest.fixture
def faulty(seaweedfs: SeaweedFS) -> Iterator[tuple[Faulty, str]]:
    with standing_before(seaweedfs.endpoint) as standing:
        yield standing


@pytest.fixture
def through(settings: dict[str, str], faulty: tuple[Faulty, str]) -> Hasty:
    """A store that reaches the server through the faulty proxy, and has found out what it verifies."""
    store = Hasty(**settings | {"endpoint": faulty[1]})
    store.probe()
    return store


@pytest.fixture
def proxy(faulty: tuple[Faulty, str]) -> Faulty:
    return faulty[0]


class TestS3Store(StoreContract):
    @pytest.fixture
    def store(self, settings: dict[str, str]) -> S3Store:
        return S3Store(**settings)


class TestS3StoreInParts(StoreContract):
    """The same promises where everything beyond 6 MiB goes in parts."""

    @pytest.fixture
    def store(self, hasty: Hasty) -> S3Store:
        return hasty


def big(seed: int, size: int = (33 << 20) + 5) -> bytes:
    return random.Random(seed).randbytes(size)


def uploads(seaweedfs: SeaweedFS, store: S3Store) -> list[str]:
    found = seaweedfs.client().list_multipart_uploads(Bucket=store.bucket, Prefix=store.prefix).get("Uploads", [])
    return [upload["Key"] for upload in found]


def test_settings_are_read_from_a_configuration_and_the_secret_is_not_shown() -> None:
    store = parse(STORES.get("S3".lower()), {"bucket": "b", "secretaccesskey": "hush"}, noun="datastore cloud")
    assert isinstance(store, S3Store)
    assert "hush" not in repr(store)
    assert {option.name for option in options(S3Store)} >= {"bucket", "endpoint", "region", "accesskeyid"}


def test_a_large_object_goes_in_parts_under_a_condition(hasty: Hasty, seaweedfs: SeaweedFS) -> None:
    data = big(1)
    first = put(hasty, "a", data, Absent(), argosyuuid="1f")
    assert first.etag.strip('"').endswith("-3")
    assert hasty.head("a").etag == first.etag
    assert read(hasty, "a", etag=first.etag) == data
    with pytest.raises(Exists):
        put(hasty, "a", big(2), Absent())
    with pytest.raises(Changed):
        put(hasty, "a", big(2), Unchanged('"0123456789abcdef0123456789abcdef-3"'))
    assert hasty.head("a").etag == first.etag
    put(hasty, "a", big(3), Unchanged(first.etag))
    assert read(hasty, "a") == big(3)
    assert uploads(seaweedfs, hasty) == []


def test_parts_of_a_source_that_broke_are_not_left(hasty: Hasty, seaweedfs: SeaweedFS) -> None:
    with pytest.raises(Changed):
        hasty.put("a", Broken(), metadata={})
    assert uploads(seaweedfs, hasty) == []
    with pytest.raises(NotFound):
        hasty.head("a")


def test_a_failure_after_a_part_leaves_nothing(
    hasty: Hasty, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failpoints, "_points", {"hsm:part": ("error", 2)})
    monkeypatch.setattr(failpoints, "_hits", {})
    with pytest.raises(OSError, match="hsm:part"):
        put(hasty, "a", big(1))
    assert uploads(seaweedfs, hasty) == []
    assert list(hasty.list("")) == []


def test_parts_are_few_enough_for_any_size() -> None:
    for size in (1, 64 << 20, 10**10, 10_000 * (16 << 20), 10_000 * (16 << 20) + 1, 10**12, 5 << 40):
        step = multipart.part_size(size)
        assert step >= 16 << 20
        assert step % (1 << 20) == 0
        assert -(-size // step) <= 10_000


def test_memory_is_bounded_whatever_the_size(settings: dict[str, str]) -> None:
    class Zeros:
        size = 400 << 20
        out = 0

        def read(self, offset: int, length: int) -> bytes:
            return bytes(length)

    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    S3Store(**settings).put("a", Zeros(), metadata={})
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    assert (int(peak[1]) << 10) - before < 120 << 20


def test_a_large_copy_is_made_in_parts_with_its_metadata(hasty: Hasty) -> None:
    data = big(1, 20 << 20)
    made = put(hasty, "a", data, argosyuuid="1f")
    copied = hasty.copy("a", ".argosy/versions/1", etag=made.etag)
    assert copied.metadata == {"argosyuuid": "1f"}
    assert read(hasty, ".argosy/versions/1") == data


@pytest.mark.parametrize("size", [10, 8 << 20])
def test_an_object_replaced_just_before_it_is_copied_is_not_copied(
    hasty: Hasty, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    made = put(hasty, "a", b"1" * size)
    looked = Hasty.check_free

    def replaced(store: Hasty, key: str) -> None:
        looked(store, key)
        put(store, "a", b"2" * size)

    monkeypatch.setattr(Hasty, "check_free", replaced)
    monkeypatch.setattr(Hasty, "delete", lambda *_: pytest.fail("there was something to remove"))
    with pytest.raises(Changed):
        hasty.copy("a", "b", etag=made.etag)
    assert [found.key for found in hasty.list("")] == ["a"]
    assert uploads(seaweedfs, hasty) == []


def test_a_copy_that_cannot_be_verified_is_removed(hasty: Hasty, monkeypatch: pytest.MonkeyPatch) -> None:
    made = put(hasty, "a", b"first")
    looked = Hasty.check_free

    def replaced(store: Hasty, key: str) -> None:
        looked(store, key)
        put(store, "a", b"other")

    def unconditional(store: Hasty, found: Object) -> dict[str, object]:
        return {"CopySource": {"Bucket": store.bucket, "Key": store.name(found.key)}}

    monkeypatch.setattr(Hasty, "check_free", replaced)
    monkeypatch.setattr(Hasty, "_origin", unconditional)
    with pytest.raises(Changed):
        hasty.copy("a", "b", etag=made.etag)
    assert [found.key for found in hasty.list("")] == ["a"]


def test_a_copy_that_is_none_is_removed(hasty: Hasty, monkeypatch: pytest.MonkeyPatch) -> None:
    made = put(hasty, "a", b"first")
    whole = hasty._boto.copy_object

    def something_else(**options: object) -> None:
        whole(**options)
        put(hasty, "b", b"other")

    monkeypatch.setattr(hasty._boto, "copy_object", something_else)
    with pytest.raises(Corrupt, match="removed"):
        hasty.copy("a", "b", etag=made.etag)
    assert [found.key for found in hasty.list("")] == ["a"]


def test_an_object_that_was_changed_on_its_way_is_refused(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "flip")
    with pytest.raises((Corrupt, Unavailable)):
        put(through, "a", b"precious")
    assert list(through.list("")) == []


@pytest.mark.parametrize("data", [b"bytes", b"b" * (7 << 20)], ids=["whole", "part"])
def test_an_object_that_was_changed_together_with_its_checksums_is_refused(
    through: Hasty, proxy: Faulty, data: bytes
) -> None:
    proxy.add("PUT /", "forge")
    with pytest.raises(Corrupt):
        put(through, "a", data)
    with pytest.raises(NotFound):
        through.head("a")


def test_a_part_that_was_changed_on_its_way_is_refused(through: Hasty, proxy: Faulty) -> None:
    through.verifies("parts", lambda: True)
    proxy.add("partNumber=2", "flip")
    with pytest.raises(Corrupt):
        put(through, "a", big(1))
    assert list(through.list("")) == []


def test_that_a_store_verifies_is_found_out(hasty: Hasty) -> None:
    assert hasty._refuses_wrong_sums()
    assert hasty._refuses_wrong_parts()
    assert list(hasty.list("")) == []


def test_that_a_store_verifies_nothing_is_found_out(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "yes")
    assert not through._refuses_wrong_sums()
    proxy.add("partNumber=1", "yes")
    assert not through._refuses_wrong_parts()


def test_what_a_store_that_verifies_nothing_holds_is_read_back(hasty: Hasty, seaweedfs: SeaweedFS) -> None:
    hasty.verifies("sums", lambda: False)
    made = put(hasty, "a", b"whole", Absent())
    assert hasty.holds(made, Bytes(b"whole"))
    assert not hasty.holds(made, Bytes(b"other"))
    assert not hasty.holds(made, Bytes(b"whole, and more"))


def test_a_store_that_gives_back_other_bytes_is_found_out(hasty: Hasty) -> None:
    class Fickle(Bytes):
        """Stands for a store that lies: what is compared is not what was sent."""

        reads = 0

        def read(self, offset: int, length: int) -> bytes:
            self.reads += 1
            return super().read(offset, length) if self.reads == 1 else b"*" * length

    hasty.verifies("sums", lambda: False)
    with pytest.raises(Corrupt, match="does not give back"):
        hasty.put("a", Fickle(b"whole"), metadata={})
    assert list(hasty.list("")) == []


def test_a_reply_lost_after_a_put_is_no_failure(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "lost")
    made = put(through, "a", b"whole", Absent(), argosyuuid="1f")
    assert through.head("a") == made
    assert sum(line.startswith("PUT") and line.endswith("/a") for line in proxy.seen) == 2


def test_a_reply_lost_after_a_replacement_is_no_failure(through: Hasty, proxy: Faulty) -> None:
    first = put(through, "a", b"first", argosyuuid="1f")
    proxy.add("PUT", "lost")
    made = put(through, "a", b"second", Unchanged(first.etag), argosyuuid="2f")
    assert (through.head("a"), read(through, "a")) == (made, b"second")


@pytest.mark.parametrize("condition", [Absent(), None])
def test_a_reply_lost_after_a_multipart_put_is_no_failure(through: Hasty, proxy: Faulty, condition) -> None:
    proxy.add("POST /", "", "lost")  # the first begins the upload, the second completes it
    through.verifies("parts", lambda: True)
    made = put(through, "a", big(1), condition, argosyuuid="1f")
    assert (through.head("a").etag, read(through, "a") == big(1)) == (made.etag, True)


def test_a_key_taken_by_another_while_the_reply_was_lost_is_not_ours(through: Hasty, proxy: Faulty) -> None:
    put(through, "a", b"theirs", argosyuuid="1f")
    proxy.add("PUT", "503")
    with pytest.raises(Exists):
        put(through, "a", b"ours!!", Absent(), argosyuuid="1f")
    assert read(through, "a") == b"theirs"


def test_a_passing_trouble_is_ridden_out(through: Hasty, proxy: Faulty) -> None:
    proxy.add("", "503", "503")
    put(through, "a", b"whole")
    proxy.add("", "503", "lost")
    assert read(through, "a") == b"whole"
    proxy.add("", "lost", "503")
    assert [found.key for found in through.list("")] == ["a"]


def test_a_lasting_trouble_names_the_store(through: Hasty, proxy: Faulty) -> None:
    proxy.always = "503"
    for verb in (lambda: put(through, "a", b"x"), lambda: read(through, "a"), through.probe, lambda: through.head("a")):
        with pytest.raises(Unavailable, match=rf"{through.bucket} at {through.endpoint}.*503"):
            verb()


def test_a_full_store_is_exhausted(through: Hasty, proxy: Faulty) -> None:
    proxy.always = "507"
    with pytest.raises(Exhausted, match="full"):
        put(through, "a", b"x")
    assert [line for line in proxy.seen if line.endswith("/a")] == [proxy.seen[-1]]


def test_a_store_that_never_answers_is_given_up(through: Hasty, proxy: Faulty) -> None:
    class Hastier(Hasty):
        waiting = Patience(connect=1, answer=0.3, tries=3, pause=0.01)

    store = Hastier(**asdict(through))
    proxy.always = "hang"
    begun = time.monotonic()
    for verb in (lambda: put(store, "a", b"x"), lambda: store.head("a"), lambda: list(store.list(""))):
        with pytest.raises(Unavailable, match="does not answer"):
            verb()
    assert time.monotonic() - begun < 20


def test_a_store_that_is_not_there_is_given_up(settings: dict[str, str]) -> None:
    store = Hasty(**settings | {"endpoint": f"http://127.0.0.1:{free_ports(1)[0]}"})
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Unavailable, match="does not answer"):
            verb()


def test_with_our_own_patience_a_store_that_is_not_there_is_given_up_within_a_minute() -> None:
    assert sum(Patience().pauses()) < 20


@pytest.mark.parametrize("size", [100_000, 20 << 20])
def test_a_reply_that_breaks_off_is_taken_up_where_it_broke(through: Hasty, proxy: Faulty, size: int) -> None:
    data = big(1, size)
    made = put(through, "a", data)
    proxy.add("GET", "truncate", "truncate")
    assert read(through, "a", etag=made.etag) == data


def test_a_reply_that_breaks_off_is_not_continued_with_another_object(through: Hasty, proxy: Faulty) -> None:
    put(through, "a", big(1, 20 << 20))
    proxy.add("GET", "truncate")
    chunks = through.get("a")
    assert big(1, 20 << 20).startswith(next(chunks))
    put(through, "a", big(2, 20 << 20))
    with pytest.raises(Changed):
        list(chunks)


def test_credentials_that_are_wrong_are_named(seaweedfs: SeaweedFS, bucket: str) -> None:
    store = Hasty(**seaweedfs.settings(bucket) | {"secretaccesskey": "verysecretmistake"})
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Unavailable, match=f"{bucket} at {store.endpoint} refused our credentials") as caught:
            verb()
        assert "verysecretmistake" not in str(caught.value)


def test_a_bucket_that_is_missing_is_no_missing_object(seaweedfs: SeaweedFS) -> None:
    store = Hasty(**seaweedfs.settings("no-such-bucket"))
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Unavailable, match=r"bucket no-such-bucket at .* does not exist"):
            verb()


def test_a_list_goes_on_beyond_the_first_page(hasty: Hasty, seaweedfs: SeaweedFS) -> None:
    client = seaweedfs.client()
    for number in range(1005):
        client.put_object(Bucket=hasty.bucket, Key=f"{hasty.prefix}/{number:04d}", Body=b"")
    assert [found.key for found in hasty.list("")] == [f"{number:04d}" for number in range(1005)]


def test_without_a_prefix_keys_are_as_they_are(seaweedfs: SeaweedFS) -> None:
    store = Hasty(**seaweedfs.settings(seaweedfs.bucket()))
    put(store, "a/b", b"x")
    assert seaweedfs.client().list_objects_v2(Bucket=store.bucket)["Contents"][0]["Key"] == "a/b"
