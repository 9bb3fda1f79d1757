from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from argosy.core.errors import Refused
from argosy.stores._http.trust import Adapter
from tests.stores.tls import certificate_in, listening


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls") / "certificate.pem")


@pytest.fixture(scope="module")
def url(certificate: Path) -> Iterator[str]:
    with listening(certificate) as port:
        yield f"https://127.0.0.1:{port}"


def asked(url: str, ca_file: str) -> int:
    with requests.Session() as session:
        session.mount("https://", Adapter(ca_file))
        return session.get(url, timeout=10).status_code


def test_an_authority_that_was_named_is_trusted(url: str, certificate: Path) -> None:
    assert asked(url, str(certificate)) == 200
    assert asked(url, certificate.read_text().partition("-----BEGIN PRIVATE")[0]) == 200


def test_without_it_the_server_is_not_believed(url: str) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        asked(url, "")


@pytest.mark.parametrize("ca_file", ["/nonexistent", "-----BEGIN CERTIFICATE-----\nnothing"])
def test_certificates_that_cannot_be_read_are_named(url: str, ca_file: str) -> None:
    with pytest.raises(Refused, match="ca_file"):
        asked(url, ca_file)
