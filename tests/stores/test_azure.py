import base64
import gzip
import hashlib
import hmac
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from azure.storage.blob import ContentSettings

from argosy.core import failpoints
from argosy.core.config import SETTINGS
from argosy.core.errors import Changed, Corrupt, Denied, Refused, Restoring
from argosy.core.options import options, parse
from argosy.stores._azure import blocks
from argosy.stores._http.patience import Patience
from argosy.stores.azure import AzureStore
from argosy.stores.base import STORES, Absent, Object
from tests.contracts.store import StoreContract, put, read
from tests.contracts.troubles import TroubleContract, large
from tests.servers import AZURITE_KEY, Azurite
from tests.stores.faulty import Faulty, standing_before


class Hasty(AzureStore):
    """Ours with little patience, blocks from a few MiB on, and short pages."""

    patience = Patience(connect=2, pause=0.01)
    single = 6 << 20
    page = 100


@pytest.fixture(scope="session")
def container(azurite: Azurite) -> str:
    return azurite.container()


@pytest.fixture
def settings(azurite: Azurite, container: str) -> dict[str, object]:
    return {**azurite.settings(container), "prefix": uuid.uuid4().hex[:8], "tries": 3, "timeout": 20}


@pytest.fixture
def hasty(settings: dict[str, object]) -> Hasty:
    return Hasty(**settings)


class TestAzureStore(StoreContract):
    @pytest.fixture
    def store(self, settings: dict[str, object]) -> AzureStore:
        return AzureStore(**settings)


class TestAzureStoreInBlocks(StoreContract):
    """The same promises where everything beyond 6 MiB goes in blocks."""

    @pytest.fixture
    def store(self, hasty: Hasty) -> Hasty:
        return hasty


class TestTroubles(TroubleContract):
    PUT = "/a"
    PART = "comp=block&"
    LAST = ("comp=blocklist", "lost")
    COPY = "/b"

    @pytest.fixture
    def store(self, hasty: Hasty) -> Hasty:
        return hasty

    @pytest.fixture
    def endpoint(self, azurite: Azurite) -> str:
        return azurite.endpoint

    def reached(self, store: AzureStore, endpoint: str, **settings: object) -> AzureStore:
        return super().reached(store, endpoint.removesuffix("/devstoreaccount1") + "/devstoreaccount1", **settings)


SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


