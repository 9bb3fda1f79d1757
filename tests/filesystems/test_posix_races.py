"""`posix` while users swap directories for symlinks that lead outside."""

import errno
import itertools
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Kind
from argosy.core.errors import ArgosyError, Changed
from argosy.filesystems._posix import moving, removing, shelves
from argosy.filesystems._posix import staged as staged_files
from argosy.filesystems._posix import versions as version_store
from argosy.filesystems.posix import Posix
from argosy.linux.rename import exchange
from tests.contracts.filesystem import DIRECTORY, PLAIN, content_of, interfere, publish, replace, staging, versions

ROUNDS = 400
SWAP = """
import os, sys
from argosy.linux.rename import exchange
top = os.open(sys.argv[1], os.O_RDONLY)
print("swapping", flush=True)
while True:
    exchange(top, b"d", top, b"evil")
"""

SWEEP = """
import os, sys
from argosy.filesystems.posix import Posix
Posix(root=os.fsencode(sys.argv[1])).sweep()
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_bytes(b"outside")
    (outside / "only-outside").write_bytes(b"outside")
    (outside / "sub/secret").write_bytes(b"outside")
    (outside / "link").symlink_to("secret")
    return outside


@pytest.fixture
def tree(tmp_path: Path, outside: Path) -> Iterator[Posix]:
    """A tree in which `d`, by turns, is a directory and a symlink to outside."""
    root = tmp_path / "root"
    (root / "d/sub").mkdir(parents=True)
    (root / "d/secret").write_bytes(b"inside")
    (root / "d/sub/secret").write_bytes(b"inside")
    (root / "d/link").symlink_to("secret")
    (root / "evil").symlink_to(outside)
    with subprocess.Popen([sys.executable, "-c", SWAP, root], stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        yield Posix(root=os.fsencode(root))
        swapper.kill()


def state(top: Path) -> dict[str, tuple[object, ...]]:
    return {
        str(path): (found.st_mode, found.st_uid, found.st_mtime_ns, found.st_ctime_ns, found.st_nlink, found.st_size)
        for path in (top, *top.rglob("*"))
        for found in [path.lstat()]
    }


def often(*acts: Callable[[int], object]) -> tuple[int, int]:
    """Do it all many times; return how often it worked and how often it was refused."""
    worked = refused = 0
    for number in range(ROUNDS):
        for act in acts:
            try:
                act(number)
            except ArgosyError:
                refused += 1
            else:
                worked += 1
    return worked, refused


def test_a_scan_never_lists_the_outside(tree: Posix) -> None:
    errors: list[ArgosyError] = []
    entered = 0
    for _ in range(ROUNDS):
        found = {entry.path for entry in tree.scan(tree.root, on_error=lambda _, error: errors.append(error))}
        entered += tree.root + b"/d/sub/secret" in found or tree.root + b"/evil/sub/secret" in found
        assert not any(b"only-outside" in path for path in found)
    assert entered


def test_nothing_outside_is_ever_read(tree: Posix) -> None:
    def read(path: bytes) -> None:
        with tree.open(tree.root + path) as file:
            assert file.read(0, file.size) == b"inside"

    worked, refused = often(lambda _: read(b"/d/secret"), lambda _: read(b"/d/sub/secret"))
    assert worked
    assert refused
    worked, _ = often(
        lambda _: tree.stat(tree.root + b"/d/only-outside"), lambda _: tree.open(tree.root + b"/d/only-outside")
    )
    assert worked == 0


def test_nothing_outside_is_ever_written(tree: Posix, outside: Path) -> None:
    before = state(outside)
    path = tree.root + b"/d/sub/secret"
    worked, refused = often(
        lambda number: publish(tree, tree.root + b"/d/%d" % number),
        lambda number: publish(tree, tree.root + b"/d/new-%d/x" % number),
        lambda number: tree.make_directory(tree.root + b"/d/sub/dir-%d" % number, DIRECTORY),
        lambda _: tree.make_directory(tree.root + b"/d/sub", DIRECTORY, overwrite=True),
        lambda number: tree.make_symlink(tree.root + b"/d/link-%d" % number, b"x", PLAIN),
        lambda number: tree.make_link(
            tree.root + b"/d/secret",
            tree.root + b"/d/hard-%d" % number,
            inode=tree.stat(tree.root + b"/d/secret").inode,
        ),
        lambda _: replace(tree, path, b"inside", tree.stat(path)),
        lambda _: tree.dress_symlink(tree.root + b"/d/link", tree.stat(tree.root + b"/d/link"), PLAIN),
        lambda _: tree.sync_directory(path),
    )
    assert worked
    assert refused
    assert state(outside) == before
    assert staging(tree) == []
    assert set(versions(tree).values()) <= {b"inside"}


def slip_in(monkeypatch: pytest.MonkeyPatch, module: object, name: str, acts: dict[int, Callable[[], object]]) -> None:
    """Have a user act right before the n-th call of a function, at the worst of moments."""
    real = getattr(module, name)
    calls = itertools.count(1)

    def late(*arguments: object, **options: object) -> object:
        acts.get(next(calls), lambda: None)()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, late)


def user_puts(path: bytes, content: bytes) -> None:
    with open(path + b".user", "wb") as file:
        file.write(content)
    os.rename(path + b".user", path)


@pytest.fixture
def quiet(tmp_path: Path) -> Posix:
    """A tree with one file, `f`."""
    tree = Posix(root=os.fsencode(tmp_path))
    publish(tree, tree.root + b"/f", b"old")
    return tree


@pytest.mark.parametrize("moment", ["keep", "exchange"])
@pytest.mark.parametrize("change", ["write", "other", "gone", "directory"])
def test_a_change_at_the_last_moment_is_seen_and_left(
    quiet: Posix, monkeypatch: pytest.MonkeyPatch, moment: str, change: str
) -> None:
    path = quiet.root + b"/f"
    where = {"keep": (os, "link"), "exchange": (staged_files, "exchange")}[moment]
    slip_in(monkeypatch, *where, {1: lambda: interfere(path, change)})
    with pytest.raises(Changed):
        replace(quiet, path, b"new", quiet.stat(path))
    expected = {"write": b"older", "other": b"other"}.get(change)
    assert (content_of(path) if os.path.isfile(path) else None) == expected
    assert os.path.isdir(path) is (change == "directory")
    assert versions(quiet) == {}
    assert staging(quiet) == []


@pytest.mark.parametrize("change", ["write", "other", "gone"])
def test_what_changes_while_it_is_put_aside_is_put_back(
    quiet: Posix, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = quiet.root + b"/f"
    slip_in(monkeypatch, version_store, "noreplace", {1: lambda: interfere(path, change)})
    with pytest.raises(Changed):
        quiet.put_aside(path, quiet.stat(path))
    expected = {"write": b"older", "other": b"other"}.get(change)
    assert (content_of(path) if os.path.isfile(path) else None) == expected
    assert versions(quiet) == {}


def test_two_changes_in_a_row_at_the_last_moment_lose_neither(quiet: Posix, monkeypatch: pytest.MonkeyPatch) -> None:
    path = quiet.root + b"/f"
    acts = {1: lambda: user_puts(path, b"first"), 2: lambda: user_puts(path, b"second")}
    slip_in(monkeypatch, staged_files, "exchange", acts)
    with pytest.raises(Changed):
        replace(quiet, path, b"new", quiet.stat(path))
    assert content_of(path) == b"first"
    assert versions(quiet) == {b"f": b"second"}
    assert staging(quiet) == []


def test_a_file_that_users_replace_all_the_time_is_never_lost(tmp_path: Path) -> None:
    """Whatever users put there is, in the end, at the name, in the version store, or with the user who took it."""
    tree = Posix(root=os.fsencode(tmp_path))
    path = tree.root + b"/f"
    publish(tree, path, b"user 0")
    stop = threading.Event()
    written = [b"user 0"]

    def user() -> None:
        top = os.open(tree.root, os.O_RDONLY)
        number = 0
        while not stop.is_set():
            number += 1
            with open(tree.root + b"/mine", "wb") as file:
                file.write(b"user %d" % number)
            exchange(top, b"mine", top, b"f")
            displaced = content_of(tree.root + b"/mine")
            written.append(b"user %d" % number)
            os.rename(tree.root + b"/mine", tree.root + b"/taken-%d" % number)
            assert displaced

    thread = threading.Thread(target=user)
    thread.start()
    aborted = 0
    for number in range(ROUNDS):
        try:
            replace(tree, path, b"ours %d" % number, tree.stat(path))
        except Changed:
            aborted += 1
    stop.set()
    thread.join()
    assert aborted
    store = tree.root + b"/.argosy/versions"
    kept = {content_of(store + b"/" + stamp + b"/f") for stamp in os.listdir(store)} | {content_of(path)}
    kept |= {content_of(tree.root + b"/" + n) for n in os.listdir(tree.root) if n.startswith(b"taken-")}
    assert set(written) <= kept
    assert staging(tree) == []
    assert not stat.S_ISDIR(os.lstat(path).st_mode)


def _unlink(tree: Posix, path: bytes) -> None:
    tree.unlink(path, tree.stat(path))


def _park(tree: Posix, path: bytes) -> None:
    tree.park(path, tree.stat(path), bound_for=path + b".new")


def _move_over(tree: Posix, path: bytes) -> None:
    publish(tree, path + b".new", b"new")
    tree.move(path, tree.stat(path), path + b".new", replacing=tree.stat(path + b".new"))


def _remove_directory(tree: Posix, path: bytes) -> None:
    tree.make_directory(path + b".d", DIRECTORY)
    tree.remove(path + b".d", tree.stat(path + b".d"))


@pytest.mark.parametrize(
    ("act", "module", "call"),
    [
        (_unlink, version_store, "failpoint"),
        (_unlink, removing, "_erase"),
        (_park, version_store, "failpoint"),
        (_move_over, version_store, "failpoint"),
        (_move_over, moving, "bring"),
        (_move_over, moving, "failpoint"),
        (_remove_directory, version_store, "failpoint"),
        (_remove_directory, removing, "shelve_directory"),
    ],
)
def test_what_another_agent_sweeps_away_meanwhile_is_not_said_to_be_where_nothing_is(
    quiet: Posix, monkeypatch: pytest.MonkeyPatch, act: Callable[[Posix, bytes], None], module: object, call: str
) -> None:
    path = quiet.root + b"/f"
    slip_in(
        monkeypatch, module, call, {1: lambda: subprocess.run([sys.executable, "-c", SWEEP, quiet.root], check=True)}
    )
    with pytest.raises(Changed, match="Another agent") as told:
        act(quiet, path)
    assert ".argosy" not in told.value.message
    found = {content_of(entry.path) for entry in quiet.scan(quiet.root, on_error=print) if entry.kind is Kind.FILE}
    expected = {b"old", b"new"} if act is _move_over else {b"old"}
    assert found | set(versions(quiet).values()) == expected
    assert os.path.isdir(path + b".d") is (act is _remove_directory)


def test_what_others_put_there_is_not_discarded_though_no_shelf_has_room(
    quiet: Posix, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quiet.root + b"/f"
    acts = {1: lambda: user_puts(path, b"first"), 2: lambda: user_puts(path, b"second")}
    slip_in(monkeypatch, staged_files, "exchange", acts)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shelves, "rescue", full)
        with pytest.raises(Changed):
            replace(quiet, path, b"new", quiet.stat(path))
    assert content_of(path) == b"first"
    assert [content_of(quiet.root + b"/.argosy/staging/" + name) for name in staging(quiet)] == [b"second"]
    quiet.sweep()
    assert list(versions(quiet).values()) == [b"second"]
