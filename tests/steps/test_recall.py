"""Recalls: what `recall` does to stubs, whatever became of them, of their objects and of the disk."""

import contextlib
import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest

from argosy.core.entry import Entry, Kind
from argosy.core.errors import LeaseLost, Restoring, Unavailable
from argosy.core.faults import DiskFull, QuotaUsedUp
from argosy.core.order import Link, StoreAccess
from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.filesystems._posix.file import OpenFile
from argosy.filesystems.posix import Posix
from argosy.hsm.back import recall as bringing
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from argosy.linux import leases
from argosy.linux.space import punch
from argosy.steps.base import Work
from argosy.steps.migrate import Migrate
from argosy.stores.base import Object
from argosy.stores.memory import MemoryStore
from argosy.stores.posix import PosixStore
from argosy.stores.s3 import S3Store
from tests.argosy_up import until
from tests.loop import LoopMount, loop_mount, settle
from tests.servers import SeaweedFS
from tests.sites import Side, carried
from tests.steps.stubs import (
    CONTENT,
    HOUR,
    attribute,
    copy,
    data,
    good,
    made,
    object_of,
    pointer,
    premigrated,
    repoint,
    state,
    stub,
)
from tests.steps.test_premigrate import premigrate, store, use

__all__ = ["loop_mount"]

MiB = 1 << 20
CHUNKS = os.urandom(9 * MiB)
"""More than a store hands out at once."""


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def side(request: pytest.FixtureRequest, loop_mount: LoopMount, tmp_path: Path) -> Iterator[Side]:
    """A site on a filesystem of each kind."""
    top = loop_mount(request.param) / tmp_path.name
    top.mkdir()
    side = Side(top, "london")
    yield side
    side.place.close()
    shutil.rmtree(top)


def recall(site: Side, *paths: Path, **options: object) -> list[Outcome]:
    return site.do("recall", *map(site.entry, paths), **options)


def failure(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.error


def forget_index(site: Side) -> None:
    site.place.index.flush()
    site.place.index._db.execute("DELETE FROM object")


def conflicts(site: Side) -> list[Path]:
    return sorted(site.tree.rglob("*.hsm-conflict*"))


class Tampering(PosixStore):
    """A store that does something else, once, as soon as the first chunk of an object is asked for."""

    def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
        act = self.__dict__.pop("act", None)
        if act is not None:
            act()
        return super().get(key, **pinned)  # type: ignore[arg-type]


def meanwhile(site: Side, act: Callable[[], object]) -> None:
    """Have something happen while the next object is fetched."""
    tampering = Tampering(path=str(site.store))
    tampering.__dict__["act"] = act
    use(site, tampering)


# What comes back.


def test_a_stub_is_whole_again_in_the_same_inode(side: Side) -> None:
    file = stub(side, "f")
    before = file.stat()
    (outcome,) = recall(side, file)
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, len(CONTENT))
    assert file.read_bytes() == CONTENT
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert state(side, file) is State.PREMIGRATED
    assert object_of(side, file).exists()


def test_a_file_of_many_chunks_with_a_head_comes_back_whole(side: Side) -> None:
    file = stub(side, "f", CHUNKS, stub_size=100_000)
    assert 0 < data(file) < MiB
    good(recall(side, file))
    assert file.read_bytes() == CHUNKS
    assert pointer(side, file).kept == 0  # type: ignore[union-attr]


def test_what_is_zeros_in_the_object_is_a_hole(side: Side) -> None:
    content = os.urandom(MiB) + bytes(6 * MiB) + b"in the middle" + bytes(4 * MiB) + os.urandom(5000)
    file = stub(side, "f", content)
    good(recall(side, file))
    assert file.read_bytes() == content
    assert data(file) < 2 * MiB


@pytest.mark.parametrize("content", [b"x", b"x" * 4097, bytes(100_000)])
def test_files_that_are_small_or_nothing_but_zeros_come_back(london: Side, content: bytes) -> None:
    file = stub(london, "f", content)
    good(recall(london, file))
    assert file.read_bytes() == content


def test_any_store_gives_back_what_it_was_given(london: Side, dublin: Side) -> None:
    memory = MemoryStore()
    for site in (london, dublin):
        use(site, memory)
    copied = london.do("migrate", *map(london.entry, (made(london, "f"), made(london, "many", CHUNKS))))
    dublin.do("reverse_stub", *carried(copied, london, dublin))
    for site in (london, dublin):
        recall(site, site.tree / "f", site.tree / "many")
        assert (site.tree / "f").read_bytes() == CONTENT
        assert (site.tree / "many").read_bytes() == CHUNKS


def test_a_second_recall_is_skipped_and_carries_the_same_facts(london: Side) -> None:
    file = stub(london, "f")
    first = good(recall(london, file))
    (second,) = recall(london, file)
    assert second.state is FileState.SKIPPED
    assert second.reason == "all its bytes are here"
    assert second.entry.facts == first.entry.facts
    assert first.entry.facts.stored is not None