def signed(command: str, path: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers with a signature of the test account, as Microsoft's page on Shared Key wants it."""
    split = urlsplit(path)
    query = sorted((name.lower(), value) for name, value in parse_qsl(split.query))
    own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    plain = {name.lower(): value for name, value in headers.items()}
    text = [command, *(plain.get(name, "") for name in SIGNED)]
    text += [f"{name}:{value}" for name, value in own]
    text += [f"/devstoreaccount1{split.path}", *(f"{name}:{value}" for name, value in query)]
    made = hmac.new(base64.b64decode(AZURITE_KEY), "\n".join(text).encode(), hashlib.sha256).digest()
    return {**headers, "Authorization": f"SharedKey devstoreaccount1:{base64.b64encode(made).decode()}"}


@pytest.fixture
def faulty(azurite: Azurite) -> Iterator[tuple[Faulty, str]]:
    with standing_before(azurite.endpoint) as (proxy, url):
        proxy.sign = signed
        yield proxy, url


@pytest.fixture
def proxy(faulty: tuple[Faulty, str]) -> Faulty:
    return faulty[0]


@pytest.fixture
def through(hasty: Hasty, faulty: tuple[Faulty, str]) -> Hasty:
    """A store that reaches the server through the faulty proxy, and has found out what it verifies."""
    store = replace(hasty, endpoint=f"{faulty[1]}/devstoreaccount1")
    store.probe()
    return store


def test_settings_are_read_from_a_configuration_and_the_secret_is_not_shown(settings: dict[str, object]) -> None:
    store = parse(STORES.get("azure"), settings, noun="datastore cloud")
    assert isinstance(store, AzureStore)
    assert store.accesskey not in repr(store)
    assert {option.name for option in options(AzureStore)} == set(SETTINGS["AZURE"])


def test_a_failure_after_a_block_leaves_nothing_to_be_seen(hasty: Hasty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_points", {"hsm:part": ("error", 2)})
    monkeypatch.setattr(failpoints, "_hits", {})
    with pytest.raises(OSError, match="hsm:part"):
        put(hasty, "a", large(1))
    assert list(hasty.list("")) == []
    monkeypatch.undo()
    put(hasty, "a", large(2), Absent())
    assert read(hasty, "a") == large(2)


def test_blocks_are_few_enough_for_any_size() -> None:
    for size in (1, 64 << 20, 10**10, 50_000 * (16 << 20), 50_000 * (16 << 20) + 1, 10**14, 190 << 40):
        step = blocks.block_size(size)
        assert step >= 16 << 20
        assert step % (1 << 20) == 0
        assert -(-size // step) <= 50_000


def test_an_object_that_was_changed_on_its_way_is_refused(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "flip")
    with pytest.raises(Corrupt):
        put(through, "a", b"precious")
    assert list(through.list("")) == []


def test_an_object_that_was_forged_on_its_way_is_removed(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "forge")
    with pytest.raises(Corrupt, match="arrived"):
        put(through, "a", b"precious", Absent())
    assert list(through.list("")) == []


def test_that_a_server_looks_at_no_checksum_is_found_out(through: Hasty, proxy: Faulty) -> None:
    proxy.add("PUT", "forge", "forge")
    assert not through._refuses_wrong_sums()
    assert list(through.list("")) == []
    assert not through._refuses_wrong_blocks()


def test_an_object_in_the_archive_tier_is_asked_back(hasty: Hasty, azurite: Azurite) -> None:
    made = put(hasty, "a", b"cold")
    blob = azurite.client().get_blob_client(hasty.container, f"{hasty.prefix}/a")
    blob.set_standard_blob_tier("Archive")
    assert hasty.head("a").size == 4
    for verb in (lambda: read(hasty, "a", etag=made.etag), lambda: hasty.copy("a", "b", etag=hasty.head("a").etag)):
        blob.set_standard_blob_tier("Archive")
        with pytest.raises(Restoring, match=r"^object a in .* archive tier: its restore was requested, ask again in"):
            verb()
        assert blob.get_blob_properties().blob_tier == "Hot"
    assert read(hasty, "a") == b"cold"


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


def test_an_object_that_is_protected_is_not_deleted(hasty: Hasty, azurite: Azurite) -> None:
    put(hasty, "a", b"precious")
    azurite.client().get_blob_client(hasty.container, f"{hasty.prefix}/a").create_snapshot()
    with pytest.raises(Denied, match="SnapshotsPresent"):
        hasty.delete("a")
    assert read(hasty, "a") == b"precious"


def test_an_object_that_others_stored_compressed_is_read_as_it_is_kept(hasty: Hasty, azurite: Azurite) -> None:
    data = gzip.compress(b"theirs" * 1000)
    blob = azurite.client().get_blob_client(hasty.container, f"{hasty.prefix}/a")
    blob.upload_blob(data, content_settings=ContentSettings(content_encoding="gzip"))
    assert read(hasty, "a") == data
    assert read(hasty, "a", offset=5, length=20) == data[5:25]


def test_dots_at_the_end_of_names_are_written_so_that_azure_keeps_them(hasty: Hasty, azurite: Azurite) -> None:
    wanted = {"a.", "a..", "b./c", "b.c", "..d", "%2E", "a"}
    for key in wanted:
        put(hasty, key, key.encode())
    names = {blob.name for blob in azurite.client().get_container_client(hasty.container).list_blobs(hasty.prefix)}
    assert [name for name in names if re.search(r"\.(/|\Z)", name)] == []
    for prefix in ("", "a", "a.", "a..", "b.", "b./", "b.c"):
        assert {found.key for found in hasty.list(prefix)} == {key for key in wanted if key.startswith(prefix)}
    assert all(read(hasty, key) == key.encode() for key in wanted)


def test_a_list_goes_on_beyond_the_first_page(hasty: Hasty, azurite: Azurite) -> None:
    container = azurite.client().get_container_client(hasty.container)
    with ThreadPoolExecutor(8) as threads:
        wanted = [f"{number:04d}" for number in range(250)]
        list(threads.map(lambda name: container.upload_blob(f"{hasty.prefix}/{name}", b"", length=0), wanted))
    assert [found.key for found in hasty.list("")] == wanted


def test_credentials_that_are_wrong_are_named(settings: dict[str, object]) -> None:
    for key in (base64.b64encode(b"mistake" * 8).decode(), "no base64"):
        store = Hasty(**settings | {"accesskey": key})
        for verb in (Hasty.probe, lambda store: store.head("a"), lambda store: read(store, "a")):
            with pytest.raises(Refused, match=f"{store.container} of .* refused our credentials") as caught:
                verb(store)
            assert key not in str(caught.value)


def test_a_container_that_is_missing_is_no_missing_object(settings: dict[str, object]) -> None:
    store = Hasty(**settings | {"container": "no-such-container"})
    for verb in (store.probe, lambda: store.head("a"), lambda: list(store.list("")), lambda: read(store, "a")):
        with pytest.raises(Refused, match=r"container no-such-container of .* does not exist"):
            verb()


def test_without_an_endpoint_it_is_azure_itself(settings: dict[str, object]) -> None:
    store = Hasty(**settings | {"endpoint": ""})
    assert store._blob("a").url.startswith("https://devstoreaccount1.blob.core.windows.net/")
