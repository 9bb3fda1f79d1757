"""What an agent finds out of the datastores of its site, against a hub that is here."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.agent import prober
from argosy.agent.place import Place
from argosy.agent.prober import Prober
from argosy.core.config import SiteConfig
from argosy.core.errors import Unavailable
from argosy.core.order import Order, StoreAccess
from argosy.core.report import Batch, Probed, Report, fingerprint
from tests.argosy_up import until


class Desk:
    """A hub that wants datastores probed, and keeps what it is told; `away` many times it cannot be reached."""

    def __init__(self, *accesses: StoreAccess, away: int = 0) -> None:
        self.accesses = list(accesses)
        self.away = away
        self.told: list[Probed] = []

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        if self.away:
            self.away -= 1
            raise Unavailable("the hub is away")
        assert site == "london"
        wanted, self.accesses = tuple(self.accesses), []
        return wanted

    def probed(self, told: Probed) -> None:
        self.told.append(told)

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        return None

    def renew(self, task: str, attempt: int) -> float | None:
        return None

    def batch(self, batch: Batch) -> bool:
        return False

    def report(self, report: Report) -> None:
        pass


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Desk, int], list[Probed]]:
    """Serve a site until the hub was told as much as that, and return what it was told."""
    monkeypatch.setattr(prober, "PERIOD", 0.01)
    shelf = tmp_path / "store"
    shelf.mkdir()
    place = Place(SiteConfig(name="london", roots=("/nowhere",)), tmp_path / "agent", shelves=[str(shelf)])

    def asked(desk: Desk, count: int) -> list[Probed]:
        one = Prober("london", desk, place.store)
        one.start()
        until(lambda: len(desk.told) == count, what="what was found")
        one.stop()
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "london-prober"])
        return desk.told

    return asked


def at(path: Path) -> StoreAccess:
    return StoreAccess(id=1, name="shelf", type="POSIX", settings={"path": str(path)})


def test_what_a_datastore_can_do_is_told_to_the_hub_as_soon_as_it_can_be(asked, tmp_path: Path) -> None:
    access = at(tmp_path / "store")
    (told,) = asked(Desk(access, away=3), 1)
    assert (told.datastore, told.fingerprint, told.trouble) == ("shelf", fingerprint(access), "")
    can = {"conditions": True, "checksums": False, "versions": False, "copies": True, "multipart": True}
    assert told.abilities == can
    assert not [file for file in (tmp_path / "store").rglob("*") if "probe" in file.name]


def test_why_it_could_not_be_found_out_is_told_and_the_next_is_probed_all_the_same(asked, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    refused, told = asked(Desk(at(tmp_path / "other"), at(tmp_path / "store")), 2)
    assert refused.abilities is None
    assert "is not among the POSIX datastores" in refused.trouble
    assert told.abilities is not None
    assert list((tmp_path / "other").iterdir()) == []


def test_a_probe_that_fails_as_nobody_foresaw_is_told_and_the_next_is_made(
    asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise UnicodeError("label empty or too long")

    s3 = StoreAccess(id=1, name="bucket", type="S3", settings={"bucket": "b", "endpoint": "http://127.0.0.1:1"})
    monkeypatch.setattr("argosy.stores.s3.S3Store.probe", broken)
    failed, told = asked(Desk(s3, at(tmp_path / "store")), 2)
    assert "UnicodeError: label empty or too long" in failed.trouble
    assert told.abilities is not None
