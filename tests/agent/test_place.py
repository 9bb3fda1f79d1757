"""What an agent's own configuration allows, whatever the hub asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.agent.place import Place
from argosy.core.config import SiteConfig
from argosy.core.errors import Denied, Unavailable
from argosy.core.order import StoreAccess
from tests.filesystems.nobody import NOBODY, as_nobody


def access(path: Path, *, kind: str = "POSIX") -> StoreAccess:
    return StoreAccess(id=1, name="cloud", type=kind, settings={"path": str(path)})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A site with the roots `a` and `b`, of which only `a` exists, and one shelf."""
    (tmp_path / "a").mkdir()
    config = SiteConfig(name="london", roots=(str(tmp_path / "a"), str(tmp_path / "b")))
    place = Place(config, tmp_path / "agent", shelves=[str(tmp_path / "shelf")])
    place.start()
    yield place
    place.close()


def test_a_directory_of_the_configuration_is_a_datastore(place: Place, tmp_path: Path) -> None:
    store = place.store(access(tmp_path / "shelf"))
    assert place.store(access(tmp_path / "shelf")) is store


@pytest.mark.parametrize("kind", ["POSIX", "posix", "Posix"])
@pytest.mark.parametrize("path", ["/etc", "{shelf}/below", "{shelf}/../other", "{shelf}/"])
def test_any_other_directory_is_refused_each_time(place: Place, tmp_path: Path, path: str, kind: str) -> None:
    asked = StoreAccess(id=1, name="cloud", type=kind, settings={"path": path.format(shelf=tmp_path / "shelf")})
    for _ in range(2):
        with pytest.raises(Denied, match="is not among the POSIX datastores of this agent's"):
            place.store(asked)


def test_a_root_that_cannot_be_served_says_so_and_the_others_work(place: Place, tmp_path: Path) -> None:
    assert place.tree(bytes(tmp_path / "a" / "f")).root == bytes(tmp_path / "a")
    with pytest.raises(Unavailable, match=f"root {tmp_path}/b of site london is not served: "):
        place.tree(bytes(tmp_path / "b" / "f"))
    (tmp_path / "b").mkdir()
    place.start()
    assert place.tree(bytes(tmp_path / "b" / "f")).root == bytes(tmp_path / "b")


def test_a_root_with_attributes_of_a_privileged_agent_is_not_served_by_another() -> None:
    top = Path(tempfile.mkdtemp(prefix="argosy-place-"))
    (top / "agent").mkdir()
    (top / "a").mkdir()
    (top / "agent" / "privileged").touch()
    for path in (top, top / "agent", top / "a"):
        os.chown(path, NOBODY, NOBODY)
    try:
        as_nobody(lambda: _expect_refused(top))
    finally:
        shutil.rmtree(top)


def _expect_refused(top: Path) -> None:
    place = Place(SiteConfig(name="london", roots=(str(top / "a"),)), top / "agent")
    place.start()
    with pytest.raises(Unavailable, match="CAP_SYS_ADMIN"):
        place.tree(bytes(top / "a"))
    place.close()