def test_what_is_no_stub_is_skipped_with_its_reason(london: Side) -> None:
    resident, dirty = made(london, "resident"), made(london, "dirty")
    premigrate(london, dirty)
    dirty.write_bytes(b"newer")
    (london.tree / "directory").mkdir()
    (london.tree / "symlink").symlink_to("resident")
    outcomes = recall(london, resident, dirty, london.tree / "directory", london.tree / "symlink")
    assert [outcome.state for outcome in outcomes] == [FileState.SKIPPED] * 4
    assert [outcome.reason for outcome in outcomes] == [
        "all its bytes are here",
        "its bytes are here, and newer than their copy",
        "has no stub",
        "has no stub",
    ]
    assert dirty.read_bytes() == b"newer"


def test_a_recalled_file_is_premigrated_and_can_be_released_again(london: Side) -> None:
    file = stub(london, "f")
    good(recall(london, file))
    assert premigrate(london, file)[0].state is FileState.SKIPPED
    good(london.do("migrate", london.entry(file)))
    assert state(london, file) is State.STUB


def test_a_touched_or_renamed_stub_keeps_its_new_time_and_name(london: Side) -> None:
    file = stub(london, "f").rename(london.tree / "renamed")
    os.utime(file, ns=(10**18, 10**18 + 7))
    file.chmod(0o604)
    good(recall(london, file))
    assert file.read_bytes() == CONTENT
    assert (file.stat().st_mtime_ns, file.stat().st_mode & 0o777) == (10**18 + 7, 0o604)
    assert state(london, file) is State.PREMIGRATED


@pytest.mark.feature("HUB-STEP-015")
@pytest.mark.parametrize("which", ["update_atime", "update_mtime"])
def test_times_are_set_to_now_where_that_is_asked_for(london: Side, which: str) -> None:
    file = stub(london, "f")
    os.utime(file, ns=(10**18, 10**18))
    good(recall(london, file, **{which: True}))
    found = file.stat()
    fresh = {"update_atime": found.st_atime_ns, "update_mtime": found.st_mtime_ns}
    assert {name for name, time in fresh.items() if time > 10**18} == {which}
    assert state(london, file) is State.PREMIGRATED
    assert premigrate(london, file)[0].state is FileState.SKIPPED


