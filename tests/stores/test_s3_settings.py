"""Both clients of a bucket do what its datastore says."""

import datetime as dt
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from argosy.core.errors import Unavailable
from argosy.stores.s3 import S3Store
from tests.contracts.store import put, read
from tests.stores.bucket import Bucket, serving
from tests.stores.faulty import standing_before


class Small(S3Store):
    """With parts as small as tests can bear."""

    single = 6 << 20
    whole_copy = 6 << 20


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def settings(bucket: Bucket) -> Iterator[dict[str, str]]:
    with serving(bucket) as settings:
        yield settings


def used_everywhere(store: S3Store) -> None:
    """Make an object in each of the ways there are."""
    for key, size in (("one", 10), ("many", 7 << 20)):
        made = put(store, key, b"x" * size)
        store.copy(key, f"{key}-copied", etag=made.etag)
    assert {found.key for found in store.list("")} == {"one", "many", "one-copied", "many-copied"}
    assert read(store, "one-copied") == b"x" * 10


def made_by(bucket: Bucket) -> list[dict[str, str]]:
    """Return the headers of all requests that settle how an object is kept, experiments left out."""
    return [
        sent
        for method, path, sent in bucket.seen
        if ".argosy" not in path
        and ((method == "PUT" and "partNumber" not in path) or (method == "POST" and "uploads" in path))
    ]


@pytest.mark.parametrize(
    ("chosen", "header", "value"),
    [
        ({"encryption": "AES256"}, "x-amz-server-side-encryption", "AES256"),
        ({"encryption": "aws:kms"}, "x-amz-server-side-encryption", "aws:kms"),
        (
            {"encryption": "aws:kms", "kms_key_id": "key-7"},
            "x-amz-server-side-encryption-aws-kms-key-id",
            "key-7",
        ),
        ({"storage_class": "STANDARD_IA"}, "x-amz-storage-class", "STANDARD_IA"),
    ],
)
def test_objects_are_kept_as_the_datastore_says(
    settings: dict[str, str], bucket: Bucket, chosen: dict[str, str], header: str, value: str
) -> None:
    used_everywhere(Small(**settings, **chosen))
    assert len(made_by(bucket)) == 4
    assert {sent.get(header) for sent in made_by(bucket)} == {value}


def test_nothing_is_asked_of_the_server_where_the_datastore_says_nothing(
    settings: dict[str, str], bucket: Bucket
) -> None:
    used_everywhere(Small(**settings))
    names = {name for sent in made_by(bucket) for name in sent}
    assert not {name for name in names if "encryption" in name or "storage-class" in name}


def test_a_prefix_holds_everything(settings: dict[str, str], bucket: Bucket) -> None:
    used_everywhere(Small(**settings, prefix="/a/b/"))
    assert {key.rpartition("/")[0] for key in bucket.objects} == {"a/b"}


@pytest.mark.parametrize(("addressing", "host"), [("virtual", "bkt.s3.test"), ("path", "s3.test"), ("auto", "s3.test")])
def test_the_bucket_is_named_where_the_datastore_says(
    settings: dict[str, str], bucket: Bucket, addressing: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", settings["endpoint"])  # so that the names need not be known to anybody
    used_everywhere(Small(**settings | {"endpoint": "http://s3.test"}, addressing=addressing))
    assert {sent["host"] for _, _, sent in bucket.seen} == {host}
    in_path = {urlsplit(path).path.startswith("/bkt") for _, path, _ in bucket.seen}
    assert in_path == {host == "s3.test"}


def test_a_request_is_made_as_often_as_the_datastore_says(settings: dict[str, str], bucket: Bucket) -> None:
    store = S3Store(**settings, tries=2)
    bucket.trouble = 503
    for verb in (lambda: store.head("a"), lambda: list(store.list(""))):
        bucket.seen.clear()
        with pytest.raises(Unavailable, match="503"):
            verb()
        assert len(bucket.seen) == 2


def test_an_answer_is_awaited_as_long_as_the_datastore_says(settings: dict[str, str]) -> None:
    with standing_before(settings["endpoint"]) as (faulty, endpoint):
        faulty.always = "hang"
        store = S3Store(**settings | {"endpoint": endpoint}, timeout=1, tries=1)
        begun = time.monotonic()
        for verb in (lambda: store.head("a"), lambda: list(store.list(""))):
            with pytest.raises(Unavailable, match="does not answer"):
                verb()
        assert time.monotonic() - begun < 10


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A certificate (PEM) that nobody knows, and the file of it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    file = tmp_path_factory.mktemp("authority") / "server.pem"
    file.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem.decode(), file


def test_an_authority_of_the_datastore_is_trusted_and_no_other(bucket: Bucket, authority: tuple[str, Path]) -> None:
    pem, file = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with serving(bucket, wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as settings:
        used_everywhere(Small(**settings, ca_file=pem))
        stranger = S3Store(**settings, tries=1)
        bucket.seen.clear()
        for verb in (lambda: put(stranger, "a", b"x"), lambda: stranger.head("one"), lambda: list(stranger.list(""))):
            with pytest.raises(Unavailable):
                verb()
        assert bucket.seen == []
