"""What every filesystem plugin promises of removing, moving and its shelves."""

import itertools
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, Changed, Corrupt, Exists, Invalid, NotFound, Protected
from argosy.filesystems._posix import walk
from argosy.filesystems.base import Filesystem, Kept, Shelf
from argosy.linux import leases
from tests.contracts.filesystem import (
    DIRECTORY,
    OWN,
    content_of,
    interfere,
    names_below,
    pointer,
    publish,
    replace,
    unnamed,
    versions,
)
from tests.trees import compare, nasty_tree

LATER = {"write": b"older", "other": b"other"}


def trash(tree: Filesystem) -> list[tuple[bytes, str]]:
    """Path and id of what lies in the trash, in the order it is told."""
    return [(kept.entry.path, kept.id) for kept in tree.kept(Shelf.TRASH)]


def only(tree: Filesystem, shelf: Shelf = Shelf.TRASH) -> Kept:
    (kept,) = tree.kept(shelf)
    return kept


def remove_tree(tree: Filesystem, path: bytes) -> str:
    """Remove all there is, what a directory holds before it, in one go."""
    together: str | None = None
    for entry in reversed(list(tree.scan(path, on_error=_fail))):
        together = tree.remove(entry.path, entry, together=together)
    assert together is not None
    return together


def moving(tree: Filesystem) -> list[bytes]:
    return os.listdir(tree.root + b"/.argosy/moving")


def point(tree: Filesystem, path: bytes) -> bytes:
    """Have the file point somewhere; return the object's uuid."""
    uuid = os.urandom(16)
    with tree.open(path) as file:
        file.point(pointer(file.binding(), uuid=uuid))
    return uuid


def uuids(tree: Filesystem) -> dict[bytes, bytes]:
    return {found.pointer.uuid: found.path for found in tree.every_pointer()}


