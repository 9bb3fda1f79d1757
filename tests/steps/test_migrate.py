"""Releases: what `migrate` without `premigrate` does to files, on the filesystems that it is used on."""

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import pytest

from argosy.agent.index import Index
from argosy.core import wire
from argosy.core.entry import Entry, Stored
from argosy.core.errors import ArgosyError, Exhausted, Unsupported
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.filesystems._posix.file import OpenFile
from argosy.filesystems.posix import Posix
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import Bytes
from argosy.hsm.out.release import Releasable
from argosy.steps.base import Work
from argosy.steps.migrate import Migrate
from argosy.stores.posix import PosixStore
from tests.loop import LoopMount, loop_mount, mounted, unmounted
from tests.sites import Side
from tests.verbs.disks import Disk, disk
from tests.verbs.task import cut_power

__all__ = ["disk", "loop_mount"]

CONTENT = os.urandom(300_000)
HOUR = 3600 * 10**9


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def side(request: pytest.FixtureRequest, loop_mount: LoopMount, tmp_path: Path) -> Iterator[Side]:
    """A site on a filesystem of each kind."""
    top = loop_mount(request.param) / tmp_path.name
    top.mkdir()
    side = Side(top, "london")
    yield side
    side.place.close()
    shutil.rmtree(top)


def made(site: Side, name: str, content: bytes = CONTENT) -> Path:
    """Return a file that was written an hour ago."""
    file = site.tree / name
    file.write_bytes(content)
    aged(file)
    return file


def aged(file: Path) -> None:
    then = file.stat().st_mtime_ns - HOUR
    os.utime(file, ns=(then, then))


def migrate(site: Side, *paths: Path, **options: object) -> list[Outcome]:
    return site.do("migrate", *map(site.entry, paths), **options)


def state(site: Side, path: Path) -> State:
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        return look(file, site.site()).state


def pointer(site: Side, path: Path) -> Pointer:
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        found = file.pointer()
    assert found is not None
    return found


def repoint(site: Side, path: Path, **fields: object) -> None:
    """Have the inode say something else, as a killed agent might have left it."""
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        found = file.pointer()
        assert found is not None
        file.point(msgspec.structs.replace(found, **fields))  # type: ignore[arg-type]


def data(path: Path) -> int:
    """Return how many bytes of the file lie on the disk."""
    with path.open("rb") as file:
        total, end = 0, 0
        while end < path.stat().st_size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            total += end - start
        return total


def content(site: Side, outcome: Outcome) -> bytes:
    stored = outcome.entry.facts.stored
    assert stored is not None
    return b"".join(site.place.store(site.access).get(stored.key, etag=stored.etag))


def use(site: Side, replacement: object) -> None:
    site.place._stores[wire.dump(site.access)] = replacement  # type: ignore[assignment]


