"""What is kept does not change with what is written to other names of the file; see docs/decisions/0088."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from argosy.core.errors import Changed, Exhausted
from argosy.core.pointer import Binding, Pointer
from argosy.filesystems._posix import copying
from argosy.filesystems.base import Kept, Shelf
from argosy.filesystems.posix import Posix
from argosy.linux import cloning
from tests.contracts.filesystem import OWN, PLAIN, content_of, names_below, pointer, publish, replace, staging
from tests.contracts.shelves import moving, only
from tests.filesystems.conftest import DirectoryOn
from tests.loop import MiB, mounted, unmounted
from tests.trees import Seen, look

CONTENT = b"original content"


def _moved_over(tree: Posix, path: bytes) -> None:
    publish(tree, path + b".new", b"new")
    tree.move(path + b".new", tree.stat(path + b".new"), path, replacing=tree.stat(path))


def _linked_over(tree: Posix, path: bytes) -> None:
    publish(tree, path + b".new", b"new")
    inode = tree.stat(path + b".new").inode
    tree.make_link(path + b".new", path, inode=inode, replacing=tree.stat(path))


Verb = Callable[[Posix, bytes], object]
VERBS: dict[str, Verb] = {
    "remove": lambda tree, path: tree.remove(path, tree.stat(path)),
    "put aside": lambda tree, path: tree.put_aside(path, tree.stat(path)),
    "replace": lambda tree, path: replace(tree, path, b"new", tree.stat(path)),
    "move over": _moved_over,
    "symlink over": lambda tree, path: tree.make_symlink(path, b"new", PLAIN, replacing=tree.stat(path)),
    "link over": _linked_over,
}


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def tree(request: pytest.FixtureRequest, directory_on: DirectoryOn) -> Posix:
    return Posix(root=os.fsencode(directory_on(request.param)))


@pytest.fixture
def plain(tmp_path: Path) -> Posix:
    return Posix(root=os.fsencode(tmp_path))


def pair(tree: Posix, content: bytes = CONTENT) -> tuple[bytes, bytes]:
    """A file with two names."""
    one, two = tree.root + b"/one", tree.root + b"/d/two"
    publish(tree, one, content, OWN)
    os.mkdir(tree.root + b"/d")
    os.link(one, two)
    return one, two


def overwrite(path: bytes, data: bytes = b"OVERWRIT") -> None:
    with open(path, "r+b", buffering=0) as file:
        file.write(data)


def kept_file(tree: Posix, kept: Kept) -> bytes:
    return b"%s/.argosy/%s/%s%s" % (tree.root, kept.shelf.encode(), kept.id.encode(), kept.entry.path[len(tree.root) :])


def as_it_is(path: bytes) -> Seen:
    return dataclasses.replace(look(path), inode=(0, 0), links=0)


def shelf(tree: Posix) -> Shelf:
    return Shelf.TRASH if list(tree.kept(Shelf.TRASH)) else Shelf.VERSIONS


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_kept_stays_what_it_was_when_another_name_is_written_to(tree: Posix, verb: str) -> None:
    one, two = pair(tree)
    before = as_it_is(one)
    VERBS[verb](tree, one)
    kept = only(tree, shelf(tree))
    file = kept_file(tree, kept)
    assert as_it_is(file) == before
    assert os.stat(file).st_nlink == os.stat(two).st_nlink == 1
    overwrite(two)
    assert content_of(file) == CONTENT
    assert staging(tree) == moving(tree) == []


def test_what_comes_back_is_no_name_of_what_stayed(tree: Posix) -> None:
    one, two = pair(tree)
    tree.remove(one, tree.stat(one))
    overwrite(two)
    tree.restore(only(tree))
    assert (content_of(one), os.stat(one).st_nlink) == (CONTENT, 1)


def test_names_that_go_one_after_another_are_kept_each_as_it_was_then(tree: Posix) -> None:
    names = [*pair(tree), tree.root + b"/three"]
    os.link(names[0], names[2])
    go = tree.together(tree.root, "task", again=False)
    for number, name in enumerate(names):
        tree.remove(name, tree.stat(name), together=go)
        for other in names[number + 1 :]:
            overwrite(other, b"change %d" % number)
    rest = CONTENT[8:]
    kept = {kept.entry.path: content_of(kept_file(tree, kept)) for kept in tree.kept(Shelf.TRASH)}
    assert kept == {names[0]: CONTENT, names[1]: b"change 0" + rest, names[2]: b"change 1" + rest}
    for each in list(tree.kept(Shelf.TRASH)):
        tree.restore(each)
    assert {name: content_of(name) for name in names} == kept


def gone_together(tree: Posix) -> tuple[list[bytes], list[Kept]]:
    """Three names of a file that went in one go, and what is kept for them."""
    names = [*pair(tree), tree.root + b"/three"]
    os.link(names[0], names[2])
    go = tree.together(tree.root, "task", again=False)
    for name in names:
        tree.remove(name, tree.stat(name), together=go)
    return names, [kept for kept in tree.kept(Shelf.TRASH) if kept.entry.path in names]


def inodes(paths: Iterable[bytes]) -> set[int]:
    return {os.stat(each).st_ino for each in paths}


def test_names_that_go_and_come_back_together_are_names_of_one_file_again(tree: Posix) -> None:
    names, lying = gone_together(tree)
    assert len(inodes(kept_file(tree, each) for each in lying)) == 1
    for each in lying:
        tree.restore(each)
    assert len(inodes(names)) == 1
    assert {content_of(name) for name in names} == {CONTENT}
    assert list(tree.kept(Shelf.TRASH)) == []


def test_what_came_back_is_written_to_alone(tree: Posix) -> None:
    _, (first, second, last) = gone_together(tree)
    tree.restore(first)
    overwrite(first.entry.path)
    assert {content_of(kept_file(tree, kept)) for kept in (second, last)} == {CONTENT}
    tree.restore(second)
    assert content_of(second.entry.path) == CONTENT
    overwrite(second.entry.path)
    assert content_of(kept_file(tree, last)) == CONTENT
    tree.restore(last)
    assert content_of(last.entry.path) == CONTENT


def test_names_that_go_together_are_given_back_and_what_gives_way_is_kept(tree: Posix) -> None:
    names, lying = gone_together(tree)
    for number, name in enumerate(names):
        publish(tree, name, b"new %d" % number)
    for each in lying:
        tree.give_back(each, each.entry.path, replacing=tree.stat(each.entry.path))
    assert {content_of(name) for name in names} == {CONTENT}
    assert len(inodes(names)) == 1
    kept = {kept.entry.path: content_of(kept_file(tree, kept)) for kept in tree.kept(Shelf.VERSIONS)}
    assert kept == {name: b"new %d" % number for number, name in enumerate(names)}
    assert list(tree.kept(Shelf.TRASH)) == staging(tree) == []


def test_names_that_go_at_once_are_all_kept(plain: Posix) -> None:
    names = [plain.root + b"/%d" % number for number in range(8)]
    publish(plain, names[0], CONTENT * 100_000)
    for name in names[1:]:
        os.link(names[0], name)
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(lambda name: plain.remove(name, plain.stat(name)), names))
    lying = [kept_file(plain, kept) for kept in plain.kept(Shelf.TRASH)]
    assert len(lying) == len(names)
    assert {content_of(each) for each in lying} == {CONTENT * 100_000}
    assert {os.stat(each).st_nlink for each in lying} == {1}


def shared_with_a_shelf(tree: Posix, verb: str) -> tuple[bytes, Kept]:
    """A name, and what is kept for another name of the same file, as it came to a shelf before there were copies."""
    one, two = tree.root + b"/one", tree.root + b"/two"
    publish(tree, one, CONTENT)
    VERBS[verb](tree, one)
    kept = only(tree, shelf(tree))
    os.link(kept_file(tree, kept), two)
    return two, kept


def test_what_shares_its_file_with_a_live_name_comes_back_as_a_file_of_its_own(tree: Posix) -> None:
    two, kept = shared_with_a_shelf(tree, "remove")
    tree.restore(kept)
    overwrite(two)
    assert (content_of(kept.entry.path), os.stat(two).st_nlink) == (CONTENT, 1)
    assert staging(tree) == []


def test_what_shares_its_file_with_a_live_name_is_given_back_as_a_file_of_its_own(tree: Posix) -> None:
    two, kept = shared_with_a_shelf(tree, "replace")
    tree.give_back(kept, kept.entry.path, replacing=tree.stat(kept.entry.path))
    overwrite(two)
    assert (content_of(kept.entry.path), os.stat(two).st_nlink) == (CONTENT, 1)
    assert content_of(kept_file(tree, only(tree, Shelf.VERSIONS))) == b"new"


def test_what_gives_way_to_what_comes_back_is_kept_apart_from_its_other_names(tree: Posix) -> None:
    path = tree.root + b"/f"
    publish(tree, path, CONTENT)
    tree.put_aside(path, tree.stat(path))
    publish(tree, path, b"what came after it")
    os.link(path, tree.root + b"/further")
    tree.give_back(only(tree, Shelf.VERSIONS), path, replacing=tree.stat(path))
    overwrite(tree.root + b"/further")
    assert content_of(path) == CONTENT
    assert content_of(kept_file(tree, only(tree, Shelf.VERSIONS))) == b"what came after it"


def test_holes_stay_holes_and_a_stub_a_stub_of_the_same_object(tree: Posix) -> None:
    one, two = tree.root + b"/one", tree.root + b"/two"
    publish(tree, one, b"head")
    with open(one, "r+b", buffering=0) as file:
        file.truncate(64 * MiB)
    with tree.open(one) as file:
        told = pointer(file.binding(), size=64 * MiB)
        file.point(told)
    os.link(one, two)
    tree.remove(one, tree.stat(one))
    copy = kept_file(tree, only(tree))
    assert (os.stat(copy).st_size, os.stat(copy).st_blocks < 200) == (64 * MiB, True)
    tree.restore(only(tree))
    with tree.open(one) as file, tree.open(two) as other:
        assert file.binding() != other.binding()
        said, others = file.pointer(), other.pointer()
        assert said is not None
        assert others is not None
        assert (said.uuid, said.state, said.binding) == (told.uuid, told.state, file.binding())
        assert others == told


def test_what_another_inode_says_is_copied_and_not_believed(plain: Posix) -> None:
    one, two = pair(plain)
    with plain.open(two) as file:
        file.point(_of_another(file.binding()))
    plain.remove(one, plain.stat(one))
    plain.restore(only(plain))
    with plain.open(one) as file:
        assert file.pointer() is None


def _of_another(binding: Binding) -> Pointer:
    return pointer(msgspec.structs.replace(binding, inode=binding.inode + 1))


def test_a_filesystem_that_shares_blocks_shares_them(
    directory_on: DirectoryOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloning, "_copy", lambda *_: pytest.fail("bytes were copied"))
    tree = Posix(root=os.fsencode(directory_on("btrfs")))
    one, _ = pair(tree, CONTENT * 100_000)
    tree.remove(one, tree.stat(one))
    assert content_of(kept_file(tree, only(tree))) == CONTENT * 100_000


@pytest.mark.parametrize("verb", VERBS)
def test_without_room_for_a_copy_nothing_is_done(tmp_path: Path, verb: str) -> None:
    point = mounted("ext4", tmp_path, 64 * MiB)
    try:
        tree = Posix(root=bytes(point))
        one, two = pair(tree, os.urandom(30 * MiB))
        publish(tree, tree.root + b"/filler", bytes(15 * MiB) + b"x")
        with pytest.raises(Exhausted, match=r"/one: has 2 names.*copy.*31457280 bytes.*free some space"):
            VERBS[verb](tree, one)
        assert tree.stat(one).inode == tree.stat(two).inode
        assert [*tree.kept(Shelf.TRASH), *tree.kept(Shelf.VERSIONS)] == []
        assert staging(tree) == moving(tree) == []
    finally:
        unmounted(point)


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have somebody do something while a file is copied."""
    usual = copying.fill

    def disturbed(source: int, target: int) -> None:
        usual(source, target)
        act()

    monkeypatch.setattr(copying, "fill", disturbed)


