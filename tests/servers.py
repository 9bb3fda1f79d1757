"""Real servers for tests, on loopback and free ports, gone when the tests are, whatever ends them.

A pytest plugin: its fixtures are there for every test.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

ACCESS_KEY = "argosytests"
SECRET_KEY = "argosytestssecret"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the server's manual says; it is no secret."""
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]
"""In front of a command: the kernel kills it when the thread that started it ends."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now; all were held at once, so they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


@dataclass(frozen=True, kw_only=True)
class SeaweedFS:
    """A running S3 server that knows one pair of credentials."""

    endpoint: str
    accesskeyid: str = ACCESS_KEY
    secretaccesskey: str = SECRET_KEY
    region: str = "us-east-1"
    log: Path

    def client(self):
        """Return a boto3 client, to look at the server behind Argosy's back."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.accesskeyid,
            aws_secret_access_key=self.secretaccesskey,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def bucket(self) -> str:
        """Make a fresh bucket and return its name."""
        name = f"test-{uuid.uuid4().hex[:16]}"
        self.client().create_bucket(Bucket=name)
        return name

    def settings(self, bucket: str) -> dict[str, str]:
        """Return the settings of a datastore in that bucket, as a configuration holds them."""
        return {
            "bucket": bucket,
            "endpoint": self.endpoint,
            "region": self.region,
            "accesskeyid": self.accesskeyid,
            "secretaccesskey": self.secretaccesskey,
        }


@contextmanager
def running_seaweedfs(directory: Path) -> Iterator[SeaweedFS]:
    """Run a SeaweedFS server with its data in `directory`; yields when it answers."""
    ports = free_ports(8)
    log = directory / "weed.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*DIES_WITH_US, *_weed_command(directory, ports)],
            cwd=directory,
            env=os.environ | {f"WEED_MASTER_VOLUME_GROWTH_COPY_{n}": "1" for n in (1, 2, 3)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _until_ready(lambda: _answers(ports[6]), server, log)
        yield SeaweedFS(endpoint=f"http://127.0.0.1:{ports[6]}", log=log)
    finally:
        server.kill()
        server.wait()


def _weed_command(directory: Path, ports: list[int]) -> list[str]:
    identities = directory / "s3.json"
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities.write_text(
        json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]})
    )
    (directory / "data").mkdir()
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    return [
        str(Path(sys.executable).parent / "weed"),
        "-logtostderr=true",
        "server",
        "-s3",
        "-filer",
        f"-dir={directory / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
        f"-s3.config={identities}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.localSocket={directory / 's3.sock'}",
        f"-filer.localSocket={directory / 'filer.sock'}",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=1024",
        "-volume.max=2000",
        "-volume.preStopSeconds=0",
    ]


def _answers(port: int) -> bool:
    """Say whether the server lists buckets, which it can only when all its parts have found each other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status in {200, 403}
    except OSError:
        return False
    finally:
        connection.close()


def _until_ready(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server for the whole run; each test makes itself a bucket."""
    directory = tmp_path_factory.mktemp("seaweedfs")
    with running_seaweedfs(directory) as server:
        yield server
    shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Azurite:
    """A running server of Azure Blob Storage that knows one account, the one all its users know."""

    endpoint: str
    storageaccount: str = "devstoreaccount1"
    accesskey: str = AZURITE_KEY
    log: Path

    def client(self) -> BlobServiceClient:
        """Return a client of Microsoft's, to look at the server behind Argosy's back."""
        return BlobServiceClient(
            self.endpoint, credential={"account_name": self.storageaccount, "account_key": self.accesskey}
        )

    def container(self) -> str:
        """Make a fresh container and return its name."""
        name = f"test-{uuid.uuid4().hex[:16]}"
        self.client().create_container(name)
        return name

    def settings(self, container: str) -> dict[str, str]:
        """Return the settings of a datastore in that container, as a configuration holds them."""
        return {
            "container": container,
            "storageaccount": self.storageaccount,
            "accesskey": self.accesskey,
            "endpoint": self.endpoint,
        }


@contextmanager
def running_azurite(directory: Path) -> Iterator[Azurite]:
    """Run an Azurite server with its data in memory and its log in `directory`; yields when it answers."""
    port = free_ports(1)[0]
    log = directory / "azurite.log"
    command = Path(__file__).parent / "azurite" / "node_modules" / ".bin" / "azurite-blob"
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*DIES_WITH_US, str(command), *options, f"--blobPort={port}"],
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _until_ready(lambda: _speaks(port), server, log)
        yield Azurite(endpoint=f"http://127.0.0.1:{port}/devstoreaccount1", log=log)
    finally:
        server.kill()
        server.wait()


def _speaks(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/devstoreaccount1?comp=list")
        return connection.getresponse().status in {400, 403}
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A real server of Azure Blob Storage for the whole run; each test makes itself a container."""
    directory = tmp_path_factory.mktemp("azurite")
    with running_azurite(directory) as server:
        yield server
    shutil.rmtree(directory, ignore_errors=True)
