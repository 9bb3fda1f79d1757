"""Nothing that points to an object is missed, wherever it is moved or copied to while it is looked for."""

import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from argosy.agent.place import Place
from argosy.core.config import SiteConfig
from argosy.core.entry import Entry
from argosy.core.errors import Changed
from argosy.discoveries.references import References
from argosy.filesystems.base import Shelf
from argosy.linux.libc import LIBC
from tests.loop import loop_mount
from tests.sites import Side, carried
from tests.steps.stubs import good, made, pointer, premigrated, repoint, stub

__all__ = ["loop_mount"]

EXCHANGE = 2
NAMES = [f"d{n % 4}/f{n}" for n in range(8)]


@pytest.fixture
def london(tmp_path: Path) -> Iterator[Side]:
    """A site with two roots that knows all its files, whose trees it has served from the beginning."""
    archive = tmp_path / "archive"
    archive.mkdir()
    side = Side(tmp_path / "top", "london")
    side.place.close()
    config = SiteConfig(name="london", roots=(str(archive), str(side.root)))
    for known in (side.root / ".argosy").iterdir():
        known.unlink() if known.is_file() else shutil.rmtree(known)
    side.place = Place(config, tmp_path / "agent", shelves=[str(side.store)])
    side.place.start()
    assert not side.place.unserved
    for n in range(4):
        (archive / f"a{n}").mkdir()
    yield side
    side.place.close()


@pytest.fixture
def archive(london: Side, tmp_path: Path) -> Path:
    return tmp_path / "archive"


def look(side: Side) -> Iterator[Entry]:
    return References().find([Entry(path=bytes(side.root))], side.site(), on_error=_refuse, after=None)


def _refuse(path: bytes, error: Exception) -> None:
    raise error


def met(entries: Iterator[Entry]) -> set[bytes]:
    return {entry.facts.stored.uuid for entry in entries if entry.path}


def pointed(side: Side, *files: Path) -> set[bytes]:
    return {pointer(side, file).uuid for file in files}


def stubs(side: Side) -> dict[Path, bytes]:
    return {file: pointer(side, file).uuid for file in (stub(side, name, b"%d" % n) for n, name in enumerate(NAMES))}


def forgotten(side: Side) -> None:
    """Have the index be another one, that knows nothing."""
    side.place.index.flush()
    side.place.index._db.executescript("DELETE FROM inode; DELETE FROM object; DELETE FROM whole")


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """Have this done over and over."""
    stopped = threading.Event()
    failed = []

    def go_on() -> None:
        try:
            while not stopped.is_set():
                do()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    assert not failed, failed