class NoStore:
    """A store that must not be asked."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the store was asked to {name}")


class Counted(PosixStore):
    """A store that keeps the keys of what is put."""

    @cached_property
    def puts(self) -> list[str]:
        return []

    def put(self, key: str, *more: object, **named: object):  # type: ignore[no-untyped-def,override]
        self.puts.append(key)
        return super().put(key, *more, **named)  # type: ignore[arg-type]


# What a stub is


@pytest.mark.feature("HUB-STEP-004")
def test_a_stub_has_no_data_and_is_otherwise_as_the_file_was(side: Side) -> None:
    file = made(side, "f")
    file.chmod(0o4751)
    os.chown(file, 1234, 4321)
    file.chmod(0o4751)
    os.setxattr(file, "user.review", b"approved")
    before = file.stat()
    (outcome,) = migrate(side, file)
    after = file.stat()
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, len(CONTENT))
    assert (data(file), state(side, file)) == (0, State.STUB)
    assert after.st_blocks * 512 <= 4096, "at most its attributes"
    kept = ["st_size", "st_mtime_ns", "st_mode", "st_uid", "st_gid", "st_ino"]
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert os.getxattr(file, "user.review") == b"approved"
    assert content(side, outcome) == CONTENT
    stored = outcome.entry.facts.stored
    assert stored is not None
    known = pointer(side, file)
    assert (known.state, known.uuid, known.digest) == (StubState.STUB, stored.uuid, stored.digest)


@pytest.mark.parametrize("size", [1, 100, 2000, 4097])
def test_a_tiny_file_becomes_a_stub_where_the_site_wants_it(side: Side, size: int) -> None:
    file = made(side, "f", CONTENT[:size])
    (outcome,) = migrate(side, file)
    assert (outcome.state, content(side, outcome)) == (FileState.PROCESSED, CONTENT[:size])
    assert (state(side, file), data(file), file.stat().st_size) == (State.STUB, 0, size)


def test_a_stub_has_nothing_reserved_behind_its_end(side: Side) -> None:
    file = made(side, "f")
    subprocess.run(["fallocate", "-n", "-l", str(1 << 20), file], check=True)
    aged(file)
    before = file.stat()
    (outcome,) = migrate(side, file)
    after = file.stat()
    assert (outcome.state, state(side, file)) == (FileState.PROCESSED, State.STUB)
    assert after.st_blocks * 512 <= 8192
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_file_of_a_year_that_64_bits_do_not_reach_goes_and_comes_back(side: Side) -> None:
    file = side.tree / "f"
    file.write_bytes(CONTENT)
    os.utime(file, (15_000_000_000, 15_000_000_000))
    if file.stat().st_mtime < 15_000_000_000:
        return  # this filesystem writes no such time
    (outcome,) = migrate(side, file)
    assert (outcome.state, state(side, file)) == (FileState.PROCESSED, State.STUB), outcome
    (outcome,) = side.do("recall", side.entry(file))
    assert (outcome.state, file.read_bytes()) == (FileState.PROCESSED, CONTENT), outcome
    assert file.stat().st_mtime == 15_000_000_000
    (outcome,) = side.do("migrate", side.entry(file), premigrate=True)
    assert outcome.state is FileState.SKIPPED, outcome


def test_a_second_run_is_skipped_with_the_same_facts(side: Side) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file)
    use(side, NoStore())
    for options in ({}, {"premigrate": True}):
        (again,) = migrate(side, file, **options)
        assert (again.state, again.reason, again.moved) == (FileState.SKIPPED, "is a stub already", 0)
        assert again.entry.facts == first.entry.facts


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_stub_is_never_taken_for_a_file_of_zeros(side: Side, overwrite: bool) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file)
    os.utime(file)
    (again,) = migrate(side, file, overwrite=overwrite)
    assert again.state is FileState.SKIPPED
    assert content(side, first) == CONTENT


def test_a_site_that_lost_its_index_asks_the_store_what_a_stub_is_called(side: Side) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file)
    side.place.index.flush()
    side.place.index._db.execute("DELETE FROM object")
    (again,) = migrate(side, file)
    assert again.state is FileState.SKIPPED
    assert again.entry.facts == first.entry.facts


def test_a_stub_whose_object_nobody_can_name_fails_and_says_what_helps(side: Side) -> None:
    file = made(side, "f")
    migrate(side, file)
    side.place.index.flush()
    side.place.index._db.execute("DELETE FROM object")
    moved = file.rename(side.tree / "elsewhere")
    (outcome,) = migrate(side, moved)
    assert outcome.state is FileState.FAILED
    assert "argosy rebuild" in outcome.reason
    assert state(side, moved) is State.STUB


@pytest.mark.feature("HUB-STEP-006")
def test_the_beginning_of_a_file_stays_as_asked(side: Side) -> None:
    file = made(side, "f")
    (outcome,) = migrate(side, file, stub_size=5000)
    assert outcome.state is FileState.PROCESSED
    block = os.statvfs(file).f_bsize
    kept = -(-5000 // block) * block
    assert data(file) == kept
    assert file.read_bytes()[:kept] == CONTENT[:kept]
    assert (state(side, file), pointer(side, file).kept) == (State.STUB, kept)
    assert migrate(side, file, stub_size=5000)[0].state is FileState.SKIPPED


@pytest.mark.parametrize("name", ["empty", "small", "head"])
def test_a_file_that_is_not_worth_a_stub_stays_whole_and_counts_as_processed(tmp_path: Path, name: str) -> None:
    london = Side(tmp_path, "london", policy=Policy(unguarded_stubs=True, min_stub_size=4000))
    file = made(london, name, {"empty": b"", "small": CONTENT[:3999], "head": CONTENT[:8000]}[name])
    (outcome,) = migrate(london, file, stub_size=5000)
    assert outcome.state is FileState.PROCESSED
    assert (state(london, file), content(london, outcome)) == (State.PREMIGRATED, file.read_bytes())
    (again,) = migrate(london, file, stub_size=5000)
    assert again.state is FileState.SKIPPED
    assert again.reason == "already premigrated, and keeps its bytes: it is too small for a stub"


def test_a_file_of_the_least_size_becomes_a_stub(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", policy=Policy(unguarded_stubs=True, min_stub_size=4000))
    file = made(london, "f", CONTENT[:4000])
    migrate(london, file)
    assert state(london, file) is State.STUB


def test_objects_under_their_uuids_have_stubs_as_well(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", layout="immutable")
    file = made(london, "f")
    (first,) = migrate(london, file)
    london.place.index.flush()
    london.place.index._db.execute("DELETE FROM object")
    (again,) = migrate(london, file)
    assert (state(london, file), content(london, again)) == (State.STUB, CONTENT)
    assert again.entry.facts == first.entry.facts


def test_what_is_no_file_is_copied_as_premigrate_does(london: Side) -> None:
    (london.tree / "d").mkdir()
    (london.tree / "l").symlink_to("nowhere")
    outcomes = migrate(london, london.tree / "d", london.tree / "l")
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 2


# What may not become a stub


def test_without_a_guard_nothing_is_sent_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", policy=Policy(min_stub_size=0))
    file = made(london, "f")
    use(london, NoStore())
    (outcome,) = migrate(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "no_guard")
    assert "premigrate" in outcome.reason
    assert "unguarded_stubs" in outcome.reason
    assert state(london, file) is State.RESIDENT


HOLD = """
import mmap, os, sys
how, path = sys.argv[1:]
if how == "reads":
    held = open(path, "rb")