def test_one_request_brings_one_file(london: Side) -> None:
    asked: list[str] = []

    class Counting(PosixStore):
        """A store that notes what it is asked."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            asked.append(f"get {key}")
            return super().get(key, **pinned)  # type: ignore[arg-type]

        def head(self, key: str) -> Object:
            asked.append(f"head {key}")
            return super().head(key)

    files = [stub(london, name) for name in "abc"]
    use(london, Counting(path=str(london.store)))
    recall(london, *files)
    assert sorted(asked) == ["get projects/a", "get projects/b", "get projects/c"]


@pytest.mark.feature("HUB-STEP-045")
def test_paths_with_the_state_moved_are_taken(london: Side, dublin: Side) -> None:
    file = stub(london, "f").rename(london.tree / "moved")
    entry = msgspec.structs.replace(london.entry(file), state="moved", source=bytes(london.tree / "f"))
    copied = good(london.do("recall", entry))
    assert (copied.entry.state, copied.entry.source) == ("moved", bytes(london.tree / "f"))
    assert london.do("migrate", copied.entry, premigrate=True)[0].state is FileState.SKIPPED
    good(dublin.do("reverse_stub", *carried([copied], london, dublin)))
    assert state(dublin, dublin.tree / "moved") is State.STUB


@pytest.mark.feature("HUB-STEP-010")
@pytest.mark.parametrize("level", ["partial", "implicit"])
def test_every_lock_level_is_taken(london: Side, dublin: Side, level: str) -> None:
    file = made(london, "f")
    copied = london.do("migrate", london.entry(file), lock_level=level)
    good(dublin.do("reverse_stub", *carried(copied, london, dublin), lock_level=level))
    good(recall(dublin, dublin.tree / "f", lock_level=level))
    assert (dublin.tree / "f").read_bytes() == CONTENT


# Forgetting the copy.


def test_with_delete_remote_the_copy_is_forgotten_and_told_of(london: Side) -> None:
    file = stub(london, "f")
    (outcome,) = recall(london, file, delete_remote=True)
    assert outcome.state is FileState.PROCESSED
    (unneeded,) = outcome.unneeded
    assert (unneeded.key, unneeded.datastore) == ("projects/f", "cloud")
    assert outcome.entry.facts.stored is None
    assert (file.read_bytes(), state(london, file), attribute(file)) == (CONTENT, State.RESIDENT, None)
    assert object_of(london, file).exists()  # the hub deletes it, once nothing refers to it
    assert recall(london, file, delete_remote=True)[0].state is FileState.SKIPPED


def test_a_forgetting_that_was_cut_short_goes_on(london: Side) -> None:
    file = stub(london, "f")
    good(recall(london, file))
    (outcome,) = recall(london, file, delete_remote=True)
    assert [stored.key for stored in outcome.unneeded] == ["projects/f"]
    assert state(london, file) is State.RESIDENT


def test_a_dirty_file_forgets_nothing(london: Side) -> None:
    file = stub(london, "f")
    good(recall(london, file))
    file.write_bytes(b"newer")
    (outcome,) = recall(london, file, delete_remote=True)
    assert (outcome.state, outcome.unneeded) == (FileState.SKIPPED, ())
    assert pointer(london, file) is not None


# Where the object is.


@pytest.mark.parametrize("layout", ["native", "immutable"])
def test_without_the_index_the_path_says_where_the_object_is(tmp_path: Path, layout: str) -> None:
    london = Side(tmp_path, "london", layout=layout)
    file = stub(london, "f")
    forget_index(london)
    good(recall(london, file))
    assert file.read_bytes() == CONTENT


def test_without_the_index_an_object_that_stands_beside_another_is_found(london: Side) -> None:
    store(london).put("projects/f", Bytes(b"theirs"), metadata={})
    file = stub(london, "f")
    assert object_of(london, file).read_bytes() == b"theirs"
    forget_index(london)
    good(recall(london, file))
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("index", ["with", "without"])
def test_the_pinned_bytes_are_found_after_their_name_went_to_others(london: Side, index: str) -> None:
    file = stub(london, "f")
    file.rename(london.tree / "old")
    later = made(london, "f", b"later")
    premigrate(london, later, overwrite=True)
    if index == "without":
        forget_index(london)
    good(recall(london, london.tree / "old"))
    assert (london.tree / "old").read_bytes() == CONTENT


def test_an_object_that_was_renamed_as_the_file_was_is_found(london: Side) -> None:
    file = stub(london, "f")
    object_of(london, file).rename(london.store / "projects" / "g")
    assert recall(london, file)[0].reason.startswith("lost: ")
    file = file.rename(london.tree / "g")
    assert good(recall(london, file)).entry.facts.stored.key == "projects/g"  # type: ignore[union-attr]
    assert file.read_bytes() == CONTENT


def test_a_lost_object_fails_its_file_and_keeps_the_stub(london: Side) -> None:
    file, other = stub(london, "f"), stub(london, "other")
    before = file.stat()
    store(london).delete("projects/f")
    outcomes = recall(london, file, other)
    assert [outcome.state for outcome in outcomes] == [FileState.FAILED, FileState.PROCESSED]
    assert outcomes[0].error == "object_gone"
    assert outcomes[0].reason.startswith("lost: ")
    assert "(object projects/f of datastore cloud is gone, or others replaced it)" in outcomes[0].reason
    assert "argosy rebuild" in outcomes[0].reason
    assert state(london, file) is State.STUB
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert data(file) <= 4096
    forget_index(london)
    (outcome,) = recall(london, file)
    assert outcome.error == "key_unknown"
    assert not outcome.reason.startswith("lost")  # nobody has looked everywhere yet
    assert "argosy rebuild" in outcome.reason


@pytest.mark.parametrize("size", [len(CONTENT), 5])
def test_an_object_that_others_replaced_is_not_taken_for_the_file(london: Side, size: int) -> None:
    file = stub(london, "f")
    described = store(london).head("projects/f").metadata
    store(london).put("projects/f", Bytes(b"y" * size), metadata=described)
    (outcome,) = recall(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "object_gone")
    assert outcome.reason.startswith("lost: ")
    assert state(london, file) is State.STUB
    assert data(file) <= 4096


@pytest.mark.feature("HUB-STEP-011")
def test_an_endpoint_says_from_which_datastore_the_bytes_come(tmp_path: Path) -> None:
    london = Side(tmp_path, "london")
    (tmp_path / "tape").mkdir()
    tape = StoreAccess(id=8, name="tape", type="POSIX", settings={"path": str(tmp_path / "tape")})
    linked = (*london.links, Link(site_path=bytes(london.tree), datastore="tape", datastore_path=b"kept/"))
    london.place._shelves = frozenset({str(london.store), str(tmp_path / "tape")})

    def order(step: str, *entries: Entry, **options: object):  # type: ignore[no-untyped-def]
        made = Side.order(london, step, *entries, **options)
        return msgspec.structs.replace(made, links=linked, stores=(london.access, tape))

    london.order = order  # type: ignore[method-assign]
    file = made(london, "f")
    good(london.do("migrate", london.entry(file), premigrate=True, endpoint="tape"))
    good(london.do("migrate", london.entry(file), endpoint="cloud"))
    store(london).delete("projects/f")
    assert failure(recall(london, file)) == (FileState.FAILED, "object_gone")
    assert failure(recall(london, file, endpoint="attic")) == (FileState.FAILED, "no_sitelink")
    good(recall(london, file, endpoint="tape"))
    assert file.read_bytes() == CONTENT
    file.unlink()
    made_again = Entry(path=bytes(file))
    assert failure(london.do("reverse_stub", made_again, endpoint="cloud")) == (FileState.FAILED, "object_gone")
    good(london.do("reverse_stub", made_again, endpoint="tape"))
    assert state(london, file) is State.STUB


def test_a_bucket_gives_exactly_what_was_pinned(london: Side, dublin: Side, seaweedfs: SeaweedFS) -> None:
    bucket = S3Store(**seaweedfs.settings(seaweedfs.bucket()))
    use(london, bucket)
    use(dublin, bucket)
    file, large, replaced = made(london, "f"), made(london, "large", CHUNKS), made(london, "replaced")
    copied = london.do("migrate", *map(london.entry, (file, large, replaced)))
    dublin.do("reverse_stub", *carried(copied, london, dublin))
    bucket.put("projects/theirs", Bytes(CONTENT), metadata={})
    good(dublin.do("reverse_stub", Entry(path=bytes(dublin.tree / "theirs"))))
    bucket.put("projects/replaced", Bytes(CONTENT[::-1]), metadata=bucket.head("projects/replaced").metadata)
    for side in (london, dublin):
        names = [side.tree / name for name in ("f", "large", "replaced")]
        outcomes = recall(side, *names)
        assert [outcome.error for outcome in outcomes] == ["", "", "object_gone"]
        assert outcomes[2].reason.startswith("lost: ")
        assert [names[0].read_bytes(), names[1].read_bytes()] == [CONTENT, CHUNKS]
        assert state(side, names[2]) is State.STUB
    good(recall(dublin, dublin.tree / "theirs"))
    assert abs((dublin.tree / "theirs").stat().st_mtime_ns - file.stat().st_mtime_ns) < 2 * HOUR


# What goes wrong.


def fetching(site: Side, chunks: list[bytes]) -> None:
    """Have the store give these bytes for every object."""

    class Wrong(PosixStore):
        """A store that gives other bytes than it was given."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            return iter(chunks)

    use(site, Wrong(path=str(site.store)))


