"""What a store says of a connection that came to nothing, where somebody can do something about it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from argosy.core.errors import Unavailable
from argosy.stores._gcs import answers as gcs
from argosy.stores._http.sources import Bytes
from argosy.stores.azure import AzureStore
from argosy.stores.s3 import S3Store
from tests.servers import AZURITE_KEY
from tests.stores.tls import certificate_in, listening

HOSTILE = 'error: InvalidCertificate( "dns error", source: MissingEtag, bucket does not exist, mismatch'
"""A key that holds what libraries say of such connections."""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    certificate = certificate_in(tmp_path_factory.mktemp("tls") / "certificate.pem")
    with listening(certificate) as secret, listening() as plain:
        yield {"secret": secret, "plain": plain, "nobody": 9}


def s3(url: str) -> Any:
    return S3Store(bucket="mismatch", endpoint=url, accesskeyid="k", secretaccesskey="s", tries=1, timeout=5)


def s3_put(url: str) -> None:
    s3(url)._put_single(HOSTILE, Bytes(b"one"), {}, None)


def s3_list(url: str) -> None:
    list(s3(url).list(HOSTILE))


def azure_put(url: str) -> None:
    store = AzureStore(
        container="mismatch", storageaccount="mismatch", accesskey=AZURITE_KEY, endpoint=url, tries=1, timeout=5
    )
    store.put(HOSTILE, Bytes(b"one"), metadata={})


def google_get(url: str) -> None:
    with gcs.translated(HOSTILE, f"bucket mismatch at {url}"):
        requests.get(url, timeout=5)


ASKING: list[Callable[[str], None]] = [s3_put, s3_list, azure_put, google_get]
TROUBLE = [
    ("https://127.0.0.1:{secret}", "store_untrusted", "ca_file"),
    ("https://127.0.0.1:{plain}", "store_not_tls", "http://"),
    ("http://no-such-host.invalid", "store_name_unknown", "DNS"),
    ("http://127.0.0.1:{nobody}", "store_down", "no connection"),
]


@pytest.mark.parametrize("asking", ASKING, ids=lambda asking: asking.__name__)
@pytest.mark.parametrize(("url", "code", "remedy"), TROUBLE)
def test_a_connection_that_comes_to_nothing_says_what_it_failed_at_and_what_to_do(
    ports: dict[str, int], asking: Callable[[str], None], url: str, code: str, remedy: str
) -> None:
    endpoint = url.format(**ports)
    with pytest.raises(Unavailable) as raised:
        asking(endpoint)
    assert raised.value.code == code
    assert endpoint in raised.value.message
    assert remedy in raised.value.message


def test_a_page_that_takes_whatever_is_put_is_no_store(ports: dict[str, int]) -> None:
    with pytest.raises(Unavailable, match="is no such store") as raised:
        s3_put(f"http://127.0.0.1:{ports['plain']}")
    assert raised.value.code == "store_stranger"


@pytest.mark.parametrize("status", [200, 404, 405, 407, 501, 511])
def test_what_answers_without_a_word_of_its_own_is_no_store_and_says_nothing_of_an_object(status: int) -> None:
    with listening(status=status) as port:
        store = s3(f"http://127.0.0.1:{port}")
        for ask in (s3_put, lambda _: store.head("key"), lambda _: list(store.get("key"))):
            with pytest.raises(Unavailable, match="is no such store") as raised:
                ask(store.endpoint)
            assert raised.value.code == "store_stranger"