elif how == "writes":
    held = open(path, "r+b")
elif how == "appends":
    held = open(path, "ab")
else:
    with open(path, "r+b") as file:
        held = mmap.mmap(file.fileno(), 0)
    if how == "wrote":
        held[0:4] = b"MINE"
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holding() -> Iterator["Holding"]:
    """A function that has another process use a file in some way, until the test ends or `.stdin` is closed."""
    processes: list[subprocess.Popen[bytes]] = []

    def hold(how: str, file: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", HOLD, how, str(file)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield hold
    for process in processes:
        process.communicate()


class Holding:
    def __call__(self, how: str, file: Path) -> "subprocess.Popen[bytes]": ...


@pytest.mark.parametrize("how", ["reads", "writes", "appends", "maps"])
def test_a_file_that_somebody_has_open_stays_whole_and_is_premigrated(side: Side, holding: Holding, how: str) -> None:
    file = made(side, "f")
    process = holding(how, file)
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
    assert (file.read_bytes(), state(side, file)) == (CONTENT, State.PREMIGRATED)
    process.communicate()
    (again,) = migrate(side, file)
    assert (again.state, state(side, file)) == (FileState.PROCESSED, State.STUB)
    assert content(side, again) == CONTENT


def test_what_is_stored_through_a_mapping_is_not_punched_away(side: Side) -> None:
    """A mapping that is dirty already is stored to without a trace in mtime or ctime."""
    file = made(side, "f")
    with file.open("r+b") as opened:
        mapping = mmap.mmap(opened.fileno(), 0)
    mapping[0:4] = b"MINE"
    aged(file)
    before = file.stat()

    class Mapped(PosixStore):
        """A store during whose put somebody stores to the mapping, after the bytes were read."""

        def put(self, *more: object, **named: object):  # type: ignore[no-untyped-def,override]
            stored = super().put(*more, **named)  # type: ignore[arg-type]
            mapping[4:10] = b"SECOND"
            return stored

    use(side, Mapped(path=str(side.store)))
    (first,) = migrate(side, file, premigrate=True)
    assert first.state is FileState.PROCESSED
    assert content(side, first) == b"MINE" + CONTENT[4:]
    mapping.close()
    assert file.stat().st_mtime_ns == before.st_mtime_ns, "nothing tells of it"
    use(side, PosixStore(path=str(side.store)))
    (outcome,) = migrate(side, file, overwrite=True)
    assert (outcome.state, data(file)) == (FileState.PROCESSED, 0)
    assert content(side, outcome) == b"MINESECOND" + CONTENT[10:]


def test_bytes_that_differ_without_a_trace_are_found_before_they_are_freed(side: Side) -> None:
    """The attribute says that the file was read while nobody could write, and is wrong."""
    file = made(side, "f")
    side.do("migrate", side.entry(file), premigrate=True)
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"MINE")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    (outcome,) = migrate(side, file)
    assert (outcome.state, state(side, file)) == (FileState.PROCESSED, State.STUB)
    assert content(side, outcome) == b"MINE" + CONTENT[4:]


def test_a_file_written_between_copy_and_release_stays_and_is_dirty(side: Side) -> None:
    file = made(side, "f")

    class Written(PosixStore):
        """A store that takes its time: somebody writes as soon as the file was copied."""

        def head(self, key: str):  # type: ignore[no-untyped-def,override]
            found = super().head(key)
            file.write_bytes(b"new")
            return found

    side.do("migrate", side.entry(file), premigrate=True)
    use(side, Written(path=str(side.store)))
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed")
    assert (file.read_bytes(), state(side, file)) == (b"new", State.DIRTY)