@pytest.mark.parametrize("skip_hash", [False, True])
@pytest.mark.parametrize("wrong", [[b"y" * len(CONTENT)], [CONTENT[:-1]], [CONTENT, b"and more"], [b""]])
def test_wrong_bytes_never_become_the_file(london: Side, wrong: list[bytes], skip_hash: bool) -> None:
    file = stub(london, "f")
    before = file.stat()
    fetching(london, wrong)
    (outcome,) = recall(london, file, skip_hash=skip_hash)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "only_copy_damaged")
    assert state(london, file) is State.STUB
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert data(file) <= 4096
    use(london, PosixStore(path=str(london.store)))
    good(recall(london, file))
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("error", [Unavailable("away"), Restoring("a restore has been requested")])
def test_where_the_store_cannot_give_it_now_it_is_a_stub_as_before(london: Side, error: Exception) -> None:
    def act() -> None:
        raise error

    file = stub(london, "f")
    meanwhile(london, act)
    report = london.report("recall", london.entry(file))
    if isinstance(error, Restoring):
        assert failure(list(report.outcomes)) == (FileState.FAILED, "restoring")
    else:
        assert (report.error, report.retry) == ("unavailable", True)
    assert state(london, file) is State.STUB
    good(recall(london, file))
    assert file.read_bytes() == CONTENT


