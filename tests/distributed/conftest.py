"""What the tests of many nodes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.broker import Broker
from tests.distributed.fleet import Fleet, fleet
from tests.papers import Authority
from tests.postgresql import PostgreSQL
from tests.redis_server import Redis, running_redis

RULES = {
    "hub": "~argosy:* &argosy:changes",
    "london": "~argosy:london:*",
    "dublin": "~argosy:dublin:*",
}
"""What the manual says of who may use which keys and channels."""


@pytest.fixture
def one(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Fleet]:
    """A hub that runs, and no agents yet."""
    with fleet(tmp_path, postgresql) as started:
        yield started


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Iterator[Fleet]:
    """One that no test harms."""
    with fleet(tmp_path_factory.mktemp("lasting"), postgresql) as started:
        yield started


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Redis, dict[str, Broker]]]:
    """A server with TLS and a user for the hub and for each site, and how each of them reaches it."""
    authority = Authority.made("Redis")
    authority.server(tmp_path / "tls")
    files = {"cert": "server.crt", "key": "server.key", "ca-cert": "ca.crt"}
    tls = [word for name, file in files.items() for word in (f"--tls-{name}-file", str(tmp_path / "tls" / file))]
    (tmp_path / "users").write_text(
        "user default off\n"
        + "".join(f"user {user} on >s3:c/r@t {may} +@all -@admin -@dangerous +info\n" for user, may in RULES.items())
    )
    options = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no", *tls]
    with running_redis(tmp_path / "redis", *options, "--aclfile", str(tmp_path / "users")) as server:
        authorities = (tmp_path / "tls" / "ca.crt").read_text()
        yield (
            server,
            {
                user: Broker(
                    url=f"rediss://{user}@localhost:{server.port}/0", password="s3:c/r@t", authorities=authorities
                )
                for user in RULES
            },
        )
