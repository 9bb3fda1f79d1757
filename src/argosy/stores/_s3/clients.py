"""The two clients of a bucket, made of the same settings: obstore, which is quick, and boto3, which can do all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from argosy.core.faults import StoreDown


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How a bucket is reached, in the words of its datastore; empty texts are left to the libraries."""

    bucket: str
    endpoint: str
    region: str
    accesskeyid: str
    secretaccesskey: str
    ca: str
    addressing: str
    encryption: dict[str, str]
    """In the words of boto3."""
    connect: float
    answer: float

    @property
    def certain_region(self) -> str:
        """The region; a server that is not AWS takes any."""
        return self.region or ("us-east-1" if self.endpoint else "")


def obstore_client(reach: Reach) -> Any:
    """Return a client that makes each request once.

    Raises:
        Unavailable: the library is missing.
    """
    with _needed():
        from obstore.store import S3Store as Client

        return Client(
            reach.bucket,
            config=_known(
                endpoint=_host(reach),
                virtual_hosted_style_request=reach.addressing == "virtual",
                region=reach.certain_region,
                access_key_id=reach.accesskeyid,
                secret_access_key=reach.secretaccesskey,
                server_side_encryption=reach.encryption.get("ServerSideEncryption", ""),
                sse_kms_key_id=reach.encryption.get("SSEKMSKeyId", ""),
                checksum_algorithm="SHA256",
                disable_bulk_delete=True,
            ),
            client_options=_known(
                allow_http=reach.endpoint.startswith("http://"),
                connect_timeout=timedelta(seconds=reach.connect),
                timeout=timedelta(seconds=reach.answer),
                root_certificate=reach.ca,
            ),
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=reach.answer)},
        )


def boto_client(reach: Reach) -> Any:
    """Return a client that makes each request once.

    Raises:
        Unavailable: the library is missing.
    """
    with _needed():
        import boto3
        from botocore.config import Config

        usual = "path" if reach.endpoint else "auto"
        style = usual if reach.addressing == "auto" else reach.addressing
        return boto3.session.Session().client(
            "s3",
            **_known(
                endpoint_url=reach.endpoint,
                region_name=reach.certain_region,
                aws_access_key_id=reach.accesskeyid,
                aws_secret_access_key=reach.secretaccesskey,
                verify=_trusted(reach.ca) if reach.ca else "",
            ),
            config=Config(
                connect_timeout=reach.connect,
                read_timeout=reach.answer,
                retries={"total_max_attempts": 1},
                max_pool_connections=64,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                # The checksums we send are signed; hashing all bytes once more would only cost time.
                s3={"addressing_style": style, "payload_signing_enabled": False},
            ),
        )


def _host(reach: Reach) -> str:
    """Return the endpoint as obstore wants it: with the bucket in it where the host is to name the bucket."""
    if not reach.endpoint or reach.addressing != "virtual":
        return reach.endpoint
    parts = urlsplit(reach.endpoint)
    return parts._replace(netloc=f"{reach.bucket}.{parts.netloc}").geturl()


@cache
def _trusted(authorities: str) -> str:
    """Return a file of this process with the usual authorities and these: boto3 reads it at each connection."""
    from botocore.httpsession import where

    file = os.memfd_create("authorities")
    with open(file, "wb", closefd=False) as new:
        new.write(Path(where()).read_bytes() + b"\n" + authorities.encode())
    return f"/proc/self/fd/{file}"


def _known(**settings: Any) -> Any:
    """Return the settings that are given; the libraries look for the others where AWS keeps them."""
    return {name: value for name, value in settings.items() if value != ""}


@contextmanager
def _needed() -> Iterator[None]:
    """Say what to install where a library is missing."""
    try:
        yield
    except ImportError as error:
        raise StoreDown("S3 datastores need more libraries: pip install 'argosy[s3]'") from error