def test_a_store_that_breaks_off_half_way_leaves_a_stub_without_blocks(side: Side) -> None:
    file = stub(side, "f", CHUNKS)

    class Breaking(PosixStore):
        """A store that breaks off."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            yield CHUNKS[: 8 * MiB]
            raise Unavailable("the store went away")

    use(side, Breaking(path=str(side.store)))
    assert side.report("recall", side.entry(file)).error == "unavailable"
    assert state(side, file) is State.STUB
    assert data(file) <= 16384


def test_after_the_lease_is_lost_the_file_is_left_to_whoever_has_it_now(london: Side) -> None:
    file = stub(london, "f")
    order = london.order("recall", london.entry(file))
    site = london.site(order)
    meanwhile(london, lambda: site.lease.revoke("the hub took the task back"))
    from argosy.agent.runner import run

    with pytest.raises(LeaseLost):
        run(order, site, london.hub, london.pool)
    assert state(london, file) is State.RECALLING
    assert recall(london, file)[0].state is FileState.SKIPPED, "its bytes had all arrived"
    assert (state(london, file), file.read_bytes()) == (State.PREMIGRATED, CONTENT)
    assert conflicts(london) == []


def fill(hog: Path) -> None:
    """Take all the space there is."""
    with contextlib.suppress(OSError), hog.open("wb") as taking:
        while True:
            taking.write(os.urandom(MiB))
            taking.flush()
            os.fsync(taking.fileno())


def free(top: Path) -> int:
    found = os.statvfs(top)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_full_disk_fails_the_recall_and_has_its_blocks_back(loop_mount: LoopMount, tmp_path: Path, kind: str) -> None:
    top = loop_mount(kind, size={"ext4": 64, "xfs": 400, "btrfs": 200}[kind] * MiB)
    (tmp_path / "store").mkdir()
    london = Side(top, "london", store=tmp_path / "store")
    london.place._shelves = frozenset({str(tmp_path / "store")})
    content = os.urandom(24 * MiB)
    file = stub(london, "f", content)
    hog = top / "hog"
    fill(hog)
    os.truncate(hog, hog.stat().st_size - 8 * MiB)
    settle(top)
    before = free(top)
    (outcome,) = recall(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, DiskFull.code)
    assert state(london, file) is State.STUB
    settle(top)
    assert free(top) > before - MiB
    hog.unlink()
    settle(top)
    good(recall(london, file))
    assert file.read_bytes() == content
    london.place.close()


def test_a_sparse_file_larger_than_the_disk_comes_back(loop_mount: LoopMount, tmp_path: Path) -> None:
    top = loop_mount("ext4") / tmp_path.name
    top.mkdir()
    london = Side(top, "london", store=tmp_path / "store")
    london.place._shelves = frozenset({str(tmp_path / "store")})
    file = made(london, "f")
    size = shutil.disk_usage(top).total + 16 * MiB
    os.truncate(file, size)
    os.utime(file, ns=(10**18, 10**18))
    good(london.do("migrate", london.entry(file)))
    good(recall(london, file))
    assert (state(london, file), file.stat().st_size) == (State.PREMIGRATED, size)
    assert file.read_bytes()[: len(CONTENT)] == CONTENT
    assert data(file) < MiB
    london.place.close()


def test_a_full_quota_fails_the_recall(loop_mount: LoopMount, tmp_path: Path) -> None:
    top = loop_mount("btrfs", size=256 * MiB) / "quota"
    subprocess.run(["btrfs", "-q", "subvolume", "create", top], check=True)
    subprocess.run(["btrfs", "quota", "enable", top], check=True)
    (tmp_path / "store").mkdir()
    london = Side(top, "london", store=tmp_path / "store")
    london.place._shelves = frozenset({str(tmp_path / "store")})
    content = os.urandom(24 * MiB)
    file = stub(london, "f", content)
    settle(top)
    subprocess.run(["btrfs", "qgroup", "limit", str(16 * MiB), top], check=True)
    (outcome,) = recall(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, QuotaUsedUp.code)
    assert "quota" in outcome.reason
    assert (state(london, file), data(file)) == (State.STUB, 0)
    subprocess.run(["btrfs", "qgroup", "limit", "none", top], check=True)
    good(recall(london, file))
    assert file.read_bytes() == content
    london.place.close()


# What others wrote.


def written(site: Side, file: Path, offset: int = 100_000, data: bytes = b"written past us") -> bytes:
    """Write into a stub as a program does that nobody stops; return what it then sees."""
    with file.open("rb+") as out:
        out.seek(offset)
        out.write(data)
    return file.read_bytes()


def test_what_was_written_into_a_stub_is_kept_beside_it(side: Side) -> None:
    file = stub(side, "f")
    stamp = file.stat().st_mtime_ns
    seen = written(side, file)
    file.chmod(0o640)
    (outcome,) = recall(side, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "stub_written")
    assert f"{file}.hsm-conflict" in outcome.reason
    assert "projects/f" in outcome.reason
    (conflict,) = conflicts(side)
    assert (conflict.read_bytes(), conflict.stat().st_mode & 0o777) == (seen, 0o640)
    assert state(side, conflict) is State.RESIDENT
    assert (state(side, file), file.stat().st_mtime_ns) == (State.STUB, stamp)
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


def test_no_conflict_copy_takes_the_place_of_another(london: Side) -> None:
    file = stub(london, "f")
    first = written(london, file, data=b"first")
    recall(london, file)
    second = written(london, file, data=b"second")
    recall(london, file)
    assert [path.name for path in conflicts(london)] == ["f.hsm-conflict", "f.hsm-conflict-2"]
    assert [path.read_bytes() for path in conflicts(london)] == [first, second]


@pytest.mark.parametrize("size", [0, 5000, len(CONTENT) + 3])
def test_a_stub_that_was_cut_or_lengthened_is_one_again(side: Side, size: int) -> None:
    file = stub(side, "f")
    os.truncate(file, size)
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes() == bytes(size)
    assert (state(side, file), file.stat().st_size) == (State.STUB, len(CONTENT))
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("data", [b"written past us", bytes(5)])
def test_what_was_written_into_the_head_that_a_stub_keeps_is_kept_beside_it(side: Side, data: bytes) -> None:
    file = stub(side, "f", stub_size=50_000)
    written(side, file, offset=1000, data=data)
    assert state(side, file) is State.STUB  # nothing lies behind its head
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes()[:40_000] == CONTENT[:1000] + data + CONTENT[1000 + len(data) : 40_000]
    assert state(side, file) is State.STUB
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


def test_a_name_that_could_be_no_longer_is_cut_for_its_conflict_copy(london: Side) -> None:
    file = stub(london, "n" * 255)
    seen = written(london, file)
    assert failure(recall(london, file)) == (FileState.FAILED, "stub_written")
    assert [path.read_bytes() for path in conflicts(london)] == [seen]


@pytest.mark.parametrize("left", [StubState.RELEASING, StubState.RECALLING])
def test_what_a_killed_verb_left_is_finished_and_not_taken_for_somebodys(side: Side, left: StubState) -> None:
    file = stub(side, "f")
    stamp = file.stat().st_mtime_ns
    written(side, file, offset=0, data=CONTENT[:20480])
    repoint(side, file, state=left)
    good(recall(side, file))
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (CONTENT, stamp)
    assert conflicts(side) == []


@pytest.mark.parametrize("left", [StubState.RELEASING, StubState.RECALLING])
def test_what_somebody_wrote_into_what_a_killed_verb_left_is_kept(side: Side, left: StubState) -> None:
    file = stub(side, "f")
    seen = written(side, file)
    repoint(side, file, state=left)
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes() == seen
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("what", [bytes(8192), b"new record" + bytes(502), b"new" * 5000])
def test_what_was_written_before_a_killed_release_freed_anything_stays_in_its_place(side: Side, what: bytes) -> None:
    file = premigrated(side, "f")
    repoint(side, file, state=StubState.RELEASING)
    seen = written(side, file, offset=65536, data=what)
    assert failure(recall(side, file)) == (FileState.ABORTED, "changed")
    assert (file.read_bytes(), state(side, file), conflicts(side)) == (seen, State.DIRTY, [])
    assert recall(side, file)[0].state is FileState.SKIPPED
    good(side.do("migrate", side.entry(file)))
    good(recall(side, file))
    assert file.read_bytes() == seen


def test_a_file_emptied_before_a_killed_release_freed_anything_stays_empty(side: Side) -> None:
    file = premigrated(side, "f")
    repoint(side, file, state=StubState.RELEASING)
    os.truncate(file, 0)
    recall(side, file)
    assert (state(side, file), conflicts(side)) == (State.DIRTY, [])


@pytest.mark.parametrize("released", [False, True])
def test_a_hole_that_somebody_made_in_what_a_killed_release_left_is_kept(side: Side, released: bool) -> None:
    file = premigrated(side, "f")
    repoint(side, file, state=StubState.RELEASING)
    if released:  # from the end, as filesystems do
        with file.open("r+b") as opened:
            punch(opened.fileno(), 200_704, 131_072)
    with file.open("r+b") as opened:
        punch(opened.fileno(), 65_536, 8192)
    seen = file.read_bytes()
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    assert [path.read_bytes() for path in conflicts(side)] == [seen]
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


class Stopping(OpenFile):
    """A file at which a recall stops short as soon as it has reserved its space."""

    def reserve(self, size: int) -> None:
        super().reserve(size)
        raise LeaseLost("the hub took the task back")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingTree(Posix):
    """A tree of such files."""

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> OpenFile:
        return Stopping.open(self._root, path, self._seal, inode=inode, writing=writing)


def test_zeros_that_somebody_read_are_not_taken_for_what_somebody_wrote(side: Side) -> None:
    file = stub(side, "f")
    assert file.read_bytes() == bytes(len(CONTENT))  # where blocks are reserved, these pages show as data
    tree = side.place.trees[0]
    side.serve(StoppingTree(root=tree.root, key=tree.key))
    with pytest.raises(LeaseLost):
        recall(side, file)
    side.serve(tree)
    good(recall(side, file))
    assert file.read_bytes() == CONTENT
    assert conflicts(side) == []


def test_a_file_that_is_open_for_writing_is_left_alone(side: Side) -> None:
    file = stub(side, "f")
    with file.open("rb+"):
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
        assert state(side, file) is State.STUB
    good(recall(side, file))


def test_a_stub_that_somebody_reads_is_left_alone_until_he_has_done(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stub(side, "f")
    reader = file.open("rb")
    with monkeypatch.context() as hasty, reader:
        hasty.setattr(bringing, "MOMENT", 0.02)
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
        assert state(side, file) is State.STUB
    reader = file.open("rb")
    threading.Timer(0.05, reader.close).start()
    good(recall(side, file))
    assert (file.read_bytes(), state(side, file)) == (CONTENT, State.PREMIGRATED)


@pytest.mark.parametrize("verb", [{}, {"premigrate": True}], ids=["release", "premigrate"])
def test_a_file_whose_batch_has_not_ended_can_be_recalled_and_released(side: Side, verb: dict[str, bool]) -> None:
    file = made(side, "f")
    step = Migrate(**verb)
    prepared = step.prepare(side.entry(file), side.site())
    assert not isinstance(prepared, Outcome)
    if isinstance(prepared, Work):
        prepared.sync()
        prepared = prepared.commit()
    for verb_meanwhile in ("recall", "migrate"):
        (outcome,) = side.do(verb_meanwhile, side.entry(file))
        assert outcome.state.goes_on, outcome
    prepared.settle()
    prepared.close()
    assert state(side, file) is State.STUB
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


def test_whoever_opens_a_stub_that_takes_too_long_gets_it_as_a_stub_and_what_he_writes_is_kept(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stub(side, "f", CHUNKS)
    monkeypatch.setattr(leases, "patience", lambda: 0.2)  # the kernel has more
    writer = threading.Thread(target=lambda: written(side, file, offset=9 * MiB, data=b"at last"))

    class Slow(PosixStore):
        """A store whose second chunk is a long time coming."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            for number, chunk in enumerate(super().get(key, **pinned)):  # type: ignore[arg-type]
                if number == 1:
                    writer.start()
                    until(lambda: time.monotonic() > began + 0.3, what="he has waited")
                yield chunk

    began = time.monotonic()
    use(side, Slow(path=str(side.store)))
    assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
    writer.join(60)
    use(side, PosixStore(path=str(side.store)))
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes()[9 * MiB : 9 * MiB + 7] == b"at last"
    good(recall(side, file))
    assert file.read_bytes() == CHUNKS


