"""The steps that deal with objects rather than with files: is it there, move it, have it removed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core import wire
from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.order import Link, Order, StoreAccess
from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from argosy.steps.ensure_cloud_file_exists import EnsureCloudFileExists
from argosy.stores import keys, metadata
from argosy.stores.posix import PosixStore
from tests.sites import Side
from tests.steps.stubs import CONTENT, made, pointer, premigrated, repoint, state, stub


class TwoStores(Side):
    """A site whose tree is linked to the datastore `cloud` and, under the same prefix, to `vault`."""

    def __init__(self, top: Path, name: str) -> None:
        super().__init__(top, name)
        (top / "vault").mkdir()
        self.place._shelves = frozenset({str(self.store), str(top / "vault")})
        self.vault = StoreAccess(id=8, name="vault", type="POSIX", settings={"path": str(top / "vault")})
        self.links = (*self.links, Link(site_path=bytes(self.tree), datastore="vault", datastore_path=b"projects/"))

    def order(self, step: str, *entries: Entry, **options: Any) -> Order:
        return msgspec.structs.replace(super().order(step, *entries, **options), stores=(self.access, self.vault))


@pytest.fixture
def both(tmp_path: Path) -> TwoStores:
    return TwoStores(tmp_path, "paris")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EnsureCloudFileExists, "PAUSE", 0.0)


def store(site: Side) -> PosixStore:
    return site.place.store(site.access)  # type: ignore[return-value]


def objects(site: Side, access: StoreAccess | None = None) -> list[str]:
    found = site.place.store(access or site.access).list("")
    return sorted(each.key for each in found if not keys.is_private(each.key))


def content(site: Side, key: str) -> bytes:
    return b"".join(store(site).get(key))


def stored(outcome: Outcome) -> Stored:
    assert outcome.entry.facts.stored is not None, outcome
    return outcome.entry.facts.stored


def forget_index(site: Side) -> None:
    site.place.index.flush()
    site.place.index._db.execute("DELETE FROM object")


def collect(site: Side, outcome: Outcome) -> None:
    """Remove what the outcome says is not needed, as the hub has it done."""
    for each in outcome.unneeded:
        entry = Entry(path=outcome.entry.path, state="asked").learned(stored=each)
        site.do("doom_objects", entry)
        assert site.do("delete_objects", entry)[0].state is FileState.PROCESSED


def moved(site: Side, source: Path, path: Path) -> Entry:
    """Return the entry of what was moved, the move in the filesystem done."""
    if source.is_symlink() or source.exists():
        source.rename(path)
    entry = site.entry(path) if path.is_symlink() or path.exists() else Entry(path=bytes(path))
    return msgspec.structs.replace(entry, source=bytes(source), state="moved")


# ensure_cloud_file_exists


@pytest.mark.parametrize("make", [premigrated, stub])
def test_the_object_of_a_file_is_found_where_it_is(london: Side, make: Any) -> None:
    file = make(london, "f")
    (outcome,) = london.do("ensure_cloud_file_exists", london.entry(file))
    assert outcome.state is FileState.PROCESSED
    assert (stored(outcome).key, content(london, stored(outcome).key)) == ("projects/f", CONTENT)


def test_an_object_is_found_under_the_key_of_a_path_that_is_not_there(london: Side) -> None:
    file = premigrated(london, "f")
    (london.tree / "d").mkdir()
    london.do("migrate", london.entry(london.tree / "d"), premigrate=True)
    file.unlink()
    (london.tree / "d").rmdir()
    for name in ("f", "d"):
        (outcome,) = london.do("ensure_cloud_file_exists", Entry(path=bytes(london.tree / name)))
        assert outcome.state is FileState.PROCESSED


@pytest.mark.feature("HUB-STEP-039")
@pytest.mark.parametrize("appears", [1, 2, 3, 4])
def test_an_object_is_looked_for_three_times_before_its_file_fails(london: Side, appears: int) -> None:
    file = made(london, "f")

    class Late(PosixStore):
        """A store in which the object appears at one of the looks."""

        looks = 0

        def head(self, key: str):  # type: ignore[no-untyped-def,override]
            if key == "projects/f":
                Late.looks += 1
            if Late.looks == appears:
                super().put("projects/f", Bytes(b"x"), metadata={})
            return super().head(key)

    london.place._stores[wire.dump(london.access)] = Late(path=str(london.store))
    (outcome,) = london.do("ensure_cloud_file_exists", london.entry(file))
    assert outcome.state is (FileState.PROCESSED if appears <= 3 else FileState.FAILED)
    assert Late.looks == min(appears, 3)


def test_another_object_under_the_name_is_not_the_one_that_a_stub_points_to(london: Side) -> None:
    file = stub(london, "f")
    store(london).put("projects/f", Bytes(CONTENT), metadata={})
    (outcome,) = london.do("ensure_cloud_file_exists", london.entry(file))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "object_gone")


# remove_from_cloud


@pytest.mark.feature("HUB-STEP-038")
def test_the_object_of_a_premigrated_file_is_not_needed_any_more_and_the_file_stays(london: Side) -> None:
    file = premigrated(london, "f")
    known = pointer(london, file)
    assert known is not None
    (outcome,) = london.do("remove_from_cloud", london.entry(file))
    assert outcome.state is FileState.PROCESSED
    assert [each.uuid for each in outcome.unneeded] == [known.uuid]
    assert outcome.entry.facts.stored is None
    assert (file.read_bytes(), pointer(london, file)) == (CONTENT, None)
    assert objects(london) == ["projects/f"], "the step removes nothing itself"
    (again,) = london.do("remove_from_cloud", london.entry(file))
    assert again.unneeded == outcome.unneeded, "a report that was lost is made again"
    collect(london, outcome)
    assert objects(london) == []
    assert london.do("remove_from_cloud", london.entry(file))[0].state is FileState.SKIPPED


@pytest.mark.parametrize("marked", [StubState.STUB, StubState.RELEASING, StubState.RECALLING])
def test_the_only_copy_of_a_stub_is_not_removed(london: Side, marked: StubState) -> None:
    file = stub(london, "f")
    repoint(london, file, state=marked)
    (outcome,) = london.do("remove_from_cloud", london.entry(file))
    assert (outcome.state, outcome.unneeded) == (FileState.FAILED, ())
    assert "only copy" in outcome.reason
    assert pointer(london, file) is not None


def test_copies_of_stubs_and_stubs_without_attributes_keep_their_objects(london: Side) -> None:
    file, copy = stub(london, "f"), london.tree / "copy"
    value = os.getxattr(file, "trusted.argosy")
    os.truncate(made(london, "copy", b""), len(CONTENT))
    os.setxattr(copy, "trusted.argosy", value)
    os.removexattr(file, "trusted.argosy")
    for path in (file, copy):
        (outcome,) = london.do("remove_from_cloud", london.entry(path))
        assert (outcome.state, outcome.unneeded) == (FileState.FAILED, ())


def test_a_path_that_is_not_there_names_its_object(london: Side) -> None:
    file = premigrated(london, "f")
    (london.tree / "d").mkdir()
    london.do("migrate", london.entry(london.tree / "d"), premigrate=True)
    file.unlink()
    (london.tree / "d").rmdir()
    for name, key in (("f", "projects/f"), ("d", "projects/d/.argosy-dir")):
        (outcome,) = london.do("remove_from_cloud", Entry(path=bytes(london.tree / name)))
        assert [each.key for each in outcome.unneeded] == [key]
    (none,) = london.do("remove_from_cloud", Entry(path=bytes(london.tree / "none")))
    assert (none.state, none.unneeded) == (FileState.SKIPPED, ())


def test_a_directory_does_not_take_the_object_of_the_file_that_had_its_name(london: Side) -> None:
    premigrated(london, "f").unlink()
    (london.tree / "f").mkdir()
    (outcome,) = london.do("remove_from_cloud", london.entry(london.tree / "f"))
    assert (outcome.state, outcome.unneeded) == (FileState.SKIPPED, ())


def test_a_file_whose_object_is_gone_already_forgets_it(london: Side) -> None:
    file = premigrated(london, "f")
    forget_index(london)
    store(london).delete("projects/f")
    (outcome,) = london.do("remove_from_cloud", london.entry(file))
    assert (outcome.state, outcome.unneeded, pointer(london, file)) == (FileState.PROCESSED, (), None)


def test_of_an_object_called_by_its_uuid_only_the_file_knows(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", layout="immutable")
    file = premigrated(london, "f")
    (outcome,) = london.do("remove_from_cloud", london.entry(file))
    assert len(outcome.unneeded) == 1
    (again,) = london.do("remove_from_cloud", london.entry(file))
    assert (again.state, again.unneeded) == (FileState.SKIPPED, ())


# move_in_cloud


@pytest.mark.feature("HUB-STEP-038")
@pytest.mark.parametrize("index", ["kept", "lost"])
@pytest.mark.parametrize("make", [premigrated, stub])
def test_the_object_follows_its_file(london: Side, make: Any, index: str) -> None:
    file = make(london, "a")
    old = pointer(london, file)
    assert old is not None
    if index == "lost":
        forget_index(london)
    entry = moved(london, file, london.tree / "b")
    (outcome,) = london.do("move_in_cloud", entry)
    assert outcome.state is FileState.PROCESSED
    assert [(each.key, each.uuid) for each in outcome.unneeded] == [("projects/a", old.uuid)]
    new = pointer(london, london.tree / "b")
    assert new is not None
    assert (new.uuid, new.etag) == (stored(outcome).uuid, stored(outcome).etag)
    assert (new.state, new.digest, new.mtime_ns) == (old.state, old.digest, old.mtime_ns)
    assert new.uuid != old.uuid
    assert content(london, "projects/a") == content(london, "projects/b") == CONTENT
    described = metadata.described(store(london).head("projects/b").metadata)
    assert described is not None
    assert (described.path, described.digest) == (b"projects/b", old.digest)
    collect(london, outcome)
    assert objects(london) == ["projects/b"]
    forget_index(london)
    (again,) = london.do("move_in_cloud", entry)
    assert (again.state, stored(again), again.unneeded) == (FileState.SKIPPED, stored(outcome), ())
    london.do("recall", london.entry(london.tree / "b"))
    assert (london.tree / "b").read_bytes() == CONTENT


def test_a_move_that_was_killed_before_the_file_pointed_to_the_new_object_is_taken_up(london: Side) -> None:
    entry = moved(london, stub(london, "a"), london.tree / "b")
    old = pointer(london, london.tree / "b")
    (first,) = london.do("move_in_cloud", entry)
    assert old is not None
    with london.place.tree(entry.path).open(entry.path) as file:
        file.point(old)
    (again,) = london.do("move_in_cloud", entry)
    assert (again.state, stored(again)) == (FileState.PROCESSED, stored(first))
    assert objects(london) == ["projects/a", "projects/b"]


def test_an_object_that_holds_the_new_name_is_left_alone(london: Side) -> None:
    store(london).put("projects/b", Bytes(b"theirs"), metadata={})
    entry = moved(london, stub(london, "a"), london.tree / "b")
    (outcome,) = london.do("move_in_cloud", entry)
    assert outcome.state is FileState.PROCESSED
    assert stored(outcome).key == keys.instance("projects/b", stored(outcome).uuid)
    assert (content(london, "projects/b"), content(london, stored(outcome).key)) == (b"theirs", CONTENT)
    assert london.do("move_in_cloud", entry)[0].state is FileState.SKIPPED


def test_the_name_that_another_file_has_now_keeps_its_object(london: Side) -> None:
    """`mv a b; write a; migrate a; move_in_cloud a -> b`."""
    entry = moved(london, stub(london, "a"), london.tree / "b")
    made(london, "a", b"new bytes of a")
    london.do("migrate", london.entry(london.tree / "a"), premigrate=True, overwrite=True)
    (outcome,) = london.do("move_in_cloud", entry)
    assert content(london, "projects/b") == CONTENT
    assert content(london, "projects/a") == b"new bytes of a"
    assert pointer(london, london.tree / "a").uuid not in {each.uuid for each in outcome.unneeded}  # type: ignore[union-attr]
    london.do("recall", london.entry(london.tree / "b"))
    assert (london.tree / "b").read_bytes() == CONTENT


@pytest.mark.parametrize("sealed", [True, False])
def test_only_what_was_sealed_under_its_path_is_sealed_again(london: Side, *, sealed: bool) -> None:
    """Else whoever can write into the bucket would have us vouch for what he wrote."""
    london.access = msgspec.structs.replace(london.access, seal=b"a secret of the datastore's")
    alices = Attributes(mode=0o777, uid=4001, gid=4001, mtime_ns=10**18)
    said, _ = metadata.describe(
        uuid=os.urandom(16), digest=b"", path=b"projects/x", kind=Kind.DIRECTORY, attributes=alices,
        seal=london.access.seal if sealed else b"",
    )  # fmt: skip
    store(london).put(keys.directory_marker("projects/x"), Bytes(b""), metadata=said)
    (outcome,) = london.do("move_in_cloud", Entry(path=bytes(london.tree / "y"), source=bytes(london.tree / "x")))
    assert outcome.state is FileState.PROCESSED
    found = store(london).head(keys.directory_marker("projects/y")).metadata
    described = metadata.described(found)
    assert described is not None
    assert (described.path, described.attributes) == (b"projects/y", alices)
    assert metadata.is_sealed(found, described, london.access.seal) is sealed


def test_directories_symlinks_and_paths_that_are_not_there_move_as_well(london: Side) -> None:
    (london.tree / "d").mkdir()
    (london.tree / "l").symlink_to("nowhere")
    gone = premigrated(london, "f")
    london.do("migrate", london.entry(london.tree / "d"), london.entry(london.tree / "l"), premigrate=True)
    gone.unlink()
    entries = [moved(london, london.tree / name, london.tree / name.upper()) for name in "dlf"]
    outcomes = london.do("move_in_cloud", *entries)
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 3
    for outcome in outcomes:
        collect(london, outcome)
    assert objects(london) == ["projects/D/.argosy-dir", "projects/F", "projects/L"]
    described = metadata.described(store(london).head("projects/L").metadata)
    assert described is not None
    assert (described.target, described.path) == (b"nowhere", b"projects/L")
    again = london.do("move_in_cloud", *entries)
    assert [outcome.state for outcome in again] == [FileState.SKIPPED] * 3


def test_an_object_that_is_nowhere_cannot_be_moved(london: Side) -> None:
    (outcome,) = london.do("move_in_cloud", moved(london, london.tree / "a", london.tree / "b"))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "object_gone")
    (nowhere,) = london.do("move_in_cloud", Entry(path=bytes(london.tree / "b")))
    assert (nowhere.state, nowhere.error) == (FileState.FAILED, "invalid")


def test_an_object_with_other_bytes_than_it_should_have_is_not_moved(london: Side) -> None:
    entry = moved(london, stub(london, "a"), london.tree / "b")
    real = PosixStore(path=str(london.store))

    class Lying(PosixStore):
        """A store that reads something else."""

        def get(self, key: str, **more: object) -> Iterator[bytes]:  # type: ignore[override]
            return (bytes(len(chunk)) for chunk in real.get(key, **more))  # type: ignore[arg-type]

    london.place._stores[wire.dump(london.access)] = Lying(path=str(london.store))
    before = pointer(london, london.tree / "b")
    (outcome,) = london.do("move_in_cloud", entry)
    assert (outcome.state, outcome.error, outcome.unneeded) == (FileState.FAILED, "corrupt", ())
    assert pointer(london, london.tree / "b") == before
    assert objects(london) == ["projects/a"]


def test_a_name_in_a_bucket_of_uuids_does_not_move(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", layout="immutable")
    (outcome,) = london.do("move_in_cloud", moved(london, stub(london, "a"), london.tree / "b"))
    assert (outcome.state, outcome.unneeded) == (FileState.SKIPPED, ())


# endpoint


@pytest.mark.feature("HUB-STEP-044", "HUB-STEP-011")
def test_each_step_keeps_to_the_datastore_it_is_told(both: TwoStores) -> None:
    file = made(both, "a")
    both.do("migrate", both.entry(file), premigrate=True, endpoint="vault")
    assert (objects(both), objects(both, both.vault)) == ([], ["projects/a"])
    (absent,) = both.do("ensure_cloud_file_exists", both.entry(file), endpoint="cloud")
    (there,) = both.do("ensure_cloud_file_exists", both.entry(file), endpoint="vault")
    assert (absent.state, there.state) == (FileState.FAILED, FileState.PROCESSED)

    both.do("migrate", both.entry(file), premigrate=True, endpoint="cloud")
    entry = moved(both, file, both.tree / "b")
    (at_vault,) = both.do("move_in_cloud", entry, endpoint="vault")
    assert [each.datastore for each in at_vault.unneeded] == ["vault"]
    assert (objects(both), objects(both, both.vault)) == (["projects/a"], ["projects/a", "projects/b"])
    known = pointer(both, both.tree / "b")
    assert known is not None
    assert known.datastore == both.access.id

    (removed,) = both.do("remove_from_cloud", both.entry(both.tree / "b"), endpoint="vault")
    assert [(each.datastore, each.key) for each in removed.unneeded] == [("vault", "projects/b")]
    assert pointer(both, both.tree / "b") == known


def test_a_stub_may_lose_what_another_datastore_has_of_it(both: TwoStores) -> None:
    file = made(both, "a")
    both.do("migrate", both.entry(file), premigrate=True, endpoint="vault")
    both.do("migrate", both.entry(file), endpoint="cloud")
    assert state(both, file) is State.STUB
    (kept,) = both.do("remove_from_cloud", both.entry(file), endpoint="cloud")
    (removed,) = both.do("remove_from_cloud", both.entry(file), endpoint="vault")
    assert (kept.state, removed.state) == (FileState.FAILED, FileState.PROCESSED)
    assert [each.datastore for each in removed.unneeded] == ["vault"]
    assert state(both, file) is State.STUB
