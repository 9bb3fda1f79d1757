import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core import failpoints
from argosy.core.config import SETTINGS
from argosy.core.errors import Changed, Corrupt, NotFound, Refused, Unavailable
from argosy.core.options import options, parse
from argosy.stores._http.patience import Patience
from argosy.stores.base import STORES, Absent, Object
from argosy.stores.gcs import GcsStore
from tests.contracts.store import StoreContract, put, read
from tests.contracts.troubles import TroubleContract, large
from tests.gcs_double import Double, double_apart, running_double
from tests.servers import free_ports


class Hasty(GcsStore):
    """Ours with little patience."""

    patience = Patience(connect=2, pause=0.01)


@pytest.fixture(scope="session")
def double() -> Iterator[Double]:
    with running_double() as double:
        yield double


@pytest.fixture(scope="session")
def bucket(double: Double) -> str:
    return double.bucket()


@pytest.fixture
def settings(double: Double, bucket: str) -> dict[str, object]:
    return {**double.settings(bucket), "prefix": uuid.uuid4().hex[:8], "tries": 3, "timeout": 20}


@pytest.fixture
def hasty(settings: dict[str, object]) -> Hasty:
    return Hasty(**settings)


class TestGcsStore(StoreContract):
    @pytest.fixture
    def store(self, hasty: Hasty) -> Hasty:
        return hasty


class TestTroubles(TroubleContract):
    PUT = "POST /upload"
    PART = "PUT /upload"
    LAST = ("PUT /upload", "", "", "lost")
    COPY = "rewriteTo"

    @pytest.fixture
    def store(self, hasty: Hasty) -> Hasty:
        return hasty

    @pytest.fixture
    def endpoint(self, double: Double) -> str:
        return double.url

    @pytest.fixture
    def apart(self) -> Iterator[Hasty]:
        with double_apart() as settings:
            yield Hasty(**settings)


def test_settings_are_read_from_a_configuration_and_the_secret_is_not_shown(settings: dict[str, object]) -> None:
    store = parse(STORES.get("gcs"), settings, noun="datastore cloud")
    assert isinstance(store, GcsStore)
    assert "PRIVATE" not in repr(store)
    assert {option.name for option in options(GcsStore)} == set(SETTINGS["GCS"])


@pytest.mark.feature("HUB-BW-010")
def test_the_credentials_may_be_in_a_file_or_given_as_they_are(settings: dict[str, object], tmp_path: Path) -> None:
    account = str(settings["credentialsfile"])
    file = tmp_path / "account.json"
    file.write_text(account)
    for number, said in enumerate([account, str(file)]):
        assert put(Hasty(**settings | {"credentialsfile": said}), str(number), b"x", Absent()).size == 1


def test_credentials_that_cannot_be_used_are_named(settings: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "other").write_text("{}")
    for file in (tmp_path / "missing", tmp_path / "other"):
        store = Hasty(**settings | {"credentialsfile": str(file)})
        with pytest.raises(Refused, match="credentials file cannot be used"):
            store.head("a")


def test_credentials_that_are_wrong_are_named(settings: dict[str, object], double: Double) -> None:
    account = {**double.account(), "private_key": Double().account()["private_key"]}
    store = Hasty(**settings | {"credentialsfile": json.dumps(account)})
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Refused, match=f"{store.bucket} at {store.endpoint} refused our credentials"):
            verb()


def test_a_token_that_cannot_be_had_now_is_a_passing_trouble(settings: dict[str, object], double: Double) -> None:
    account = {**double.account(), "token_uri": f"http://127.0.0.1:{free_ports(1)[0]}/token"}
    store = Hasty(**settings | {"credentialsfile": json.dumps(account), "tries": 1})
    with pytest.raises(Unavailable, match="does not answer"):
        store.head("a")


def test_a_token_that_is_no_longer_taken_is_renewed(hasty: Hasty, double: Double) -> None:
    put(hasty, "a", b"x")
    double.tokens.clear()
    assert read(hasty, "a") == b"x"


def test_a_bucket_that_is_missing_is_no_missing_object(settings: dict[str, object]) -> None:
    store = Hasty(**settings | {"bucket": "no-such-bucket"})
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Refused, match=r"bucket no-such-bucket at .* does not exist"):
            verb()