@pytest.mark.feature("HUB-STEP-043")
def test_a_file_that_was_removed_while_it_was_sent_is_aborted(side: Side) -> None:
    file = made(side, "f")

    class Removed(PosixStore):
        """A store during whose put the file is removed."""

        def put(self, *more: object, **named: object):  # type: ignore[no-untyped-def,override]
            file.unlink(missing_ok=True)
            return super().put(*more, **named)  # type: ignore[arg-type]

    use(side, Removed(path=str(side.store)))
    for premigrate in (True, False):
        file = made(side, "f")
        (outcome,) = migrate(side, file, premigrate=premigrate)
        assert outcome.state is FileState.ABORTED
        assert "no such file" in outcome.reason


@pytest.mark.feature("HUB-STEP-043")
def test_a_file_cut_short_while_it_is_sent_is_aborted(london: Side) -> None:
    file = made(london, "f", os.urandom(20 << 20))

    class Cut(PosixStore):
        """A store during whose put the file is cut."""

        def put(self, *more: object, **named: object):  # type: ignore[no-untyped-def,override]
            os.truncate(file, 7)
            return super().put(*more, **named)  # type: ignore[arg-type]

    entry = london.entry(file)
    use(london, Cut(path=str(london.store)))
    for premigrate in (True, False):
        (outcome,) = london.do("migrate", entry, premigrate=premigrate)
        assert outcome.state is FileState.ABORTED
        assert file.stat().st_size == 7
        file.write_bytes(os.urandom(20 << 20))


def test_a_task_that_went_to_somebody_else_frees_nothing(london: Side) -> None:
    """The lease ends between the copy and the mark."""
    from argosy.core.errors import LeaseLost
    from argosy.hsm.out.premigrate import Premigration
    from argosy.hsm.out.release import Releasable, Release

    file = made(london, "f")
    site = london.site()
    release = Release(premigration=Premigration())
    work = release.prepare(london.entry(file), site)
    assert isinstance(work, Releasable)
    site.lease.revoke("the hub took the task back")
    with pytest.raises(LeaseLost):
        work.commit()
    assert (file.read_bytes(), state(london, file)) == (CONTENT, State.PREMIGRATED)


# What is not done twice


def test_a_change_of_mode_sends_nothing_again_and_has_the_bytes_hashed_before_they_go(side: Side) -> None:
    files = [made(side, name) for name in ("a", "b")]
    side.do("migrate", *map(side.entry, files), premigrate=True)
    counted = Counted(path=str(side.store))
    use(side, counted)
    for file in files:
        file.chmod(0o600)
    with files[1].open("r+b") as opened:  # without a trace
        opened.write(b"MINE")
    aged(files[1])
    os.utime(files[1], ns=(0, files[0].stat().st_mtime_ns))
    repoint(side, files[1], mtime_ns=files[1].stat().st_mtime_ns)
    (one,) = migrate(side, files[0])
    assert counted.puts == []
    assert (one.state, one.moved, state(side, files[0])) == (FileState.PROCESSED, 0, State.STUB)
    (other,) = migrate(side, files[1])
    assert (other.state, content(side, other)) == (FileState.PROCESSED, b"MINE" + CONTENT[4:])


