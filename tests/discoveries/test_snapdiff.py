"""Discovery of what changed in a fileset since it was looked at last."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from argosy.agent.place import Place
from argosy.agent.runner import run
from argosy.core.config import FilesetConfig, SiteConfig
from argosy.core.entry import Entry, Kind
from argosy.core.order import Link, Policy
from argosy.core.outcome import Outcome
from argosy.core.phases import DELETED, MOVED, REST
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.discoveries.snapdiff import Snapdiff
from tests.loop import LoopMount
from tests.sites import Side, close_all
from tests.snapshots.indexes import directory, unknown, write

Told = list[tuple[str, ...]]


class Watched:
    """A site with a fileset, of which changes are discovered."""

    def __init__(self, top: Path, *, snapshots: str = "index", root: Path | None = None, whole: bool = False) -> None:
        self.side = Side(top, "site", agent=top / "agent-before")
        self.top = root or self.side.tree
        self.side.root = (root if whole else root.parent) if root else self.side.root
        fileset = FilesetConfig(name="projects", path=str(self.top), snapshots=snapshots)  # type: ignore[arg-type]
        self.config = SiteConfig(name="site", roots=(str(self.side.root),), filesets=(fileset,))
        self.side.place.close()
        self.side.place = Place(self.config, top / "agent-site", shelves=[str(self.side.store)])
        self.side.place.start()
        self.rotated = self.side.root / ".rotate"
        self.policy = Policy(snapshot_retry=0)

    def run(
        self, step: str, task: str, path: Path | None = None, after: bytes | None = None, phase: int = 0, **options: Any
    ) -> Report:
        self.side.hub.batches.clear()
        order = self.side.order(step, Entry(path=bytes(path or self.top)), **options)
        order = msgspec.structs.replace(order, task=task, policy=self.policy, after=after, phase=phase, batch_files=2)
        return run(order, self.side.site(order), self.side.hub, self.side.pool)

    def find(self, task: str = "", **options: Any) -> Told:
        """Return what a discovery finds."""
        report = self.run("snapdiff", task or uuid4().hex, **options)
        assert not report.error, report.reason
        return self.told()

    def told(self) -> Told:
        return [self._told(entry) for entry in self.found()]

    def found(self) -> list[Entry]:
        return [entry for batch in self.side.hub.batches for entry in batch.entries]

    def _told(self, entry: Entry) -> tuple[str, ...]:
        paths = [entry.path] if entry.source is None else [entry.path, entry.source]
        return (entry.state, *(os.path.relpath(path.decode(), self.top) for path in paths))

    def end(self, task: str, *, forward: bool = True) -> Outcome:
        """Rotate, as the hub has it done at the end of a job."""
        report = self.run("rotate_snapshot", task, discovery=task, forward=forward)
        assert not report.error, report.reason
        (outcome,) = report.outcomes
        return outcome

    def look(self, **options: Any) -> Told:
        """Return what changed since this was called last."""
        task = uuid4().hex
        found = self.find(task, **options)
        self.end(task)
        return found

    @property
    def last(self) -> Path:
        (file,) = self.rotated.glob("ngenea-worker.lastsnap.*")
        return file

    @property
    def held(self) -> list[str]:
        """Names of the indexes there are."""
        return sorted(
            file.name.removesuffix(".parquet") for file in self.side.root.glob(".argosy/snapshots/*/*.parquet")
        )


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    yield Watched(tmp_path)
    close_all()


@pytest.mark.feature("HUB-SYNC-016", "HUB-SYNC-017")
def test_the_first_run_finds_everything_and_later_ones_what_changed(watched: Watched) -> None:
    (watched.top / "d").mkdir()
    for name in ("a", "d/b", "d/c", "e"):
        (watched.top / name).write_text(name)
    (watched.top / "l").symlink_to("a")
    assert watched.look() == [("created", name) for name in ("a", "d", "d/b", "d/c", "e", "l")]
    assert watched.look() == []
    (watched.top / "a").write_text("changed")
    (watched.top / "d").rename(watched.top / "f")
    (watched.top / "e").unlink()
    (watched.top / "g").write_text("g")
    assert watched.look() == [("deleted", "e"), ("moved", "f", "d"), ("updated", "a"), ("created", "g")]
    assert watched.look() == []


def test_a_deleted_entry_is_told_of_as_it_was(watched: Watched) -> None:
    file = watched.top / "a"
    file.write_text("12345")
    file.chmod(0o640)
    was = file.stat()
    watched.look()
    file.unlink()
    watched.find()
    (entry,) = watched.found()
    assert (entry.kind, entry.size, entry.mtime_ns, entry.inode) == (Kind.FILE, 5, was.st_mtime_ns, was.st_ino)
    assert entry.facts.attributes is not None
    assert (entry.facts.attributes.mode, entry.facts.attributes.uid) == (0o640, was.st_uid)


@pytest.mark.feature("HUB-SYNC-014")
def test_exactly_one_path_is_taken(watched: Watched) -> None:
    order = watched.side.order("snapdiff", *[Entry(path=bytes(watched.top))] * 2)
    report = run(order, watched.side.site(order), watched.side.hub, watched.side.pool)
    assert report.error == "invalid"
    assert "exactly one path" in report.reason
    assert not report.retry


@pytest.mark.feature("HUB-SYNC-015")
def test_the_path_is_the_top_of_a_fileset(watched: Watched) -> None:
    (watched.top / "d").mkdir()
    for path in (watched.top / "d", watched.side.root):
        report = watched.run("snapdiff", "t", path)
        assert report.error == "no_fileset"
        assert "fileset" in report.reason


@pytest.mark.feature("HUB-SYNC-020")
def test_the_last_snap_file_names_fileset_and_number_and_holds_the_snapshot(watched: Watched) -> None:
    watched.look()
    number = watched.side.site().fileset(bytes(watched.top)).number
    assert watched.last.name == f"ngenea-worker.lastsnap.name.projects.id.{number}"
    first = watched.last.read_text().strip()
    assert re.fullmatch(r"ngenea-worker\.snapdiff\.\d{8}T\d{12}Z", first)
    watched.look()
    assert watched.last.read_text().strip() > first
    assert watched.held == [watched.last.read_text().strip()]


def test_a_run_whose_job_has_not_ended_changes_nothing_about_the_next(watched: Watched) -> None:
    (watched.top / "a").write_text("a")
    assert watched.find("t") == [("created", "a")]
    watched.end("t", forward=False)
    assert watched.held == []
    assert watched.look() == [("created", "a")]
    assert len(watched.held) == 1


@pytest.mark.feature("HUB-SYNC-021")
def test_without_the_last_snap_file_everything_is_found_again(watched: Watched) -> None:
    (watched.top / "a").write_text("a")
    watched.look()
    watched.last.unlink()
    assert watched.look() == [("created", "a")]
    assert watched.held == [watched.last.read_text().strip()]


@pytest.mark.feature("HUB-SYNC-022")
def test_a_snapshot_that_is_written_into_the_last_snap_file_is_where_the_next_run_begins(watched: Watched) -> None:
    watched.look()
    (watched.top / "before").write_text("a")
    snapshot = "ngenea-worker.snapdiff.20260101T000000000000Z"
    assert not watched.run("create_snapshot", "s", snapshot=snapshot).error
    (watched.top / "after").write_text("b")
    watched.last.write_text(snapshot + "\n")
    assert watched.look() == [("created", "after")]
    assert watched.look() == []
    assert watched.held == sorted([snapshot, watched.last.read_text().strip()]), "what a person made stays"


def test_a_last_snap_file_with_a_name_that_nothing_has_says_what_to_do(watched: Watched) -> None:
    watched.look()
    there = watched.last.read_text().strip()
    watched.last.write_text("ngenea-worker.snapdiff.gone")
    report = watched.run("snapdiff", "t")
    assert report.error == "last_snapshot_gone"
    assert str(watched.last) in report.reason
    assert "remove that file" in report.reason
    assert there in report.reason
    assert not list(watched.rotated.glob("*.lock"))


@pytest.mark.feature("HUB-SYNC-026")
def test_one_run_at_a_time(watched: Watched) -> None:
    watched.find("one")
    (lock,) = watched.rotated.glob("*.lock")
    number = watched.side.site().fileset(bytes(watched.top)).number
    assert lock.name == f"snapdiff.name.projects.id.{number}.lock"
    report = watched.run("snapdiff", "two")
    said = "SnapdiffLockError: Could not perform snapdiff as one is currently running for provided fileset"
    assert report.reason.startswith(said)
    assert str(lock) in report.reason
    watched.end("one")
    assert not lock.exists()
    watched.look()


@pytest.mark.feature("HUB-SYNC-027")
def test_an_old_lock_holds_nobody_back(watched: Watched) -> None:
    watched.find("one")
    (lock,) = watched.rotated.glob("*.lock")
    then = time.time() - 100
    os.utime(lock, (then, then))
    watched.policy = Policy(lock_threshold=101)
    assert watched.run("snapdiff", "two").error == "snapdiff_locked"
    watched.policy = Policy(lock_threshold=99)
    assert watched.find("two") == []
    watched.end("one")
    assert lock.exists(), "it is the other's now"
    watched.end("two")
    assert not lock.exists()
    assert watched.held == [watched.last.read_text().strip()]


def test_a_lock_that_a_person_made_holds_until_it_is_removed(watched: Watched) -> None:
    watched.look()
    number = watched.side.site().fileset(bytes(watched.top)).number
    lock = watched.rotated / f"snapdiff.name.projects.id.{number}.lock"
    lock.touch()
    assert watched.run("snapdiff", "t").error == "snapdiff_locked"
    lock.unlink()
    watched.look()


@pytest.mark.feature("HUB-SYNC-028")
def test_a_run_that_fails_lets_go_of_the_lock(watched: Watched) -> None:
    watched.look()
    (index,) = watched.side.root.glob(".argosy/snapshots/*/*.parquet")
    index.write_bytes(b"broken")
    assert watched.run("snapdiff", "t").error == "index_damaged"
    assert not list(watched.rotated.glob("*.lock"))


def test_a_run_that_was_killed_is_taken_up_with_the_snapshot_it_had(watched: Watched) -> None:
    for name in "abcdef":
        (watched.top / name).write_text(name)
    site = watched.side.site(msgspec.structs.replace(watched.side.order("snapdiff"), task="t", policy=watched.policy))
    going = Snapdiff().find([Entry(path=bytes(watched.top))], site, on_error=lambda *_: None, after=None)
    first = [next(going).path for _ in range(2)]
    going.close()
    for name in "xyz":
        (watched.top / name).write_text(name)
    watched.run("snapdiff", "t", after=first[-1], phase=REST)
    assert watched.told() == [("created", name) for name in "cdef"]
    watched.end("t")
    assert watched.look() == [("created", name) for name in "xyz"]


def test_each_phase_begins_where_the_one_before_ended(watched: Watched) -> None:
    for name in ("k", "gone", "a", "b"):
        (watched.top / name).write_text(name)
    watched.look()
    for name in ("k", "gone"):
        (watched.top / name).unlink()
    (watched.top / "k").mkdir()
    (watched.top / "a").rename(watched.top / "k/a")
    (watched.top / "k/a").write_text("changed")
    (watched.top / "b").rename(watched.top / "c")
    watched.run("snapdiff", "t")
    assert [(batch.phase, len(batch.entries)) for batch in watched.side.hub.batches] == [
        (DELETED, 2), (MOVED, 2), (REST, 2),
    ]  # fmt: skip
    everything = watched.told()
    assert everything == [
        ("deleted", "k"), ("deleted", "gone"), ("moved", "c", "b"), ("moved", "k/a", "a"),
        ("created", "k"), ("updated", "k/a"),
    ]  # fmt: skip
    for phase, after, rest in ((MOVED, None, 2), (MOVED, "c", 3), (REST, None, 4), (REST, "k", 5)):
        at = None if after is None else bytes(watched.top / after)
        watched.run("snapdiff", "t", after=at, phase=phase)
        assert watched.told() == everything[rest:], (phase, after)
    report = watched.run("snapdiff", "t", after=bytes(watched.top / "b"), phase=REST)
    assert (report.error, report.retry) == ("changed", False), "rather than to leave out what comes behind"
    assert "run it again" in report.reason


@pytest.mark.parametrize(("phase", "after"), [(MOVED, None), (DELETED, "a")])
@pytest.mark.parametrize("way", ["another run", "the index", "the older index"])
def test_what_lost_its_snapshots_does_not_begin_anew_behind_what_was_dealt_with(
    watched: Watched, way: str, phase: int, after: str | None
) -> None:
    for name in "abcd":
        (watched.top / name).write_text(name)
    watched.look()
    first = watched.last.read_text()
    (watched.top / "a").unlink()
    assert watched.find("one") == [("deleted", "a")]
    watched.policy = Policy(lock_threshold=-1)
    if way == "another run":
        watched.find("two")
        watched.end("two", forward=False)
    else:
        (gone,) = [name for name in watched.held if (name == first.strip()) == (way == "the older index")]
        (index,) = watched.side.root.glob(f".argosy/snapshots/*/{gone}.parquet")
        content = index.read_bytes()
        index.unlink()
    (watched.top / "b").unlink()
    (watched.top / "c").rename(watched.top / "cc")
    report = watched.run("snapdiff", "one", after=None if after is None else bytes(watched.top / after), phase=phase)
    assert (report.error, report.retry, watched.found()) == ("changed", False, [])
    assert "run it again" in report.reason
    watched.end("one", forward=False)
    if way == "the older index":
        index.write_bytes(content)
    assert watched.last.read_text() == first
    assert watched.look() == [("deleted", "b"), ("deleted", "a"), ("moved", "cc", "c")]


def test_what_fails_after_something_was_told_holds_the_lock_until_its_job_has_ended(watched: Watched) -> None:
    (watched.top / "a").write_text("a")
    assert watched.find("one") == [("created", "a")]
    assert watched.run("snapdiff", "one", after=b"/nowhere", phase=REST).error == "changed"
    assert watched.run("snapdiff", "two").error == "snapdiff_locked", "what was told is worked on"
    watched.end("one", forward=False)
    assert watched.look() == [("created", "a")]


def test_what_cannot_be_looked_at_fails_and_is_not_gone(watched: Watched) -> None:
    for name in ("a", "b"):
        (watched.top / name).write_text(name)
    watched.look()
    watched.find("t")
    (shelf,) = watched.side.root.glob(".argosy/snapshots/*")
    write(shelf / f"{watched.held[1]}.parquet", {"a": unknown(), "d": directory(5, unknown=2)})
    report = watched.run("snapdiff", "t")
    assert watched.told() == []  # what nobody could look into is told once, and found when somebody can
    failed = [*report.outcomes, *(outcome for batch in watched.side.hub.batches for outcome in batch.failed)]
    assert [outcome.entry.path for outcome in failed] == [bytes(watched.top / name) for name in ("a", "d", "b")]
    said = ["could not be looked at", "could not be looked at", "may have been moved"]
    assert all(each in outcome.reason for each, outcome in zip(said, failed, strict=True))


def test_what_moved_is_known_by_what_it_was(watched: Watched) -> None:
    (watched.top / "a").write_text("a")
    (watched.top / "d").mkdir()
    watched.look()
    before = (watched.top / "a").lstat()
    (watched.top / "a").rename(watched.top / "b")
    (watched.top / "b").write_text("longer")
    (watched.top / "d").rename(watched.top / "e")
    assert watched.find("t") == [("moved", "b", "a"), ("moved", "e", "d"), ("updated", "b")]
    file, top, again = (entry.facts.was for entry in watched.found())
    assert file is not None
    assert top is not None
    assert again is None
    assert (file.size, file.mtime_ns) == (1, before.st_mtime_ns)
    assert file.object.split(b":")[1] == str(before.st_ino).encode()
    assert file.object != top.object
    assert file.since_ns == top.since_ns > 0


def test_what_may_be_below_a_new_mount_is_not_gone(watched: Watched, loop_mount: LoopMount) -> None:
    for name in ("d", "e"):
        (watched.top / name).mkdir()
        (watched.top / name / "f").write_text(name)
    watched.look()
    (watched.top / "d").rename(watched.top / "moved")
    subprocess.run(["mount", "--bind", str(loop_mount("ext4")), str(watched.top / "moved")], check=True)
    try:
        assert watched.look() == []
        (watched.top / "e" / "f").unlink()
        assert watched.look() == [("deleted", "e/f")]
    finally:
        subprocess.run(["umount", str(watched.top / "moved")], check=True)


def test_a_write_that_keeps_size_and_mtime_is_found_and_what_argosy_writes_of_a_file_is_not(watched: Watched) -> None:
    for name in ("a", "b", "c"):
        (watched.top / name).write_text(name)
        os.utime(watched.top / name, (1, 1))
    watched.look()
    report = watched.run("migrate", "t", watched.top / "a", premigrate=True)
    assert [outcome.state for outcome in report.outcomes] == ["processed"]
    (watched.top / "b").write_text("B")
    os.utime(watched.top / "b", (1, 1))
    (watched.top / "c").rename(watched.top / "d")
    assert watched.look() == [("moved", "d", "c"), ("updated", "b")]
    assert watched.look() == []
    (watched.top / "a").write_text("A")
    os.utime(watched.top / "a", (1, 1))
    assert watched.look() == [("updated", "a")]


@pytest.mark.parametrize("aged", [True, False])
def test_a_write_that_keeps_size_and_mtime_is_found_and_sent_right_after_the_first_copy(
    watched: Watched, *, aged: bool
) -> None:
    for name in ("a", "b"):
        (watched.top / name).write_text(name)
        if aged:
            os.utime(watched.top / name, (1, 1))
    watched.look()
    for name in ("a", "b"):
        watched.run("migrate", f"t{name}", watched.top / name, premigrate=True)
    seen = (watched.top / "a").stat()
    (watched.top / "a").write_text("A")
    os.utime(watched.top / "a", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert watched.look() == [("updated", "a")]
    (outcome,) = watched.run("migrate", "again", watched.top / "a", premigrate=True, overwrite=True).outcomes
    assert outcome.state == "processed"
    assert watched.look() == []


def test_a_damaged_snapshot_is_told_by_its_path_and_with_what_to_do(watched: Watched) -> None:
    watched.look()
    (index,) = watched.side.root.glob(".argosy/snapshots/*/*.parquet")
    whole = bytearray(index.read_bytes())
    whole[len(whole) // 2] ^= 4
    index.write_bytes(whole)
    report = watched.run("snapdiff", "t")
    assert report.error == "index_damaged"
    assert report.reason.startswith(f"{index}: is damaged")
    index.unlink()
    watched.last.unlink()
    watched.look()
    assert watched.look() == []


@pytest.mark.feature("HUB-SYNC-019")
def test_what_changed_before_the_last_snapshot_can_be_left_out(watched: Watched) -> None:
    (watched.side.root / "outside").mkdir()
    (watched.side.root / "outside/old").write_text("old")
    watched.look()
    (watched.side.root / "outside").rename(watched.top / "inside")
    (watched.top / "new").write_text("new")
    watched.find("t", skip_old_ctimes=True)
    assert watched.told() == [("created", "inside"), ("created", "new")]
    watched.end("t", forward=False)
    assert watched.look() == [("created", "inside"), ("created", "inside/old"), ("created", "new")]


@pytest.fixture
def frozen(tmp_path: Path, loop_mount: LoopMount) -> Iterator[Watched]:
    """A fileset that is a subvolume of btrfs."""
    top = loop_mount("btrfs") / f"root-{uuid4().hex}" / "projects"
    top.parent.mkdir()
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(top)], check=True)
    yield Watched(tmp_path, snapshots="btrfs", root=top)
    close_all()


def test_what_is_compared_on_btrfs_is_frozen(frozen: Watched) -> None:
    (frozen.top / "a").write_text("a")
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(frozen.top / "nested")], check=True)
    (frozen.top / "nested/b").write_text("b")
    assert frozen.look() == [("created", "a")]
    (frozen.top / "a").rename(frozen.top / "c")
    (frozen.top / "d").write_text("d")
    assert frozen.look() == [("moved", "c", "a"), ("created", "d")]
    (shelf,) = frozen.side.root.glob(".argosy/snapshots/*")
    (subvolume,) = [path for path in shelf.iterdir() if path.is_dir()]
    assert subvolume.name == frozen.last.read_text().strip()
    (frozen.top / "d").unlink()
    assert (subvolume / "d").read_text() == "d"


def test_a_snapshot_that_was_never_listed_is_listed_when_a_run_begins_there(frozen: Watched) -> None:
    frozen.look()
    (frozen.top / "a").write_text("a")
    (shelf,) = frozen.side.root.glob(".argosy/snapshots/*")
    subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", str(frozen.top), str(shelf / "mine")], check=True)
    (frozen.top / "b").write_text("b")
    frozen.last.write_text("mine")
    assert frozen.look() == [("created", "b")]
    assert (shelf / "mine").is_dir()


def test_what_is_ours_at_the_root_is_found_by_nobody_and_what_has_its_name_elsewhere_is(tmp_path: Path) -> None:
    top = tmp_path / "site"
    side = Watched(tmp_path)
    (side.side.tree / ".rotate").mkdir()
    side.look()
    assert {entry.path for entry in side.side.entries(top)} == {
        bytes(path) for path in (top, side.side.tree, side.side.tree / ".rotate")
    }


def test_files_of_a_site_are_known_to_be_needed_whatever_its_snapshots_hold(frozen: Watched) -> None:
    file = frozen.top / "a"
    file.write_text("a")
    link = Link(site_path=bytes(frozen.top), datastore="cloud", datastore_path=b"projects/")
    frozen.side.links = (link,)
    (stored,) = frozen.side.do("migrate", frozen.side.entry(file), premigrate=True)
    assert stored.entry.facts.stored is not None
    frozen.look()
    assert frozen.side.references() == {stored.entry.facts.stored.uuid}


def test_the_whole_root_can_be_a_fileset(tmp_path: Path) -> None:
    root = tmp_path / "whole"
    root.mkdir()
    one = Watched(tmp_path, root=root, whole=True)
    (root / "a").write_text("a")
    assert one.look() == [("created", "a")]
    assert one.look() == []


class TestSnapshotsThatAreThere:
    """Listed, and removed by people."""

    @staticmethod
    def _listed(watched: Watched) -> dict[str, dict[str, Any]]:
        report = watched.run("snapshots", uuid4().hex)
        assert not report.error, report.reason
        told = [
            msgspec.json.decode(TestSnapshotsThatAreThere._step(watched, "list_snapshot", entry).reason)
            for entry in watched.found()
        ]
        return {one["name"]: one for one in told}

    @staticmethod
    def _step(watched: Watched, step: str, entry: Entry, **options: Any) -> Outcome:
        order = msgspec.structs.replace(watched.side.order(step, entry, **options), policy=watched.policy)
        (outcome,) = run(order, watched.side.site(order), watched.side.hub, watched.side.pool).outcomes
        return outcome

    def _remove(self, watched: Watched, name: str = "", **options: Any) -> dict[str, Outcome]:
        report = watched.run("snapshots", uuid4().hex, snapshot=name)
        assert not report.error, report.reason
        entries = list(watched.found())
        return {
            entry.path.rpartition(b"/")[2].decode(): self._step(watched, "delete_snapshot", entry, **options)
            for entry in entries
        }

    def test_each_is_told_of_with_when_it_was_taken_its_entries_and_who_made_it(self, watched: Watched) -> None:
        (watched.top / "a").write_text("a")
        begun = time.time_ns()
        watched.look()
        assert not watched.run("create_snapshot", "s", snapshot="mine").error
        last = watched.last.read_text().strip()
        told = self._listed(watched)
        assert told.keys() == {"mine", last}
        assert begun - 10**9 < told["mine"]["began_ns"] < time.time_ns() + 10**9
        assert [(told[name]["rows"], told[name]["last"], told[name]["rotates"]) for name in ("mine", last)] == [
            (2, False, False), (2, True, True),
        ]  # fmt: skip
        assert told["mine"]["size"] > 0

    def test_all_go_but_the_one_where_the_next_run_begins_unless_that_is_meant_too(self, watched: Watched) -> None:
        (watched.top / "a").write_text("a")
        watched.look()
        assert not watched.run("create_snapshot", "s", snapshot="mine").error
        last = watched.last.read_text().strip()
        gone = self._remove(watched)
        assert {name: outcome.state.value for name, outcome in gone.items()} == {"mine": "processed", last: "skipped"}
        assert (watched.held, watched.look()) == ([last], [])
        last = watched.last.read_text().strip()
        assert [outcome.state.value for outcome in self._remove(watched, last, last_too=True).values()] == ["processed"]
        assert (watched.held, list(watched.rotated.iterdir())) == ([], [])
        assert list(watched.side.root.glob(".argosy/snapshots/*/*")) == []
        assert watched.look() == [("created", "a")]

    def test_none_goes_while_a_run_is_under_way(self, watched: Watched) -> None:
        watched.look()
        task = uuid4().hex
        watched.find(task)
        before = watched.held
        for options in ({}, {"last_too": True}):
            errors = {outcome.error for outcome in self._remove(watched, **options).values()}
            assert errors == {"snapdiff_locked"}
        assert watched.held == before
        watched.end(task)

    def test_a_snapshot_that_was_compared_and_is_gone_is_not_taken_anew(self, watched: Watched) -> None:
        """What is there now would count as what there was: all that changed would be lost."""
        (watched.top / "a").write_text("a")
        watched.look()
        (watched.top / "b").write_text("b")
        task = uuid4().hex
        watched.find(task)
        (index,) = watched.side.root.glob(f".argosy/snapshots/*/{watched.last.read_text().strip()}.parquet")
        index.unlink()
        report = watched.run("snapdiff", task)
        assert "which is not there: remove that file to begin anew" in report.reason
        assert report.error == "last_snapshot_gone"

    def test_none_goes_while_the_last_snap_file_has_a_name_that_none_has(self, watched: Watched) -> None:
        """The one that was meant would go."""
        (watched.top / "a").write_text("a")
        watched.look()
        assert not watched.run("create_snapshot", "s", snapshot="mine").error
        last, held = watched.last.read_text(), watched.held
        watched.last.write_text(f"{last.strip()[:-1]}\n")
        assert {outcome.error for outcome in self._remove(watched).values()} == {"last_snapshot_gone"}
        assert watched.held == held
        watched.last.write_text(last)
        (watched.top / "a").unlink()
        assert watched.look() == [("deleted", "a")]
        watched.last.write_text("typo\n")
        assert {outcome.error for outcome in self._remove(watched, last_too=True).values()} == {""}
        assert watched.held == []

    @pytest.mark.parametrize("name", ["a.rotates", "a.found", "a.parquet", "a.part"])
    def test_none_gets_a_name_that_argosys_files_beside_it_have(self, watched: Watched, name: str) -> None:
        assert "files of Argosy end so" in watched.run("create_snapshot", "s", snapshot=name).reason


def test_a_lock_from_the_future_grows_old_as_others_do(watched: Watched) -> None:
    task, (ahead, threshold) = uuid4().hex, (10 * 86400, watched.policy.lock_threshold)
    watched.find(task)
    (lock,) = watched.rotated.glob("*.lock")
    os.utime(lock, (time.time() + ahead, time.time() + ahead))
    assert "SnapdiffLockError" in watched.run("snapdiff", uuid4().hex).reason
    assert lock.stat().st_mtime < time.time() + 1
    os.utime(lock, (time.time() - threshold - 1,) * 2)
    assert not watched.run("snapdiff", uuid4().hex).error


def test_a_rotation_by_itself_has_the_next_discovery_begin_there(watched: Watched) -> None:
    (watched.top / "a").touch()
    watched.look()
    (watched.top / "b").touch()
    first = watched.last.read_text()
    report = watched.run("rotate_snapshot", uuid4().hex)
    assert [outcome.state for outcome in report.outcomes] == [FileState.PROCESSED], report
    assert watched.last.read_text() > first
    assert [f"{name}\n" for name in watched.held] == [watched.last.read_text()], "the older one went"
    assert not list(watched.rotated.glob("*.lock"))
    (watched.top / "c").touch()
    assert watched.look() == [("created", "c")]


def test_a_rotation_by_itself_is_refused_while_a_discovery_is_under_way(watched: Watched) -> None:
    task = uuid4().hex
    (watched.top / "a").touch()
    assert watched.find(task) == [("created", "a")]
    (outcome,) = watched.run("rotate_snapshot", uuid4().hex).outcomes
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "snapdiff_locked")
    watched.end(task)
    assert watched.look() == []


def test_a_rotation_by_itself_wants_the_top_of_a_fileset(watched: Watched) -> None:
    (watched.top / "a").touch()
    (outcome,) = watched.run("rotate_snapshot", uuid4().hex, watched.top / "a").outcomes
    assert outcome.state is FileState.FAILED
    assert "name its top" in outcome.reason


def test_a_rotation_by_itself_that_does_not_go_forward_leaves_the_last_snapshot(watched: Watched) -> None:
    watched.look()
    (watched.top / "a").touch()
    (outcome,) = watched.run("rotate_snapshot", uuid4().hex, forward=False).outcomes
    assert outcome.state is FileState.SKIPPED
    assert watched.look() == [("created", "a")]
