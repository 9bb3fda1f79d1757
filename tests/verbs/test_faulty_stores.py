"""Whatever a store does to us, no byte is lost, none is taken for another, and what failed is as it was."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.order import StoreAccess
from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.hsm.object.content import Bytes
from argosy.stores._http.patience import Patience
from argosy.stores.s3 import S3Store
from tests.servers import SeaweedFS
from tests.sites import Side, carried
from tests.steps.test_premigrate import use
from tests.stores.faulty import Faulty, standing_before
from tests.verbs.evidence import Sight, assert_state
from tests.verbs.scenarios import OLD, write

CONTENT = bytes(range(256)) * 400
OTHER = b"x" * len(CONTENT)
FAILED, PROCESSED = FileState.FAILED, FileState.PROCESSED


@dataclasses.dataclass(frozen=True)
class World:
    """Two sites, and a store between them that misbehaves."""

    london: Side
    dublin: Side
    proxy: Faulty
    seaweedfs: SeaweedFS
    bucket: str
    name: str

    @property
    def key(self) -> str:
        """Where the object of the file is."""
        return f"projects/{self.name}"

    @property
    def file(self) -> Path:
        """The file at the origin."""
        return self.london.tree / self.name

    @property
    def arrived(self) -> Path:
        """The file at the destination."""
        return self.dublin.tree / self.name

    def keys(self) -> list[str]:
        """Return the keys of all objects of the file."""
        listed = self.seaweedfs.client().list_objects_v2(Bucket=self.bucket, Prefix=self.key).get("Contents", [])
        return [found["Key"] for found in listed]

    def replace(self) -> None:
        """Put other bytes of the same length under the key, behind Argosy's back."""
        kept = self.seaweedfs.client().head_object(Bucket=self.bucket, Key=self.key)["Metadata"]
        self.seaweedfs.client().put_object(Bucket=self.bucket, Key=self.key, Body=OTHER, Metadata=kept)

    def migrate(self, **options: object) -> Report:
        return self.london.report("migrate", self.london.entry(self.file), **options)

    def migrated(self, **options: object) -> Outcome:
        (outcome,) = self.london.do("migrate", self.london.entry(self.file), **options)
        assert outcome.state is PROCESSED, outcome.reason
        return outcome

    def recall(self) -> Report:
        return self.london.report("recall", self.london.entry(self.file))

    def send(self, outcome: Outcome, **options: object) -> Report:
        entries: list[Entry] = carried([outcome], self.london, self.dublin)
        return self.dublin.report("reverse_stub", *entries, **options)


class Hasty(S3Store):
    """Ours with little patience."""

    waiting = Patience(connect=1, answer=0.5, tries=2, pause=0.01)


@pytest.fixture(scope="module")
def between(seaweedfs: SeaweedFS) -> Iterator[tuple[Faulty, Hasty]]:
    """A proxy and a store behind it that has made room for the bucket and has been found out to verify."""
    bucket = seaweedfs.bucket()
    seaweedfs.client().put_object(Bucket=bucket, Key="first", Body=b"bytes")
    with standing_before(seaweedfs.endpoint) as (proxy, endpoint):
        store = Hasty(**seaweedfs.settings(bucket) | {"endpoint": endpoint})
        store.put("second", Bytes(b"bytes"), metadata={})
        yield proxy, store


@pytest.fixture
def world(tmp_path: Path, seaweedfs: SeaweedFS, between: tuple[Faulty, Hasty]) -> Iterator[World]:
    proxy, store = between
    proxy.released.clear()
    one = World(Side(tmp_path, "london"), Side(tmp_path, "dublin"), proxy, seaweedfs, store.bucket, tmp_path.name)
    for side in (one.london, one.dublin):
        side.access = StoreAccess(id=7, name="cloud", type="S3", settings=seaweedfs.settings(store.bucket))
        use(side, store)
    write(one.file, CONTENT)
    yield one
    proxy.always = ""
    proxy.faults.clear()