@contextlib.contextmanager
def shared(file: Path) -> Iterator[BinaryIO]:
    """Hold a file open for reading on a filesystem without leases, where nobody can have it to himself."""

    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with pytest.MonkeyPatch.context() as patched, file.open("rb") as reader:
        patched.setattr(leases, "take", refuse)
        yield reader


def test_without_leases_whoever_reads_a_stub_does_not_keep_it_from_being_recalled(side: Side) -> None:
    file = stub(side, "f")
    with shared(file) as reader:
        good(recall(side, file))
        assert reader.read() == CONTENT
    assert state(side, file) is State.PREMIGRATED
    good(side.do("migrate", side.entry(file)))


def test_whoever_opens_a_stub_meanwhile_waits_for_its_bytes(side: Side) -> None:
    file = stub(side, "f")
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(file.read_bytes()))
    meanwhile(side, reader.start)
    good(recall(side, file))
    reader.join(60)
    assert seen == [CONTENT]


def test_what_somebody_writes_ahead_of_us_is_kept_beside_the_file(side: Side) -> None:
    file = stub(side, "f")
    with shared(file):
        meanwhile(side, lambda: written(side, file, offset=len(CONTENT) - 9, data=b"meanwhile"))
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes().endswith(b"meanwhile")
    good(recall(side, file))
    assert file.read_bytes() == CONTENT


