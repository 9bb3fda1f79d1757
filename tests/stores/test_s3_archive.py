"""Objects in archive classes: asked back once, read when they are there, sent and copied so that nothing is lost."""

import random
from collections.abc import Iterator

import pytest

from argosy.core.errors import Restoring, Unsupported
from argosy.stores import keys
from argosy.stores._http.patience import Patience
from argosy.stores.base import Absent
from argosy.stores.s3 import S3Store
from tests.contracts.store import put, read
from tests.stores.bucket import Bucket, serving

SIDECAR = ".argosy/meta/6b1d6c1e-7c6a-4c1a-9a33-000000000001"
DOOMED = keys.doomed("a", bytes(16))


class Quick(S3Store):
    waiting = Patience(connect=2, answer=20, tries=2, pause=0.01)
    single = 6 << 20
    whole_copy = 7 << 20


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def settings(bucket: Bucket) -> Iterator[dict[str, str]]:
    with serving(bucket) as settings:
        yield settings


@pytest.fixture(params=["GLACIER", "DEEP_ARCHIVE"])
def cold(request: pytest.FixtureRequest, settings: dict[str, str]) -> S3Store:
    return Quick(**settings, storage_class=request.param, restore_days=3)


def big(size: int = 13 << 20) -> bytes:
    return random.Random(1).randbytes(size)


def restores(bucket: Bucket) -> list[str]:
    return [path for method, path, _ in bucket.seen if method == "POST" and "restore" in path]


def test_an_archived_object_is_asked_back_once_and_read_when_it_is_there(cold: S3Store, bucket: Bucket) -> None:
    made = put(cold, "a", b"cold", Absent(), argosyuuid="1f")
    assert cold.head("a").etag == made.etag
    with pytest.raises(Restoring, match=r"object a in bucket bkt .* its restore was requested, ask again in about"):
        read(cold, "a")
    for _ in range(3):
        with pytest.raises(Restoring, match="is being restored"):
            read(cold, "a", etag=made.etag)
    assert len(restores(bucket)) == 1
    assert b"<Days>3</Days>" in bucket.restores[0]
    assert b"<Tier>Standard</Tier>" in bucket.restores[0]
    bucket.finish_restores()
    assert read(cold, "a", etag=made.etag) == b"cold"


def test_of_two_who_ask_at_once_both_are_told_that_it_is_under_way(
    cold: S3Store, bucket: Bucket, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cold, "a", b"cold")
    looked = cold._boto.head_object

    def overtaken(**place: str) -> object:
        found = looked(**place)
        bucket.find("a").ongoing = True  # somebody else's request arrives between our look and ours
        return found

    monkeypatch.setattr(cold._boto, "head_object", overtaken)
    with pytest.raises(Restoring, match="was requested"):
        read(cold, "a")
    assert bucket.restores == []
    assert len(restores(bucket)) == 1


def test_how_soon_it_comes_back_is_as_the_datastore_says(settings: dict[str, str], bucket: Bucket) -> None:
    store = Quick(**settings, storage_class="GLACIER", restore_tier="Bulk")
    put(store, "a", b"cold")
    with pytest.raises(Restoring, match="in about 12 hours"):
        read(store, "a")
    assert b"<Tier>Bulk</Tier>" in bucket.restores[0]
    assert b"<Days>7</Days>" in bucket.restores[0]


def test_an_archived_version_is_asked_back_and_no_other(settings: dict[str, str], bucket: Bucket) -> None:
    bucket.versions = True
    store = Quick(**settings, storage_class="GLACIER")
    first = put(store, "a", b"first")
    put(store, "a", b"second")
    with pytest.raises(Restoring):
        read(store, "a", etag=first.etag, version=first.version)
    assert [one.ongoing for one in bucket.objects["a"]] == [True, False]
    bucket.finish_restores()
    assert read(store, "a", etag=first.etag, version=first.version) == b"first"


@pytest.mark.parametrize("size", [10, 8 << 20])
def test_an_archived_object_is_copied_once_it_is_back_and_the_copy_can_be_read(
    cold: S3Store, bucket: Bucket, size: int
) -> None:
    data = big(size)
    made = put(cold, "a", data, argosyuuid="1f")
    with pytest.raises(Restoring, match="object a "):
        cold.copy("a", ".argosy/versions/x", etag=made.etag)
    assert "x" not in "".join(bucket.objects)
    assert bucket.uploads == {}
    bucket.finish_restores()
    copied = cold.copy("a", ".argosy/versions/x", etag=made.etag)
    assert read(cold, ".argosy/versions/x", etag=copied.etag) == data
    assert copied.metadata == {"argosyuuid": "1f"}


def test_what_one_finds_the_way_by_is_not_archived(cold: S3Store, bucket: Bucket) -> None:
    put(cold, "dir/.argosy-dir", b"")
    put(cold, SIDECAR, b"much metadata")
    put(cold, DOOMED, b"the mark of a run")
    put(cold, "a", b"content")
    put(cold, "b", big())
    kinds = {key: kept[-1].kind for key, kept in bucket.objects.items()}
    assert kinds == {
        "dir/.argosy-dir": "STANDARD",
        SIDECAR: "STANDARD",
        DOOMED: "STANDARD",
        "a": cold.storage_class,
        "b": cold.storage_class,
    }
    assert read(cold, SIDECAR) == b"much metadata"


def test_experiments_are_never_archived(cold: S3Store, bucket: Bucket) -> None:
    cold.probe()
    assert bucket.seen
    assert not [sent for _, _, sent in bucket.seen if "x-amz-storage-class" in sent]


def test_what_could_not_be_read_back_is_not_sent_to_a_store_that_verifies_nothing(
    cold: S3Store, bucket: Bucket
) -> None:
    bucket.checksums = False
    for data in (b"content", big()):
        with pytest.raises(Unsupported, match="choose another storage_class"):
            put(cold, "a", data)
    assert bucket.objects == {}
    assert bucket.uploads == {}


def test_a_put_that_is_repeated_knows_what_it_archived_itself(cold: S3Store, bucket: Bucket) -> None:
    """The first reply is lost: the store says 503 and has the object."""
    cold.probe()
    keep, lost = bucket.keep, [True]

    def losing(key: str, *rest: object) -> object:
        made = keep(key, *rest)
        if lost.pop() if lost else False:
            from tests.stores.bucket import Refusal

            raise Refusal(503, "SlowDown")
        return made

    bucket.keep = losing  # type: ignore[method-assign]
    made = put(cold, "a", b"cold", Absent(), argosyuuid="1f")
    assert cold.head("a").etag == made.etag
    assert len(bucket.objects["a"]) == 1


def test_a_class_that_is_no_archive_is_that_of_copies_too(settings: dict[str, str], bucket: Bucket) -> None:
    store = Quick(**settings, storage_class="STANDARD_IA")
    made = put(store, "a", b"rarely")
    store.copy("a", "b", etag=made.etag)
    assert {kept[-1].kind for kept in bucket.objects.values()} == {"STANDARD_IA"}
    assert read(store, "b") == b"rarely"
