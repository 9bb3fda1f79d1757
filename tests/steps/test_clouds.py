"""What the steps do through stores that are neither a directory nor S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.order import StoreAccess
from argosy.stores import keys
from tests.gcs_double import running_double
from tests.servers import Azurite
from tests.sites import Side, send


@pytest.fixture(params=["AZURE", "GCS"])
def access(request: pytest.FixtureRequest, azurite: Azurite) -> Iterator[StoreAccess]:
    """How a fresh datastore is reached."""
    with running_double() as double:
        if request.param == "AZURE":
            settings = azurite.settings(azurite.container())
        else:
            settings = double.settings(double.bucket())
        yield StoreAccess(id=7, name="cloud", type=request.param, layout="native", settings=settings)


@pytest.fixture
def sides(tmp_path: Path, access: StoreAccess) -> tuple[Side, Side]:
    london, dublin = Side(tmp_path, "london"), Side(tmp_path, "dublin")
    london.access = dublin.access = access
    return london, dublin


def kept(side: Side) -> set[str]:
    return {found.key for found in side.place.store(side.access).list("")}


def test_files_are_sent_and_sent_again(sides: tuple[Side, Side]) -> None:
    london, dublin = sides
    for name in ("plain", "a dot at the end.", "größe #1"):
        (london.tree / name).write_bytes(name.encode() * 999)
    send(london, dublin, *london.entries())
    assert {path.name: path.read_bytes() for path in dublin.tree.iterdir()} == {
        path.name: path.read_bytes() for path in london.tree.iterdir()
    }
    (london.tree / "plain").write_bytes(b"second" * 999)
    send(london, dublin, london.entry(london.tree / "plain"), overwrite=True)
    assert (dublin.tree / "plain").read_bytes() == b"second" * 999
    assert [key for key in kept(london) if keys.is_private(key)]  # what was replaced


def test_files_are_freed_and_come_back(sides: tuple[Side, Side]) -> None:
    london, _ = sides
    file = london.tree / "large"
    file.write_bytes(b"content" * 100_000)
    assert [outcome.state.value for outcome in london.do("migrate", london.entry(file))] == ["processed"]
    assert file.stat().st_blocks * 512 < 70_000
    assert [outcome.state.value for outcome in london.do("recall", london.entry(file))] == ["processed"]
    assert file.read_bytes() == b"content" * 100_000