class ShelvesContract:
    """Subclass me, and define a fixture `tree` that yields a filesystem whose root is an empty directory."""

    # removing

    def test_what_is_removed_lies_in_the_trash_and_comes_back(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        tree.make_directory(tree.root + b"/d", DIRECTORY)
        publish(tree, path, b"precious", OWN)
        seen = tree.stat(path)
        name = tree.remove(path, seen)
        assert names_below(tree) == [tree.root, tree.root + b"/d"]
        kept = only(tree)
        assert (kept.id, kept.shelf, kept.entry.path, kept.entry.size) == (name, Shelf.TRASH, path, 8)
        assert tree.restore(kept) == path
        assert (content_of(path), tree.stat(path).inode) == (b"precious", seen.inode)
        assert tree.stat(tree.root + b"/d").mtime_ns == DIRECTORY.mtime_ns
        assert trash(tree) == []
        assert os.listdir(tree.root + b"/.argosy/trash") == []

    @pytest.mark.parametrize("change", ["write", "other", "gone", "directory"])
    @pytest.mark.parametrize("verb", ["remove", "park", "move"])
    def test_what_is_not_what_was_seen_stays(self, tree: Filesystem, change: str, verb: str) -> None:
        path = tree.root + b"/f"
        publish(tree, path, b"old")
        seen = tree.stat(path)
        interfere(path, change)
        with pytest.raises(Changed, match=r"/f"):
            _verbs(tree)[verb](path, seen)
        assert (content_of(path) if os.path.isfile(path) else None) == LATER.get(change)
        assert os.path.isdir(path) is (change == "directory")
        assert trash(tree) == []
        assert versions(tree) == {}

    def test_a_directory_that_holds_something_is_not_removed(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/f")
        with pytest.raises(Exists, match="holds something"):
            tree.remove(tree.root + b"/d", tree.stat(tree.root + b"/d"))
        assert names_below(tree)[1:] == [tree.root + b"/d", tree.root + b"/d/f"]

    def test_a_tree_that_was_removed_is_restored_with_all_it_was(self, tree: Filesystem, tmp_path: Path) -> None:
        top, copy = tree.root + b"/top", tmp_path / "copy"
        nasty_tree(Path(os.fsdecode(top)))
        subprocess.run(["cp", "-a", top, copy], check=True)
        name = remove_tree(tree, top)
        assert names_below(tree) == [tree.root]
        lying = trash(tree)
        assert {kept for _, kept in lying} == {name}
        assert len(lying) == sum(1 for _ in copy.rglob("*")) + 1
        for kept in list(tree.kept(Shelf.TRASH, top)):
            tree.restore(kept)
        assert compare(copy, top) == []
        assert os.listdir(tree.root + b"/.argosy/trash") == []

    def test_a_directory_alone_is_restored_and_what_it_held_stays_in_the_trash(self, tree: Filesystem) -> None:
        top = tree.root + b"/d"
        tree.make_directory(top, DIRECTORY)
        publish(tree, top + b"/f")
        remove_tree(tree, top)
        file, directory = tree.kept(Shelf.TRASH)
        tree.restore(directory)
        assert unnamed(tree.attributes(top)) == unnamed(DIRECTORY)
        assert trash(tree) == [(file.entry.path, file.id)]
        tree.restore(file)
        assert content_of(top + b"/f") == b"content"

    def test_a_tree_restored_piece_by_piece_is_as_it_was(self, tree: Filesystem) -> None:
        top = tree.root + b"/d"
        tree.make_directory(top, DIRECTORY)
        publish(tree, top + b"/e/f")
        remove_tree(tree, top)
        file, inner, outer = tree.kept(Shelf.TRASH)
        for kept in (inner, file, outer):
            tree.restore(kept)
        assert content_of(top + b"/e/f") == b"content"
        assert unnamed(tree.attributes(top)) == unnamed(DIRECTORY)
        assert os.listdir(tree.root + b"/.argosy/trash") == []

    def test_the_root_is_neither_removed_nor_moved(self, tree: Filesystem) -> None:
        for act in _verbs(tree).values():
            with pytest.raises(Protected):
                act(tree.root, tree.stat(tree.root))

    def test_what_is_mounted_is_neither_removed_nor_moved(self, tree: Filesystem) -> None:
        for name in (b"point", b"elsewhere"):
            os.mkdir(tree.root + b"/" + name)
        path = tree.root + b"/point"
        subprocess.run(["mount", "--bind", tree.root + b"/elsewhere", path], check=True)
        try:
            for act in _verbs(tree).values():
                with pytest.raises(Protected, match="mount point"):
                    act(path, tree.stat(path))
        finally:
            subprocess.run(["umount", path], check=True)

    def test_what_is_immutable_is_neither_removed_nor_moved(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        publish(tree, path)
        for fixed in (path, tree.root + b"/d"):
            subprocess.run(["chattr", "+i", fixed], check=True)
            try:
                for act in _verbs(tree).values():
                    with pytest.raises(Protected, match="immutable"):
                        act(path, tree.stat(path))
            finally:
                subprocess.run(["chattr", "-i", fixed], check=True)

    # shelves

    def test_a_shelf_is_told_oldest_first_however_many_there_are(
        self, tree: Filesystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walk, "_AT_ONCE", 3)
        names = [b"/%d" % number for number in (5, 3, 8, 1, 9, 2, 7)]
        for name in names:
            publish(tree, tree.root + name)
            tree.remove(tree.root + name, tree.stat(tree.root + name))
        assert [path for path, _ in trash(tree)] == [tree.root + name for name in names]
        told = [kept.since_ns for kept in tree.kept(Shelf.TRASH)]
        assert told == sorted(told)

    def test_a_shelf_is_asked_for_one_path(self, tree: Filesystem) -> None:
        for name in (b"/d/e", b"/d/f", b"/de"):
            publish(tree, tree.root + name)
            tree.remove(tree.root + name, tree.stat(tree.root + name))
        below = {kept.entry.path[len(tree.root) :] for kept in tree.kept(Shelf.TRASH, tree.root + b"/d")}
        assert below == {b"/d/e", b"/d/f"}
        assert [kept.entry.path for kept in tree.kept(Shelf.TRASH, tree.root + b"/de")] == [tree.root + b"/de"]
        assert list(tree.kept(Shelf.VERSIONS)) == []

    @pytest.mark.parametrize("kind", ["file", "symlink"])
    def test_what_was_no_directory_then_hides_nothing_beneath_its_name(self, tree: Filesystem, kind: str) -> None:
        path = tree.root + b"/data"
        if kind == "file":
            publish(tree, path)
        else:
            os.symlink("elsewhere", path)
        tree.remove(path, tree.stat(path))
        publish(tree, path + b"/x", b"precious")
        tree.remove(path + b"/x", tree.stat(path + b"/x"))
        (kept,) = tree.kept(Shelf.TRASH, path + b"/x")
        tree.restore(kept)
        assert content_of(path + b"/x") == b"precious"

    def test_rooms_that_nothing_was_put_into_are_swept_away(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/f")
        kept = remove_tree(tree, tree.root + b"/d")
        os.makedirs(tree.root + b"/.argosy/trash/20260101T000000000000Z-00000000")
        tree.sweep()
        assert os.listdir(tree.root + b"/.argosy/trash") == [kept.encode()]

    def test_a_version_is_listed_and_restored_under_another_name(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        publish(tree, path, b"old")
        replace(tree, path, b"new", tree.stat(path))
        kept = only(tree, Shelf.VERSIONS)
        with pytest.raises(Exists, match=r"/d/f"):
            tree.restore(kept)
        assert tree.restore(kept, tree.root + b"/new/g") == tree.root + b"/new/g"
        assert (content_of(path), content_of(tree.root + b"/new/g")) == (b"new", b"old")
        with pytest.raises(NotFound, match=kept.id):
            tree.restore(kept, tree.root + b"/again")

    def test_what_is_purged_is_gone(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/e/f")
        remove_tree(tree, tree.root + b"/d")
        file, inner, outer = tree.kept(Shelf.TRASH)
        tree.purge(outer)
        assert trash(tree) == [(file.entry.path, file.id), (inner.entry.path, inner.id)]
        for kept in (file, inner, inner, outer):
            tree.purge(kept)
        assert os.listdir(tree.root + b"/.argosy/trash") == []

    def test_an_id_leads_nowhere_else(self, tree: Filesystem) -> None:
        kept = Kept(shelf=Shelf.TRASH, id="../..", since_ns=0, entry=Entry(path=tree.root + b"/f"))
        publish(tree, tree.root + b"/f")
        for act in (tree.purge, tree.restore):
            with pytest.raises(Invalid):
                act(kept)
        assert content_of(tree.root + b"/f") == b"content"

    def test_free_tells_what_df_does(self, tree: Filesystem) -> None:
        free, total = tree.free()
        assert 0 < free <= total == os.statvfs(tree.root).f_blocks * os.statvfs(tree.root).f_frsize

    # moving

    def test_two_files_swap_their_names(self, tree: Filesystem) -> None:
        one, other = tree.root + b"/one", tree.root + b"/other"
        publish(tree, one, b"1")
        publish(tree, other, b"2")
        with tree.park(one, tree.stat(one)) as first, tree.park(other, tree.stat(other)) as second:
            assert names_below(tree) == [tree.root]
            first.place(other)
            second.place(one)
        assert (content_of(one), content_of(other)) == (b"2", b"1")
        assert moving(tree) == []

    def test_directories_and_symlinks_move_as_they_are(self, tree: Filesystem, tmp_path: Path) -> None:
        source, target = tree.root + b"/source", tree.root + b"/new/target"
        nasty_tree(Path(os.fsdecode(source)))
        subprocess.run(["cp", "-a", source, tmp_path / "copy"], check=True)
        with tree.park(source, tree.stat(source)) as parked:
            parked.place(target)
        assert compare(tmp_path / "copy", target) == []
        link = tree.root + b"/broken"
        os.symlink("no/such", link)
        tree.move(link, tree.stat(link), tree.root + b"/moved")
        assert os.readlink(tree.root + b"/moved") == b"no/such"

    def test_what_is_not_placed_goes_back(self, tree: Filesystem) -> None:
        tree.make_directory(tree.root + b"/d", DIRECTORY)
        publish(tree, tree.root + b"/d/f", b"1")
        publish(tree, tree.root + b"/taken", b"2")
        with (
            pytest.raises(Exists),
            tree.park(tree.root + b"/d/f", tree.stat(tree.root + b"/d/f")) as parked,
        ):
            parked.place(tree.root + b"/taken")
        parked.put_back()
        assert (content_of(tree.root + b"/d/f"), content_of(tree.root + b"/taken")) == (b"1", b"2")
        assert tree.stat(tree.root + b"/d").mtime_ns == DIRECTORY.mtime_ns
        assert moving(tree) == []

    def test_what_finds_its_name_taken_comes_to_lie_beside_it(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        for content in (b"1", b"2"):
            publish(tree, path, content)
            parked = tree.park(path, tree.stat(path))
            publish(tree, path, b"new")
            assert parked.put_back().startswith(os.fsdecode(path) + ".moved-conflict")
            os.unlink(path)
        assert content_of(path + b".moved-conflict") == b"1"
        assert content_of(path + b".moved-conflict-2") == b"2"
        assert versions(tree) == {}
        assert moving(tree) == []

    @pytest.mark.parametrize("why", ["parent gone", "parent is a file"])
    def test_what_finds_its_directory_gone_has_another_or_is_in_the_version_store(
        self, tree: Filesystem, why: str
    ) -> None:
        path = tree.root + b"/d/f"
        publish(tree, path, b"1")
        with tree.park(path, tree.stat(path)) as parked:
            os.rmdir(tree.root + b"/d")
            if why == "parent is a file":
                publish(tree, tree.root + b"/d", b"2")
            said = parked.put_back()
        assert versions(tree) == ({b"d/f": b"1"} if said else {})
        assert bool(said) is (why == "parent is a file")
        assert said or content_of(path) == b"1"
        assert moving(tree) == []

    @pytest.mark.parametrize("verb", ["place", "move"])
    def test_what_is_replaced_is_kept(self, tree: Filesystem, verb: str) -> None:
        source, target = tree.root + b"/source", tree.root + b"/d/target"
        publish(tree, source, b"new")
        publish(tree, target, b"old")
        _replacing(tree, verb, source, target, tree.stat(target))
        assert content_of(target) == b"new"
        assert not os.path.lexists(source)
        assert versions(tree) == {b"d/target": b"old"}
        assert moving(tree) == []

    @pytest.mark.parametrize("change", ["write", "other", "gone", "directory"])
    @pytest.mark.parametrize("verb", ["place", "move"])
    def test_what_is_not_what_was_to_be_replaced_stays(self, tree: Filesystem, verb: str, change: str) -> None:
        source, target = tree.root + b"/source", tree.root + b"/target"
        publish(tree, source, b"new")
        publish(tree, target, b"old")
        seen = tree.stat(target)
        interfere(target, change)
        with pytest.raises(Changed, match=r"/target"):
            _replacing(tree, verb, source, target, seen)
        assert content_of(source) == b"new"
        assert (content_of(target) if os.path.isfile(target) else None) == LATER.get(change)
        assert versions(tree) == {}

    def test_a_directory_gives_way_only_when_it_is_empty(self, tree: Filesystem) -> None:
        source, target = tree.root + b"/source", tree.root + b"/target"
        publish(tree, source + b"/f", b"new")
        publish(tree, target + b"/g", b"old")
        with pytest.raises(Exists, match="holds something"):
            tree.move(source, tree.stat(source), target, replacing=tree.stat(target))
        os.unlink(target + b"/g")
        tree.move(source, tree.stat(source), target, replacing=tree.stat(target))
        assert names_below(tree, target) == [target, target + b"/f"]

    @pytest.mark.parametrize("verb", ["place", "move"])
    def test_a_directory_is_not_moved_into_itself(self, tree: Filesystem, verb: str) -> None:
        path = tree.root + b"/d"
        publish(tree, path + b"/f")
        with pytest.raises(Invalid, match="into itself"):
            _replacing(tree, verb, path, path + b"/e", None)
        assert names_below(tree, path) == [path, path + b"/f"]

    def test_a_move_leaves_both_directories_their_mtime(self, tree: Filesystem) -> None:
        for name in (b"/a", b"/b"):
            tree.make_directory(tree.root + name, DIRECTORY)
        publish(tree, tree.root + b"/a/f")
        tree.move(tree.root + b"/a/f", tree.stat(tree.root + b"/a/f"), tree.root + b"/b/f")
        assert content_of(tree.root + b"/b/f") == b"content"
        assert {tree.stat(tree.root + name).mtime_ns for name in (b"/a", b"/b")} == {DIRECTORY.mtime_ns}

    # pointers

    def test_every_pointer_is_found_wherever_its_file_is(self, tree: Filesystem) -> None:
        paths = [tree.root + name for name in (b"/d/tree", b"/removed", b"/replaced", b"/parked", b"/unpointed")]
        for path in paths:
            publish(tree, path)
        expected = {point(tree, path) for path in paths[:4]}
        tree.remove(paths[1], tree.stat(paths[1]))
        replace(tree, paths[2], b"new", tree.stat(paths[2]))
        with tree.stage(tree.root + b"/staged") as staged, tree.park(paths[3], tree.stat(paths[3])):
            staged.point(pointer(staged.binding(), uuid=b"staged".ljust(16)))
            assert set(uuids(tree)) == expected | {b"staged".ljust(16)}

    def test_the_pointer_of_a_copy_is_told_too(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f")
        uuid = point(tree, tree.root + b"/f")
        publish(tree, tree.root + b"/copy")
        os.setxattr(tree.root + b"/copy", "trusted.argosy", os.getxattr(tree.root + b"/f", "trusted.argosy"))
        os.unlink(tree.root + b"/f")
        assert uuids(tree) == {uuid: tree.root + b"/copy"}

    def test_an_attribute_that_cannot_be_read_ends_it(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f")
        os.setxattr(tree.root + b"/f", "trusted.argosy", b"\x01broken")
        with pytest.raises(Corrupt, match=r"/f"):
            list(tree.every_pointer())

    def test_pointers_are_read_without_breaking_a_lease(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f")
        uuid = point(tree, tree.root + b"/f")
        with open(tree.root + b"/f", "r+b") as held:
            leases.take(held.fileno(), leases.WRITE)
            assert uuids(tree) == {uuid: tree.root + b"/f"}
            assert leases.standing(held.fileno()) == leases.WRITE

    def test_the_walk_goes_deeper_than_files_may_be_open(self, tree: Filesystem) -> None:
        path = tree.root + b"/ddd" * 1200
        publish(tree, path + b"/f")
        uuid = point(tree, path + b"/f")
        assert uuids(tree) == {uuid: path + b"/f"}
        subprocess.run(["rm", "-r", tree.root + b"/ddd"], check=True)

    # who is quicker

    @pytest.mark.parametrize("change", ["write", "other"])
    @pytest.mark.parametrize("verb", ["remove", "park", "move"])
    def test_what_changes_at_the_last_moment_is_put_back(
        self, tree: Filesystem, monkeypatch: pytest.MonkeyPatch, change: str, verb: str
    ) -> None:
        from argosy.filesystems._posix import versions as taking

        path = tree.root + b"/f"
        publish(tree, path, b"old")
        slip_in(monkeypatch, taking, "noreplace", lambda: interfere(path, change))
        with pytest.raises(Changed):
            _verbs(tree)[verb](path, tree.stat(path))
        assert content_of(path) == LATER[change]
        assert trash(tree) == []
        assert versions(tree) == {}

    @pytest.mark.parametrize("change", ["write", "other", "gone"])
    def test_a_target_that_changes_at_the_last_moment_is_left(
        self, tree: Filesystem, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        from argosy.filesystems._posix import moving as parking

        source, target = tree.root + b"/source", tree.root + b"/target"
        publish(tree, source, b"new")
        publish(tree, target, b"old")
        slip_in(monkeypatch, parking, "exchange", lambda: interfere(target, change))
        with pytest.raises(Changed):
            tree.move(source, tree.stat(source), target, replacing=tree.stat(target))
        assert content_of(source) == b"new"
        assert (content_of(target) if os.path.exists(target) else None) == LATER.get(change)
        assert versions(tree) == {}
        assert moving(tree) == []

    def test_a_directory_that_is_filled_at_the_last_moment_stays(
        self, tree: Filesystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from argosy.filesystems._posix import versions as taking

        path = tree.root + b"/d"
        os.mkdir(path)
        slip_in(monkeypatch, taking, "noreplace", lambda: os.mkdir(path + b"/new"))
        with pytest.raises(Exists):
            tree.remove(path, tree.stat(path))
        assert stat.S_ISDIR(os.lstat(path + b"/new").st_mode)
        assert trash(tree) == []
        assert moving(tree) == []


def slip_in(monkeypatch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], object]) -> None:
    """Have a user act right before the first call of a function, at the worst of moments."""
    real = getattr(module, name)
    calls = itertools.count()

    def late(*arguments: object, **options: object) -> object:
        if next(calls) == 0:
            act()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, late)


def _verbs(tree: Filesystem) -> dict[str, Callable[[bytes, Entry], object]]:
    return {
        "remove": tree.remove,
        "park": tree.park,
        "move": lambda path, seen: tree.move(path, seen, tree.root + b"/moved away"),
    }


def _replacing(tree: Filesystem, verb: str, source: bytes, target: bytes, seen: Entry | None) -> None:
    if verb == "move":
        tree.move(source, tree.stat(source), target, replacing=seen)
        return
    with tree.park(source, tree.stat(source)) as parked:
        parked.place(target, replacing=seen)


def _fail(path: bytes, error: ArgosyError) -> None:
    pytest.fail(f"{path!r}: {error}")
