"""What `argosy doctor` tells of a machine."""

from pathlib import Path

import pytest

from argosy.agent.shelves import Shelves
from argosy.cli import checks
from argosy.core.config import DatastoreConfig
from argosy.stores.posix import PosixStore
from tests.loop import LoopMount


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_the_type_of_a_filesystem_is_told(loop_mount: LoopMount, kind: str) -> None:
    assert checks._filesystem_of(loop_mount(kind)) == kind


def test_a_datastore_that_is_not_where_the_agents_know_it_is_told_and_left_alone(tmp_path: Path) -> None:
    shelf, known = tmp_path / "shelf", tmp_path / "data" / "agent" / "london" / "stores"
    shelf.mkdir()
    known.mkdir(parents=True)
    config = DatastoreConfig(name="shelf", type="POSIX", path=str(shelf))
    assert checks.datastore(config, tmp_path / "data").level == "ok"
    Shelves(known).admit("shelf", PosixStore(path=str(shelf)))
    assert checks.datastore(config, tmp_path / "data").level == "ok"
    shelf.rename(tmp_path / "disk")
    shelf.mkdir()
    found = checks.datastore(config, tmp_path / "data")
    assert (found.level, list(shelf.iterdir())) == ("fail", [])
    assert "mount its disk" in found.found