def test_what_somebody_writes_behind_us_is_kept_beside_the_file(side: Side) -> None:
    file = stub(side, "f", CHUNKS)

    class Slow(PosixStore):
        """A store between whose chunks somebody writes where bytes have arrived already."""

        def get(self, key: str, **pinned: object) -> Iterator[bytes]:  # type: ignore[override]
            for number, chunk in enumerate(super().get(key, **pinned)):  # type: ignore[arg-type]
                if number == 1:
                    written(side, file, offset=5, data=b"behind us")
                yield chunk

    use(side, Slow(path=str(side.store)))
    with shared(file):
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
    use(side, PosixStore(path=str(side.store)))
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes() == CHUNKS[:5] + b"behind us" + CHUNKS[14:]
    good(recall(side, file))
    assert file.read_bytes() == CHUNKS


class Trailed(OpenFile):
    """A file into which somebody writes, once, as a recall is about to write, but far from its beginning."""

    def write(self, offset: int, data: bytes) -> None:
        if offset == 0:
            with open(self.entry.path, "rb+") as out:
                out.seek(7 * MiB)
                out.write(b"ahead of us")
        super().write(offset, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailedTree(Posix):
    """A tree of such files."""

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> OpenFile:
        return Trailed.open(self._root, path, self._seal, inode=inode, writing=writing)


def test_what_somebody_writes_while_a_chunk_is_written_is_kept_beside_the_file(side: Side) -> None:
    file = stub(side, "f", CHUNKS)
    tree = side.place.trees[0]
    side.serve(TrailedTree(root=tree.root, key=tree.key))
    with shared(file):
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
    side.serve(tree)
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes()[7 * MiB :].startswith(b"ahead of us")
    good(recall(side, file))
    assert file.read_bytes() == CHUNKS


def test_a_recall_that_breaks_off_beside_a_reader_frees_its_blocks(side: Side) -> None:
    content = CHUNKS[: 8 * MiB] + bytes(MiB) + CHUNKS[:5000]
    file = stub(side, "f", content, stub_size=10_000)
    fetching(side, [content[: 8 * MiB + 500_000], b"something else"])
    with shared(file) as reader:
        assert failure(recall(side, file)) == (FileState.FAILED, "only_copy_damaged")
        assert (state(side, file), data(file) < 32_768) == (State.STUB, True)
        use(side, PosixStore(path=str(side.store)))
        good(recall(side, file))
        assert reader.read() == content


def test_a_recall_that_was_killed_is_gone_on_with_beside_a_reader(side: Side) -> None:
    content = CHUNKS[: 4 * MiB] + bytes(MiB) + CHUNKS[: 4 * MiB]
    file = stub(side, "f", content)
    stamp = file.stat().st_mtime_ns
    repoint(side, file, state=StubState.RECALLING)
    written(side, file, offset=0, data=content[: 2 * MiB + 5])
    written(side, file, offset=6 * MiB, data=content[6 * MiB : 7 * MiB])
    with shared(file) as reader:
        good(recall(side, file))
        assert reader.read() == content
    assert (state(side, file), file.stat().st_mtime_ns) == (State.PREMIGRATED, stamp)


def test_what_somebody_wrote_after_a_killed_recall_is_not_written_over_beside_a_reader(side: Side) -> None:
    file = stub(side, "f")
    repoint(side, file, state=StubState.RECALLING)
    seen = written(side, file)
    with shared(file):
        assert failure(recall(side, file)) == (FileState.ABORTED, "busy")
    assert failure(recall(side, file)) == (FileState.FAILED, "stub_written")
    (conflict,) = conflicts(side)
    assert conflict.read_bytes()[100_000:100_015] == seen[100_000:100_015]


def test_a_copy_of_a_stub_is_to_be_adopted_and_one_without_its_mark_is_lost(london: Side) -> None:
    file = stub(london, "f")
    twin = copy(file, london.tree / "twin", "--sparse=always")
    (outcome,) = recall(london, twin)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_adopted")
    assert "argosy adopt" in outcome.reason
    os.removexattr(file, "trusted.argosy")
    (outcome,) = recall(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "pointer_gone")
    assert outcome.reason.startswith("lost: ")


# Files that are not there, and objects of others.


@pytest.mark.feature("HUB-STEP-041")
def test_a_file_that_is_not_there_is_made_of_the_object_under_its_path(london: Side) -> None:
    london.access = msgspec.structs.replace(london.access, seal=b"a secret of sixteen")
    file = stub(london, "sub/f")
    os.chown(file, 1234, 4321)
    stamp = file.stat().st_mtime_ns
    premigrate(london, made(london, "other"))
    shutil.rmtree(london.tree / "sub")
    (outcome,) = london.do("recall", Entry(path=bytes(file)))
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, len(CONTENT))
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (CONTENT, stamp)
    assert state(london, file) is State.PREMIGRATED
    assert failure(london.do("recall", Entry(path=bytes(london.tree / "none")))) == (FileState.FAILED, "object_gone")