def test_an_object_that_is_missing_is_no_missing_bucket_whatever_its_name(hasty: Hasty) -> None:
    with pytest.raises(NotFound) as raised:
        hasty.head("The specified bucket does not exist.")
    assert raised.value.code == "object_gone"
    with pytest.raises(NotFound):
        list(hasty.get("The specified bucket does not exist."))


def test_a_list_goes_on_beyond_the_first_page(hasty: Hasty, double: Double) -> None:
    bucket = double.buckets[hasty.bucket]
    for number in range(2005):
        double.store(bucket, {"name": f"{hasty.prefix}/{number:04d}"}, b"", {}, "")
    assert [found.key for found in hasty.list("")] == [f"{number:04d}" for number in range(2005)]


@pytest.mark.parametrize("size", [5, 9 << 20])
def test_an_object_that_was_changed_on_its_way_is_refused(hasty: Hasty, double: Double, size: int) -> None:
    put(hasty, "known", b"x")
    double.mangling = True
    try:
        with pytest.raises(Corrupt, match="arrived"):
            put(hasty, "a", b"y" * size)
    finally:
        double.mangling = False
    assert [found.key for found in hasty.list("")] == ["known"]


@pytest.mark.parametrize("size", [5, 9 << 20])
def test_what_a_server_made_of_other_bytes_is_removed(hasty: Hasty, double: Double, size: int) -> None:
    put(hasty, "known", b"x")
    double.mangling = double.lying = True
    try:
        with pytest.raises(Corrupt):
            put(hasty, "a", b"y" * size)
    finally:
        double.mangling = double.lying = False
    assert [found.key for found in hasty.list("")] == ["known"]


def test_that_a_server_looks_at_no_checksum_is_found_out(hasty: Hasty, double: Double) -> None:
    double.lying = True
    try:
        assert not hasty.probe().checksums
    finally:
        double.lying = False
    assert hasty.probe().checksums


def test_a_failure_after_a_part_leaves_nothing(hasty: Hasty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_points", {"hsm:part": ("error", 2)})
    monkeypatch.setattr(failpoints, "_hits", {})
    with pytest.raises(OSError, match="hsm:part"):
        put(hasty, "a", large(1))
    assert list(hasty.list("")) == []


@pytest.mark.parametrize("trouble", ["forgetting", "halving"])
def test_an_upload_that_the_server_forgot_begins_again(hasty: Hasty, double: Double, trouble: str) -> None:
    put(hasty, "known", b"x")
    setattr(double, trouble, True)
    put(hasty, "a", large(1), Absent())
    assert not getattr(double, trouble)
    assert read(hasty, "a") == large(1)


def test_a_generation_is_read_whatever_came_after_it(settings: dict[str, object], double: Double) -> None:
    store = Hasty(**settings | {"bucket": double.bucket(versioning=True)})
    first = put(store, "a", b"first")
    assert first.version == ""
    put(store, "a", b"second")
    assert read(store, "a", version=first.etag) == b"first"
    with pytest.raises(Changed):
        read(store, "a", etag=first.etag)


def test_an_object_replaced_just_before_it_is_copied_is_not_copied(hasty: Hasty, monkeypatch) -> None:
    made = put(hasty, "a", b"first")
    copied = Hasty._copied

    def replaced(store: Hasty, *args: object) -> Object:
        put(store, "a", b"other")
        return copied(store, *args)

    monkeypatch.setattr(Hasty, "_copied", replaced)
    with pytest.raises(Changed, match="replaced before"):
        hasty.copy("a", "b", etag=made.etag)
    assert [found.key for found in hasty.list("")] == ["a"]


def test_new_objects_are_of_the_class_and_under_the_key_that_were_asked_for(settings, double: Double) -> None:
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    store = Hasty(**settings | {"storage_class": "NEARLINE", "kms_key_id": key})
    made = put(store, "a", b"x")
    put(store, "b", bytes(9 << 20))
    store.copy("a", "c", etag=made.etag)
    kept = double.buckets[store.bucket].live
    assert {kept[f"{store.prefix}/{name}"].resource["storageClass"] for name in "abc"} == {"NEARLINE"}
    assert {kept[f"{store.prefix}/{name}"].resource["kmsKeyName"] for name in "abc"} == {key}