def test_a_file_read_while_nobody_could_write_is_not_hashed_again(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(london, "f")
    london.do("migrate", london.entry(file), premigrate=True)
    monkeypatch.setattr("argosy.hsm.file.alone.chunks_of", None)
    (outcome,) = migrate(london, file)
    assert outcome.state is FileState.PROCESSED


def test_where_the_clock_was_set_back_the_bytes_are_hashed_before_they_go(london: Side) -> None:
    """What was noted has a later ctime than the file, whoever wrote to it last."""
    files = [made(london, name) for name in ("as it was", "written to")]
    migrate(london, *files, premigrate=True)
    before = files[1].stat()
    with files[1].open("r+b") as opened:
        opened.write(b"MINE")
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    site = london.site()
    for file in files:
        with site.tree(bytes(file)).open(bytes(file)) as opened:
            noted = site.noted(opened.binding())
            assert noted is not None
            site.note(opened.binding(), noted._replace(ctime_ns=opened.changed_ns() + HOUR))
    same, other = migrate(london, *files)
    assert (same.state, same.moved, state(london, files[0])) == (FileState.PROCESSED, 0, State.STUB)
    assert (other.state, content(london, other)) == (FileState.PROCESSED, b"MINE" + CONTENT[4:])


@pytest.mark.parametrize("premigrate", [True, False])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_bytes_that_outlived_a_power_cut_without_their_times_are_copied(
    disk: Callable[[str], Disk], kind: str, premigrate: bool
) -> None:
    on = disk(kind)
    london = Side(on.room("one"), "london")
    file = made(london, "f")
    migrate(london, file, premigrate=True)
    london.place.close()
    on.settle()
    before = file.stat()
    with file.open("r+b") as database:
        database.write(b"committed")
        database.flush()
        os.fdatasync(database.fileno())
    cut(on)
    assert (file.stat().st_mtime_ns, file.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    newer = file.read_bytes()
    assert newer == b"committed" + CONTENT[9:]
    london = Side(on.point / "one", "london")
    begin_another_boot(london)
    outcomes = [outcome for _ in range(2) for outcome in migrate(london, file, premigrate=premigrate)]
    assert content(london, outcomes[-1]) == newer
    assert state(london, file) is (State.PREMIGRATED if premigrate else State.STUB)
    london.place.close()


def begin_another_boot(site: Side) -> None:
    site.place.index.close()
    site.place.index = Index(site.root.parent / f"agent-{site.name}" / "index.db", boot="another")


def cut(on: Disk) -> None:
    """Drop what is not on the disk, and start again."""
    if not (child := os.fork()):
        cut_power(str(on.point))
    os.waitpid(child, 0)
    on.start_again()


def test_what_was_read_before_the_machine_was_started_is_hashed_once(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(london, "f")
    migrate(london, file, premigrate=True)
    begin_another_boot(london)
    assert migrate(london, file, premigrate=True)[0].state is FileState.SKIPPED
    monkeypatch.setattr("argosy.hsm.file.copied.digest_of", None)
    monkeypatch.setattr("argosy.hsm.file.alone.chunks_of", None)
    assert migrate(london, file, premigrate=True)[0].state is FileState.SKIPPED
    assert migrate(london, file)[0].state is FileState.PROCESSED


def test_names_of_one_file_in_one_batch_become_one_stub(side: Side) -> None:
    file = made(side, "a")
    names = [file]
    for name in "bcdefgh":
        os.link(file, side.tree / name)
        names.append(side.tree / name)
    outcomes = migrate(side, *names)
    states = sorted(outcome.state for outcome in outcomes)
    assert states == [FileState.PROCESSED] + [FileState.SKIPPED] * 7
    assert len({outcome.entry.facts.stored for outcome in outcomes}) == 1
    assert (state(side, file), data(file)) == (State.STUB, 0)


# Whose object it is


def test_a_name_given_to_another_file_takes_nothing_from_the_stub_that_moved(side: Side) -> None:
    a, b = made(side, "a"), side.tree / "b"
    (first,) = migrate(side, a)
    a.rename(b)
    a.write_bytes(b"new bytes of a" * 1000)
    aged(a)
    (second,) = migrate(side, a, overwrite=True)
    (moved,) = migrate(side, b)
    assert moved.state is FileState.SKIPPED
    assert content(side, second) == b"new bytes of a" * 1000
    kept = moved.entry.facts.stored
    assert kept is not None
    assert first.entry.facts.stored == kept
    from argosy.hsm.object.stored import pinned

    assert b"".join(pinned(side.place.store(side.access), kept)) == CONTENT


def test_a_copy_of_a_stub_with_its_attribute_gets_nothing(side: Side) -> None:
    file, copy = made(side, "f"), side.tree / "copy"
    migrate(side, file)
    with copy.open("wb") as opened:
        opened.truncate(len(CONTENT))
    os.setxattr(copy, "trusted.argosy", os.getxattr(file, "trusted.argosy"))
    for premigrate in (True, False):
        (outcome,) = migrate(side, copy, premigrate=premigrate)
        assert outcome.state is FileState.FAILED
        assert "argosy adopt" in outcome.reason
    assert state(side, copy) is State.UNBOUND


def test_an_attribute_that_a_user_made_is_not_believed(side: Side) -> None:
    file, forged = made(side, "f"), made(side, "forged", b"other bytes" * 1000)
    migrate(side, file)
    os.setxattr(forged, "user.argosy", os.getxattr(file, "trusted.argosy"))
    (outcome,) = migrate(side, forged)
    assert outcome.state is FileState.PROCESSED
    assert content(side, outcome) == b"other bytes" * 1000


def test_a_stub_that_lost_its_attribute_is_never_sent_as_zeros(side: Side) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file)
    os.removexattr(file, "trusted.argosy")
    for premigrate in (True, False):
        (outcome,) = migrate(side, file, premigrate=premigrate, overwrite=True)
        assert (outcome.state, outcome.error) == (FileState.FAILED, "pointer_unreadable")
        assert "lost" in outcome.reason
    assert content(side, first) == CONTENT


def test_a_new_file_at_the_number_of_a_stub_is_not_taken_for_it_where_nothing_has_a_birth_time(tmp_path: Path) -> None:
    point = mounted("ext4", tmp_path, make=["-I", "128"])
    try:
        london = Side(point, "london", store=tmp_path / "store")
        file, lost = made(london, "f"), made(london, "lost")
        migrate(london, file, lost)
        inode = file.stat().st_ino
        file.unlink()
        file.touch()
        os.truncate(file, 500_000)
        aged(file)
        assert file.stat().st_ino == inode
        os.removexattr(lost, "trusted.argosy")
        assert (state(london, file), state(london, lost)) == (State.RESIDENT, State.LOST)
        assert migrate(london, file)[0].state is FileState.PROCESSED
        london.place.close()
    finally:
        unmounted(point)


@pytest.mark.parametrize("marked", [StubState.STUB, StubState.RELEASING, StubState.RECALLING])
def test_a_stub_that_was_moved_keeps_its_location(london: Side, marked: StubState) -> None:
    file = made(london, "f")
    migrate(london, file)
    moved = file.rename(london.tree / "moved")
    repoint(london, moved, state=marked)
    before = pointer(london, moved)
    (outcome,) = london.do("remove_location_xattrs_for_moved", london.entry(moved))
    assert outcome.state is FileState.SKIPPED
    assert pointer(london, moved) == before


def test_of_two_files_that_point_to_one_object_the_one_it_is_called_after_keeps_its_location(london: Side) -> None:
    """The path that is remembered of the object is the last one's, and does not tell."""
    file, other = made(london, "f"), made(london, "other")
    migrate(london, file, premigrate=True)
    with london.place.tree(bytes(other)).open(bytes(other)) as opened:
        known = pointer(london, file)
        opened.point(msgspec.structs.replace(known, binding=opened.binding(), mtime_ns=opened.entry.mtime_ns))
    migrate(london, other, premigrate=True)
    assert pointer(london, other).uuid == pointer(london, file).uuid
    stays, goes = london.do("remove_location_xattrs_for_moved", london.entry(file), london.entry(other))
    assert stays.state is FileState.SKIPPED
    assert goes.state is FileState.PROCESSED, "it gets an object under its own name"
    moved = file.rename(london.tree / "moved")
    assert london.do("remove_location_xattrs_for_moved", london.entry(moved))[0].state is FileState.PROCESSED


# What a kill leaves


def test_a_release_that_was_killed_before_it_freed_anything_is_finished(side: Side) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file, premigrate=True)
    repoint(side, file, state=StubState.RELEASING)
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, 0)
    assert outcome.entry.facts.stored == first.entry.facts.stored
    assert (state(side, file), data(file)) == (State.STUB, 0)


