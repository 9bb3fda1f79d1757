"""What an agent finds out of the datastores of its site, against a hub that is here."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from argosy.agent import prober
from argosy.agent.place import Place
from argosy.agent.prober import Prober
from argosy.core.config import SiteConfig
from argosy.core.errors import NotFound, Unavailable
from argosy.core.order import Order, StoreAccess
from argosy.core.report import Batch, Probed, Report, fingerprint
from argosy.stores.base import Abilities, Object
from argosy.stores.memory import MemoryStore
from tests.argosy_up import until
from tests.stores.bucket import Bucket, serving
from tests.stores.faulty import standing_before
from tests.stores.tls import listening


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
    both = asked(Desk(at(tmp_path / "other"), at(tmp_path / "store")), 2)
    refused, told = sorted(both, key=lambda one: one.abilities is not None)
    assert refused.abilities is None
    assert "is not among the POSIX datastores" in refused.trouble
    assert refused.code == "store_not_declared"
    assert told.abilities is not None
    assert list((tmp_path / "other").iterdir()) == []


def test_a_probe_that_fails_as_nobody_foresaw_is_told_and_the_next_is_made(
    asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise UnicodeError("label empty or too long")

    s3 = StoreAccess(id=1, name="bucket", type="S3", settings={"bucket": "b", "endpoint": "http://127.0.0.1:1"})
    monkeypatch.setattr("argosy.stores.s3.S3Store.probe", broken)
    failed, told = sorted(asked(Desk(s3, at(tmp_path / "store")), 2), key=lambda one: one.abilities is not None)
    assert "UnicodeError: label empty or too long" in failed.trouble
    assert told.abilities is not None


@pytest.mark.parametrize(("scheme", "code"), [("https", "store_not_tls"), ("http", "store_stranger")])
def test_a_probe_that_fails_is_told_with_the_code_of_what_it_met(asked, scheme: str, code: str) -> None:
    with ExitStack() as held:
        endpoint = f"{scheme}://127.0.0.1:{held.enter_context(listening())}"
        settings = {"bucket": "b", "endpoint": endpoint, "accesskeyid": "k", "secretaccesskey": "s", "tries": 1}
        (told,) = asked(Desk(StoreAccess(id=1, name="bucket", type="S3", settings=settings)), 1)
    assert (told.code, told.abilities) == (code, None)
    assert told.trouble


class Hanging:
    """A store that answers nobody until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked = 0

    def probe(self) -> Abilities:
        assert self.let_go.wait(30)
        return Abilities(conditions=True, checksums=True, versions=False, copies=True, multipart=True)

    def head(self, key: str) -> Object:
        self.asked += 1
        assert self.let_go.wait(30)
        raise NotFound("there is none")


HUNG, WELL = (StoreAccess(id=number, name=name, type="S3") for number, name in ((1, "hung"), (2, "well")))


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(prober, "PERIOD", 0.01)
    monkeypatch.setattr(prober, "PATIENCE", 0.2)
    store = Hanging()
    yield store
    store.let_go.set()


def test_a_datastore_in_use_that_falls_silent_is_told_until_it_answers_and_no_other_with_it(hanging: Hanging) -> None:
    used, stores = [WELL], {"hung": hanging, "well": MemoryStore()}
    one = Prober("london", Desk(), lambda access: stores[access.name], in_use=lambda: used)  # type: ignore[arg-type, return-value]
    one.start()
    hanging.let_go.set()
    used.append(HUNG)
    until(lambda: hanging.asked > 2, what="asked while it is well")
    assert one.unwell() == {}
    hanging.let_go.clear()
    until(one.unwell, what="told")
    assert set(one.unwell()) == {"hung"}
    code, reason = one.unwell()["hung"]
    assert (code, "has not answered since " in reason) == ("store_down", True)
    before = hanging.asked
    hanging.let_go.set()
    until(lambda: hanging.asked > before and not one.unwell(), what="told that it answers again")
    one.stop()


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [("503", "store_down", "503"), ("busy", "store_down", "503"), ("login", "store_stranger", "no such store")],
)
def test_a_datastore_in_use_that_answers_with_trouble_is_told_with_that_and_not_as_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: str, says: str
) -> None:
    monkeypatch.setattr(prober, "PERIOD", 0.01)
    monkeypatch.setattr(prober, "PATIENCE", 0.5)
    place = Place(SiteConfig(name="london", roots=("/nowhere",)), tmp_path / "agent", shelves=[])
    with ExitStack() as held:
        if answer == "login":
            url, well = f"http://127.0.0.1:{held.enter_context(listening())}", lambda: None
        else:
            proxy, url = held.enter_context(standing_before(str(held.enter_context(serving(Bucket()))["endpoint"])))
            proxy.always = answer
            well = lambda: setattr(proxy, "always", "")  # noqa: E731 - one line
        settings = {"bucket": "bucket", "endpoint": url, "accesskeyid": "k", "secretaccesskey": "s"}
        access = StoreAccess(id=1, name="cloud", type="S3", settings=settings)
        used = [access]
        one = Prober("london", Desk(), place.store, in_use=lambda: used)
        one.start()
        assert until(one.unwell)["cloud"][0] == code
        assert says in one.unwell()["cloud"][1]
        if answer != "login":
            well()
            until(lambda: not one.unwell(), what="well again")
        else:
            used.clear()
            until(lambda: not one.unwell(), what="used no more")
        one.stop()


def test_a_probe_that_hangs_is_told_and_keeps_no_other_from_being_made(hanging: Hanging) -> None:
    class Asking(Desk):
        """Asks until it was told something."""

        def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
            known = {one.datastore for one in self.told}
            return tuple(access for access in (HUNG, WELL) if access.name not in known)

    desk, stores = Asking(), {"hung": hanging, "well": MemoryStore()}
    one = Prober("london", desk, lambda access: stores[access.name])  # type: ignore[arg-type, return-value]
    one.start()
    until(lambda: len(desk.told) == 2, what="both told")
    well, hung = desk.told
    assert (well.datastore, well.abilities is None) == ("well", False)
    assert (hung.datastore, hung.abilities, hung.fingerprint) == ("hung", None, fingerprint(HUNG))
    assert ("has not answered since " in hung.trouble, hung.code) == (True, "store_down")
    hanging.let_go.set()
    until(lambda: desk.told[-1].abilities is not None and desk.told[-1].datastore == "hung", what="told in the end")
    one.stop()