def ended(report: Report) -> tuple[str, str]:
    """Return how the one entry ended: its state and error, or the task's error."""
    if report.error:
        return ("retry" if report.retry else "broken"), report.error
    (outcome,) = report.outcomes
    return outcome.state.value, outcome.error


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (["503"], ("processed", "")),
        (["503"] * 2, ("retry", "store_down")),
        (["hang"], ("processed", "")),
        (["hang"] * 2, ("retry", "store_down")),
        (["lost"], ("processed", "")),
        (["lost", "503"], ("retry", "store_down")),
        (["slow"], ("processed", "")),
        (["507"], ("failed", "store_full")),
        (["flip"], ("failed", "corrupt")),
        (["forge"], ("failed", "corrupt")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_put_that_goes_wrong_leaves_the_file_whole(
    world: World, faults: list[str], expected: tuple[str, str]
) -> None:
    world.proxy.add("PUT /", *faults)
    assert ended(world.migrate())[0] == expected[0]
    assert world.proxy.faults == []
    if expected[0] == "processed":
        assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)
        assert world.keys() == [world.key]
    else:
        assert_state(world.file, None, CONTENT, mtime_ns=OLD)
    world.proxy.released.set()
    assert ended(world.migrate())[0] in {"processed", "skipped"}
    assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)
    assert ended(world.recall())[0] == "processed"
    assert_state(world.file, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


@pytest.mark.parametrize("again", [True, False], ids=["passes", "stays"])
@pytest.mark.parametrize("fault", ["503", "hang", "truncate", "forge", "404", "slow"])
def test_a_recall_that_goes_wrong_leaves_the_stub(world: World, fault: str, again: bool) -> None:
    world.migrated()
    if again:
        world.proxy.add("GET /", fault)
    else:
        world.proxy.always = fault
    state, error = ended(world.recall())
    world.proxy.always = ""
    world.proxy.released.set()
    if fault == "slow" or (again and fault in {"503", "hang", "truncate"}):
        assert (state, error) == ("processed", "")
        assert_state(world.file, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)
        return
    assert (state, error) in {("retry", "store_down"), ("failed", "only_copy_damaged"), ("failed", "object_gone")}
    assert error == {"forge": "only_copy_damaged", "404": "object_gone"}.get(fault, "store_down")
    assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)
    assert world.keys() == [world.key]
    assert ended(world.recall()) == ("processed", "")
    assert_state(world.file, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


def test_a_stub_whose_object_was_replaced_stays_a_stub(world: World) -> None:
    world.migrated()
    world.replace()
    assert ended(world.recall())[0] == "failed"
    assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)


def test_a_stub_whose_object_is_gone_stays_a_stub(world: World) -> None:
    world.migrated()
    world.seaweedfs.client().delete_object(Bucket=world.bucket, Key=world.key)
    assert ended(world.recall()) == ("failed", "object_gone")
    assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)


@pytest.mark.parametrize("gone", [False, True], ids=["replaced", "deleted"])
def test_a_file_whose_object_went_to_others_is_copied_again_before_its_blocks_go(world: World, gone: bool) -> None:
    world.migrated(premigrate=True)
    if gone:
        world.seaweedfs.client().delete_object(Bucket=world.bucket, Key=world.key)
    else:
        world.replace()
    assert ended(world.migrate())[0] == "processed"
    assert_state(world.file, StubState.STUB, CONTENT, mtime_ns=OLD)
    assert ended(world.recall())[0] == "processed"
    assert Sight(world.file).bytes == CONTENT


@pytest.mark.parametrize("fault", ["503", "hang", "truncate", "forge", "404"])
def test_a_file_that_cannot_be_fetched_does_not_appear(world: World, fault: str) -> None:
    outcome = world.migrated(premigrate=True)
    world.proxy.always = fault
    state, error = ended(world.send(outcome, hydrate=True))
    world.proxy.always = ""
    world.proxy.released.set()
    assert error == {"forge": "corrupt", "404": "object_gone"}.get(fault, "store_down")
    assert state == ("failed" if fault in {"forge", "404"} else "retry")
    assert list(world.dublin.tree.iterdir()) == []
    assert list((world.dublin.root / ".argosy" / "staging").iterdir()) == []
    assert ended(world.send(outcome, hydrate=True)) == ("processed", "")
    assert_state(world.arrived, StubState.PREMIGRATED, CONTENT, mtime_ns=OLD)


@pytest.mark.parametrize("fault", ["503", "hang", "404"])
def test_no_stub_appears_for_an_object_that_nobody_sees(world: World, fault: str) -> None:
    outcome = world.migrated(premigrate=True)
    world.proxy.always = fault
    assert ended(world.send(outcome))[1] == ("object_gone" if fault == "404" else "store_down")
    world.proxy.always = ""
    world.proxy.released.set()
    assert list(world.dublin.tree.iterdir()) == []
    assert ended(world.send(outcome)) == ("processed", "")
    assert_state(world.arrived, StubState.STUB, CONTENT, mtime_ns=OLD)


@pytest.mark.parametrize("hydrate", [False, True], ids=["stub", "whole"])
def test_nothing_appears_for_an_object_that_others_replaced(world: World, hydrate: bool) -> None:
    outcome = world.migrated(premigrate=True)
    world.replace()
    assert ended(world.send(outcome, hydrate=hydrate))[0] == "failed"
    assert list(world.dublin.tree.iterdir()) == []