def test_a_release_that_was_killed_after_it_freed_everything_is_finished_without_the_store(side: Side) -> None:
    file = made(side, "f")
    mtime = file.stat().st_mtime_ns
    migrate(side, file)
    repoint(side, file, state=StubState.RELEASING)
    os.utime(file, ns=(0, mtime + HOUR // 2))
    use(side, NoStore())
    (outcome,) = migrate(side, file)
    assert (outcome.state, state(side, file)) == (FileState.PROCESSED, State.STUB)
    assert file.stat().st_mtime_ns == mtime
    assert [path.name for path in side.tree.iterdir()] == ["f"]


@pytest.mark.parametrize("marked", [StubState.RELEASING, StubState.RECALLING])
def test_what_is_left_of_the_data_is_compared_with_the_object_and_freed(side: Side, marked: StubState) -> None:
    file = made(side, "f")
    mtime = file.stat().st_mtime_ns
    (first,) = migrate(side, file)
    with file.open("r+b") as opened:
        opened.write(CONTENT[:98_304])  # blocks are freed whole
        if marked is StubState.RECALLING:  # it reserved them
            opened.seek(200_704)
            opened.write(bytes(8192))
    repoint(side, file, state=marked)
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.entry.facts.stored) == (FileState.PROCESSED, first.entry.facts.stored)
    assert (state(side, file), data(file)) == (State.STUB, 0)
    assert file.stat().st_mtime_ns == mtime


@pytest.mark.parametrize("marked", [StubState.RELEASING, StubState.RECALLING, StubState.STUB])
def test_what_somebody_wrote_meanwhile_is_kept_beside_it(side: Side, marked: StubState) -> None:
    file = made(side, "f")
    migrate(side, file)
    with file.open("r+b") as opened:
        opened.seek(8192)
        opened.write(b"precious")
    repoint(side, file, state=marked)
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "stub_written")
    assert (side.tree / "f.hsm-conflict").read_bytes()[8192:8200] == b"precious"
    assert (state(side, file), data(file)) == (State.STUB, 0)


