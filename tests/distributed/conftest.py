"""What the tests of many nodes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributed.fleet import Fleet, fleet
from tests.postgresql import PostgreSQL


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