def looks(side: Side, seconds: float = 1.5) -> list[set[bytes]]:
    """Look again and again."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(met(look(side)))
    return found


def test_a_stub_is_met_that_goes_from_the_root_that_comes_next_to_the_one_that_was_walked(london, archive):
    mark, plan = stub(london, "mark"), stub(london, "plan")
    expected = pointed(london, mark, plan)
    os.rename(mark, archive / "mark")
    forgotten(london)
    entries = look(london)
    first = next(entries)
    assert first.path == bytes(archive / "mark")
    os.rename(plan, archive / "plan")
    assert {first.facts.stored.uuid} | met(entries) == expected


@pytest.mark.parametrize("where", ["out", "archive", "trash"])
def test_what_is_known_is_met_wherever_it_has_gone(london, archive, tmp_path, where):
    file = stub(london, "a")
    expected = pointed(london, file)
    if where == "trash":
        tree = london.place.tree(bytes(file))
        tree.remove(bytes(file), london.entry(file))
        assert list(tree.kept(Shelf.TRASH))
    else:
        os.rename(file, (tmp_path if where == "out" else archive) / "b")
    assert met(look(london)) == expected


def test_every_step_that_makes_a_file_point_notes_how_to_find_it(london, archive, tmp_path):
    dublin = Side(tmp_path / "top", "dublin")
    copied = london.do("migrate", london.entry(made(london, "sent")), premigrate=True)
    for n, hydrate in enumerate([True, False]):
        (outcome,) = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=hydrate)
        assert not outcome.error
        os.rename(dublin.tree / "sent", tmp_path / f"sent-{n}")
        assert len(met(look(dublin))) == 1
        (tmp_path / f"sent-{n}").unlink()
        assert not met(look(dublin))
    file = stub(london, "a")
    subprocess.run(["cp", "-a", file, london.tree / "copy"], check=True)
    file.unlink()
    good(london.do("adopt", london.entry(london.tree / "copy")))
    london.place.index.flush()
    bound = pointer(london, london.tree / "copy").binding
    assert bound in {binding for binding, note in london.place.index.held() if note.stub}


def test_what_is_gone_is_forgotten_and_what_says_something_else_now_says_that(london):
    gone, other, forgot = (premigrated(london, name) for name in "abc")
    assert len(list(london.place.index.held())) == 3
    gone.unlink()
    repoint(london, other, uuid=b"n" * 16)
    with london.place.tree(bytes(forgot)).open(bytes(forgot)) as file:
        file.forget()
    assert met(look(london)) == {b"n" * 16}
    assert len(list(london.place.index.held())) == 1
    assert met(look(london)) == {b"n" * 16}


def test_a_copy_that_somebody_made_is_found_by_itself_once_it_was_met(london, tmp_path):
    file = stub(london, "a")
    expected = pointed(london, file)
    subprocess.run(["cp", "-a", file, london.tree / "copy"], check=True)
    assert met(look(london)) == expected
    file.unlink()
    os.rename(london.tree / "copy", tmp_path / "copy")
    assert met(look(london)) == expected


def test_a_copy_whose_original_goes_while_it_is_looked_for_changes_nothing(london, archive):
    files = [stub(london, name) for name in ("a", "b")]
    expected = pointed(london, *files)
    entries = look(london)
    first = next(entries)
    for file in files:
        subprocess.run(["cp", "-a", file, archive / file.name], check=True)
        file.unlink()
    assert {first.facts.stored.uuid} | met(entries) == expected


def test_steady_work_keeps_nobody_from_telling(london):
    """New files and directories, some of which go again, a few hundred a second."""
    expected = set(stubs(london).values())
    numbers = iter(range(10**9))

    def work() -> None:
        number = next(numbers)
        (london.tree / f"new{number // 50}").mkdir(exist_ok=True)
        (london.tree / f"new{number // 50}" / f"{number}").touch()
        (london.tree / f"gone{number}").mkdir()
        (london.tree / f"gone{number}").rmdir()
        time.sleep(0.004)

    with meanwhile(work):
        found = looks(london)
    assert len(found) > 1
    assert all(one == expected for one in found)


def test_directories_that_change_places_all_the_time_keep_nobody_from_telling(london):
    expected = set(stubs(london).values())
    one, other = (ctypes.c_char_p(bytes(london.tree / name)) for name in ("d1", "d3"))

    def swap() -> None:
        LIBC.renameat2(-100, one, -100, other, EXCHANGE)
        time.sleep(0.02)

    with meanwhile(swap):
        assert all(found == expected for found in looks(london))


def test_files_that_move_all_the_time_from_root_to_root_keep_nobody_from_telling(london, archive):
    files = stubs(london)
    where = {file: (file, archive / f"a{n % 4}" / file.name) for n, file in enumerate(files)}

    def move() -> None:
        for file, (here, there) in where.items():
            os.rename(here, there)
            where[file] = (there, here)

    with meanwhile(move):
        assert all(found == set(files.values()) for found in looks(london))


def test_an_index_that_is_new_needs_one_quiet_moment_and_none_after_that(london):
    expected = set(stubs(london).values())
    forgotten(london)
    numbers = iter(range(10**9))

    def at_work() -> Iterator[Entry]:
        """Look, and have a file made wherever one was met: that directory is due in the next pass again."""
        for entry in look(london):
            Path(os.fsdecode(entry.path)).with_name(f"new{next(numbers)}").touch()
            yield entry

    with pytest.raises(Changed, match="not all of them are known"):
        met(at_work())
    assert met(look(london)) == expected
    assert met(at_work()) == expected


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_bind_mount_that_is_missing_hides_nothing(tmp_path, loop_mount, kind):
    disk = loop_mount(kind)
    side = Side(tmp_path, "london")
    for name in "ab":
        (disk / name).mkdir()
        (side.tree / name).mkdir()
        subprocess.run(["mount", "--bind", disk / name, side.tree / name], check=True)
    try:
        expected = pointed(side, stub(side, "a/x"), stub(side, "b/x"))
        subprocess.run(["umount", side.tree / "b"], check=True)
        assert met(look(side)) == expected
    finally:
        for name in "ab":
            subprocess.run(["umount", "-q", side.tree / name], check=False)


def test_an_object_is_no_orphan_once_a_file_that_points_to_it_was_met(london):
    uuid = pointer(london, premigrated(london, "a")).uuid
    london.place.index.intend(uuid, "projects/a")
    london.place.index.intend(b"u" * 16, "projects/b")
    for _ in range(2):
        entries = list(look(london))
        assert {entry.facts.stored.uuid for entry in entries if not entry.path} == {b"u" * 16}
    assert london.site().key_of(uuid) == "projects/a"