class Unpunched(OpenFile):
    """A file whose blocks are not freed, or only some of them."""

    error: ArgosyError
    freed: int | None
    """From where the blocks were freed all the same."""

    def punch(self, keep: int, *, upto: int | None = None) -> None:
        if self.freed is not None:
            super().punch(self.freed)
        raise self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpunchedTree(Posix):
    """A tree of such files."""

    error: ArgosyError
    freed: int | None = None

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> OpenFile:
        file = Unpunched.open(self._root, path, self._seal, inode=inode, writing=writing)
        file.error, file.freed = self.error, self.freed
        return file


@pytest.mark.parametrize("error", [Unsupported("no such call"), Exhausted("full")])
def test_where_blocks_cannot_be_freed_a_file_stays_premigrated(london: Side, error: ArgosyError) -> None:
    file = made(london, "f")
    tree = london.place.trees[0]
    london.serve(UnpunchedTree(root=tree.root, key=tree.key, error=error))
    (outcome,) = migrate(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, error.code)
    assert (file.read_bytes(), state(london, file), pointer(london, file).kept) == (CONTENT, State.PREMIGRATED, 0)


def test_where_only_some_blocks_could_be_freed_the_file_says_so_and_is_recalled(side: Side) -> None:
    file = made(side, "f")
    tree = side.place.trees[0]
    side.serve(UnpunchedTree(root=tree.root, key=tree.key, error=Exhausted("full"), freed=131_072))
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.error, state(side, file)) == (FileState.FAILED, "exhausted", State.RELEASING)
    side.serve(tree)
    (outcome,) = side.do("recall", side.entry(file))
    assert (outcome.state, file.read_bytes()) == (FileState.PROCESSED, CONTENT)


def test_a_file_that_somebody_reads_is_not_recovered_yet(side: Side, holding: Holding) -> None:
    file = made(side, "f")
    migrate(side, file, premigrate=True)
    repoint(side, file, state=StubState.RELEASING)
    process = holding("reads", file)
    (outcome,) = migrate(side, file)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
    process.communicate()
    assert migrate(side, file)[0].state is FileState.PROCESSED
    assert state(side, file) is State.STUB


def test_nothing_is_freed_while_the_store_cannot_tell_what_the_data_is(side: Side) -> None:
    file = made(side, "f")
    (first,) = migrate(side, file)
    with file.open("r+b") as opened:
        opened.write(CONTENT[:100_000])
    repoint(side, file, state=StubState.RELEASING)
    stored = first.entry.facts.stored
    assert stored is not None
    side.place.store(side.access).delete(stored.key)
    (outcome,) = migrate(side, file)
    assert outcome.state is FileState.FAILED
    assert file.read_bytes()[:100_000] == CONTENT[:100_000]
    assert state(side, file) is State.RELEASING


# Options


@pytest.mark.feature("HUB-STEP-010")
@pytest.mark.parametrize("level", ["partial", "implicit"])
def test_a_lock_level_is_accepted(london: Side, level: str) -> None:
    assert migrate(london, made(london, "f"), lock_level=level)[0].state is FileState.PROCESSED


@pytest.mark.feature("HUB-STEP-008")
@pytest.mark.parametrize("premigrate", [True, False])
@pytest.mark.parametrize("differs", ["hash", "metadata"])
def test_on_a_mismatch_a_file_fails_where_asked(london: Side, differs: str, premigrate: bool) -> None:
    file = made(london, "f")
    migrate(london, file, premigrate=True)
    if differs == "hash":
        file.write_bytes(b"other")
        aged(file)
    else:
        file.chmod(0o600)
    before = file.read_bytes()
    (outcome,) = migrate(london, file, premigrate=premigrate, fail_on_mismatch=True)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "exists")
    assert file.read_bytes() == before
    assert len(list(london.place.store(london.access).list(""))) == 1


def test_other_metadata_is_a_mismatch_for_a_file_that_was_never_copied_as_well(london: Side) -> None:
    file = made(london, "f")
    migrate(london, file, premigrate=True)
    os.removexattr(file, "trusted.argosy")
    assert migrate(london, file, fail_on_mismatch=True)[0].state is FileState.PROCESSED
    other = made(london, "g")
    migrate(london, other, premigrate=True)
    os.removexattr(other, "trusted.argosy")
    other.chmod(0o600)
    (outcome,) = migrate(london, other, fail_on_mismatch=True)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "exists")


