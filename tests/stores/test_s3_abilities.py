"""What a server can do is found out by having it done, and what it cannot do is never relied on."""

import uuid
from collections.abc import Iterator

import msgspec
import pytest

from argosy.core.errors import Changed, Exists, NotFound, Unsupported
from argosy.stores._http.patience import Patience
from argosy.stores.base import Abilities, Absent, Unchanged
from argosy.stores.memory import MemoryStore
from argosy.stores.posix import PosixStore
from argosy.stores.s3 import S3Store
from tests.contracts.store import put, read
from tests.servers import SeaweedFS
from tests.stores.bucket import Bucket, serving

ALL = Abilities(conditions=True, checksums=True, versions=False, copies=True, multipart=True)
LARGE = b"x" * (7 << 20)


class Quick(S3Store):
    waiting = Patience(connect=2, answer=20, tries=2, pause=0.01)
    single = 6 << 20


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def settings(bucket: Bucket) -> Iterator[dict[str, str]]:
    with serving(bucket) as settings:
        yield settings


@pytest.mark.parametrize(
    ("switched", "found"),
    [
        ({}, {}),
        ({"conditions": False}, {"conditions": False}),
        ({"checksums": False}, {"checksums": False}),
        ({"versions": True}, {"versions": True}),
        ({"suspended": True}, {}),
        ({"copies": False}, {"copies": False}),
        ({"parts": False}, {"multipart": False, "conditions": False}),
    ],
)
def test_what_a_server_does_is_found_and_nothing_is_left(
    settings: dict[str, str], bucket: Bucket, switched: dict[str, bool], found: dict[str, bool]
) -> None:
    for name, value in switched.items():
        setattr(bucket, name, value)
    assert Quick(**settings).probe() == msgspec.structs.replace(ALL, **found)
    assert bucket.objects == {}
    assert bucket.uploads == {}


def test_a_store_whose_server_became_another_is_known_anew_after_a_probe(
    settings: dict[str, str], bucket: Bucket
) -> None:
    store = Quick(**settings)
    assert store.probe().conditions
    bucket.conditions = False
    assert not store.probe().conditions
    with pytest.raises(Unsupported):
        put(store, "a", b"x", Absent())


@pytest.mark.parametrize("data", [b"ours", LARGE], ids=["one request", "parts"])
def test_without_conditions_nothing_is_put_under_names_that_others_may_write(
    settings: dict[str, str], bucket: Bucket, data: bytes
) -> None:
    bucket.conditions = False
    store = Quick(**settings)
    theirs = put(store, "a", b"theirs")
    for condition in (Absent(), Unchanged(theirs.etag)):
        with pytest.raises(Unsupported, match=r'object a: .* use layout = "immutable"'):
            put(store, "a", data, condition)
    assert read(store, "a") == b"theirs"
    assert list(bucket.objects) == ["a"]


@pytest.mark.parametrize("data", [b"ours", LARGE], ids=["one request", "parts"])
def test_without_conditions_the_immutable_layout_is_written_after_a_look(
    settings: dict[str, str], bucket: Bucket, data: bytes
) -> None:
    bucket.conditions = False
    store, key = Quick(**settings, layout="immutable"), str(uuid.uuid4())
    made = put(store, key, data, Absent())
    assert read(store, key, etag=made.etag) == data
    with pytest.raises(Exists):
        put(store, key, b"other", Absent())
    with pytest.raises(Unsupported):
        put(store, key, b"other", Unchanged(made.etag))
    assert store.copy(key, ".argosy/versions/x", etag=made.etag).size == len(data)


def test_conditions_are_found_out_before_the_first_put_that_needs_them_and_once(
    settings: dict[str, str], bucket: Bucket
) -> None:
    store = Quick(**settings)
    put(store, "a", b"x")
    before = len(bucket.seen)
    put(store, "b", b"x", Absent())
    between = len(bucket.seen)
    put(store, "c", b"x", Absent())
    assert between - before > 1
    assert len(bucket.seen) - between == 1


def test_a_bucket_whose_versions_are_suspended_keeps_nothing_new_and_what_it_kept(
    settings: dict[str, str], bucket: Bucket
) -> None:
    store = Quick(**settings)
    bucket.versions = True
    first = put(store, "a", b"first")
    bucket.versions, bucket.suspended = False, True
    second = put(store, "a", b"second")
    assert (second.version, store.head("a").version) == ("", "")
    put(store, "a", b"third")
    assert read(store, "a", etag=first.etag, version=first.version) == b"first"
    with pytest.raises(Changed):
        read(store, "a", etag=second.etag, version=second.version)


@pytest.fixture
def versioned(seaweedfs: SeaweedFS) -> Quick:
    name = seaweedfs.bucket()
    seaweedfs.client().put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Quick(**seaweedfs.settings(name))


def test_a_bucket_with_versions_is_told_from_one_without(versioned: Quick, seaweedfs: SeaweedFS) -> None:
    assert versioned.probe() == msgspec.structs.replace(ALL, versions=True)
    left = seaweedfs.client().list_object_versions(Bucket=versioned.bucket)
    assert (left.get("Versions", []), left.get("DeleteMarkers", [])) == ([], [])
    assert Quick(**seaweedfs.settings(seaweedfs.bucket())).probe() == ALL


@pytest.mark.parametrize("size", [10, 7 << 20], ids=["one request", "parts"])
def test_a_version_pins_what_is_read_whatever_came_after(versioned: Quick, size: int) -> None:
    first = put(versioned, "a", b"1" * size, Absent(), argosyuuid="1f")
    second = put(versioned, "a", b"2" * size, Unchanged(first.etag), argosyuuid="2f")
    assert len({first.version, second.version, ""}) == 3
    assert versioned.head("a").version == second.version
    versioned.delete("a")
    with pytest.raises(NotFound):
        versioned.head("a")
    for made, data in ((first, b"1"), (second, b"2")):
        assert read(versioned, "a", etag=made.etag, version=made.version) == data * size
    with pytest.raises(Changed):
        read(versioned, "a", etag=first.etag, version=second.version)
    with pytest.raises(NotFound):
        read(versioned, "b", etag=first.etag, version=first.version)


def test_a_copy_is_of_the_version_that_was_seen(versioned: Quick) -> None:
    put(versioned, "a", b"first")
    seen = put(versioned, "a", b"second", argosyuuid="2f")
    copied = versioned.copy("a", "b", etag=seen.etag)
    put(versioned, "b", b"other")
    assert read(versioned, "b", etag=copied.etag, version=copied.version) == b"second"
    assert copied.metadata == {"argosyuuid": "2f"}


def test_memory_and_directories_keep_what_is_there_and_no_versions(tmp_path) -> None:
    assert MemoryStore().probe() == ALL
    assert PosixStore(path=str(tmp_path)).probe() == msgspec.structs.replace(ALL, checksums=False)


def test_where_deletes_have_no_conditions_we_look_first(settings: dict[str, str], bucket: Bucket) -> None:
    bucket.conditions = False
    store = Quick(**settings)
    first = put(store, "a", b"first")
    second = put(store, "a", b"the second")
    with pytest.raises(Changed, match="a"):
        store.delete("a", etag=first.etag)
    assert read(store, "a") == b"the second"
    store.delete("a", etag=second.etag)
    store.delete("a", etag=second.etag)
    assert list(store.list("")) == []