def overwritten_unnoticed(path: bytes) -> None:
    before = os.stat(path)
    overwrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("write", [overwrite, overwritten_unnoticed])
def test_what_is_written_to_while_it_is_copied_stays(
    plain: Posix, monkeypatch: pytest.MonkeyPatch, write: Callable[[bytes], None]
) -> None:
    one, two = pair(plain)
    meanwhile(monkeypatch, lambda: write(two))
    with pytest.raises(Changed, match="while it was copied"):
        plain.remove(one, plain.stat(one))
    assert plain.stat(one).inode == plain.stat(two).inode
    assert list(plain.kept(Shelf.TRASH)) == []
    assert staging(plain) == []


def test_what_gets_a_name_while_it_is_copied_is_kept_all_the_same(
    plain: Posix, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair(plain)
    meanwhile(monkeypatch, lambda: os.link(two, plain.root + b"/three"))
    plain.remove(one, plain.stat(one))
    assert content_of(kept_file(plain, only(plain))) == CONTENT


CODE = """
import os, sys
from tests.filesystems.test_posix_links import VERBS
from argosy.filesystems.posix import Posix
tree = Posix(root=os.fsencode(sys.argv[1]))
VERBS[sys.argv[2]](tree, tree.root + b"/one")
"""


@pytest.mark.parametrize("point", ["hsm:stage=kill", "hsm:stage=kill#2", "hsm:trash=kill", "hsm:publish=kill"])
@pytest.mark.parametrize("verb", VERBS)
def test_whoever_is_killed_loses_nothing_and_leaves_nothing(
    plain: Posix, tmp_path_factory: pytest.TempPathFactory, verb: str, point: str
) -> None:
    one, two = pair(plain)
    directory = tmp_path_factory.mktemp("points")
    env = os.environ | {"ARGOSY_FAILPOINTS": point, "ARGOSY_FAILPOINTS_DIR": str(directory)}
    done = subprocess.run([sys.executable, "-c", CODE, plain.root, verb], env=env, check=False, capture_output=True)
    assert done.returncode in {0, -9}, done.stderr.decode()
    plain.sweep()
    assert staging(plain) == moving(plain) == []
    kept = [kept_file(plain, each) for shelf in Shelf for each in plain.kept(shelf)]
    gone = not os.path.lexists(one) or os.stat(one, follow_symlinks=False).st_ino != os.stat(two).st_ino
    assert not gone or CONTENT in map(content_of, kept)
    overwrite(two)
    assert not gone or CONTENT in map(content_of, kept)
    if gone:
        assert {os.stat(each).st_nlink for each in kept} == {1}
    assert {each for each in names_below(plain) if b"conflict" in each} == set()
