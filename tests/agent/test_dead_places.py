"""A place that is dead keeps from their end only the entries that need it, and is asked once, not once an entry."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from argosy.agent.runner import run
from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.faults import StoreDown
from argosy.core.order import Link, StoreAccess
from argosy.core.report import Report
from argosy.filesystems._posix import locks
from argosy.stores.base import Condition, Object, Source
from argosy.stores.memory import MemoryStore
from tests.sites import Side

HANDS = 4
REQUESTS = 4
"""That an entry makes at most before it is known that there is no answer."""


class Sick(BaseHTTPRequestHandler):
    """A store that answers nothing but that it cannot."""

    asked: list[str]

    def answer(self) -> None:
        self.asked.append(self.path)
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - the library calls them so

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sick() -> Iterator[tuple[str, list[str]]]:
    """The address of such a store, and what it was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Sick,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


class Two(Side):
    """A site whose `archive/` is linked to a datastore that is sick, or is not there."""

    def link(self, **settings: object) -> None:
        self.archive = self.root / "archive"
        self.archive.mkdir()
        far = {"type": "S3"} | settings
        self.far = StoreAccess(id=8, name="far", type=str(far.pop("type")), settings=far)
        self.links = (*self.links, Link(site_path=bytes(self.archive), datastore="far", datastore_path=b""))

    def migrate(self, *files: Entry) -> Report:
        order = self.order("migrate", *files, premigrate=True)
        order = msgspec.structs.replace(order, stores=(self.access, self.far))
        return run(order, self.site(order), self.hub, self.pool)


def files(side: Side, directory: Path, count: int) -> list[Entry]:
    made = [directory / f"f{number:02}" for number in range(count)]
    for file in made:
        file.write_bytes(b"bytes")
    return list(map(side.entry, made))


class Poisoned(MemoryStore):
    """A store that fails at objects whose keys end in `poison`, and at no other."""

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        if key.endswith("poison"):
            raise StoreDown("the store does not answer as it should (500)")
        return super().put(key, source, metadata=metadata, condition=condition)


@pytest.fixture
def poisoned(tmp_path: Path) -> Two:
    """A site that is linked to such a store, and has one thread."""
    side = alone(Two(tmp_path, "london"))
    side.link(type="MEMORY")
    side.place._stores[wire.dump(side.far)] = Poisoned()
    return side


@pytest.fixture
def two(tmp_path: Path, sick: tuple[str, list[str]]) -> Two:
    side = Two(tmp_path, "london")
    side.link(bucket="bkt", endpoint=sick[0], accesskeyid="k", secretaccesskey="s", tries=1, addressing="path")
    return side


def alone(side: Two) -> Two:
    """Have the site work with one thread."""
    side.pool.shutdown()
    side.pool = ThreadPoolExecutor(1)
    return side


def poison(side: Two, *names: str) -> list[Entry]:
    for name in names:
        (side.archive / f"{name}_poison").write_bytes(b"bytes")
    return [side.entry(side.archive / f"{name}_poison") for name in names]


def ended(report: Report) -> Counter[str]:
    return Counter(f"{outcome.entry.path.split(b'/')[-2].decode()} {outcome.state}" for outcome in report.outcomes)


def test_files_of_a_good_store_are_done_and_told_of_beside_those_of_a_dead_one(two: Two) -> None:
    report = two.migrate(*files(two, two.archive, 20), *files(two, two.tree, 20))
    assert ended(report) == {"projects processed": 20}
    assert (report.error, report.retry) == ("store_down", True)
    assert len([path for path in two.store.rglob("f??") if path.is_file()]) == 20


def test_a_dead_store_is_not_asked_once_an_entry(two: Two, sick: tuple[str, list[str]]) -> None:
    two.migrate(*files(two, two.archive, 40))
    assert 0 < len(sick[1]) <= REQUESTS * HANDS


def test_a_dead_store_is_asked_for_two_entries_where_one_thread_works(two: Two, sick: tuple[str, list[str]]) -> None:
    report = alone(two).migrate(*files(two, two.archive, 40))
    assert len(sick[1]) <= 2 * REQUESTS
    assert len(report.asked) == 2


@pytest.mark.parametrize("place", [0, 20, 39])
def test_an_object_at_which_its_store_always_fails_keeps_no_other(poisoned: Two, place: int) -> None:
    given = files(poisoned, poisoned.archive, 39)
    given[place:place] = bad = poison(poisoned, "aa")
    report = poisoned.migrate(*given)
    assert ended(report) == {"archive processed": 39}
    assert report.asked == (bad[0].path,)
    assert (report.error, report.retry) == ("store_down", True)
    assert "500" in report.reason


def test_objects_at_which_their_store_always_fails_keep_no_other_unless_they_meet(poisoned: Two) -> None:
    first, second = poison(poisoned, "aa", "bb")
    good = files(poisoned, poisoned.archive, 8)
    report = poisoned.migrate(first, *good[:4], second, *good[4:])
    assert ended(report) == {"archive processed": 8}
    report = poisoned.migrate(first, second, *good)
    assert not report.outcomes
    assert set(report.asked) == {first.path, second.path}


def test_files_that_are_wrong_themselves_are_told_of_beside_a_dead_store(two: Two) -> None:
    good, gone = files(two, two.tree, 2)
    (two.tree / "f01").unlink()
    report = two.migrate(*files(two, two.archive, 1), good, gone)
    assert ended(report) == {"projects processed": 1, "projects failed": 1}
    assert report.error == "store_down"


def test_each_file_that_a_dead_place_kept_is_told_what_it_met_itself(tmp_path: Path, two: Two) -> None:
    for left in two.store.iterdir():
        left.unlink()
    two.store.rmdir()
    wanted = files(two, two.tree, 2)
    report = two.migrate(*files(two, two.archive, 2), *wanted)
    assert not report.outcomes
    assert report.error == "store_down"
    assert "127.0.0.1" in report.reason
    assert {outcome.entry.path for outcome in report.met} == {file.path for file in wanted}
    assert all(str(two.store) in outcome.reason for outcome in report.met)


def test_a_file_that_another_task_works_on_is_tried_again_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    side = Side(tmp_path, "london")
    held, *others = files(side, side.tree, 3)
    with side.place.tree(held.path).locked(held.path):
        report = side.report("migrate", held, *others, premigrate=True)
    assert ended(report) == {"projects processed": 2}
    assert (report.error, report.retry) == ("occupied", True)
    assert [(met.entry.path, met.state.value) for met in report.met] == [(held.path, "aborted")]