def test_what_was_removed_or_renamed_since_it_was_found_is_not_made_anew(london: Side) -> None:
    removed, renamed = stub(london, "removed"), stub(london, "renamed")
    found = [entry for entry in london.entries() if entry.kind is Kind.FILE]
    removed.unlink()
    renamed.rename(london.tree / "new name")
    outcomes = london.do("recall", *found)
    assert [(outcome.state, outcome.error) for outcome in outcomes] == [(FileState.ABORTED, "changed")] * 2
    assert [path.name for path in london.tree.iterdir()] == ["new name"]
    assert state(london, london.tree / "new name") is State.STUB


def test_a_file_that_is_not_there_can_forget_its_copy_at_once(london: Side) -> None:
    file = stub(london, "f")
    file.unlink()
    (outcome,) = london.do("recall", Entry(path=bytes(file)), delete_remote=True)
    assert [stored.key for stored in outcome.unneeded] == ["projects/f"]
    assert (file.read_bytes(), state(london, file)) == (CONTENT, State.RESIDENT)


@pytest.mark.feature("HUB-STEP-014")
def test_objects_that_record_no_owner_get_the_default_ones(london: Side) -> None:
    for name in ("there", "stub", "nobody"):
        store(london).put(f"projects/{name}", Bytes(CONTENT), metadata={})
    there, hollow, nobody = (london.tree / name for name in ("there", "stub", "nobody"))
    good(london.do("recall", Entry(path=bytes(there)), default_uid="1234", default_gid="daemon"))
    good(london.do("reverse_stub", Entry(path=bytes(hollow))))
    assert (hollow.stat().st_uid, state(london, hollow)) == (65534, State.STUB)
    good(recall(london, hollow, default_uid="daemon", default_gid="4321"))
    good(london.do("recall", Entry(path=bytes(nobody))))
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (there, hollow, nobody)]
    assert owners == [(1234, 1), (1, 4321), (65534, 65534)]
    (outcome,) = london.do("recall", Entry(path=bytes(there)), default_uid="no such user")
    assert (outcome.error, "default_uid" in outcome.reason) == ("invalid", True)


def test_an_owner_that_is_recorded_stays(london: Side) -> None:
    file = made(london, "f")
    os.chown(file, 1234, 4321)
    good(london.do("migrate", london.entry(file)))
    good(recall(london, file, default_uid="7", default_gid="7"))
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_an_object_of_others_is_pinned_by_its_tag_and_has_a_hash_once_it_was_read(london: Side) -> None:
    file = london.tree / "f"
    store(london).put("projects/f", Bytes(CONTENT), metadata={})
    good(london.do("reverse_stub", Entry(path=bytes(file))))
    assert pointer(london, file).digest == bytes(32)  # type: ignore[union-attr]
    (outcome,) = recall(london, file)
    assert file.read_bytes() == CONTENT
    assert outcome.entry.facts.stored is not None
    assert outcome.entry.facts.stored.digest == pointer(london, file).digest != bytes(32)  # type: ignore[union-attr]
    again = london.tree / "again"
    store(london).put("projects/again", Bytes(CONTENT), metadata={})
    good(london.do("reverse_stub", Entry(path=bytes(again))))
    store(london).put("projects/again", Bytes(CONTENT), metadata={})
    assert failure(recall(london, again)) == (FileState.FAILED, "object_gone")


def test_an_object_of_others_is_found_after_one_of_ours_took_its_place(london: Side) -> None:
    store(london).put("projects/f", Bytes(CONTENT), metadata={})
    hollow = london.tree / "f"
    good(london.do("reverse_stub", Entry(path=bytes(hollow))))
    hollow = hollow.rename(london.tree / "kept")
    premigrate(london, made(london, "f", b"ours"), overwrite=True)
    assert object_of(london, london.tree / "f").read_bytes() == b"ours"
    good(recall(london, hollow))
    assert hollow.read_bytes() == CONTENT


@pytest.mark.feature("HUB-STEP-042")
def test_fail_on_mismatch_fails_what_differs_from_its_object(london: Side, dublin: Side) -> None:
    file = stub(london, "f")
    file.chmod(0o600)
    assert failure(recall(london, file, fail_on_mismatch=True)) == (FileState.FAILED, "exists")
    assert state(london, file) is State.STUB
    (copied,) = london.do("migrate", london.entry(file))
    (dublin.tree / "f").write_bytes(b"differs")
    arriving = carried([copied], london, dublin)
    refused = dublin.do("reverse_stub", *arriving, fail_on_mismatch=True, overwrite=True)
    assert failure(refused) == (FileState.FAILED, "exists")
    assert (dublin.tree / "f").read_bytes() == b"differs"
    good(recall(london, file))
    file.write_bytes(b"differs")
    mismatched = london.do("migrate", london.entry(file), premigrate=True, fail_on_mismatch=True)
    assert failure(mismatched) == (FileState.FAILED, "exists")


def test_memory_stays_small_however_large_the_file(london: Side) -> None:
    import tracemalloc

    size = 256 * MiB
    file = london.tree / "f"
    store(london).put("projects/f", Repeated(size), metadata={})
    good(london.do("reverse_stub", Entry(path=bytes(file))))
    tracemalloc.start()
    try:
        good(recall(london, file))
        assert tracemalloc.get_traced_memory()[1] < 64 * MiB
    finally:
        tracemalloc.stop()
    assert file.stat().st_size == size


class Repeated:
    """A source of one byte again and again."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        return b"x" * length