@pytest.mark.feature("HUB-STEP-009")
@pytest.mark.parametrize("premigrate", [True, False])
def test_a_file_that_is_gone_is_aborted_where_asked_and_fails_else(london: Side, premigrate: bool) -> None:
    entry = Entry(path=bytes(london.tree / "gone"))
    (failed,) = london.do("migrate", entry, premigrate=premigrate)
    (aborted,) = london.do("migrate", entry, premigrate=premigrate, abort_missing=True)
    assert (failed.state, aborted.state) == (FileState.FAILED, FileState.ABORTED)


def test_the_loss_of_a_stubs_object_is_not_an_absence_of_the_file(london: Side) -> None:
    file = made(london, "f")
    migrate(london, file)
    london.place.index.flush()
    london.place.index._db.execute("DELETE FROM object")
    london.place.store(london.access).delete("projects/f")
    (outcome,) = migrate(london, file, abort_missing=True)
    assert outcome.state is FileState.FAILED


@pytest.mark.feature("HUB-STEP-045")
@pytest.mark.parametrize("premigrate", [True, False])
def test_a_path_that_was_moved_is_copied_as_any_other(london: Side, premigrate: bool) -> None:
    file = made(london, "f")
    entry = msgspec.structs.replace(london.entry(file), state="moved", source=bytes(london.tree / "before"))
    (outcome,) = london.do("migrate", entry, premigrate=premigrate)
    assert outcome.state is FileState.PROCESSED
    assert (outcome.entry.state, outcome.entry.source) == (entry.state, entry.source)


def test_a_file_written_just_now_is_given_time_to_settle(london: Side) -> None:
    import time

    file = london.tree / "f"
    file.write_bytes(CONTENT)
    (outcome,) = migrate(london, file)
    assert time.time_ns() - file.stat().st_mtime_ns >= 2 * 10**9
    assert (outcome.state, state(london, file)) == (FileState.PROCESSED, State.STUB)


def test_a_file_from_the_future_is_not_waited_for(london: Side) -> None:
    file = made(london, "f")
    ahead = file.stat().st_mtime_ns + 100 * HOUR
    os.utime(file, ns=(ahead, ahead))
    (outcome,) = migrate(london, file)
    assert (outcome.state, file.stat().st_mtime_ns) == (FileState.PROCESSED, ahead)


def test_a_premigrated_file_whose_object_is_gone_is_sent_again(london: Side) -> None:
    file = made(london, "f")
    migrate(london, file, premigrate=True)
    london.place.store(london.access).delete("projects/f")
    (outcome,) = migrate(london, file)
    assert (outcome.state, content(london, outcome)) == (FileState.PROCESSED, CONTENT)


def test_a_dirty_file_points_to_its_new_object_and_the_old_one_stays(london: Side) -> None:
    file = made(london, "f")
    (first,) = migrate(london, file, premigrate=True)
    file.write_bytes(b"new" * 5000)
    aged(file)
    (second,) = migrate(london, file)
    assert content(london, second) == b"new" * 5000
    assert content(london, first) == CONTENT
    assert second.entry.facts.stored is not None
    assert pointer(london, file).uuid == second.entry.facts.stored.uuid


@pytest.mark.feature("HUB-STEP-011")
def test_an_endpoint_selects_the_datastore(london: Side) -> None:
    (outcome,) = migrate(london, made(london, "f"), endpoint="cloud")
    assert outcome.state is FileState.PROCESSED
    (refused,) = migrate(london, made(london, "g"), endpoint="other")
    assert (refused.state, state(london, london.tree / "g")) == (FileState.FAILED, State.RESIDENT)


def test_an_object_from_elsewhere_under_the_name_is_left_alone(london: Side) -> None:
    london.place.store(london.access).put("projects/f", Bytes(b"theirs"), metadata={})
    (outcome,) = migrate(london, made(london, "f"))
    assert content(london, outcome) == CONTENT
    assert b"".join(london.place.store(london.access).get("projects/f")) == b"theirs"


def test_the_key_of_an_object_outlives_a_kill_before_its_file_becomes_a_stub(london: Side) -> None:
    entry = london.entry(made(london, "f"))
    work = Migrate().prepare(entry, london.site())
    assert isinstance(work, Work)
    work.sync()
    left = shutil.copytree(london.root.parent / "agent-london", london.root.parent / "agent-killed")
    other = Index(left / "index.db")
    try:
        assert london.place.index.key_of(stored_of(work).uuid) == other.key_of(stored_of(work).uuid) == "projects/f"
    finally:
        other.close()


def stored_of(work: Work) -> Stored:
    assert isinstance(work, Releasable)
    assert work.copied.entry.facts.stored is not None
    return work.copied.entry.facts.stored
